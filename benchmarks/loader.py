"""The evaluation loader against the released way of making 25 clips of a video.

The released way is written here from its description, step by step: read every frame with OpenCV,
test each index for membership in an array, repeat up to 25 clips of 16 frames, convert all of them
to float, resize the whole frames bilinearly, normalise, crop the centre. Ours hands over every
distinct frame once, cropped, and the slots of every distinct clip; "assembled" also normalises and
gathers all 25 clips in the released layout.

Every way runs in a process of its own, one thread, the ways taking turns; the figures are medians.
Extra memory is the peak of the first call over what the process held after its imports (Linux).

    python benchmarks/loader.py [--runs 5] [--allocator both] [--quick] [--json] [VIDEO ...]
    python benchmarks/loader.py --workers 2 [--count 16] [--runs 5] [--quick] [--json] [VIDEO ...]

The second form compares the loaders in decoding processes (``loader_workers.py``): UCF101 and
HMDB51 sizes and a segment of 30 s as in ActivityNet; ``--quick`` then checks order and values.

Without videos, three are generated: UCF101, HMDB51 and Kinetics sizes. ``--quick`` only checks that
the tensors agree to 2e-6. Otherwise the exit code is 1 where the tensors differ, or where a
generated video falls under three quarters of its goal.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import torch
from command import add_run_options, script_parser
from torch.nn import functional

from zsl_bench.video import ClipSpec, VideoClips, clip_policy, decoder_id, load_clips

if TYPE_CHECKING:
    from collections.abc import Callable

CLIPS, LENGTH, SHORT_SIDE, SIZE = 25, 16, 128, 112
MEAN = (0.43216, 0.394666, 0.37645)
STD = (0.22803, 0.22145, 0.216989)
TOLERANCE = 2e-6
SPEC = ClipSpec(dtype="float32")
POLICY = clip_policy("official-25")

GENERATED = {
    "ucf": {"name": "ucf.avi", "size": (320, 240), "frames": 180, "codec": "mpeg4", "rate": 25},
    "hmdb": {"name": "hmdb.avi", "size": (320, 240), "frames": 90, "codec": "mpeg4", "rate": 30},
    "kinetics": {
        "name": "kinetics.mp4",
        "size": (340, 256),
        "frames": 300,
        "codec": "libx264",
        "rate": 30,
    },
}
GOALS = {
    "default": {"ucf": 15.0, "hmdb": 25.0, "kinetics": 6.0},
    "retained": {"ucf": 6.0, "hmdb": 9.0, "kinetics": 2.0},
}
MEMORY_GOAL = 15.0
_RESET_PEAK = "5"
FLOOR = 0.75
ALLOCATORS = {
    "default": {},
    "retained": {
        "MALLOC_MMAP_THRESHOLD_": str(1 << 40),
        "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
        "MALLOC_TOP_PAD_": str(1 << 26),
    },
}


def released(path: Path) -> torch.Tensor:
    """Make 25 clips the released way, shape (25, 3, 16, 112, 112), normalised."""
    capture = cv2.VideoCapture(str(path))
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    period = max(total // CLIPS, 1)
    offsets = np.arange(0, total, period)[: min(CLIPS, total // period)]
    wanted = np.concatenate([np.arange(offset, offset + LENGTH) for offset in offsets])
    wanted = wanted.astype(np.float64)
    frames: list[np.ndarray] = []
    for index in range(int(wanted[-1]) + LENGTH):
        there, frame = capture.read()
        if index in wanted:
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) if there else frames[-1].copy())
    capture.release()
    stack = np.stack(frames)
    while len(stack) < CLIPS * LENGTH:
        stack = np.concatenate([stack, stack[: CLIPS * LENGTH - len(stack)]])
    images = torch.stack([torch.from_numpy(image) for image in stack], 0)
    video = images.permute(3, 0, 1, 2).to(torch.float32) / 255
    scale = SHORT_SIDE / min(height, width)
    video = functional.interpolate(
        video,
        scale_factor=scale,
        mode="bilinear",
        align_corners=False,
        recompute_scale_factor=True,
    )
    shape = (-1, 1, 1, 1)
    video = (video - torch.tensor(MEAN).reshape(shape)) / torch.tensor(STD).reshape(shape)
    top, left = (round((side - SIZE) / 2) for side in video.shape[-2:])
    video = video[..., top : top + SIZE, left : left + SIZE]
    return video.reshape(3, CLIPS, LENGTH, SIZE, SIZE).transpose(0, 1)


def ours(path: Path) -> VideoClips:
    """Hand over distinct frames and the slots of distinct clips."""
    return load_clips(path, POLICY, SPEC)


def normalise(levels: np.ndarray) -> np.ndarray:
    """Scale levels of shape (..., 3, S, S) as the released code does."""
    mean = np.array(MEAN, np.float32).reshape(3, 1, 1)
    std = np.array(STD, np.float32).reshape(3, 1, 1)
    return (levels / np.float32(255) - mean) / std


def assembled(path: Path) -> np.ndarray:
    """Make the 25 clips of the released layout out of ours, repeated ones side by side."""
    clips = ours(path)
    slots = np.repeat(clips.slots, clips.weights, axis=0)
    return np.ascontiguousarray(normalise(clips.frames)[slots].transpose(0, 2, 1, 3, 4))


WAYS: dict[str, Callable[[Path], Any]] = {
    "released": released,
    "ours": ours,
    "assembled": assembled,
}


def largest_difference(path: Path) -> float:
    """Compare every released clip with its like among ours, and the means over 25 clips."""
    theirs = released(path).transpose(1, 2).numpy()
    clips = ours(path)
    mine = normalise(clips.assemble())
    sparse = mine[..., ::16, ::16]
    worst = 0.0
    for clip in theirs:
        like = int(np.abs(sparse - clip[..., ::16, ::16]).max(axis=(1, 2, 3, 4)).argmin())
        worst = max(worst, float(np.abs(clip - mine[like]).max()))
    mean = np.average(mine.astype(np.float64), axis=0, weights=clips.weights)
    return max(worst, float(np.abs(theirs.mean(axis=0, dtype=np.float64) - mean).max()))


def generate(folder: Path, recipe: dict[str, Any]) -> Path:
    """Encode a textured scene under a moving camera, with something moving in it."""
    path = folder / recipe["name"]
    width, height = recipe["size"]
    noise = np.random.default_rng(0)
    scene = np.zeros((2 * height, 2 * width, 3), np.float32)
    for cell, strength in ((4, 14), (16, 30), (64, 60)):
        coarse = noise.normal(0, strength, (2 * height // cell, 2 * width // cell, 3))
        scene += cv2.resize(coarse.astype(np.float32), (2 * width, 2 * height))
    scene = np.clip(scene + 120, 0, 255).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(recipe["codec"], rate=recipe["rate"], options={"bf": "2"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = 400_000
        if path.suffix == ".avi":
            stream.codec_context.codec_tag = "XVID"
        for number in range(recipe["frames"]):
            x = int(width / 2 * (1 + np.sin(number / 40)))
            y = int(height / 2 * (1 + np.cos(number / 30)))
            picture = scene[y : y + height, x : x + width].copy()
            spot = (int(width * (number % 60) / 60), height // 2)
            cv2.circle(picture, spot, height // 6, (220, 60, 40), -1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def status_bytes(field: str) -> int:
    """Read a size from Linux's account of this process, such as ``VmRSS`` or ``VmHWM``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def child(way: str, path: Path, repeats: int) -> dict[str, Any]:
    """Run one way in this process and measure it."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    run = WAYS[way]
    _warm_imports()
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
    before = status_bytes("VmRSS")
    result = run(path)
    extra = max(status_bytes("VmHWM") - before, 1)
    del result
    cpu, wall = [], []
    for _ in range(repeats):
        started = time.perf_counter(), time.process_time()
        result = run(path)
        wall.append(time.perf_counter() - started[0])
        cpu.append(time.process_time() - started[1])
        del result
    return {"cpu": cpu, "wall": wall, "extra": extra}


def _warm_imports() -> None:
    """Let every way import and allocate its libraries before anything is measured."""
    frame = torch.zeros(1, 3, 8, 8)
    functional.interpolate(frame, size=(4, 4), mode="bilinear", align_corners=False)
    decoder_id()


def measure(path: Path, allocator: str, runs: int) -> dict[str, dict[str, Any]]:
    """Measure every way on a file, the ways taking turns, each turn in a fresh process."""
    gathered: dict[str, dict[str, list[float]]] = {
        way: {"cpu": [], "wall": [], "extra": []} for way in WAYS
    }
    environment = {**os.environ, **ALLOCATORS[allocator], "OMP_NUM_THREADS": "1"}
    environment["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "threads;1"
    for _ in range(runs):
        for way, seen in gathered.items():
            command = [sys.executable, __file__, "--child", way, "--repeats", "3", str(path)]
            done = subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True
            )
            report = json.loads(done.stdout.splitlines()[-1])
            seen["cpu"].extend(report["cpu"])
            seen["wall"].extend(report["wall"])
            seen["extra"].append(report["extra"])
    return {way: _summary(seen) for way, seen in gathered.items()}


def _summary(seen: dict[str, list[float]]) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    for clock in ("cpu", "wall"):
        milliseconds = [1000 * value for value in seen[clock]]
        summary[f"{clock}_ms"] = round(statistics.median(milliseconds), 1)
        summary[f"{clock}_ms_range"] = [round(min(milliseconds), 1), round(max(milliseconds), 1)]
    summary["extra_mb"] = round(statistics.median(seen["extra"]) / 1e6, 1)
    return summary


def compare(kind: str, path: Path, allocator: str, runs: int) -> dict[str, Any]:
    """Measure a file under one allocator setting and put the ratios beside the goals."""
    ways = measure(path, allocator, runs)
    base = ways["released"]
    for way in ("ours", "assembled"):
        for name in ("cpu_ms", "wall_ms", "extra_mb"):
            ratio = base[name] / max(ways[way][name], 0.1)
            ways[way][f"{name.partition('_')[0]}_ratio"] = round(ratio, 1)
    goal = GOALS[allocator].get(kind)
    fine = goal is None or ways["ours"]["cpu_ratio"] >= FLOOR * goal
    if goal is not None and allocator == "default":
        fine = fine and ways["ours"]["extra_ratio"] >= FLOOR * MEMORY_GOAL
    return {
        "video": kind,
        "allocator": allocator,
        "goal_cpu": goal,
        "above_floor": fine,
        "ways": ways,
    }


def show(row: dict[str, Any]) -> None:
    """Print one comparison."""
    goal = "" if row["goal_cpu"] is None else f", goal {row['goal_cpu']:g}x CPU"
    verdict = "" if row["above_floor"] else "  BELOW THE FLOOR"
    print(f"\n{row['video']}, {row['allocator']} allocator{goal}{verdict}")
    print(f"{'':12}{'CPU ms':>9}{'range':>16}{'wall ms':>9}{'extra MB':>10}  released / this")
    for way, seen in row["ways"].items():
        low, high = seen["cpu_ms_range"]
        ratios = ""
        if way != "released":
            ratios = f"  CPU {seen['cpu_ratio']:.1f}x  wall {seen['wall_ratio']:.1f}x"
            ratios += f"  memory {seen['extra_ratio']:.1f}x"
        print(
            f"{way:12}{seen['cpu_ms']:9.1f}{f'{low:.0f} to {high:.0f}':>16}"
            f"{seen['wall_ms']:9.1f}{seen['extra_mb']:10.1f}{ratios}"
        )


def benchmark(arguments: argparse.Namespace, folder: Path) -> int:
    """Check that the tensors agree and, unless in a hurry, measure."""
    videos = {path.name: path for path in arguments.videos}
    if not videos:
        videos = {kind: generate(folder, recipe) for kind, recipe in GENERATED.items()}
    differences = {kind: largest_difference(path) for kind, path in videos.items()}
    agree = max(differences.values()) <= TOLERANCE
    chosen = ALLOCATORS if arguments.allocator == "both" else [arguments.allocator]
    rows = [] if arguments.quick else [
        compare(kind, path, allocator, arguments.runs)
        for kind, path in videos.items()
        for allocator in chosen
    ]  # fmt: skip
    if arguments.json:
        print(json.dumps({"differences": differences, "agree": agree, "rows": rows}, indent=1))
    else:
        for kind, difference in differences.items():
            print(f"{kind}: largest difference {difference:.1e} (normalised units)")
        for row in rows:
            show(row)
    return 0 if agree and all(row["above_floor"] for row in rows) else 1


def main() -> int:
    """Parse the arguments and run, as parent or as a measured child."""
    parser = script_parser(__doc__)
    add_run_options(parser, runs=5)
    parser.add_argument("videos", nargs="*", type=Path, metavar="VIDEO")
    parser.add_argument("--allocator", choices=[*ALLOCATORS, "both"], default="both")
    parser.add_argument("--workers", type=int, default=0, help="decoding processes; 0: in this one")
    parser.add_argument("--count", type=int, default=16, help="videos in a turn, with --workers")
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(arguments.child, arguments.videos[0], arguments.repeats)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        if arguments.workers:
            import loader_workers

            return loader_workers.run(arguments, Path(folder))
        return benchmark(arguments, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
