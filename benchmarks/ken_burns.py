"""Ken Burns clips against cropping and resizing frame by frame with Pillow.

Both sides get the same image and the same 16 boxes and hand over (16, 3, 112, 112) levels. "Crops"
starts from the scaled image in memory, which Pillow gets as an image of its own kind; "calls" is
Pillow's ``crop().resize()`` alone, without making arrays of the results. "File" starts from a JPEG
file: reading, scaling and crops, with Pillow throughout on the other side.

One process, one thread; in every run the ways take turns on the same clips. A ratio is one of CPU
times in a run; the table has the median over the runs and their range.

    python benchmarks/ken_burns.py [--runs 15] [--clips 20] [--quick] [--json]

``--quick`` only compares the pixels. The exit code is 1 where they differ by more than two levels
or, otherwise, where the crops fall under three quarters of their goal.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from zsl_bench.video import (
    ClipSpec,
    ken_burns_boxes,
    ken_burns_clip,
    load_image_clip,
    scale_image,
    scaled_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Ways = dict[str, Callable[[int], Any]]

SPEC = ClipSpec()
BILINEAR = Image.Resampling.BILINEAR
SIZES = {"1024 x 768": (1024, 768), "640 x 480": (640, 480), "500 x 375": (500, 375)}
GOAL, FLOOR = 3.0, 0.75
LARGEST, MEAN = 2, 0.05


def scene(width: int, height: int) -> np.ndarray:
    """Make a picture with smooth parts, edges and fine grain."""
    noise = np.random.default_rng([0, width, height])
    levels = np.full((height, width, 3), 120.0)
    for cell, strength in ((96, 60), (24, 30), (5, 14)):
        shape = (height // cell + 2, width // cell + 2, 3)
        coarse = np.clip(noise.normal(128, strength, shape), 0, 255).astype(np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        levels += np.asarray(smooth) - 128.0
    levels[height // 3 : height // 2, width // 4 : width // 2] = (220, 60, 40)
    return np.clip(levels + noise.normal(0, 4, levels.shape), 0, 255).astype(np.uint8)


def pillow_calls(picture: Image.Image, boxes: np.ndarray) -> list[Image.Image]:
    """Cut and resize one crop after the other."""
    return [
        picture.crop((left, top, left + side, top + side)).resize((SPEC.size, SPEC.size), BILINEAR)
        for top, left, side in boxes.tolist()
    ]


def pillow_clip(picture: Image.Image, boxes: np.ndarray) -> np.ndarray:
    """Cut and resize one crop after the other, and stack them."""
    crops = np.stack([np.asarray(crop) for crop in pillow_calls(picture, boxes)])
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2))


def pillow_file_clip(path: Path, rng: np.random.Generator) -> np.ndarray:
    """Make a clip of a file with Pillow alone."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    height, width = scaled_size(picture.height, picture.width)
    if (width, height) != picture.size:
        picture = picture.resize((width, height), BILINEAR)
    return pillow_clip(picture, ken_burns_boxes(height, width, rng))


def crop_ways(image: np.ndarray, clips: int) -> Ways:
    """Return the ways from a scaled image to the clip of a number."""
    picture, sides = Image.fromarray(image), image.shape[:2]
    boxes = [ken_burns_boxes(*sides, np.random.default_rng(clip)) for clip in range(clips)]
    return {
        "ours": lambda clip: ken_burns_clip(image, boxes[clip]),
        "pillow": lambda clip: pillow_clip(picture, boxes[clip]),
        "calls": lambda clip: pillow_calls(picture, boxes[clip]),
    }


def file_ways(path: Path) -> Ways:
    """Return the ways from a file to the clip of a number."""
    return {
        "ours": lambda clip: load_image_clip(path, SPEC, np.random.default_rng(clip)),
        "pillow": lambda clip: pillow_file_clip(path, np.random.default_rng(clip)),
    }


def differences(ways: Ways, clips: Iterable[int]) -> tuple[float, int]:
    """Return mean and largest difference between ours and Pillow's, in levels."""
    off = [np.abs(ways["ours"](clip).astype(int) - ways["pillow"](clip)) for clip in clips]
    return float(np.mean(off)), int(np.max(off))


def measure(ways: Ways, runs: int, clips: int) -> dict[str, dict[str, float]]:
    """Time every way on the same clips, the ways taking turns run by run."""
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for run in range(runs):
        for way, make in ways.items():
            started = time.process_time()
            for clip in range(run * clips, (run + 1) * clips):
                make(clip)
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


def compare(what: str, ways: Ways, arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare the pixels of a few clips and, unless in a hurry, the speed of many."""
    mean, largest = differences(ways, range(min(10, arguments.runs * arguments.clips)))
    row: dict[str, Any] = {"what": what, "mean": round(mean, 4), "largest": largest}
    row["agree"] = mean <= MEAN and largest <= LARGEST
    row["ways"] = {} if arguments.quick else measure(ways, arguments.runs, arguments.clips)
    row["above_floor"] = (
        arguments.quick or what.startswith("file") or row["ways"]["pillow"]["ratio"] >= FLOOR * GOAL
    )
    return row


def show(row: dict[str, Any]) -> None:
    """Print one comparison."""
    verdict = "" if row["above_floor"] else "  BELOW THE FLOOR"
    print(f"\n{row['what']}: off by {row['mean']:.4f} levels on average, at most {row['largest']}")
    for way, seen in row["ways"].items():
        ratio = ""
        if way != "ours":
            ratio = (
                f"  ours is {seen['ratio']:.2f}x ({seen['lowest']:.2f} to {seen['highest']:.2f})"
            )
        print(f"{way:8}{seen['clips_per_s']:9.1f} clips/s{ratio}")
    if verdict:
        print(verdict)


def main() -> int:
    """Parse the arguments and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (width, height) in SIZES.items():
            image = scene(width, height)
            path = Path(folder) / f"{width}.jpg"
            Image.fromarray(image).save(path, quality=90)
            ways = crop_ways(scale_image(image), arguments.runs * arguments.clips)
            rows.append(compare(f"crops of {name}", ways, arguments))
            rows.append(compare(f"file of {name}", file_ways(path), arguments))
    if arguments.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            show(row)
    return 0 if all(row["agree"] and row["above_floor"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
