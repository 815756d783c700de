"""Batches of clips: values and order as of one clip at a time, and memory that runs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.errors import ModelError
from zsl_bench.evaluation.batching import Batching, ClipBatcher, Fetched, Transfer
from zsl_bench.evaluation.loading import LoadedVideo

CPU = torch.device("cpu")


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


def test_a_block_starts_with_whole_batches_again_and_nothing_is_told_twice():
    told, short = [], Short(3, MemoryError())
    made = batcher(short, 4, note=told.append)
    for position in range(2):
        made.add(video(position, 8, position))
        made.flush()
    assert short.sizes == [4, 2, 2, 2, 2] * 2
    assert len(told) == 1


@pytest.mark.parametrize("most", [2, 8])
def test_a_model_that_writes_into_its_clips_is_not_run_again_on_what_it_left(most):
    short = Short(most, MemoryError())
    made = batcher(lambda clips: short(clips.add_(1)), 4)
    if most == 8:
        made.add(video(0, 4, 0))
        assert list(made.flush()) == [0]
        return
    with pytest.raises(ModelError, match=r"written into its clips; give a smaller --batch-size"):
        made.add(video(0, 4, 0))


@pytest.mark.parametrize("padded", [False, True])
def test_a_model_that_keeps_its_last_clips_finds_them_as_they_were(padded):
    kept = []

    def forward(clips):
        kept.append((clips, clips.clone()))
        return rough(clips)

    made = batcher(forward, 4, padded=padded)
    for position, count in enumerate((4, 3, 6)):
        made.add(video(position, count, position))
    made.flush()
    assert len(kept) == 4
    assert all(torch.equal(handed, copied) for handed, copied in kept)
    assert len(kept[-1][0]) == (4 if padded else 1)


def test_padding_is_a_clip_of_the_batch():
    seen = []
    made = batcher(lambda clips: rough(seen.append(clips) or clips), 4, padded=True)
    made.add(video(0, 2, 0))
    made.flush()
    (clips,) = seen
    assert torch.equal(clips[2], clips[0])
    assert torch.equal(clips[3], clips[0])
    assert not torch.equal(clips[1], clips[0])


class Late:
    """An event of a card that is reached when somebody waits for it."""

    def __init__(self, error=None):
        self.error = error

    def synchronize(self):
        if self.error is not None:
            raise self.error


def test_outputs_on_their_way_are_fetched_when_the_next_batch_has_started(monkeypatch):
    order = []

    def fetch(_transfer, outputs):
        place = [torch.zeros_like(part) for part in outputs]

        class Event(Late):
            def synchronize(self):
                order.append("fetched")
                for there, part in zip(place, outputs, strict=True):
                    there.copy_(part)

        return Fetched(parts=place, event=Event())

    monkeypatch.setattr(Transfer, "fetch", fetch)
    videos = [video(position, n, position) for position, n in enumerate((3, 7, 1, 5))]
    made = batcher(lambda clips: rough(order.append("started") or clips), 4)
    for each in videos:
        made.add(each)
    found = made.flush()
    assert order == ["started"] + ["started", "fetched"] * 3 + ["fetched"]
    for position, vector in one_by_one(videos, "mean").items():
        np.testing.assert_allclose(found[position].vector, vector, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel"), "mend the device"),
        (torch.OutOfMemoryError("CUDA out of memory."), "smaller --batch-size"),
    ],
)
@pytest.mark.parametrize("step", ["send", "fetch", "wait"])
def test_what_a_device_fails_with_is_one_line(monkeypatch, error, fix, step):
    def fails(*_args):
        raise error

    if step == "wait":
        made_late = Fetched(parts=[], event=Late(error))
        monkeypatch.setattr(Transfer, "fetch", lambda *_args: made_late)
    else:
        monkeypatch.setattr(Transfer, step, fails)
    made = batcher(rough, 4)
    with pytest.raises(ModelError, match=f"on cpu: CUDA .*{fix}") as caught:
        made.add(video(0, 8, 0))
    assert "\n" not in str(caught.value)


def test_an_error_that_is_no_lack_of_memory_is_passed_on():
    def forward(clips):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        batcher(forward, 1).add(video(0, 1, 0))
