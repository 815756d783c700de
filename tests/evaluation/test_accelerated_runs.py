"""Whole evaluations by a model's faster form, by its reference, and compiled."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from zsl_bench.baselines.models import random_model
from zsl_bench.cli import main
from zsl_bench.datasets import open_dataset
from zsl_bench.device import Acceleration
from zsl_bench.evaluation import evaluate
from zsl_bench.evaluation.runner import Runner
from zsl_bench.evaluation.settings import Settings, Silent
from zsl_bench.video import ClipSpec

CPU = torch.device("cpu")


@pytest.fixture
def tiny():
    clip = ClipSpec(frames=8, size=32, short_side=36, dtype="float32")
    return random_model(
        network="r2plus1d_tiny", clip=clip, policy="uniform-8", allow_approximate=True
    )


def test_the_faster_form_gives_the_vectors_of_the_reference(tiny, colour_folder, tmp_path):
    manifest = open_dataset("mine", colour_folder)
    runs = {}
    for inference in ("fast", "reference"):
        settings = Settings(inference=inference, workers=0, batch_size=4)
        runner = Runner(tiny, settings, CPU, tmp_path)
        runs[inference] = runner.run(manifest, Silent(), vectors_digest=None)
    fast, reference = (runs[name].vectors.vectors for name in ("fast", "reference"))
    assert fast.shape == (15, 300)
    assert not np.array_equal(fast, reference)
    away = np.linalg.norm(fast - reference, axis=1) / np.linalg.norm(reference, axis=1)
    assert away.max() < 1e-5
    assert runs["fast"].identity == {**runs["reference"].identity, "inference": "fast"}
    assert len(list((tmp_path / "vectors").iterdir())) == 2


def test_a_model_trains_on_after_an_evaluation(tiny, colour_folder):
    evaluate(
        tiny, data={"mine": colour_folder}, protocols="full", workers=0, device="cpu",
        allow_approximate=True,
    )  # fmt: skip
    clips = torch.full((1, 8, 3, 32, 32), 7.0)
    tiny.embed_clips(clips).sum().backward()
    assert tiny.network.backbone.stem[0].weight.grad is not None
    with torch.no_grad():
        tiny.network.head.weight.zero_()
        tiny.network.head.bias.fill_(3)
        assert torch.equal(tiny.embed_clips(clips), torch.full((1, 300), 3.0))


class Small(torch.nn.Module):
    """The colours of a clip through a linear layer."""

    def __init__(self, card):
        super().__init__()
        self.card = card
        self.layer = torch.nn.Linear(3, 3, bias=False)
        self.told = []

    def accelerate(self, options):
        self.told.append(options)

    def embed_classes(self, classes):
        return torch.eye(len(classes), 3)

    def embed_clips(self, clips):
        return self.layer(clips.float().mean(dim=(1, 3, 4)) - 100.0)


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("c++")), reason="no C++ compiler")
@pytest.mark.filterwarnings("default")
def test_a_compiled_evaluation_says_so_and_gives_the_same(colour_model, colour_folder, tmp_path):
    manifest, model = open_dataset("mine", colour_folder), Small(colour_model().card)
    runs = {}
    for compiled in (True, False):
        settings = Settings(compile=compiled, workers=0, batch_size=4)
        runner = Runner(model, settings, CPU, tmp_path)
        runs[compiled] = runner.run(manifest, Silent(), vectors_digest=None)
    assert model.told == [Acceleration(compiled=True), Acceleration()]
    assert runs[True].identity == {**runs[False].identity, "compiled": True}
    np.testing.assert_allclose(
        runs[True].vectors.vectors, runs[False].vectors.vectors, rtol=1e-5, atol=1e-4
    )
    assert len(list((tmp_path / "vectors").iterdir())) == 2


@pytest.mark.parametrize("compiled", [True, False])
def test_only_a_compiled_run_fills_its_batches(colour_model, colour_folder, monkeypatch, compiled):
    asked = []

    def compiling(call, **options):
        asked.append(options)
        return call

    monkeypatch.setattr(torch, "compile", compiling)
    model = colour_model()
    (result,) = evaluate(
        model, data={"mine": colour_folder}, protocols="full", workers=0, device="cpu",
        compile=compiled, batch_size=7,
    )  # fmt: skip
    assert result.identity.get("compiled") == (True if compiled else None)
    assert asked == ([{"dynamic": False, "mode": "default"}] if compiled else [])
    assert (set(model.batches) == {7}) == compiled


def test_the_device_is_made_current_before_the_model_moves(colour_model, monkeypatch):
    order = []
    monkeypatch.setattr("zsl_bench.evaluation.runner.use_device", order.append)
    model = colour_model()
    model.to = lambda device: order.append(device) or model
    Runner(model, Settings(), CPU, None)
    assert order == [CPU, CPU]


@pytest.mark.parametrize(
    ("options", "inference", "compiled"),
    [
        ((), "fast", False),
        (("--inference", "reference"), "reference", False),
        (("--inference", "fast", "--compile"), "fast", True),
    ],
)
def test_the_options_reach_the_settings(colour_folder, monkeypatch, options, inference, compiled):
    seen = []

    def run(_model, **settings):
        seen.append(settings)
        return []

    monkeypatch.setattr("zsl_bench.cli.evaluate.run", run)
    command = ["evaluate", "--model", "e2e-random", "--data", f"mine={colour_folder}", "--json"]
    done = CliRunner().invoke(main, [*command, *options])
    assert done.exit_code == 0, done.output
    (given,) = seen
    fields = {name: given[name] for name in ("inference", "compile")}
    assert fields == {"inference": inference, "compile": compiled}
    assert Settings(**fields).compile is compiled
