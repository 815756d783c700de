"""Features scored without a model, against scores counted by hand and against an evaluation."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from zsl_bench import comparable, load_class_set, load_result
from zsl_bench.assessment.given import score_features
from zsl_bench.assessment.reload import rescore
from zsl_bench.classes import class_set_from_names
from zsl_bench.datasets import official_list
from zsl_bench.errors import ClassSetError, DatasetError, ModelError, ProtocolError, ResultError
from zsl_bench.wordvectors import class_vectors

UCF = load_class_set("ucf101")


def given(path, **settings):
    return score_features(path, "ucf101", **{"allow_partial": True, **settings})


def cosines(videos, classes):
    """One at a time, in plain Python numbers."""
    table = []
    for video in videos.astype(float).tolist():
        row = []
        for point in classes.astype(float).tolist():
            dot = sum(a * b for a, b in zip(video, point, strict=True))
            sizes = sum(a * a for a in video) ** 0.5 * sum(b * b for b in point) ** 0.5
            row.append(dot / sizes)
        table.append(row)
    return table


def test_accuracies_equal_a_count_by_hand(tmp_path, write_features):
    path = write_features(tmp_path / "f.npz", noise=1.3)
    result = given(path, protocols=["2", "truze-v2"])
    arrays = np.load(path)
    scores = cosines(arrays["video_vectors"], arrays["class_vectors"])
    labels = arrays["labels"].tolist()
    for name, entry in result.scores.items():
        chosen = [UCF.index(c) for c in entry["classes"][0]]
        rows = [i for i, label in enumerate(labels) if label in chosen]
        right = [
            all(scores[i][labels[i]] > scores[i][c] for c in chosen if c != labels[i]) for i in rows
        ]
        assert entry["mean"]["top1"] == pytest.approx(sum(right) / len(rows), abs=1e-12), name
        assert entry["trials"][0]["num_videos"] == len(rows)


def test_a_score_matrix_gives_the_same_as_the_vectors(tmp_path, write_features):
    path = write_features(tmp_path / "f.npz")
    arrays = dict(np.load(path))
    scores = np.array(cosines(arrays.pop("video_vectors"), arrays.pop("class_vectors")))
    np.savez(tmp_path / "s.npz", scores=scores.T, **arrays)
    by_vectors, by_scores = given(path), given(tmp_path / "s.npz")
    for name, entry in by_vectors.scores.items():
        assert by_scores.scores[name]["mean"] == entry["mean"]
        assert by_scores.scores[name]["uncertainty"] == entry["uncertainty"]
    assert "class_vectors.kind" in comparable(by_vectors, by_scores)


def test_features_without_class_vectors_are_scored_against_words(tmp_path):
    official = official_list("ucf101")
    ids = sorted(official.videos)[::60]
    words = class_vectors(UCF, allow_approximate=True).matrix
    labels = [UCF.index(official.videos[i].label) for i in ids]
    np.savez(tmp_path / "w.npz", ids=np.array(ids), video_vectors=words[labels])
    with pytest.raises(ResultError.__mro__[1], match="--allow-approximate"):
        given(tmp_path / "w.npz")
    result = given(tmp_path / "w.npz", allow_approximate=True)
    assert result.scores["brattoli-full"]["mean"]["top1"] == 1.0
    assert result.zero_shot["approximate_words"]
    plain = given(tmp_path / "w.npz", allow_approximate=True, words="plain")
    assert plain.identity["classes"]["rules"] == "plain"
    assert plain.verdict.endswith("(plain, 0.05)")
    assert plain.scores["brattoli-full"]["mean"]["top1"] < 1.0
    np.savez(tmp_path / "n.npz", ids=np.array(ids), video_vectors=words[labels][:, :299])
    with pytest.raises(ResultError, match=r"299 numbers .* add class_vectors"):
        given(tmp_path / "n.npz", allow_approximate=True)


def test_what_is_declared_is_in_the_verdict_and_beside_every_accuracy(tmp_path, write_features):
    path = write_features(tmp_path / "f.npz")
    silent = given(path)
    assert silent.verdict.startswith("undeclared")
    seen = given(path, trained_on=("kinetics400",), pretrained_on=("none",))
    assert seen.verdict.startswith("overlapping")
    assert len(seen.zero_shot["rules"][0]["seen"]) == 27
    assert seen.zero_shot["declared_by_user"] == ["trained_on", "pretrained_on"]
    assert given(path, trained_on=("tp1",), pretrained_on=("none",)).verdict.startswith("disjoint")
    for entry in seen.scores.values():
        rules = [part["rule"] for part in entry["contamination"]]
        assert rules == [rule["rule"] for rule in seen.zero_shot["rules"]]
        clean, overlapping = (
            entry["contamination"][0]["mean"][group]["all_candidates"]["num_videos"]
            for group in ("clean", "overlapping")
        )
        videos = np.mean([trial["num_videos"] for trial in entry["trials"]])
        assert clean + overlapping == pytest.approx(videos)


def test_missing_videos_follow_the_one_rule(tmp_path, write_features):
    path = write_features(tmp_path / "f.npz")
    with pytest.raises(DatasetError, match=r"12987 of its 13320 videos are missing.*--allow-parti"):
        given(path, allow_partial=False)
    partial = given(path)
    assert not partial.complete
    figures = partial.scores["brattoli-full"]["mean"]
    right = round(figures["top1"] * 333)
    assert figures["top1_lower"] == right / 13320
    assert figures["top1_upper"] == (right + 12987) / 13320
    restricted = given(path, allow_partial=False, restrict_to_present=True)
    assert list(restricted.scores) == ["custom"]
    assert not restricted.complete


def test_open_label_puts_the_training_classes_beside_the_test_classes(tmp_path, write_features):
    path = write_features(tmp_path / "f.npz", noise=0.8)
    arrays = dict(np.load(path))
    mine = class_set_from_names(["archery", "folding napkins"], dataset="mine", source="test")
    assert UCF.find("archery") == "Archery"
    (tmp_path / "mine.txt").write_text("\n".join(mine.names))
    declared = {"trained_on": (str(tmp_path / "mine.txt"),), "pretrained_on": ("none",)}
    with pytest.raises(ProtocolError, match="--trained-on"):
        given(path, protocols="open-label")
    with pytest.raises(ClassSetError, match=r"1 of 1 candidates .* mine/folding napkins"):
        given(path, protocols="open-label", **declared)
    confusing = arrays["video_vectors"][3]
    arrays["classes"] = np.array([*UCF.names, "mine/folding napkins"])
    arrays["class_vectors"] = np.concatenate([arrays["class_vectors"], confusing[None]])
    np.savez(tmp_path / "open.npz", **arrays)
    result = given(tmp_path / "open.npz", protocols=["2", "open-label"], **declared)
    entry = result.scores["open-label"]
    assert entry["distractors"] == ["mine/folding napkins"]
    assert entry["trials"][0]["num_classes"] == 102
    scores = np.array(cosines(arrays["video_vectors"], arrays["class_vectors"]))
    own = scores[np.arange(len(scores)), arrays["labels"]]
    right = (scores >= own[:, None]).sum(axis=1) == 1
    assert entry["mean"]["top1"] == pytest.approx(right.mean())
    assert entry["mean"]["top1"] < result.scores["brattoli-full"]["mean"]["top1"]


def test_the_harmonic_mean_needs_and_takes_seen_videos(tmp_path, write_features):
    path = write_features(tmp_path / "f.npz", noise=0.8)
    arrays = dict(np.load(path))
    rng = np.random.default_rng(3)
    seen = rng.normal(size=(2, 24)).astype(np.float32)
    arrays["classes"] = np.array([*UCF.names, "folding napkins", "milking cow"])
    arrays["class_vectors"] = np.concatenate([arrays["class_vectors"], seen])
    np.savez(tmp_path / "open.npz", **arrays)
    (tmp_path / "mine.txt").write_text("folding napkins\nmilking cow\narchery\n")
    truth = np.array([0, 0, 0, 1, 1, 2])
    names = np.array(["folding napkins", "milking cow", "archery"])[truth]
    vectors = np.concatenate([seen, seen[:1]])[truth] + 0.9 * rng.normal(size=(6, 24))
    np.savez(tmp_path / "seen.npz", labels=names, video_vectors=vectors.astype(np.float32))
    settings = {
        "protocols": "gzsl",
        "trained_on": (str(tmp_path / "mine.txt"),),
        "pretrained_on": ("none",),
    }
    with pytest.raises(DatasetError, match="--seen"):
        given(tmp_path / "open.npz", **settings)
    result = given(tmp_path / "open.npz", seen=tmp_path / "seen.npz", out=tmp_path, **settings)
    figures = result.scores["gzsl"]["generalised"]

    def per_class(videos, labels):
        table = np.array(cosines(videos, arrays["class_vectors"]))
        own = table[np.arange(len(table)), labels]
        right = (table >= own[:, None]).sum(axis=1) == 1
        return np.mean([right[labels == c].mean() for c in np.unique(labels)])

    a_u = per_class(arrays["video_vectors"], arrays["labels"])
    a_s = per_class(vectors[:5].astype(np.float32), truth[:5] + 101)
    assert figures["unseen_accuracy"] == pytest.approx(a_u)
    assert figures["seen_accuracy"] == pytest.approx(a_s)
    assert figures["harmonic_mean"] == pytest.approx(2 * a_s * a_u / (a_s + a_u))
    assert result.coverage["seen_videos"] == {"scored": 5, "merged": 1, "unreadable": []}
    np.savez(tmp_path / "odd.npz", labels=np.array(["ironing"]), video_vectors=vectors[:1])
    with pytest.raises(DatasetError, match="does not declare: ironing"):
        given(tmp_path / "open.npz", seen=tmp_path / "odd.npz", **settings)


def test_the_fair_30_stand_beside_each_other(tmp_path, write_features):
    path = write_features(tmp_path / "f.npz", every=5)
    arrays = dict(np.load(path))
    with pytest.raises(ClassSetError, match="22 of 22 candidates"):
        given(path, protocols="fair-30")
    from zsl_bench.protocols import resolve_protocol

    others = resolve_protocol("fair-30", UCF).trials[0].distractors
    rng = np.random.default_rng(1)
    arrays["classes"] = np.array([*UCF.names, *others])
    extra = rng.normal(size=(len(others), 24)).astype(np.float32)
    arrays["class_vectors"] = np.concatenate([arrays["class_vectors"], extra])
    np.savez(tmp_path / "fair.npz", **arrays)
    entry = given(tmp_path / "fair.npz", protocols="fair-30").scores["fair-30"]
    assert entry["trials"][0]["num_classes"] == 30
    assert len(entry["classes"][0]) == 8


def test_a_file_is_written_that_reads_back(tmp_path, write_features):
    path = write_features(tmp_path / "f.npz")
    result = given(path, out=tmp_path / "out", name="my/odd model?")
    stored = load_result(tmp_path / "out" / f"{result.stem}.json")
    assert json.loads(json.dumps(result.to_json())) == stored.to_json()
    assert comparable(result, stored) == ()
    again = given(path, out=tmp_path / "out", name="my/odd model?")
    assert again.sha256 == result.sha256
    renamed = write_features(tmp_path / "g.npz", noise=2.0)
    other = given(renamed, name="other")
    unknown = tuple(f"{n} (unknown)" for n in ("clip_policy", "decoder", "precision", "resizer"))
    assert comparable(result, other) == unknown
    assert comparable(result, given(path, name="other")) == ()


def test_a_card_that_speaks_is_not_overruled():
    from zsl_bench.assessment.sight import declare
    from zsl_bench.verdict import Declared

    with pytest.raises(ModelError, match="leave --trained-on out"):
        declare(Declared(trained_on=()), trained_on=("open",), pretrained_on=(), of="m")


def test_scoring_loads_no_torch(tmp_path, write_features):
    write_features(tmp_path / "f.npz")
    code = (
        "import sys\nfrom zsl_bench.cli import main\n"
        "try:\n    main(['score', 'f.npz', '--dataset', 'ucf101', '--allow-partial'])\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "assert not [m for m in ('torch', 'torchvision', 'av', 'cv2') if m in sys.modules]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "brattoli-full" in done.stdout


def test_segments_that_overlap_are_counted_with_and_without(tmp_path):
    anet = load_class_set("activitynet200")
    segments = {
        "aaaaaaaaaa1": [("Archery", 0, 10), ("Archery", 20, 30)],
        "bbbbbbbbbb2": [("Long jump", 0, 10), ("High jump", 5, 20), ("Long jump", 50, 60)],
    }
    database = {
        name: {
            "duration": 90.0,
            "subset": "training",
            "annotations": [{"label": label, "segment": [a, b]} for label, a, b in rows],
        }
        for name, rows in segments.items()
    }
    (tmp_path / "anet.json").write_text(
        json.dumps({"database": database, "taxonomy": [], "version": "VERSION 1.3"})
    )
    truth = [anet.index(label) for rows in segments.values() for label, _, _ in rows]
    points = np.eye(200)
    predicted = points[[truth[0], truth[1], truth[3], truth[3], truth[4]]]
    ids = [f"v_{name}_{i:03d}" for name, rows in segments.items() for i in range(len(rows))]
    np.savez(
        tmp_path / "a.npz",
        video_ids=np.array(ids),
        video_vectors=predicted,
        class_vectors=points,
        classes=np.array(anet.names),
    )
    settings = {"annotations": tmp_path / "anet.json", "allow_partial": True}
    result = score_features(tmp_path / "a.npz", "activitynet200", out=tmp_path, **settings)
    assert result.identity["manifest"]["videos"] == "anet13-segments-v1"
    entry = result.scores["brattoli-full"]
    assert entry["mean"]["top1"] == 4 / 5
    alone = entry["without_overlapping_segments"]
    assert (alone["segments_left_out"], alone["top1"]) == (2, 1.0)
    assert result.coverage["overlapping_segments"] == 2
    again = rescore(tmp_path / f"{result.stem}.json")
    assert again.scores["brattoli-full"]["without_overlapping_segments"] == alone
    with pytest.raises(ProtocolError, match="anet13-video"):
        score_features(tmp_path / "a.npz", "activitynet200", protocols="wu-half", **settings)
