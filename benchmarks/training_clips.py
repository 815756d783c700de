"""The training loader, one random clip of a video, against plain loops with OpenCV and torch.

All ways make the same clip: 16 frames from a random one on, short side 128, one random 112 x 112
crop, mirrored or not, float32. "Released" follows the description of the released loader: it reads
up to the end of the clip, keeps the frames whose index is in the clip's array, converts them to
float, resizes and normalises the whole frames, and then crops; its clip is normalised. "Whole" is
the loop that one writes first: it reads the whole video, converts every frame to float, resizes
every frame, and then takes the clip. "Sparing" stops reading at the end of the clip, converts to
RGB and resizes its 16 frames only, and does not normalise.

"Prepared" is the Kinetics-size video as ``zsl-bench prepare`` stores it (H.264, short side 128, a
key frame every 16 frames): there ours reads the prepared file, and the plain ways the original,
which is what the released loader has.

One process, one thread; in every run the ways take turns on the same clips. A ratio is one of CPU
times in a run; the table has the median over the runs and their range.

    python benchmarks/training_clips.py [--runs 7] [--clips 8] [--quick] [--json] [VIDEO ...]

Without videos, two are generated: UCF101 and Kinetics sizes. ``--quick`` only checks that the clips
agree to 1e-3 levels. Otherwise the exit code is 1 where they differ, or where ours over released
falls under three quarters of its goal.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from loader import GENERATED, MEAN, STD, generate
from torch.nn import functional

from zsl_bench.datasets import open_dataset
from zsl_bench.preparation import prepare
from zsl_bench.video import ClipSpec, load_training_clip

if TYPE_CHECKING:
    from collections.abc import Callable

SPEC = ClipSpec(dtype="float32")
TOLERANCE = 1e-3
KINDS = ("ucf", "kinetics")
GOALS = {"kinetics": 2.0, "prepared": 6.0}
FLOOR = 0.75


def ours(path: Path, seed: int) -> np.ndarray:
    """Make the clip of a seed with the package."""
    return load_training_clip(path, SPEC, np.random.default_rng(seed))


def released(path: Path, seed: int) -> np.ndarray:
    """Make the clip of a seed the released way, normalised."""
    draws = np.random.default_rng(seed).random(4)
    capture = cv2.VideoCapture(str(path))
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    start = int(draws[0] * (max(total - SPEC.frames, 0) + 1))
    wanted = np.arange(start, min(start + SPEC.frames, total))
    frames = []
    for index in range(int(wanted[-1]) + 1):
        there, frame = capture.read()
        if not there:
            break
        if index in wanted:
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    capture.release()
    video = _resized(np.stack(frames), torch.tensor(255.0))
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (MEAN, STD))
    return _cropped((video - mean) / std, draws)


def whole(path: Path, seed: int) -> np.ndarray:
    """Read, convert and resize the whole video, then take the clip."""
    draws = np.random.default_rng(seed).random(4)
    frames = _read(path, 0, None)
    video = _resized(frames)
    start = int(draws[0] * (max(len(video) - SPEC.frames, 0) + 1))
    return _cropped(video[start : start + SPEC.frames], draws)


def sparing(path: Path, seed: int) -> np.ndarray:
    """Read up to the end of the clip, and convert and resize its frames only."""
    draws = np.random.default_rng(seed).random(4)
    capture = cv2.VideoCapture(str(path))
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    start = int(draws[0] * (max(total - SPEC.frames, 0) + 1))
    return _cropped(_resized(_read(path, start, start + SPEC.frames)), draws)


def _read(path: Path, start: int, stop: int | None) -> np.ndarray:
    capture = cv2.VideoCapture(str(path))
    frames = []
    index = 0
    while stop is None or index < stop:
        there, frame = capture.read()
        if not there:
            break
        if index >= start:
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        index += 1
    capture.release()
    return np.stack(frames)


def _resized(frames: np.ndarray, unit: torch.Tensor | None = None) -> torch.Tensor:
    video = torch.from_numpy(frames).permute(0, 3, 1, 2).to(torch.float32)
    video = video if unit is None else video / unit
    return functional.interpolate(
        video,
        scale_factor=SPEC.short_side / min(video.shape[-2:]),
        mode="bilinear",
        align_corners=False,
        recompute_scale_factor=True,
    )


def _cropped(clip: torch.Tensor, draws: np.ndarray) -> np.ndarray:
    top, left = (
        int(draw * (side - SPEC.size + 1))
        for draw, side in zip(draws[1:3], clip.shape[-2:], strict=True)
    )
    clip = clip[..., top : top + SPEC.size, left : left + SPEC.size]
    clip = torch.cat([clip, clip[-1:].expand(SPEC.frames - len(clip), -1, -1, -1)])
    return (clip.flip(-1) if draws[3] < 0.5 else clip).contiguous().numpy()


WAYS: dict[str, Callable[[Path, int], np.ndarray]] = {
    "ours": ours,
    "released": released,
    "whole": whole,
    "sparing": sparing,
}


def largest_difference(path: Path, clips: int = 4) -> float:
    """Compare our clips with all plain ones, in levels."""
    worst = 0.0
    for seed in range(clips):
        mine = ours(path, seed)
        normalised = released(path, seed)
        shape = (3, 1, 1)
        levels = (normalised * np.reshape(STD, shape) + np.reshape(MEAN, shape)) * 255
        for plain in (levels, whole(path, seed), sparing(path, seed)):
            worst = max(worst, float(np.abs(plain - mine).max()))
    return worst


def prepared(path: Path, folder: Path) -> Path:
    """Return the file that ``zsl-bench prepare`` makes of a video."""
    place = folder / "originals" / "clip"
    place.mkdir(parents=True)
    shutil.copyfile(path, place / path.name)
    out = folder / "prepared"
    manifest = prepare(open_dataset("training-clips", folder / "originals"), out, jobs=1).manifest
    return manifest.resolve(manifest.videos[0])


def measure(
    path: Path, runs: int, clips: int, original: Path | None = None
) -> dict[str, dict[str, float]]:
    """Time every way on the same clips, the ways taking turns run by run.

    Args:
        path: The video that ours reads.
        runs: Turns of every way.
        clips: Clips in a turn.
        original: The video that the others read; None for the same.
    """
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    for run in range(runs):
        for way, make in WAYS.items():
            read = path if way == "ours" or original is None else original
            started = time.process_time()
            for seed in range(run * clips, (run + 1) * clips):
                make(read, seed)
            rates[way].append(clips / (time.process_time() - started))
    return {way: _against_ours(rates["ours"], seen) for way, seen in rates.items()}


def _against_ours(ours: list[float], rates: list[float]) -> dict[str, float]:
    ratios = [mine / theirs for mine, theirs in zip(ours, rates, strict=True)]
    return {
        "clips_per_s": round(statistics.median(rates), 1),
        "ratio": round(statistics.median(ratios), 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
    }


def compare(
    kind: str, path: Path, arguments: argparse.Namespace, original: Path | None = None
) -> dict[str, Any]:
    """Check that the clips of a file agree and, unless in a hurry, measure."""
    difference = largest_difference(path)
    row: dict[str, Any] = {"video": kind, "difference": difference}
    row["agree"] = difference <= TOLERANCE
    quick, goal = arguments.quick, GOALS.get(kind)
    row["ways"] = {} if quick else measure(path, arguments.runs, arguments.clips, original)
    row["goal"] = goal
    row["above_floor"] = quick or goal is None or row["ways"]["released"]["ratio"] >= FLOOR * goal
    return row


def show(row: dict[str, Any]) -> None:
    """Print one comparison."""
    verdict = "" if row["above_floor"] else "  BELOW THE FLOOR"
    goal = "" if row["goal"] is None else f", goal {row['goal']:g}x over released"
    print(f"\n{row['video']}: largest difference {row['difference']:.1e} levels{goal}{verdict}")
    for way, seen in row["ways"].items():
        ratio = ""
        if way != "ours":
            ratio = (
                f"  ours is {seen['ratio']:.2f}x ({seen['lowest']:.2f} to {seen['highest']:.2f})"
            )
        print(f"{way:9}{seen['clips_per_s']:9.1f} clips/s{ratio}")


def main() -> int:
    """Parse the arguments and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", nargs="*", type=Path, metavar="VIDEO")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "threads;1"
    with tempfile.TemporaryDirectory() as folder:
        videos = {path.name: path for path in arguments.videos} or {
            kind: generate(Path(folder), GENERATED[kind]) for kind in KINDS
        }
        rows = [compare(kind, path, arguments) for kind, path in videos.items()]
        if not arguments.videos:
            original = videos["kinetics"]
            rows.append(compare("prepared", prepared(original, Path(folder)), arguments, original))
    if arguments.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            show(row)
    return 0 if all(row["agree"] and row["above_floor"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
