"""Random training clips per second, from original files and from prepared ones.

The originals are AVI files, which have to be decoded from the start, and Kinetics mp4 files with
few key frames: real clips of ../shared/data/videos where they are, else generated ones. They are
prepared by ``zsl_bench.preparation`` with its default settings (H.264, short side 128, GOP 16, no
B-frames). A clip is 16 frames from a random one on, one random 112 x 112 crop, float32, as
``load_training_clip`` makes it. "OpenCV" reads from the start with ``cv2.VideoCapture`` up to the
end of the clip and converts and resizes its 16 frames.

One process, one thread. In every run the four ways take turns on each file, with the same random
numbers; a rate is clips over CPU time in a run. The table has the median over the runs, and of the
ratios of each run the median and range. The files lie in the page cache.

    python benchmarks/random_clips.py [--runs 9] [--files 12] [--quick] [--json] [VIDEO ...]

``--quick`` only checks that our clips and OpenCV's agree to 1e-3 levels. Otherwise the exit code is
1 where they do not, or where prepared files of any kind give less than three times as many clips a
second as the originals, read by the package. UCF101's AVI files do not reach that yet.
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
from loader import GENERATED, generate
from training_clips import SPEC, TOLERANCE, sparing

from zsl_bench.datasets import open_dataset
from zsl_bench.preparation import prepare
from zsl_bench.video import load_training_clip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHARED = Path(__file__).parents[2] / "shared" / "data" / "videos"
REAL = {"ucf101 avi": "ucf101/**/*.avi", "kinetics mp4": "kinetics/**/*.mp4"}
STAND_INS = {"ucf101 avi": "ucf", "kinetics mp4": "kinetics"}
GOAL = 3.0


def ours(path: Path, seed: int) -> np.ndarray:
    """Make the clip of a seed with the package."""
    return load_training_clip(path, SPEC, np.random.default_rng(seed))


WAYS: dict[str, tuple[str, Callable[[Path, int], np.ndarray]]] = {
    "prepared": ("prepared", ours),
    "original": ("original", ours),
    "prepared, OpenCV": ("prepared", sparing),
    "original, OpenCV": ("original", sparing),
}


def sources(count: int, folder: Path) -> dict[str, list[Path]]:
    """Return some files of each kind, spread over those that there are, or generated ones."""
    found = {}
    for kind, pattern in REAL.items():
        files = sorted(SHARED.glob(pattern))
        step = max(len(files) // count, 1)
        found[kind] = files[::step][:count] or [generate(folder, GENERATED[STAND_INS[kind]])]
    return found


def prepare_files(files: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Prepare copies of some files; the prepared one by original."""
    names = {f"{number:04}": path for number, path in enumerate(files)}
    for name, path in names.items():
        (folder / "copies" / "clip").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / "copies" / "clip" / (name + path.suffix))
    manifest = prepare(
        open_dataset("random-clips", folder / "copies"), folder / "prepared", jobs=1
    ).manifest
    made = {Path(video.path).stem: folder / "prepared" / video.path for video in manifest.videos}
    return {path: made[name] for name, path in names.items()}


def largest_difference(pairs: dict[Path, Path], clips: int = 2) -> float:
    """Compare our clips with OpenCV's, of the originals and of the prepared files, in levels."""
    worst = 0.0
    for pair in pairs.items():
        for path in pair:
            for seed in range(clips):
                worst = max(worst, float(np.abs(ours(path, seed) - sparing(path, seed)).max()))
    return worst


def measure(pairs: dict[Path, Path], runs: int) -> dict[str, dict[str, float]]:
    """Time every way on the same clips, one of each file in a run."""
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(runs):
        spent = dict.fromkeys(WAYS, 0.0)
        for original, prepared in pairs.items():
            for way, (which, make) in WAYS.items():
                path = prepared if which == "prepared" else original
                started = time.process_time()
                make(path, seed)
                spent[way] += time.process_time() - started
        for way, seconds in spent.items():
            rates[way].append(len(pairs) / seconds)
    return {way: _ratios(rates["prepared"], seen) for way, seen in rates.items()}


def _ratios(prepared: list[float], rates: list[float]) -> dict[str, float]:
    ratios = [fast / slow for fast, slow in zip(prepared, rates, strict=True)]
    return {
        "clips_per_s": round(statistics.median(rates), 1),
        "ratio": round(statistics.median(ratios), 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
    }


def compare(kind: str, files: Sequence[Path], arguments: argparse.Namespace) -> dict[str, Any]:
    """Prepare the files of a kind, check that the clips agree and, unless in a hurry, measure."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = prepare_files(files, Path(folder))
        difference = largest_difference(pairs)
        sizes = [sum(path.stat().st_size for path in some) for some in (pairs, pairs.values())]
        ways = {} if arguments.quick else measure(pairs, arguments.runs)
    return {
        "kind": kind,
        "files": len(files),
        "bytes_original": sizes[0],
        "bytes_prepared": sizes[1],
        "difference": difference,
        "agree": difference <= TOLERANCE,
        "ways": ways,
    }


def is_fast(rows: Sequence[dict[str, Any]]) -> bool:
    """Tell whether prepared files are as much faster than the originals as they should be."""
    return all(row["ways"]["original"]["ratio"] >= GOAL for row in rows if row["ways"])


def show(row: dict[str, Any]) -> None:
    """Print one comparison."""
    sizes = f"{row['bytes_original'] / 1e6:.1f} MB, prepared {row['bytes_prepared'] / 1e6:.1f} MB"
    difference = f"largest difference {row['difference']:.1e} levels"
    print(f"\n{row['kind']}, {row['files']} files, {sizes}, {difference}")
    for way, seen in row["ways"].items():
        ratio = ""
        if way != "prepared":
            ratio = f"  prepared is {seen['ratio']:.2f}x ({seen['lowest']} to {seen['highest']})"
        print(f"{way:18}{seen['clips_per_s']:8.1f} clips/s{ratio}")


def main() -> int:
    """Parse the arguments and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", nargs="*", type=Path, metavar="VIDEO")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--files", type=int, default=12, help="files of each kind at the most")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "threads;1"
    with tempfile.TemporaryDirectory() as folder:
        given = {"given": arguments.videos} if arguments.videos else None
        kinds = given or sources(arguments.files, Path(folder))
        rows = [compare(kind, files, arguments) for kind, files in kinds.items()]
    if arguments.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            show(row)
    return 0 if all(row["agree"] for row in rows) and is_fast(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
