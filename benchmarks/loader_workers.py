"""The evaluation loader in decoding processes; run by ``loader.py --workers N``.

The released way is its dataset, one video a batch, in torch's ``DataLoader``. Ours is
``load_videos``, as an evaluation calls it. Every turn is a process of its own that loads the same
number of videos and reads one value of every page that it is handed; the time runs from the start
of the decoding processes to the last video. The ways take turns, and a ratio is one of wall times
in a turn. Memory is the largest sum, over the process and those that decode, of what Linux counts
as theirs (PSS, shared pages divided among those that share them), sampled in a turn that is not
timed.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import torch
from command import script_parser
from loader import ALLOCATORS, FLOOR, GENERATED, POLICY, SPEC, decoder_id, generate, released
from torch.utils.data import DataLoader, Dataset

from zsl_bench.datasets import open_dataset
from zsl_bench.evaluation.loading import VideoDataset, load_videos
from zsl_bench.video import load_clips

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

RECIPES = {
    "ucf": GENERATED["ucf"],
    "hmdb": GENERATED["hmdb"],
    "activitynet": {**GENERATED["kinetics"], "name": "activitynet.mp4", "frames": 900},
}
GOALS = {"ucf": 6.0, "hmdb": 9.0, "activitynet": 5.0}
_PAGE_OF_FLOATS = 1024
_SAMPLE_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is loaded in a turn: one video of a folder, again and again."""

    folder: Path
    position: int
    workers: int
    count: int


class ReleasedDataset(Dataset[tuple[torch.Tensor, int]]):
    """Videos to 25 assembled clips and a label."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.paths)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, int]:
        """Make the clips of a video; its position stands for the label."""
        return released(self.paths[position]), position


def one_thread(_worker: int) -> None:
    """Let a decoding process have one thread, whatever it decodes with."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def released_loader(folder: Path, order: Sequence[int], workers: int) -> Iterator[torch.Tensor]:
    """Yield the clips of the videos of a folder, in an order, the released way."""
    dataset = ours_dataset(folder)
    paths = [dataset.manifest.resolve(dataset.manifest.videos[position]) for position in order]
    loader = DataLoader(ReleasedDataset(paths), num_workers=workers, worker_init_fn=one_thread)
    for clips, _ in loader:
        yield clips[0]


def ours_dataset(folder: Path) -> VideoDataset:
    """Open the videos of a folder."""
    return VideoDataset(open_dataset("loader-benchmark", folder), POLICY, SPEC)


def our_loader(folder: Path, order: Sequence[int], workers: int) -> Iterator[torch.Tensor]:
    """Yield the frames of the videos of a folder, in an order, our way."""
    for video in load_videos(ours_dataset(folder), order, workers=workers):
        if video.frames is None:
            raise SystemExit(f"a video cannot be read: {video.reason}")
        yield video.frames


WAYS: dict[str, Callable[[Path, Sequence[int], int], Iterator[torch.Tensor]]] = {
    "released": released_loader,
    "ours": our_loader,
}


def agrees(folder: Path, workers: int) -> bool:
    """Check that the processes hand over what one process makes, in the order asked for."""
    dataset = ours_dataset(folder)
    order = [*range(len(dataset)), *reversed(range(len(dataset)))]
    paths = [dataset.manifest.resolve(dataset.manifest.videos[position]) for position in order]
    mine = our_loader(folder, order, workers)
    theirs = released_loader(folder, order, workers)
    return all(
        torch.equal(frames, torch.from_numpy(load_clips(path, POLICY, SPEC).frames))
        and torch.equal(clips, released(path))
        for path, frames, clips in zip(paths, mine, theirs, strict=True)
    )


