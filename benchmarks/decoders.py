"""Decoders, and what leaving frames undecoded saves, on files of several kinds.

Three tasks: ``clips`` makes the clips of ``official-25``, for which nearly every frame is decoded;
``spread`` makes one clip of 16 frames spread over the video; ``random`` reads 16 frames in a row
from a random one on, as training does. Four ways: ``pyav`` as the package uses it, ``counting``,
which is PyAV decoding everything from the start, ``opencv``, which is a loop that reads up to the
last wanted frame (``random`` alone), and ``torchcodec``, which leaves some files to PyAV.

One process, one thread; in every run the ways take turns on the same frames. A ratio is a way's CPU
time over that of ``pyav`` in a run; the table has the median over the runs and their range.

    python benchmarks/decoders.py [--runs 7] [--cuda] [--quick] [--json] [VIDEO ...]

Before anything is timed, every frame of a way is compared with PyAV's of its number: to the bit
without torchcodec, whose difference in levels is reported, and may be 4 on average at the most.
Without videos, some are generated. ``--cuda`` adds the decoder of a GPU. ``--quick`` only compares.
The exit code is 1 where frames differ.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from loader import GENERATED, generate

from zsl_bench.errors import ZslBenchError
from zsl_bench.video import ClipSpec, VideoReader, clip_policy, decoder_id, load_clips
from zsl_bench.video.decoders import PYAV, TORCHCODEC, TORCHCODEC_CUDA, UnsureError, open_reader

if TYPE_CHECKING:
    from collections.abc import Callable

SPEC = ClipSpec(dtype="float32")
POLICIES = {"clips": "official-25", "spread": "uniform-16"}
MOST_DIFFERENT = 4.0
KINDS = {
    "ucf avi, MPEG-4": GENERATED["ucf"],
    "kinetics mp4, H.264": GENERATED["kinetics"],
    "kinetics mkv, H.264": {**GENERATED["kinetics"], "name": "kinetics.mkv"},
    "kinetics mp4, MPEG-4": {**GENERATED["kinetics"], "name": "old.mp4", "codec": "mpeg4"},
}


def clips(path: Path, _seed: int, *, policy: str, decoder: str) -> np.ndarray:
    """Make the frames of a policy's clips."""
    return load_clips(path, clip_policy(policy), SPEC, decoder=decoder).frames


def random_frames(path: Path, seed: int, decoder: str) -> np.ndarray:
    """Read 16 frames in a row with one of the package's decoders."""
    try:
        with open_reader(path, decoder) as reader:
            return _in_a_row(reader, seed)
    except UnsureError:
        return random_frames(path, seed, PYAV)


def counted_frames(path: Path, seed: int) -> np.ndarray:
    """Read 16 frames in a row, decoding everything before them."""
    with VideoReader(path) as reader:
        return _in_a_row(reader, seed)


def _in_a_row(reader: VideoReader, seed: int) -> np.ndarray:
    start = _start(reader.promised or len(reader.times()), seed)
    return np.stack([frame for _, frame in reader.frames(range(start, start + SPEC.frames))])


def _start(total: int, seed: int) -> int:
    return int(np.random.default_rng(seed).integers(0, max(total - SPEC.frames, 0) + 1))


def opencv_frames(path: Path, seed: int) -> np.ndarray:
    """Read up to the last of 16 frames in a row with OpenCV."""
    with VideoReader(path) as reader:
        start = _start(reader.promised or len(reader.times()), seed)
    capture = cv2.VideoCapture(str(path))
    frames = [capture.read()[1] for _ in range(start + SPEC.frames)]
    capture.release()
    return np.stack(frames[start:])


def ways_of(task: str, others: list[str]) -> dict[str, Callable[[Path, int], np.ndarray]]:
    """Return the ways of a task, each from a file and a seed to frames."""
    if task == "random":
        ways: dict[str, Callable[[Path, int], np.ndarray]] = {
            decoder: partial(random_frames, decoder=decoder) for decoder in (PYAV, *others)
        }
        return {**ways, "counting": counted_frames, "opencv": opencv_frames}
    return {
        decoder: partial(clips, policy=POLICIES[task], decoder=decoder)
        for decoder in (PYAV, *others)
    }


