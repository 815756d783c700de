"""A stranger's package, built and installed beside ours, comes through the same door."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "plugin"
DRIVER = """
import json, sys
from zsl_bench.registry import LoadOptions, installed_models, load_model
listed = {m.name: f"{m.distribution} {m.version}" for m in installed_models()}
from zsl_bench.model_listing import listed_models
(row,) = [row for row in listed_models() if row.model.name == "mean-colour"]
early = sorted({"torch", "zsl_bench_colour"} & set(sys.modules))
model = load_model("mean-colour", options=LoadOptions(allow_approximate=True))
read = all(getattr(row.card, name) == getattr(model.card, name) for name in vars(row.card))
from zsl_bench.testing import check_model
check_model(model)
from zsl_bench.classes import load_class_set
words = model.class_vectors(load_class_set("hmdb51"))
said = {"listed": listed, "early": early, "read": read}
print(json.dumps({**said, "approximate": len(words.approximate_words)}))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("hatchling", reason="building the plug-in needs hatchling")
    target = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(PLUGIN)],
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return target


def test_the_page_shows_this_very_model():
    page = (PLUGIN.parents[1] / "docs" / "plug-in.md").read_text("utf-8")
    code = (PLUGIN / "zsl_bench_colour" / "__init__.py").read_text("utf-8")
    assert code[code.index("import torch") :] in page


def test_it_is_listed_unimported_loaded_and_keeps_every_rule(site):
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRIVER],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert said["listed"]["mean-colour"] == "zsl-bench-colour 0.3.0"
    assert {"e2e", "e2e-random", "frozen"} <= said["listed"].keys()
    assert said["early"] == []
    assert said["read"]
    assert said["approximate"] > 0


def test_it_is_scored_on_real_videos_from_the_command_line(site, tmp_path, write_video):
    for number, name in enumerate(("archery", "bowling", "juggling balls", "playing guitar")):
        write_video(tmp_path / "videos" / name / "one.mp4", (60 * number, 40, 90), frames=20)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "zsl_bench", "evaluate", "--model", "mean-colour"),
            *("--data", "mine=videos", "--policy", "first-16", "--allow-approximate", "--json"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    (result,) = json.loads(run.stdout)
    assert result["identity"]["model"]["name"] == "mean-colour"
    assert result["coverage"]["scored"] == 4
    assert result["complete"]
    assert result["zero_shot"]["headline"] == "disjoint (brattoli2020, 0.05)"
    assert {name.split("@")[0] for name in result["scores"]} == {"half", "full"}
    assert (tmp_path / "results" / result["arrays"]["file"]).is_file()
