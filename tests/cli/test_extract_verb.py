"""``extract`` and ``fit``, and ``evaluate`` on what they wrote."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main

NAMES = {"cooking rice": (200, 30, 30), "painting walls": (30, 200, 30), "washing car": (30, 30, 9)}
EXTRACT = ("extract", "--model", "path:weights", "--data", "mine=videos", "--workers", "0")
EVALUATE = ("evaluate", "--data", "mine=videos", "--workers", "0", "--protocol", "full")


@pytest.fixture
def place(tmp_path, monkeypatch, write_video):
    """A folder with a tiny network and videos of three classes."""
    from zsl_bench.baselines.models import random_model
    from zsl_bench.baselines.weights import save_weights
    from zsl_bench.video import ClipSpec

    spec = ClipSpec(dtype="float32", size=32, short_side=40)
    model = random_model(network="r2plus1d_tiny", clip=spec, policy="paper-2")
    save_weights(model, tmp_path / "weights")
    for name, colour in NAMES.items():
        for number in range(2):
            write_video(tmp_path / "videos" / name / f"{number}.avi", colour, frames=18 + number)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments, status=0):
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == status, done.output
    if status == 1:
        assert done.stderr.count("\n") == 1 or "\nzsl-bench: " in f"\n{done.stderr}"
    return done


def test_the_three_verbs_from_videos_to_a_result(place):
    found = json.loads(run(*EXTRACT, "--out", "clips.safetensors", "--json").stdout)
    assert (found["videos"], found["clips"], found["numbers"]) == (6, 2, 128)
    assert found["output"] == "features"
    assert found["leakage"]["ucf101"]["leak_free"] is True
    fit = json.loads(
        run("fit", "eszsl", "--features", "clips.safetensors", "--set", "visual=1", "--json").stdout
    )
    assert fit["folder"] == "methods/eszsl-clips"
    assert fit["settings"]["visual"] == 1
    assert fit["seen_classes"] == sorted(NAMES)
    for kind in ("method", "path"):
        evaluated = run(
            "evaluate", "--model", f"{kind}:methods/eszsl-clips", "--data", "mine=videos",
            "--workers", "0", "--protocol", "full", "--out", kind, "--json",
        )  # fmt: skip
        (result,) = json.loads(evaluated.stdout)
        about = result["identity"]["model"]
        assert about["settings"]["method"] == "eszsl"
        assert result["identity"]["clip_policy"] == "paper-2"
        assert result["zero_shot"]["headline"].startswith("overlapping")
        assert result["scores"]


def test_what_is_printed_names_what_comes_next(place):
    told = run(*EXTRACT)
    path = "features/mine-path-weights.safetensors"
    assert f"next        zsl-bench fit rr --features {path}" in told.stdout
    assert "pretraining: none, 0 of 101 test classes within 0.05" in told.stdout
    assert "features are the output of features of e2e-random" in told.stderr
    told = run("fit", "rr", "--features", path)
    assert "zsl-bench evaluate --model method:methods/rr-mine-path-weights" in told.stdout
    assert "faithful, inductive" in told.stdout
    assert "a file or folder of that name" in run(*EXTRACT, status=1).stderr


def test_a_backbone_that_is_code_must_be_named(place):
    code = (
        "from zsl_bench.baselines.models import load_from_path\n"
        "from pathlib import Path\n\n\n"
        "def load(options):\n"
        "    Path('ran').write_text('yes')\n"
        "    from dataclasses import replace\n"
        "    return load_from_path(Path('weights'), replace(options, settings={}))\n"
    )
    (place / "mine.py").write_text(code)
    run(*EXTRACT[:2], "path:mine.py", *EXTRACT[3:], "--out", "c")
    run("fit", "rr", "--features", "c")
    (place / "ran").unlink()
    evaluate = (*EVALUATE, "--model", "method:methods/rr-c")
    assert "--set backbone=path:mine.py" in run(*evaluate, status=1).stderr
    assert not (place / "ran").exists()
    run(*evaluate, "--set", "backbone=path:mine.py")
    assert (place / "ran").exists()


def test_a_backbone_that_has_moved_brings_its_own_weights(place):
    run("extract", "--model", "e2e", "--weights", "weights", *EXTRACT[3:], "--out", "c")
    run("fit", "rr", "--features", "c")
    evaluate = (*EVALUATE, "--model", "method:methods/rr-c")
    run(*evaluate)
    (place / "weights").rename(place / "moved")
    assert "weights" in run(*evaluate, status=1).stderr
    run(*evaluate, "--set", "backbone=path:moved")


def test_generalised_only_methods_are_refused(place):
    run(*EXTRACT, "--out", "c")
    told = run("fit", "infdem-gate", "--features", "c", status=1).stderr
    assert "study compared-methods" in told


def test_a_folder_that_names_itself_as_its_backbone_is_refused(place):
    run(*EXTRACT, "--out", "c")
    run("fit", "rr", "--features", "c")
    note = place / "methods" / "rr-c" / "fit.json"
    for reference in ("method:methods/rr-c", "path:methods/rr-c", "py:antigravity:fly"):
        about = json.loads(note.read_text())
        about["backbone"]["reference"] = reference
        note.write_text(json.dumps(about))
        told = run(*EVALUATE, "--model", "method:methods/rr-c", status=1).stderr
        assert "which is code" in told
    shutil.rmtree(place / "methods")
    told = run(*EVALUATE, "--model", "method:methods/rr-c", status=1)
    assert "No such file" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("extract", "--model", "e2e-random", "--data", "ucf101"), 2, "DATASET=PATH"),
        (("extract", "--model", "e2e-randm", "--data", "mine=videos"), 1, "did you mean"),
        ((*EXTRACT, "--against", "ucf11"), 1, "did you mean"),
        (("fit", "rr"), 2, "--features"),
        (("fit", "rr", "--features", "nowhere"), 1, "nowhere"),
    ],
)
def test_errors(place, arguments, status, words):
    assert words in run(*arguments, status=status).stderr