def differences(path: Path, decoder: str) -> dict[str, Any]:
    """Compare a decoder's frames with PyAV's, one by one, in levels."""
    try:
        with open_reader(path, decoder) as reader, VideoReader(path) as plain:
            total = len(reader.times())
            means, most = [], 0
            pairs = zip(reader.frames(range(total)), plain.frames(range(total)), strict=True)
            for (index, frame), (number, other) in pairs:
                off = np.abs(frame.astype(np.int16) - other)
                means.append(float(off.mean()) if index == number else 255.0)
                most = max(most, int(off.max()))
    except UnsureError:
        return {"decoder": PYAV, "mean": 0.0, "most": 0}
    mean = round(statistics.fmean(means), 3)
    return {"decoder": decoder, "mean": mean, "most": most, "frames": total}


def plain_ways_agree(path: Path, seeds: int = 4) -> bool:
    """See that PyAV's frames are the same however they are come by, and OpenCV's."""
    ways = ways_of("random", [])
    return all(
        np.array_equal(ways[PYAV](path, seed), way(path, seed))
        for seed in range(seeds)
        for way in ways.values()
    )


def measure(path: Path, task: str, others: list[str], runs: int) -> dict[str, dict[str, float]]:
    """Time the ways of a task, taking turns."""
    ways = ways_of(task, others)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    rounds = 8 if task == "random" else 2
    for run in range(runs):
        for way, make in ways.items():
            started = time.process_time()
            for seed in range(run * rounds, (run + 1) * rounds):
                make(path, seed)
            seconds[way].append((time.process_time() - started) / rounds)
    return {way: _over(seconds[PYAV], seen) for way, seen in seconds.items()}


def _over(plain: list[float], seconds: list[float]) -> dict[str, float]:
    ratios = [mine / theirs for mine, theirs in zip(seconds, plain, strict=True)]
    return {
        "ms": round(1000 * statistics.median(seconds), 1),
        "ratio": round(statistics.median(ratios), 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
    }


def compare(kind: str, path: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare the frames of a file and, unless in a hurry, measure."""
    seen = {decoder: differences(path, decoder) for decoder in arguments.others}
    near = all(each["mean"] <= MOST_DIFFERENT for each in seen.values())
    row: dict[str, Any] = {"video": kind, "differences": seen, "tasks": {}}
    row["agree"] = plain_ways_agree(path) and near
    for task in () if arguments.quick else ("clips", "spread", "random"):
        row["tasks"][task] = measure(path, task, arguments.others, arguments.runs)
    return row


def show(row: dict[str, Any]) -> None:
    """Print one comparison."""
    print(f"\n{row['video']}: {'frames agree' if row['agree'] else 'FRAMES DIFFER'}")
    for decoder, seen in row["differences"].items():
        if seen["decoder"] == PYAV:
            print(f"  {decoder} leaves it to pyav")
        else:
            print(
                f"  {decoder} differs by {seen['mean']} levels on average, {seen['most']} at most"
            )
    for task, ways in row["tasks"].items():
        for way, seen in ways.items():
            ratio = f"{seen['ratio']:6.2f}x ({seen['lowest']:.2f} to {seen['highest']:.2f})"
            print(f"  {task:8}{way:16}{seen['ms']:9.1f} ms{ratio}")


def other_decoders(*, cuda: bool) -> tuple[list[str], list[str]]:
    """Return the decoders beside PyAV that work here, and why others do not."""
    there, missing = [], []
    for decoder in (TORCHCODEC, TORCHCODEC_CUDA) if cuda else (TORCHCODEC,):
        try:
            decoder_id(decoder)
        except ZslBenchError as error:
            missing.append(str(error))
        else:
            there.append(decoder)
    return there, missing


def main() -> int:
    """Parse the arguments and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", nargs="*", type=Path, metavar="VIDEO")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--cuda", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "threads;1"
    arguments.others, missing = other_decoders(cuda=arguments.cuda)
    with tempfile.TemporaryDirectory() as folder:
        videos = {path.name: path for path in arguments.videos} or {
            kind: generate(Path(folder), recipe) for kind, recipe in KINDS.items()
        }
        rows = [compare(kind, path, arguments) for kind, path in videos.items()]
    if arguments.json:
        named = [decoder_id(decoder) for decoder in (PYAV, *arguments.others)]
        print(json.dumps({"decoders": named, "missing": missing, "rows": rows}, indent=1))
    else:
        for line in missing:
            print(line)
        for row in rows:
            show(row)
    return 0 if all(row["agree"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
