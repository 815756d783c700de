"""Declarations, distractors, seen videos and shared videos in an evaluation of real files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from zsl_bench import evaluate
from zsl_bench.assessment.reload import reload_result
from zsl_bench.classes import class_set_from_names
from zsl_bench.datasets import open_dataset
from zsl_bench.errors import DatasetError, ModelError, ProtocolError

TRAINED = ("red thing", "pink object", "white object")
POINTS = {
    "red thing": (110, -70, -70),
    "green thing": (-70, 90, -70),
    "blue thing": (-70, -70, 100),
    "grey thing": (10, 10, 10),
    "yellow thing": (100, 100, -70),
    "pink object": (100, -50, -50),
    "white object": (100, 100, 60),
}


@pytest.fixture
def trained_model(colour_model):
    """Knows the test colours and two of training; a red video lies nearer to pink than to red."""

    class Trained(colour_model):
        def embed_classes(self, classes):
            names = [name.rpartition("/")[2] for name in classes.names]
            return torch.tensor([POINTS[name] for name in names]).float()

    mine = class_set_from_names(TRAINED, dataset="mine", source="test")
    return Trained(trained_on=mine, pretrained_on=())


def run(model, folder, **settings):
    (result,) = evaluate(model, data={"colours": folder}, workers=0, policy="first-16", **settings)
    return result


def scores_of(result, name):
    return next(entry for key, entry in result.scores.items() if key.startswith(name))


def test_open_label_costs_what_the_training_classes_take(trained_model, colour_folder, tmp_path):
    result = run(trained_model, colour_folder, protocols=["full", "open"], out=tmp_path)
    closed, opened = scores_of(result, "full@"), scores_of(result, "open@")
    assert opened["distractors"] == ["mine/pink object", "mine/white object"]
    assert closed["mean"]["top1"] == 1.0
    with np.load(tmp_path / f"{result.stem}.npz") as arrays:
        vectors, labels = arrays["video_vectors"], arrays["labels"]
        names = [*arrays["classes"].tolist(), *arrays["distractors"].tolist()]
    points = np.array([POINTS[name.rpartition("/")[2]] for name in names], dtype=float)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    best = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) @ points.T
    right = best.argmax(axis=1) == labels
    assert opened["mean"]["top1"] == right.mean() < 1.0
    assert result.verdict.startswith("overlapping")
    groups = opened["contamination"][0]["mean"]
    assert groups["overlapping"]["all_candidates"]["num_videos"] == 3
    assert groups["clean"]["own_candidates"]["num_candidates"] == 4
    back = reload_result(tmp_path / f"{result.stem}.json")
    assert back.evidence.declared_distractors == ("mine/pink object", "mine/white object")


def test_an_undeclared_model_has_no_distractors(colour_model, colour_folder):
    silent = colour_model(trained_on=None, pretrained_on="open")
    with pytest.raises(ProtocolError, match="declare them with --trained-on"):
        run(silent, colour_folder, protocols="open")
    known = run(silent, colour_folder, protocols="full", trained_on=("none",))
    assert known.zero_shot["declared_by_user"] == ["trained_on"]
    assert known.verdict.startswith("undeclared")
    with pytest.raises(ModelError, match="leave --pretrained-on out"):
        run(silent, colour_folder, protocols="full", pretrained_on=("none",))


def test_declaring_does_not_run_the_videos_again(colour_model, colour_folder, tmp_path):
    model = colour_model(trained_on=None)
    first = run(model, colour_folder, out=tmp_path)
    before = model.clips_run
    (tmp_path / "mine.txt").write_text("red thing\n")
    second = run(model, colour_folder, out=tmp_path, trained_on=(str(tmp_path / "mine.txt"),))
    assert model.clips_run == before
    assert (first.verdict.split()[0], second.verdict.split()[0]) == ("undeclared", "overlapping")
    assert first.sha256 != second.sha256


def test_the_harmonic_mean_of_an_evaluation(trained_model, tmp_path, write_video):
    ucf = {"Archery": (200, 60, 60), "Diving": (60, 180, 60)}
    for name, colour in ucf.items():
        for clip in (1, 2):
            number = list(ucf).index(name) + 1
            write_video(
                tmp_path / "ucf" / name / f"v_{name}_g0{number}_c0{clip}.avi", colour, frames=17
            )
    for name, colour in (("pink object", (210, 60, 60)), ("red thing", (220, 20, 20))):
        write_video(tmp_path / "held" / name / "one.mp4", colour, frames=17)

    class Wide(type(trained_model)):
        def embed_classes(self, classes):
            table = {"Archery": (100, -40, -40), "Diving": (-40, 80, -40), **POINTS}
            tails = [name.rpartition("/")[2] for name in classes.names]
            return torch.tensor([table.get(name, (-90, -90, -80)) for name in tails]).float()

    model = Wide(trained_on=trained_model.card.trained_on, pretrained_on=())
    settings = {"data": {"ucf101": tmp_path / "ucf"}, "allow_partial": True, "workers": 0}
    with pytest.raises(DatasetError, match="--seen"):
        evaluate(model, protocols="gzsl", policy="first-16", **settings)
    with pytest.raises(DatasetError, match="no protocol that takes them"):
        evaluate(model, protocols="2", seen={"held": tmp_path / "held"}, **settings)
    (result,) = evaluate(
        model,
        protocols="gzsl",
        policy="first-16",
        seen={"held": tmp_path / "held"},
        out=tmp_path / "out",
        **settings,
    )
    figures = result.scores["gzsl"]["generalised"]
    unseen, seen = figures["unseen_accuracy"], figures["seen_accuracy"]
    assert result.coverage["seen_videos"] == {"scored": 2, "merged": 0, "unreadable": []}
    assert figures["harmonic_mean"] == pytest.approx(
        2 * unseen * seen / (unseen + seen) if unseen + seen else 0.0
    )
    again = reload_result(tmp_path / "out" / f"{result.stem}.json")
    assert again.evidence.seen.video_ids == tuple(sorted(again.evidence.seen.video_ids))
    assert len(again.evidence.seen.classes) == 101 + 3


def test_seen_videos_of_undeclared_classes_are_refused(trained_model, colour_folder, tmp_path):
    held = tmp_path / "held" / "purple object"
    held.mkdir(parents=True)
    shutil.copy(next((colour_folder / "red thing").iterdir()), held / "one.avi")
    with pytest.raises(ProtocolError, match="recipe"):
        run(trained_model, colour_folder, protocols="gzsl", seen={"held": tmp_path / "held"})


def test_clips_are_kept_when_asked(colour_model, colour_folder, tmp_path):
    result = evaluate(
        colour_model(), data={"colours": colour_folder}, workers=0, out=tmp_path, keep_clips=True
    )[0]
    back = reload_result(tmp_path / f"{result.stem}.json")
    counts, weights = back.clips.counts, back.clips.weights
    assert int(counts.sum()) == len(weights) == len(back.clips.vectors.stacked())
    ends = np.cumsum(counts)
    for video, (end, count) in enumerate(zip(ends, counts, strict=True)):
        part = slice(end - count, end)
        mean = np.average(back.clips.vectors.stacked()[part], axis=0, weights=weights[part])
        np.testing.assert_allclose(mean, back.video_vectors[video], rtol=1e-5)


def test_training_videos_in_the_test_set_are_named(colour_model, colour_folder, tmp_path):
    train = tmp_path / "train" / "red thing"
    train.mkdir(parents=True)
    source = colour_folder / "red thing" / "clip1.avi"
    shutil.copy(source, train / "another-name.avi")
    open_dataset("train", tmp_path / "train").save(tmp_path / "train.json")
    result = run(colour_model(), colour_folder, train_manifest=tmp_path / "train.json")
    shared = result.zero_shot["shared_videos"]
    assert [row["train"] for row in shared["contents"]] == [["red thing/another-name.avi"]] or (
        len(shared["contents"]) == 1
    )
    assert len(shared["test_rows"]) == 1
    assert Path(shared["test_rows"][0]).name.startswith("clip1")


def test_words_can_be_chosen(colour_model, colour_folder):
    result = run(colour_model(), colour_folder, words="plain")
    assert result.identity["classes"]["rules"] == "plain"
    assert result.verdict == "disjoint (plain, 0.05)"


def test_an_unreadable_held_out_video_is_told_and_changes_the_identity(
    trained_model, tmp_path, write_video
):
    for clip in (1, 2):
        write_video(tmp_path / f"ucf/Archery/v_Archery_g01_c0{clip}.avi", frames=17)
    held = write_video(tmp_path / "held/pink object/one.mp4", (210, 60, 60), frames=17)
    other = write_video(tmp_path / "held/pink object/two.mp4", (210, 60, 60), frames=17)

    class Wide(type(trained_model)):
        def embed_classes(self, classes):
            points = torch.arange(3.0 * len(classes)).reshape(-1, 3)
            return points - points.mean()

    def result():
        return evaluate(
            Wide(trained_on=trained_model.card.trained_on, pretrained_on=()),
            data={"ucf101": tmp_path / "ucf"},
            seen={"held": tmp_path / "held"},
            protocols="gzsl",
            policy="first-16",
            workers=0,
            allow_partial=True,
            allow_unreadable=True,
        )[0]

    whole = result()
    other.write_bytes(held.read_bytes()[:200])
    broken = result()
    assert whole.coverage["seen_videos"]["unreadable"] == []
    (told,) = broken.coverage["seen_videos"]["unreadable"]
    assert told["id"].endswith("two.mp4")
    assert not broken.complete
    assert whole.sha256 != broken.sha256
