"""The verb from videos to table: kept clips, class text, errors in one line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main

HEAVY = ("torch", "torchvision", "av", "cv2", "gensim", "scipy", "huggingface_hub", "matplotlib")
MODEL = """
import torch
import zsl_bench

COLOURS = {"red": (200.0, 30.0, 30.0), "green": (30.0, 200.0, 30.0), "blue": (30.0, 30.0, 200.0)}

class Colours:
    card = zsl_bench.ModelCard(
        name="colours", revision="1", trained_on=(), pretrained_on=(),
        clip=zsl_bench.ClipSpec(frames=16, size=32, short_side=40),
    )

    def embed_classes(self, classes):
        rows = []
        for text in classes.labels:
            known = [COLOURS[word] for word in text.split() if word in COLOURS]
            rows.append(known[0] if known else (1.0, 1.0, 1.0))
        return torch.tensor(rows)

    def embed_clips(self, clips):
        return clips.float().mean(dim=(1, 3, 4))

def load():
    return Colours()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_video):
    """Real videos of three classes, run once with their clips kept."""
    place = tmp_path_factory.mktemp("sensitivity")
    for name, colour in {
        "red ball": (200, 30, 30),
        "green ball": (30, 200, 30),
        "blue ball": (30, 30, 200),
    }.items():
        for number, frames in enumerate((18, 40)):
            write_video(place / "videos" / name / f"{number}.avi", colour, frames=frames)
    (place / "model.py").write_text(MODEL)
    return place


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def results(folder):
    done = call(
        "evaluate", "--model", f"path:{folder / 'model.py'}", "--data",
        f"mine={folder / 'videos'}", "--protocol", "full", "--keep-clips", "--workers", "0",
        "--out", folder / "results",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder / "results"


def test_the_table_has_the_baseline_first_and_every_variant(folder, results):
    model = f"path:{folder / 'model.py'}"
    done = call("sensitivity", results, "--model", model)
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    names = [" ".join(line) for line in lines]
    (baseline,) = (i for i, line in enumerate(names) if line.startswith("baseline 100.0"))
    (capitals,) = (i for i, line in enumerate(names) if "spaced capitals" in line)
    assert baseline < capitals
    # "Red Ball" is no word that the model knows: all three classes are one vector and tie.
    assert "0.0 -100.0 'Blue Ball'" in names[capitals]
    assert any(line.startswith("range all 0.0 to 100.0 100.0") for line in names)
    assert any("first clip 100.0 +0.0 1.0 of 14.0 distinct clips" in line for line in names)
    assert "the same text as the baseline" in done.stdout
    assert "fewer than 4 classes" in done.stdout


def test_json_goes_to_stdout_and_to_a_file(folder, results, tmp_path):
    out = tmp_path / "study.json"
    done = call("sensitivity", results, "--json", "--out", out)
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert content == json.loads(out.read_text())
    assert [row["kind"] for row in content["variants"]][:2] == ["baseline", "clips"]
    assert content["result"]["model"] == "colours"


def test_prompts_of_ones_own_are_rows(folder, results, tmp_path):
    (tmp_path / "odd.txt").write_text("un{label}\n")
    done = call(
        "sensitivity", results, "--model", f"path:{folder / 'model.py'}", "--json",
        "--prompts", tmp_path / "odd.txt",
    )  # fmt: skip
    rows = {row["name"]: row for row in json.loads(done.stdout)["variants"]}
    assert rows["odd"]["detail"] == "'unblue ball'"


def test_without_a_model_nothing_heavy_is_imported(results):
    code = (
        "import sys, json\n"
        "from zsl_bench.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print('\\nMODULES', json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "sensitivity", str(results)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = json.loads(done.stdout.rsplit("MODULES ", 1)[1])
    assert not set(HEAVY) & set(loaded)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.json"], "read result file nowhere.json"),
        (["RESULTS", "--protocol", "ful"], "did you mean 'full'"),
        (["RESULTS", "--model", "path:nowhere.py"], "no file or folder nowhere.py"),
        (["RESULTS", "--prompts", "nowhere.json"], "nowhere.json"),
        (["RESULTS", "--model", "e2e-random"], "where the result has 1"),
    ],
)
def test_errors_are_one_line(results, arguments, words):
    done = call("sensitivity", *(results if a == "RESULTS" else a for a in arguments))
    assert done.exit_code == 1
    assert words in done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
