"""A weights folder, results of it, and the verbs that publish it and fetch it again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from click.testing import CliRunner

from zsl_bench.baselines.models import random_model
from zsl_bench.baselines.weights import save_weights
from zsl_bench.classes import class_set_from_names
from zsl_bench.cli import main
from zsl_bench.evaluation import evaluate
from zsl_bench.video import ClipSpec
from zsl_bench.wordvectors import load_word_vectors

TOKEN = "hf_" + "Secret0" * 5
CLIP = ClipSpec(size=32, short_side=36, frames=8)


def save_folder(place, seed, *, vectors=None, **card):
    model = random_model(network="r2plus1d_tiny", seed=seed, clip=CLIP, policy="paper-2x8")
    model.vectors = vectors or load_word_vectors(words=())
    seen = class_set_from_names(["folding napkins", "milking cow"], dataset="mine", source="here")
    model.card = replace(model.card, **{"name": "tiny", "trained_on": (seen,), **card})
    return save_weights(model, place, training={"vectors": {"digest": model.vectors.digest}})


@pytest.fixture
def make_folder():
    return save_folder


@pytest.fixture(scope="session")
def made(tmp_path_factory, write_video):
    """A weights folder, videos, a result of it and one of other weights."""
    place = tmp_path_factory.mktemp("published")
    for number, name in enumerate(("archery", "diving", "juggling balls", "fencing")):
        write_video(place / "videos" / name / "one.mp4", (60 * number, 60, 9), frames=9)
    folders = {"weights": 1, "other": 2}
    results = {}
    for name, seed in folders.items():
        folder = save_folder(place / name, seed)
        (results[name],) = evaluate(
            f"path:{folder}", data={"toys": place / "videos"}, out=place / f"{name}-results",
            workers=0, device="cpu",
        )  # fmt: skip
    return place, results


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made[0] / "weights", tmp_path / "weights")


@pytest.fixture
def result(made):
    place, results = made
    return place / "weights-results" / f"{results['weights'].stem}.json"


@pytest.fixture
def writer(local_hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    local_hub.writers.add(TOKEN)
    return local_hub


def invoke(*arguments):
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert TOKEN not in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture
def run():
    """Run a verb in this process; no token is in what it prints."""
    return invoke


@pytest.fixture
def push():
    """Push, and return what the verb says as JSON."""

    def pushed(*arguments):
        done = invoke("push", *arguments, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return pushed


@pytest.fixture
def refused():
    """Run a verb that is to refuse, and return its one line."""

    def line_of(*arguments):
        done = invoke(*arguments)
        assert done.exit_code == 1, done.output
        lines = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
        assert len(lines) == 1 or "files, " in lines[0]
        return lines[-1]

    return line_of