def child(arguments: argparse.Namespace) -> dict[str, float]:
    """Load videos one way in this process and its children, and measure it."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if arguments.child == "agree":
        return {"agree": agrees(arguments.folder, arguments.workers)}
    decoder_id()
    order = [arguments.position] * arguments.count
    started, touched = time.perf_counter(), 0.0
    for levels in WAYS[arguments.child](arguments.folder, order, arguments.workers):
        touched += float(levels.view(-1)[::_PAGE_OF_FLOATS].sum())
        del levels
    wall = time.perf_counter() - started
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(spent.ru_utime + spent.ru_stime for spent in both)
    return {"wall": wall, "cpu": cpu, "touched": touched}


def pss_bytes(pid: int) -> int:
    """Return what Linux counts as a process's and its descendants' memory."""
    total = 0
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, StopIteration):
        return total
    return total + sum(pss_bytes(int(each)) for each in children)


def turn(way: str, plan: Plan, *, sampled: bool) -> dict[str, Any]:
    """Run one way in a process of its own; where it is sampled, watch its memory."""
    environment = {**os.environ, **ALLOCATORS["default"], "OMP_NUM_THREADS": "1"}
    environment["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "threads;1"
    command = [sys.executable, __file__, "--child", way, "--workers", str(plan.workers)]
    command += ["--count", str(plan.count), "--position", str(plan.position), str(plan.folder)]
    peak = 0
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        while sampled and running.poll() is None:
            peak = max(peak, pss_bytes(running.pid))
            time.sleep(_SAMPLE_SECONDS)
        told = running.communicate()[0]
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return {**json.loads(told.splitlines()[-1]), "peak": peak}


def compare(kind: str, plan: Plan, runs: int) -> dict[str, Any]:
    """Measure both ways on a video, taking turns, and put the ratio beside the goal."""
    peaks = {way: turn(way, plan, sampled=True)["peak"] for way in WAYS}
    turns = [{way: turn(way, plan, sampled=False) for way in WAYS} for _ in range(runs)]
    row: dict[str, Any] = {"video": kind, "workers": plan.workers, "videos": plan.count}
    for clock in ("wall", "cpu"):
        ratios = [each["released"][clock] / each["ours"][clock] for each in turns]
        row[f"{clock}_ratio"] = round(statistics.median(ratios), 2)
        row[f"{clock}_ratio_range"] = [round(min(ratios), 2), round(max(ratios), 2)]
    row["memory_ratio"] = round(peaks["released"] / max(peaks["ours"], 1), 1)
    row["goal_wall"] = GOALS.get(kind)
    row["above_floor"] = row["wall_ratio"] >= FLOOR * GOALS.get(kind, 0)
    row["ways"] = {
        way: {
            "ms_per_video": round(
                1000 * statistics.median(each[way]["wall"] for each in turns) / plan.count, 1
            ),
            "peak_mb": round(peaks[way] / 1e6),
        }
        for way in WAYS
    }
    return row


def show(row: dict[str, Any]) -> None:
    """Print one comparison."""
    goal = "" if row["goal_wall"] is None else f", goal {row['goal_wall']:g}x"
    verdict = "" if row["above_floor"] else "  BELOW THE FLOOR"
    low, high = row["wall_ratio_range"]
    print(f"\n{row['video']}, {row['workers']} decoding processes{goal}{verdict}")
    print(
        f"released / ours: wall {row['wall_ratio']:.1f}x ({low:.1f} to {high:.1f}), "
        f"CPU {row['cpu_ratio']:.1f}x, memory {row['memory_ratio']:.1f}x"
    )
    for way, seen in row["ways"].items():
        print(f"{way:10}{seen['ms_per_video']:9.1f} ms a video{seen['peak_mb']:8} MB in all")


def run(arguments: argparse.Namespace, scratch: Path) -> int:
    """Check that both ways keep their order and values and, unless in a hurry, measure."""
    kinds = [path.name for path in arguments.videos] or list(RECIPES)
    place = scratch / "videos" / "clip"
    place.mkdir(parents=True)
    for number, kind in enumerate(kinds):
        if arguments.videos:
            given = arguments.videos[number]
            shutil.copyfile(given, place / f"{number:04}{given.suffix}")
        else:
            name = f"{number:04}{Path(RECIPES[kind]['name']).suffix}"
            generate(place, {**RECIPES[kind], "name": name})
    plans = [
        Plan(
            folder=scratch / "videos", position=p, workers=arguments.workers, count=arguments.count
        )
        for p in range(len(kinds))
    ]
    agree = turn("agree", plans[0], sampled=False)["agree"]
    pairs = [] if arguments.quick else list(zip(kinds, plans, strict=True))
    rows = [compare(kind, plan, arguments.runs) for kind, plan in pairs]
    if arguments.json:
        print(json.dumps({"agree": agree, "rows": rows}, indent=1))
    else:
        print(f"{'the same' if agree else 'NOT the same'} tensors in the order asked for")
        for row in rows:
            show(row)
    return 0 if agree and all(row["above_floor"] for row in rows) else 1


def main() -> int:
    """Run as a measured child, or with the arguments of ``loader.py --workers``."""
    parser = script_parser(__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--position", type=int, default=0)
    parser.add_argument("--child", choices=[*WAYS, "agree"], required=True)
    print(json.dumps(child(parser.parse_args())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
