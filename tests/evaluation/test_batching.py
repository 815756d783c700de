"""Batches of clips: values and order as of one clip at a time, memory that runs out, compiling."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.baselines.baseline import BaselineModel, NetworkConfig
from zsl_bench.baselines.networks import create_network
from zsl_bench.classes import class_set_from_names
from zsl_bench.device import Accelerates, Acceleration
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


def video(position, clips, seed, *, length=4, side=3):
    random = np.random.default_rng(seed)
    unique = clips + length - 1
    return LoadedVideo(
        position=position,
        frames=torch.from_numpy(random.integers(0, 256, (unique, 3, side, side), dtype=np.uint8)),
        slots=torch.from_numpy(random.integers(0, unique, (clips, length))),
        weights=torch.from_numpy(random.integers(1, 4, clips)),
    )


def rough(clips):
    """Eight numbers a clip, each row for itself."""
    flat = clips.float().flatten(1)
    return torch.stack([torch.sin(flat * (k + 1)).sum(1) for k in range(8)], dim=1)


def one_by_one(videos, pooling):
    """Embed each clip by itself; weigh, sum and divide as the page on scores says."""
    pooled = {}
    for each in videos:
        total, weights = np.zeros(8), each.weights.double().numpy()
        for slots, weight in zip(each.slots, weights, strict=True):
            row = rough(torch.stack([each.frames[i] for i in slots])[None])[0].double().numpy()
            if pooling == "mean-of-unit":
                row = row / np.sqrt((row**2).sum())
            total += weight * row
        pooled[each.position] = total / weights.sum()
    return pooled


class Short:
    """Runs out of memory above a number of clips, in one of the ways that there are."""

    def __init__(self, most, error):
        self.most, self.error, self.sizes = most, error, []

    def __call__(self, clips):
        self.sizes.append(len(clips))
        if len(clips) > self.most:
            raise self.error
        return rough(clips)


ERRORS = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:75] . DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
)


def batcher(forward, size, **more):
    fields = {key: more.pop(key) for key in ("padded", "note") if key in more}
    batching = Batching(batch_size=size, device=CPU, **fields)
    return ClipBatcher(forward, batching, **{"pooling": "mean", **more})


@settings(deadline=None, max_examples=40)
@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    size=st.integers(1, 8),
    padded=st.booleans(),
    pooling=st.sampled_from(["mean", "mean-of-unit"]),
    seed=st.integers(0, 999),
)
def test_every_batch_size_gives_what_one_clip_at_a_time_gives(counts, size, padded, pooling, seed):
    videos = [video(position, n, seed + position) for position, n in enumerate(counts)]
    made = batcher(rough, size, padded=padded, pooling=pooling, keep_clips=True)
    for each in videos:
        made.add(each)
    found, expected = made.flush(), one_by_one(videos, pooling)
    assert list(found) == sorted(expected)
    for position, vector in expected.items():
        np.testing.assert_allclose(found[position].vector, vector, rtol=1e-5, atol=1e-5)
        assert len(found[position].clips) == counts[position]
    assert made.flush() == {}


def test_batches_are_bit_for_bit_those_of_a_plain_loop():
    videos = [video(position, n, position) for position, n in enumerate((3, 7, 1, 5, 6))]
    clips = torch.cat([torch.stack([v.frames[s] for s in v.slots]) for v in videos])
    rows = torch.cat([rough(part) for part in clips.split(4)])
    made = batcher(rough, 4, keep_clips=True)
    for each in videos:
        made.add(each)
    found = made.flush()
    kept = np.concatenate([found[position].clips for position in range(5)])
    np.testing.assert_array_equal(kept, rows.numpy())


def test_a_padded_batch_always_has_the_full_size():
    sizes = []

    def forward(clips):
        sizes.append(len(clips))
        return rough(clips)

    made = batcher(forward, 4, padded=True)
    made.add(video(0, 6, 0))
    assert made.flush()[0].vector.shape == (8,)
    assert sizes == [4, 4]


def test_a_model_that_writes_every_output_to_one_place_is_read_in_time():
    place = torch.zeros(4, 8)

    def forward(clips):
        if len(clips) > 1:
            raise MemoryError
        return place[: len(clips)].copy_(rough(clips))

    videos = [video(position, 3, position) for position in range(3)]
    made = batcher(forward, 4)
    for each in videos:
        made.add(each)
    found = made.flush()
    for position, vector in one_by_one(videos, "mean").items():
        np.testing.assert_allclose(found[position].vector, vector, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("most", [1, 3])
def test_memory_that_runs_out_halves_the_batches_and_is_told_once(error, padded, most):
    videos = [video(position, n, position) for position, n in enumerate((3, 9, 2, 11))]
    told, short = [], Short(most, error)
    made = batcher(short, 8, padded=padded, note=told.append)
    for each in videos:
        made.add(each)
    found = made.flush()
    for position, vector in one_by_one(videos, "mean").items():
        np.testing.assert_allclose(found[position].vector, vector, rtol=1e-5, atol=1e-5)
    assert len(told) == 1
    assert "a batch of 8 clips is too large" in told[0]
    fits = 2 if most == 3 else 1
    assert short.sizes[:4] == [8, 4, 2, 2 if fits == 2 else 1]
    assert max(short.sizes[4:]) == fits


def test_memory_that_one_clip_exceeds_is_one_line():
    made = batcher(Short(0, MemoryError()), 4)
    with pytest.raises(
        ModelError, match=r"run the model: out of memory, with one clip on cpu; .*bf16"
    ):
        made.add(video(0, 4, 0))


@pytest.mark.parametrize(
    ("forward", "line"),
    [
        (lambda clips: clips.float().mean(), "an output of \\(\\), not \\(4, D\\)"),
        (lambda clips: rough(clips)[:3], "an output of \\(3, 8\\)"),
        (lambda _: "vectors", "a str; return a torch tensor"),
    ],
)
def test_outputs_of_the_wrong_kind_are_one_line(forward, line):
    made = batcher(forward, 4)
    with pytest.raises(ModelError, match=line):
        made.add(video(0, 4, 0))


def test_an_error_that_is_no_lack_of_memory_is_passed_on():
    def forward(clips):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        batcher(forward, 1).add(video(0, 1, 0))


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
    assert isinstance(model, Accelerates)
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
    made = batcher(forward, 4, padded=True, keep_clips=True)
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


class Unfit:
    """A model that cannot be compiled, because it is no code that can be traced."""

    card = ModelCard(name="unfit", revision="1", trained_on=(), pretrained_on=())

    def embed_classes(self, classes):
        return torch.eye(len(classes), 8)

    def embed_clips(self, _clips):
        raise TypeError("not for tracing")


@needs_compiler
@pytest.mark.filterwarnings("default")
def test_a_failure_under_compile_says_what_to_leave_out():
    forward = forward_of(Unfit(), CLASSES, precision="fp32", device=CPU, compiled=True)
    with pytest.raises(ModelError, match=r"compile embed_clips of unfit: .*; leave --compile out"):
        forward(torch.zeros(2, 4, 3, 8, 8))
