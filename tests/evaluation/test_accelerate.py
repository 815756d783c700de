"""A model made ready for many batches: told how it runs, measured for its memory, compiled."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from zsl_bench.baselines.baseline import BaselineModel, NetworkConfig
from zsl_bench.baselines.networks import create_network
from zsl_bench.classes import class_set_from_names
from zsl_bench.device import Acceleration, is_accelerating
from zsl_bench.errors import ModelError, ZslBenchError
from zsl_bench.evaluation import evaluate
from zsl_bench.evaluation.accelerate import batch_size_of, forward_of
from zsl_bench.evaluation.batching import Batching, ClipBatcher
from zsl_bench.evaluation.loading import LoadedVideo
from zsl_bench.evaluation.settings import Settings
from zsl_bench.model import ModelCard
from zsl_bench.video import ClipSpec

CPU = torch.device("cpu")
CLASSES = class_set_from_names(("a", "b"), dataset="two", source="here")


def rough(clips):
    """Eight numbers a clip, each row for itself."""
    flat = clips.float().flatten(1)
    return torch.stack([torch.sin(flat * (k + 1)).sum(1) for k in range(8)], dim=1)


class Hooked:
    """A model with a faster form that is off by 1e-6, and that says how it was called."""

    def __init__(self):
        self.card = ModelCard(
            name="hooked",
            clip=ClipSpec(frames=16, size=8, short_side=10),
            policy="first-16",
            revision="1",
            trained_on=(),
            pretrained_on=(),
        )
        self.told, self.calls = [], []

    def to(self, _device):
        self.calls.append("to")
        return self

    def accelerate(self, options):
        self.calls.append("accelerate")
        self.told.append(options)

    def embed_classes(self, classes):
        return torch.eye(len(classes), 8)

    def embed_clips(self, clips):
        self.calls.append("embed")
        return rough(clips)


@pytest.mark.parametrize("inference", ["fast", "reference"])
def test_a_model_with_the_hook_is_told_and_the_identity_says_it(colour_folder, tmp_path, inference):
    model = Hooked()
    (result,) = evaluate(
        model, data={"mine": colour_folder}, protocols="full", workers=0, device="cpu",
        inference=inference, precision="bf16",
    )  # fmt: skip
    assert is_accelerating(model)
    assert model.calls[:2] == ["to", "accelerate"]
    wanted = Acceleration(inference=inference, precision="bf16", device="cpu", compiled=False)
    assert model.told == [wanted]
    assert result.identity.get("inference") == ("fast" if inference == "fast" else None)
    assert "compiled" not in result.identity


def test_a_model_without_the_hook_has_one_identity(colour_model, colour_folder):
    first, second = (
        evaluate(
            colour_model(), data={"mine": colour_folder}, protocols="full", workers=0,
            device="cpu", inference=inference,
        )[0]
        for inference in ("fast", "reference")
    )  # fmt: skip
    assert first.identity == second.identity
    assert "inference" not in first.identity


def test_an_unknown_way_is_one_line():
    with pytest.raises(ZslBenchError, match=r"inference 'fats': no such way; .*fast"):
        Settings(inference="fats")


def test_on_a_cpu_the_batch_is_chosen_without_running_the_model():
    def forward(clips):
        raise AssertionError

    size = batch_size_of(forward, ClipSpec(), precision="fp32", device=CPU)
    assert 1 <= size <= 8


def card_of(monkeypatch, *, per_clip, memory):
    """Let a CUDA card be there that has so much memory; clips stay on the CPU."""
    zeros, taken = torch.zeros, [0]

    def clips(shape, *, dtype, device):
        assert device.type == "cuda"
        taken[0] = shape[0] * per_clip
        if taken[0] > memory:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return zeros(shape, dtype=dtype)

    monkeypatch.setattr(torch, "zeros", clips)
    for name, value in (
        ("synchronize", lambda _device: None),
        ("reset_peak_memory_stats", lambda _device: None),
        ("empty_cache", lambda: None),
        ("memory_allocated", lambda _device: 0),
        ("max_memory_allocated", lambda _device: taken[0]),
        ("get_device_properties", lambda _device: SimpleNamespace(total_memory=memory)),
    ):
        monkeypatch.setattr(torch.cuda, name, value)


@pytest.mark.parametrize(("memory", "size"), [(64, 32), (200, 64), (3, 8), (1.5, 8), (0.5, 8)])
def test_on_a_card_the_batch_is_measured_and_never_refused(monkeypatch, memory, size):
    card_of(monkeypatch, per_clip=2**30, memory=memory * 2**30)
    spec, cuda = ClipSpec(frames=2, size=8, short_side=8), torch.device("cuda")
    assert batch_size_of(rough, spec, precision="fp32", device=cuda) == size


def test_a_model_that_fails_on_a_card_is_one_line(monkeypatch):
    def forward(_clips):
        raise RuntimeError("no kernel\nfor this card")

    card_of(monkeypatch, per_clip=1, memory=2**30)
    spec, cuda = ClipSpec(frames=2, size=8, short_side=8), torch.device("cuda")
    with pytest.raises(ModelError, match=r"measure 1 clips: RuntimeError: no kernel"):
        batch_size_of(forward, spec, precision="fp32", device=cuda)


needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("c++")), reason="no C++ compiler"
)


@needs_compiler
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_compiled_network_gives_the_same_vectors_for_every_batch():
    tiny = BaselineModel(
        create_network("r2plus1d_tiny", seed=0, dim=8),
        config=NetworkConfig(family="e2e", network="r2plus1d_tiny", dim=8),
        card=ModelCard(name="tiny", revision="1", trained_on=(), pretrained_on=()),
    )
    clips = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (6, 8, 3, 32, 32), dtype=np.uint8)
    )
    tiny.accelerate(Acceleration(compiled=True))
    forward = forward_of(tiny, CLASSES, precision="fp32", device=CPU, compiled=True)
    batching = Batching(batch_size=4, device=CPU, padded=True)
    made = ClipBatcher(forward, batching, pooling="mean", keep_clips=True)
    for position in range(2):
        made.add(
            LoadedVideo(
                position=position,
                frames=clips[3 * position : 3 * position + 3].flatten(0, 1),
                slots=torch.arange(24).reshape(3, 8),
                weights=torch.ones(3, dtype=torch.int64),
            )
        )
    found = made.flush()
    vectors = np.concatenate([found[position].clips for position in range(2)])
    with torch.no_grad():
        expected = tiny.network(clips).numpy()
    assert np.linalg.norm(vectors - expected) < 1e-5 * np.linalg.norm(expected)


class Unfit(Hooked):
    """A model whose own code fails."""

    def embed_clips(self, _clips):
        raise TypeError("not for tracing")


@pytest.mark.parametrize("late", [False, True])
def test_a_failure_under_compile_says_what_to_leave_out(monkeypatch, late):
    def no_compiler(*_args, **_more):
        raise RuntimeError("no g++")

    made = (lambda *_args, **_more: no_compiler) if late else no_compiler
    monkeypatch.setattr(torch, "compile", made)
    told = r"compile embed_clips of hooked: RuntimeError: no g\+\+.*; leave --compile out"
    with pytest.raises(ModelError, match=told):
        compiled_forward(Hooked())(torch.zeros(2, 4, 3, 8, 8))


def compiled_forward(model):
    return forward_of(model, CLASSES, precision="fp32", device=CPU, compiled=True)


@pytest.mark.filterwarnings("default")
def test_a_models_own_failure_is_not_laid_on_compiling():
    with pytest.raises(ModelError, match=r"^embed_clips of hooked: TypeError") as caught:
        compiled_forward(Unfit())(torch.zeros(2, 4, 3, 8, 8))
    assert "--compile" not in str(caught.value)
