"""Evaluation end to end on real video files, with a model whose answers are known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from zsl_bench import comparable, evaluate, load_result
from zsl_bench.datasets import open_dataset
from zsl_bench.errors import DatasetError, ModelError, ProtocolError, VideoError, ZslBenchError
from zsl_bench.evaluation import Silent
from zsl_bench.files import sha256_file

PLUGIN = """
import torch, zsl_bench

class M:
    card = zsl_bench.ModelCard(
        name="m", revision="1", policy="first-16", trained_on=(), pretrained_on=()
    )

    def embed_classes(self, classes):
        return torch.tensor([[len(n), 1.0] for n in classes.names])

    def embed_clips(self, clips):
        return clips.float().mean(dim=(1, 2, 3, 4))[:, None] * torch.tensor([[1.0, 2.0]])

def load():
    return M()
"""


def run(model, folder, out=None, **settings):
    (result,) = evaluate(model, data={"colours": folder}, out=out, workers=0, **settings)
    return result


def test_a_model_that_knows_the_colours_is_right_everywhere(colour_model, colour_folder, tmp_path):
    result = run(colour_model(), colour_folder, tmp_path / "out")
    assert result.complete
    assert result.coverage["scored"] == result.coverage["expected"] == 15
    fingerprint = result.identity["classes"]["fingerprint"][:12]
    assert set(result.scores) == {f"half@{fingerprint}", f"full@{fingerprint}"}
    for scores in result.scores.values():
        assert scores["mean"]["top1"] == 1.0
    assert len(result.scores[f"half@{fingerprint}"]["trials"]) == 10
    assert result.verdict == "disjoint (brattoli2020, 0.05)"


SETTLED = """
from dataclasses import replace
import m_plain

def load(options):
    model = m_plain.M()
    model.source = "hub:org/repo@commit"
    model.card = replace(model.card, settings={"prompts": options.settings.get("prompts", "bare")})
    return model
"""


def test_settings_of_a_model_are_part_of_the_identity(colour_folder, tmp_path, monkeypatch):
    (tmp_path / "m_plain.py").write_text(PLUGIN)
    (tmp_path / "m_settled.py").write_text(SETTLED)
    monkeypatch.syspath_prepend(tmp_path)
    plain = run("py:m_plain:load", colour_folder)
    assert "settings" not in plain.identity["model"]
    by_default = run("py:m_settled:load", colour_folder)
    told = run("py:m_settled:load", colour_folder, model_settings=("prompts=photo-of",))
    assert by_default.identity["model"]["settings"] == {"prompts": "bare"}
    assert told.identity["model"]["settings"] == {"prompts": "photo-of"}
    assert told.identity["model"]["given"] == ["prompts=photo-of"]
    assert told.environment["weights_source"] == "hub:org/repo@commit"
    assert plain.environment["weights_source"] is None
    assert by_default.sha256 != told.sha256
    assert comparable(by_default, told) == (), "two models may stand in one column"


REVISED = """
import torch, zsl_bench
from m_plain import M

class Net(torch.nn.Module):
    card = M.card
    embed_classes = M.embed_classes

    def __init__(self, scale):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(scale))

    def embed_clips(self, clips):
        return M.embed_clips(self, clips) * self.scale

def load():
    from pathlib import Path
    return Net(float(Path("scale.txt").read_text()))
