from __future__ import annotations

import gc
import pickle
import signal
import subprocess
import sys
import time
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.datasets import open_dataset
from zsl_bench.evaluation.buffers import BUFFERS_PER_WORKER, BufferWriter, FrameBuffers
from zsl_bench.evaluation.loading import VideoDataset, load_videos
from zsl_bench.video import ClipSpec, clip_policy, load_clips
from zsl_bench.video.clips import frames_in

SPEC = ClipSpec(frames=8, size=16, short_side=20, dtype="float32")
POLICY = clip_policy("paper-5x8")


@pytest.fixture
def dataset(tmp_path, write_video):
    """Videos of many lengths and sizes, one of them no video."""
    sizes = [(64, 48), (48, 64), (40, 30)]
    for number in range(10):
        path = tmp_path / "videos" / "thing" / f"{number:02}.avi"
        colour = (20 * number, 200 - 20 * number, 90)
        write_video(path, colour, frames=3 + (number * 13) % 37, size=sizes[number % 3])
    (tmp_path / "videos" / "thing" / "04.avi").write_text("no video")
    return VideoDataset(open_dataset("things", tmp_path / "videos"), POLICY, SPEC)


def assert_same(video, expected):
    assert video.reason == expected.get("reason")
    assert video.decoder == expected.get("decoder")
    for name in ("frames", "slots", "weights"):
        mine, plain = getattr(video, name), expected.get(name)
        assert (mine is None) == (plain is None)
        if mine is not None:
            assert mine.dtype == plain.dtype
            assert torch.equal(mine, plain)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_videos_come_in_the_order_asked_for_as_one_process_would_load_them(workers, dataset):
    order = [3, 0, 4, 9, 1, 1, 8, 2, 7, 5, 6]
    seen = []
    for video in load_videos(dataset, order, workers=workers):
        assert_same(video, dataset[video.position])
        seen.append(video.position)
    assert seen == order
    assert dataset.decoded == {"pyav": len(order) - 1}


def test_no_video_is_larger_than_the_most_that_is_reckoned_with(dataset):
    sizes = [dataset[p]["frames"].numpy().nbytes for p in range(10) if p != 4]
    assert max(sizes) <= dataset.most_bytes == 5 * 8 * 3 * 16 * 16 * 4


def test_what_is_held_is_never_written_over(dataset):
    order = [p for p in range(10) if p != 4] * 3
    held = [video.frames[1:, :, 2] for video in load_videos(dataset, order, workers=2)]
    for position, kept in zip(order, held, strict=True):
        assert torch.equal(kept, dataset[position]["frames"][1:, :, 2])


def test_memory_that_nobody_reads_is_used_again(dataset):
    order = [9] * 40
    places = [video.frames.data_ptr() for video in load_videos(dataset, order, workers=1)]
    assert len(set(places)) <= BUFFERS_PER_WORKER


def test_frames_are_decoded_into_the_memory_that_is_given(dataset):
    given_out = []

    def allocate(shape, dtype):
        given_out.append(np.full(shape, 7, dtype))
        return given_out[-1]

    path = dataset.manifest.resolve(dataset.manifest.videos[0])
    with frames_in(allocate):
        mine = load_clips(path, POLICY, SPEC)
    assert mine.frames is given_out[0]
    plain = load_clips(path, POLICY, SPEC)
    assert len(given_out) == 1
    np.testing.assert_array_equal(mine.frames, plain.frames)


def send(parcel):
    """Hand something over as a queue between processes does."""
    return pickle.loads(bytes(ForkingPickler.dumps(parcel)))  # noqa: S301


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 50),
            st.sampled_from(["uint8", "float32"]),
            st.integers(0, 5),
            st.booleans(),
        ),
        max_size=25,
    )
)
def test_whatever_is_held_and_let_go_every_video_is_what_was_loaded(steps):
    buffers = FrameBuffers(2)
    writer = BufferWriter(buffers.name, buffers.taken, 1)
    held = []
    for number, (length, dtype, kept, short) in enumerate(steps):
        plain = np.full((length, 3, 4), number, dtype)

        def read(plain=plain, short=short):
            from zsl_bench.video.clips import _ALLOCATE

            room = _ALLOCATE.get()((len(plain) + 2 * short, 3, 4), str(plain.dtype))
            room[: len(plain)] = plain
            frames = torch.from_numpy(room[: len(plain)])
            return {"position": 5, "frames": frames, "slots": torch.arange(3)}

        item = send(writer.load(read))
        assert item["position"] == 5
        assert item["slots"].tolist() == [0, 1, 2]
        held = [*held, (item["frames"], plain)][-kept - 1 :] if kept else []
        del item
        for frames, expected in held:
            assert frames.numpy().dtype == expected.dtype
            np.testing.assert_array_equal(frames.numpy(), expected)
    held.clear()
    frames = None
    gc.collect()
    assert not buffers.taken.any()


def test_a_video_that_cannot_be_read_takes_no_buffer():
    buffers = FrameBuffers(1)
    writer = BufferWriter(buffers.name, buffers.taken, 0)
    item = send(writer.load(lambda: {"position": 3, "reason": "text"}))
    assert item == {"position": 3, "reason": "text"}
    assert not buffers.taken.any()


def test_buffers_are_gone_with_the_process_that_reads_them():
    name = FrameBuffers(1).name
    gc.collect()
    with pytest.raises(KeyError):
        FrameBuffers.named(name)


ENDLESS = """
import itertools, os, sys
from zsl_bench.datasets import open_dataset
from zsl_bench.evaluation.loading import VideoDataset, load_videos
from zsl_bench.video import ClipSpec, clip_policy

dataset = VideoDataset(
    open_dataset("things", sys.argv[1]), clip_policy("paper-5x8"),
    ClipSpec(frames=8, size=16, short_side=20),
)
for number, video in enumerate(load_videos(dataset, itertools.repeat(0), workers=2)):
    if number == 5:
        print("going", flush=True)
"""


def children(pid):
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(pid):
            found.append(int(status.parent.name))
    return found


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no /dev/shm")  # noqa: S108
def test_a_killed_run_leaves_no_process_and_no_shared_memory(dataset):
    program = [sys.executable, "-c", ENDLESS, str(dataset.manifest.root)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "going\n"
        pids = [running.pid, *children(running.pid)]
        assert len(pids) >= 3
        running.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    names = [path.name for path in Path("/dev/shm").iterdir()]  # noqa: S108
    assert not [name for name in names if any(f"_{pid}_" in name for pid in pids)]