"""


def test_what_a_model_prints_does_not_mix_with_the_result(colour_folder, tmp_path, monkeypatch):
    (tmp_path / "loud.py").write_text("print('hello from import')\n" + PLUGIN)
    monkeypatch.chdir(tmp_path)
    command = ["evaluate", "--model", "path:loud.py", "--data", f"mine={colour_folder}", "--json"]
    ran = subprocess.run(
        [sys.executable, "-m", "zsl_bench", *command, "--workers", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "hello from import" in ran.stderr
    (result,) = json.loads(ran.stdout)
    assert result["environment"]["command"][:4] == ["python", "-m", "zsl_bench", "evaluate"]


def test_weights_that_change_under_one_revision_are_noticed(colour_folder, tmp_path, monkeypatch):
    (tmp_path / "m_plain.py").write_text(PLUGIN)
    (tmp_path / "m_revised.py").write_text(REVISED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    for scale in ("1.0", "-1.0"):
        Path("scale.txt").write_text(scale)
        run("py:m_revised:load", colour_folder, tmp_path / "out")
    saved = [np.load(path)["video_vectors"] for path in sorted((tmp_path / "out").glob("*.npz"))]
    assert len(saved) == 2
    np.testing.assert_array_equal(saved[0], -saved[1])


def test_settings_for_a_loaded_model_are_refused(colour_model, colour_folder):
    with pytest.raises(ModelError, match="a loaded model, and weights or settings"):
        run(colour_model(), colour_folder, model_settings=("prompts=bare",))


def test_a_wrong_answer_costs_what_it_should(colour_model, colour_folder, write_video):
    write_video(colour_folder / "red thing" / "liar.avi", (30, 190, 30))
    result = run(colour_model(), colour_folder, protocols=["full"])
    (scores,) = result.scores.values()
    assert scores["mean"]["top1"] == pytest.approx(15 / 16)
    assert scores["trials"][0]["per_class"]["red thing"] == (4, 0.75)


def test_files_are_whole_and_can_be_scored_again(colour_model, colour_folder, tmp_path):
    out = tmp_path / "out"
    result = run(colour_model(), colour_folder, out)
    path = out / f"{result.stem}.json"
    loaded = load_result(path)
    assert loaded.identity == json.loads(json.dumps(result.identity))
    assert loaded.sha256 == result.sha256
    assert path.name == f"colour--colours--{result.sha256[:12]}.json"
    arrays = out / loaded.arrays["file"]
    assert sha256_file(arrays) == loaded.arrays["sha256"]
    with np.load(arrays, allow_pickle=False) as saved:
        videos, classes = saved["video_vectors"], saved["class_vectors"]
        cosine = (videos / np.linalg.norm(videos, axis=1, keepdims=True)) @ (
            classes / np.linalg.norm(classes, axis=1, keepdims=True)
        ).T
        assert (cosine.argmax(axis=1) == saved["labels"]).all()
        assert saved["video_ids"].tolist() == sorted(saved["video_ids"].tolist())


def test_clips_that_repeat_are_run_once_and_weighted(colour_model, colour_folder):
    model = colour_model()
    run(model, colour_folder)
    # 5 and 18 frames give 1 and 3 different windows of 16, 40 frames give 25 starts 0 to 24.
    assert model.clips_run == 5 * (1 + 3 + 25)


def test_vectors_equal_a_slow_run_of_all_25_clips(colour_model, colour_folder, tmp_path):
    from zsl_bench.video import clip_policy, load_clips

    model = colour_model()
    out = tmp_path / "out"
    result = run(model, colour_folder, out, batch_size=4)
    with np.load(out / result.arrays["file"]) as saved:
        vectors = dict(zip(saved["video_ids"].tolist(), saved["video_vectors"], strict=True))
    policy = clip_policy("paper-25")
    for identifier, vector in vectors.items():
        path = colour_folder / identifier
        clips = load_clips(path, policy, model.card.clip)
        every = clips.frames[policy.indices(clips.total)]
        outputs = [model.embed_clips(torch.from_numpy(clip[None]))[0].numpy() for clip in every]
        assert len(outputs) == 25
        assert vector == pytest.approx(np.mean(outputs, axis=0), rel=1e-5)


def test_a_second_run_decodes_nothing(colour_model, colour_folder, tmp_path):
    out = tmp_path / "out"
    first = run(colour_model(), colour_folder, out, protocols=["full"])
    model = colour_model()
    second = run(model, colour_folder, out, protocols=["half"])
    assert model.clips_run == 0
    assert comparable(first, second) == ("protocols",)


def test_a_changed_video_or_setting_is_run_again(
    colour_model, colour_folder, tmp_path, write_video
):
    out = tmp_path / "out"
    run(colour_model(), colour_folder, out)
    for change in ({"policy": "first-16"}, {"precision": "bf16"}, {"batch_size": 3}):
        model = colour_model()
        run(model, colour_folder, out, **change)
        assert model.clips_run > 0, change
    write_video(colour_folder / "red thing" / "clip0.avi", (9, 9, 200), frames=7)
    model = colour_model()
    assert run(model, colour_folder, out).scores
    assert model.clips_run > 0
    for fields in ({"revision": "2"}, {"name": "other"}, {"pooling": "mean-of-unit"}):
        model = colour_model(**fields)
        run(model, colour_folder, out)
        assert model.clips_run > 0, fields


def test_a_model_without_revision_or_state_is_never_taken_from_the_store(
    colour_model, colour_folder, tmp_path
):
    for _ in range(2):
        model = colour_model(revision=None)
        result = run(model, colour_folder, tmp_path / "out")
        assert model.clips_run > 0
        assert result.identity["model"]["weights"].startswith("source-sha256:")


def test_vectors_of_other_code_under_the_same_revision_are_not_taken(
    colour_folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    results = []
    for version in (PLUGIN, PLUGIN.replace("1.0, 2.0", "2.0, 1.0")):
        (tmp_path / "model.py").write_text(version)
        results.append(run("path:model.py", colour_folder, "out", protocols=["full"]))
    first, second = results
    assert first.sha256 != second.sha256
    assert first.arrays["sha256"] != second.arrays["sha256"]


def test_extra_files_and_notes_are_told_and_kept_in_the_result(colour_model, tmp_path, write_video):
    folder = tmp_path / "hmdb"
    write_video(folder / "wave" / "20060723sfjffbartsinger_wave_f_cm_np1_ba_med_0.avi")
    write_video(folder / "wave" / "_renamed_wave.avi")
    told = []

    class Listener(Silent):
        def note(self, line):
            told.append(line)

    class Hmdb(colour_model):
        def embed_classes(self, classes):
            return torch.arange(3.0 * len(classes)).reshape(-1, 3)

    (result,) = evaluate(
        Hmdb(), data={"hmdb51": folder}, workers=0, allow_partial=True, progress=Listener()
    )
    assert any("extra" in line for line in told), told
    assert len(result.coverage["extra"]) == 1
    assert result.coverage["scored"] == 1


def test_a_run_that_dies_goes_on_where_it_was_and_ends_the_same(
    colour_model, colour_folder, tmp_path, write_video
):
    for number in range(64):
        write_video(colour_folder / "blue thing" / f"more{number}.avi", (20, 20, 180), frames=6)
    whole = run(colour_model(), colour_folder, tmp_path / "whole", batch_size=3)

    mortal = colour_model()
    mortal.dies_after = 100
    with pytest.raises(ModelError, match=r"DiesError \(conftest\.py, line"):
        run(mortal, colour_folder, tmp_path / "out", batch_size=3)
    blocks = list((tmp_path / "out" / "vectors").glob("*/*.npz"))
    assert 50 < len(blocks) < 79
    model = colour_model()
    resumed = run(model, colour_folder, tmp_path / "out", batch_size=3)
    assert 0 < model.clips_run < 130
    assert resumed.sha256 == whole.sha256
    assert resumed.scores == whole.scores
    assert resumed.arrays["sha256"] == whole.arrays["sha256"], "byte-equal vectors"


def test_a_damaged_block_is_run_again(colour_model, colour_folder, tmp_path):
    out = tmp_path / "out"
    first = run(colour_model(), colour_folder, out)
    (block, *_) = sorted((out / "vectors").glob("*/*.npz"))
    block.write_bytes(block.read_bytes()[:100])
    model = colour_model()
    again = run(model, colour_folder, out)
    assert model.clips_run > 0
    assert again.arrays["sha256"] == first.arrays["sha256"]


def test_unreadable_videos_are_an_error_that_names_them(colour_model, colour_folder, tmp_path):
    (colour_folder / "red thing" / "broken.avi").write_bytes(b"no video" * 100)
    out = tmp_path / "out"
    with pytest.raises(VideoError, match=r"1 of 16 videos are unreadable: red thing/broken\.avi"):
        run(colour_model(), colour_folder, out)
    assert not list(out.glob("*.json"))
    model = colour_model()
    result = run(model, colour_folder, out, allow_unreadable=True, protocols=["full"])
    assert model.clips_run == 0, "what was run before is kept"
    (scores,) = result.scores.values()
    assert not result.complete
    assert [u["id"] for u in result.coverage["unreadable"]] == ["red thing/broken.avi"]
    assert scores["mean"]["top1"] == 1.0
    assert scores["trials"][0]["top1_bounds"] == (pytest.approx(15 / 16), 1.0)
    assert scores["trials"][0]["num_classes"] == 5


def test_a_partial_copy_is_an_error_and_then_has_bounds(colour_model, tmp_path, write_video):
    folder = tmp_path / "UCF-101"
    write_video(folder / "Archery" / "v_Archery_g01_c01.avi")
    write_video(folder / "Diving" / "v_Diving_g02_c03.avi")

    class Ucf(colour_model):
        def embed_classes(self, classes):
            return torch.eye(len(classes))[:, : len(classes)]

        def embed_clips(self, clips):
            rows = torch.zeros(len(clips), 101)
            rows[:, 2] = 1.0
            return rows

    with pytest.raises(DatasetError, match="13318 of its 13320 videos are missing"):
        evaluate(Ucf(), data={"ucf101": folder}, workers=0)
    (result,) = evaluate(Ucf(), data={"ucf101": folder}, workers=0, allow_partial=True)
    full = result.scores["brattoli-full"]
    assert not result.complete
    assert full["trials"][0]["num_classes"] == 101
    assert full["mean"]["top1"] == 0.5, "class 2 is Archery"
    assert full["trials"][0]["top1_bounds"] == (
        pytest.approx(1 / 13320),
        pytest.approx(13319 / 13320),
    )
    half = result.scores["brattoli-half"]
    assert half["unscorable"]
    assert len(half["trials"]) == 10
    (custom,) = evaluate(Ucf(), data={"ucf101": folder}, workers=0, restrict_to_present=True)
    assert list(custom.scores) == ["custom"]
    assert custom.scores["custom"]["trials"][0]["num_classes"] == 2
    assert not custom.complete


def test_a_scoring_model_goes_through_the_same_door(colour_model, colour_folder, tmp_path):
    class Scores:
        def __init__(self) -> None:
            self.inner = colour_model()
            self.card = self.inner.card

        def score(self, clips, classes):
            distance = torch.cdist(self.inner.embed_clips(clips), self.inner.embed_classes(classes))
            return -distance

    result = run(Scores(), colour_folder, tmp_path / "out", protocols=["full"])
    (scores,) = result.scores.values()
    assert scores["mean"]["top1"] == 1.0
    with np.load(tmp_path / "out" / result.arrays["file"]) as saved:
        assert saved["scores"].shape == (15, 5)


def test_equal_class_vectors_are_reported_and_never_help(colour_model, colour_folder):
    class Blind(colour_model):
        def embed_classes(self, classes):
            vectors = super().embed_classes(classes)
            vectors[1] = vectors[0]
            return vectors

    result = run(Blind(), colour_folder, protocols=["full"])
    assert len(result.zero_shot["equal_class_vectors"][0]) == 2
    (scores,) = result.scores.values()
    assert scores["mean"]["top1"] == pytest.approx(9 / 15)


def test_workers_give_the_same_bytes(colour_model, colour_folder, tmp_path):
    alone = run(colour_model(), colour_folder, tmp_path / "a")
    (many,) = evaluate(
        colour_model(), data={"colours": colour_folder}, out=tmp_path / "b", workers=2
    )
    assert alone.arrays["sha256"] == many.arrays["sha256"]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("nan clips", "not finite"),
        ("nan classes", "not finite"),
        ("short", r"not \(4, 3\)"),
        ("long rows", r"an output of \(4, 4\), not \(4, 3\)"),
        ("numpy", "a ndarray; return a torch tensor"),
        (
            "raises",
            r"embed_clips of colour: RuntimeError: CUDA out of memory.*one clip on cpu; .*bf16",
        ),
        ("few classes", "array of"),
    ],
)
def test_a_broken_model_is_told_what_is_wrong(colour_model, colour_folder, broken, words):
    class Broken(colour_model):
        def embed_clips(self, clips):
            out = super().embed_clips(clips)
            if broken == "raises":
                raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
            return {
                "nan clips": out * torch.nan,
                "short": out[:-1],
                "long rows": torch.cat([out, out[:, :1]], 1),
                "numpy": out.numpy(),
            }.get(broken, out)

        def embed_classes(self, classes):
            out = super().embed_classes(classes)
            return {"nan classes": out * torch.nan, "few classes": out[:2]}.get(broken, out)

    with pytest.raises(ModelError, match=words):
        run(Broken(), colour_folder)


def test_bad_requests_fail_before_any_video_is_read(colour_model, colour_folder):
    model = colour_model()
    for error, settings in (
        (ProtocolError, {"protocols": ["brattoli-half"]}),
        (ModelError, {"policy": "uniform-8"}),
        (ZslBenchError, {"precision": "fp8"}),
        (ZslBenchError, {"device": "tpu"}),
        (ZslBenchError, {"batch_size": 0}),
    ):
        with pytest.raises(error):
            run(model, colour_folder, **settings)
    for nothing in ({}, str(colour_folder), [colour_folder]):
        with pytest.raises(DatasetError, match="no data set"):
            evaluate(model, data=nothing)
    with pytest.raises(ModelError, match="no ModelCard"):
        run(object(), colour_folder)
    assert model.clips_run == 0


def test_bf16_is_close_to_fp32(colour_model, colour_folder):
    layer = torch.nn.Linear(3, 8)

    class Projected(colour_model):
        def embed_clips(self, clips):
            return layer(super().embed_clips(clips) / 100.0)

        def embed_classes(self, classes):
            return layer(super().embed_classes(classes) / 100.0)

    for precision in ("fp32", "bf16"):
        result = run(Projected(), colour_folder, precision=precision, protocols=["full"])
        assert result.identity["precision"] == precision


def test_nothing_is_written_without_out(colour_model, colour_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(Path().rglob("*"))
    run(colour_model(), colour_folder)
    assert set(Path().rglob("*")) == before


def test_an_unreadable_video_that_was_mended_in_place_is_run(
    colour_model, colour_folder, tmp_path, write_video
):
    out, bad = tmp_path / "out", colour_folder / "grey thing" / "bad.avi"
    good = write_video(tmp_path / "good.avi", (110, 110, 110), frames=18).read_bytes()
    bad.write_bytes(b"x" * len(good))
    stamp = bad.stat()
    first = run(colour_model(), colour_folder, out, allow_unreadable=True)
    assert [u["id"] for u in first.coverage["unreadable"]] == ["grey thing/bad.avi"]
    bad.write_bytes(good)
    os.utime(bad, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    model = colour_model()
    second = run(model, colour_folder, out)
    assert second.complete
    assert second.coverage["scored"] == 16
    assert 0 < model.clips_run < 90, "only the block of that video"


def test_replacing_one_video_runs_only_its_block(
    colour_model, colour_folder, tmp_path, write_video
):
    out = tmp_path / "out"
    run(colour_model(), colour_folder, out)
    write_video(colour_folder / "red thing" / "clip0.avi", (9, 9, 200), frames=7)
    model = colour_model()
    run(model, colour_folder, out)
    assert 0 < model.clips_run < 5 * 29 // 2


def test_all_unreadable_gives_a_result_without_scores_or_one_line(colour_model, tmp_path):
    for name in ("red thing", "blue thing"):
        (tmp_path / "v" / name).mkdir(parents=True)
        (tmp_path / "v" / name / "a.avi").write_text("no video")
    result = run(colour_model(), tmp_path / "v", allow_unreadable=True, protocols="full")
    (scores,) = result.scores.values()
    assert scores["mean"]["top1"] is None
    assert (scores["mean"]["top1_lower"], scores["mean"]["top1_upper"]) == (0.0, 1.0)
    with pytest.raises(DatasetError, match="no class with a readable video"):
        run(colour_model(), tmp_path / "v", allow_unreadable=True, restrict_to_present=True)


def test_restricting_leaves_out_classes_without_a_readable_video(colour_model, colour_folder):
    for path in (colour_folder / "red thing").iterdir():
        path.write_text("no video")
    result = run(colour_model(), colour_folder, allow_unreadable=True, restrict_to_present=True)
    assert result.scores["custom"]["trials"][0]["num_classes"] == 4


def test_other_word_vectors_are_another_run_and_another_verdict(
    colour_model, colour_folder, tmp_path
):
    file = tmp_path / "mine.txt"
    words = ("red", "green", "blue", "grey", "yellow", "thing")
    file.write_text("".join(f"{w} {i + 1} {(i * i) % 7} 1\n" for i, w in enumerate(words)))
    out = tmp_path / "out"
    first = run(colour_model(), colour_folder, out)
    model = colour_model()
    second = run(model, colour_folder, out, vectors=str(file))
    assert model.clips_run > 0, "a model may use word vectors for its clips"
    assert first.sha256 != second.sha256
    assert "options.vectors" in comparable(first, second)
    assert "mine.txt" in second.verdict
    assert "mine.txt" not in first.verdict


def test_a_scoring_models_scores_are_averaged_as_returned(colour_model, colour_folder, tmp_path):
    class Probable:
        card = colour_model(pooling="mean-of-unit", scores="probabilities").card

        def score(self, clips, classes):
            distance = torch.cdist(
                colour_model().embed_clips(clips), colour_model().embed_classes(classes)
            )
            return torch.softmax(-distance / 50, dim=1)

    result = run(Probable(), colour_folder, tmp_path / "out")
    with np.load(tmp_path / "out" / result.arrays["file"]) as saved:
        assert saved["scores"].sum(axis=1) == pytest.approx(np.ones(15), abs=1e-5)


def test_the_same_data_set_twice_and_weights_for_an_object_are_refused(
    colour_model, colour_folder, tmp_path
):
    manifest = open_dataset("mine", colour_folder)
    with pytest.raises(DatasetError, match="twice"):
        evaluate(colour_model(), data={"a": manifest, "b": manifest})
    with pytest.raises(ModelError, match="a loaded model, and weights"):
        run(colour_model(), colour_folder, weights=tmp_path)


def test_spellings_of_a_policy_are_one(colour_model, colour_folder):
    results = [run(colour_model(), colour_folder, policy=p) for p in ("first-16", "first-16s1")]
    assert results[0].sha256 == results[1].sha256
