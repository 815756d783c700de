"""Checking the files of a data set against plain sequential probing.

The plain way is a loop over the files that calls ``zsl_bench.video.probe`` and counts the packets
with PyAV. It reads the same bytes and decodes the same frame, and gives no verdict. Ours is
``check_manifest`` at its level ``quick`` with one process and with more, without a cache; the
processes are started anew in each run, which takes about half a second. "no process" is what they
do with each file, in a loop. The ways take turns, and the best run of each counts. The second part
checks a whole UCF101 of tiny videos twice: the second time every file is known by size and time of
change.

Files lie in the page cache, so that this is the most that processors allow; a disk may be slower.

    python benchmarks/indexing.py [--runs 5] [--files 2000] [--jobs 2] [--quick] [--json]

``--quick`` only checks, on few files, that both ways count the same packets and that the second run
opens nothing. Otherwise the exit code is 1 where the loop falls under 0.6 times the plain one, or
where the second run over 13,320 files takes more than a fifth of the first.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from zsl_bench.datasets import official_list, open_dataset
from zsl_bench.indexing import check_manifest
from zsl_bench.indexing.probe import ProbeTask, probe_file
from zsl_bench.parallel import default_jobs
from zsl_bench.video import probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from zsl_bench.videos import Manifest

SLOWEST = 0.6
LARGEST_SHARE = 0.2


def encode(path: Path, *, size: tuple[int, int], frames: int) -> bytes:
    """Return an MPEG-4 AVI file of moving noise."""
    noise = np.random.default_rng(0).integers(0, 256, (size[1] // 8, size[0] // 8, 3), np.uint8)
    picture = noise.repeat(8, axis=0).repeat(8, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            moved = np.roll(picture, 3 * number, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode())
    content = path.read_bytes()
    path.unlink()
    return content


def fill(folder: Path, content: bytes, count: int) -> Manifest:
    """Write copies of a video as the first videos of UCF101, each of another size."""
    folder.mkdir()
    for number, video in enumerate(islice(official_list("ucf101").videos.values(), count)):
        path = folder / video.label / f"{video.id}.avi"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content + bytes(number))
    return open_dataset("ucf101", folder)


def plain(manifest: Manifest) -> dict[str, int]:
    """Probe one file after the other and return how many packets each has."""
    counts = {}
    for video in manifest.videos:
        path = manifest.resolve(video)
        probe(path)
        with av.open(str(path)) as container:
            packets = container.demux(container.streams.video[0])
            counts[video.path] = sum(packet.size > 0 for packet in packets)
    return counts


def ours(manifest: Manifest, jobs: int) -> dict[str, int | None]:
    """Check the files, for ``jobs`` 0 in this process, and return how many packets each has."""
    if not jobs:
        files = [(manifest.resolve(video), video.path) for video in manifest.videos]
        tasks = [ProbeTask(place=place, path=path, level="quick") for place, path in files]
        return {task.path: probe_file(task).packets for task in tasks}
    check = check_manifest(manifest, jobs=jobs, use_cache=False)
    return {path: found.packets for path, found in check.probes.items()}


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(manifest: Manifest, jobs: list[int], runs: int) -> dict[str, dict[str, float]]:
    """Return files a second of each way, and its speed against the plain loop."""
    ways: dict[str, Callable[[], object]] = {"plain loop": lambda: plain(manifest)}
    for count in jobs:
        ways[f"jobs {count}" if count else "no process"] = lambda count=count: ours(manifest, count)
    if any(plain(manifest) != ours(manifest, count) for count in jobs):
        raise SystemExit("the ways count different packets")
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, call in ways.items():
            taken[name].append(seconds(call))
    best = {name: min(times) for name, times in taken.items()}
    return {
        name: {"files_per_second": len(manifest) / least, "ratio": best["plain loop"] / least}
        for name, least in best.items()
    }


def check_twice(manifest: Manifest, jobs: int) -> dict[str, float]:
    """Return how long a check takes, and how long the next one, of files that did not change."""
    first, second = (check_manifest(manifest, jobs=jobs) for _ in range(2))
    if first.probed != len(manifest) or second.cached != len(manifest) or second.probed:
        raise SystemExit("the second check does not know what the first has found")
    if any(finding.is_problem and finding.kind != "missing" for finding in second.findings):
        raise SystemExit("sound files are called unreadable")
    return {"files": len(manifest), "first": first.seconds, "second": second.seconds}


def main() -> None:
    """Print a table of speeds and the seconds of two checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=default_jobs())
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    jobs = sorted({0, 1, given.jobs})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["ZSL_BENCH_CACHE"] = str(folder / "cache")
        usual = encode(folder / "v.avi", size=(320, 240), frames=10 if given.quick else 150)
        tiny = encode(folder / "v.avi", size=(64, 48), frames=17)
        speeds = compare(
            fill(folder / "usual", usual, 8 if given.quick else given.files),
            jobs,
            1 if given.quick else given.runs,
        )
        twice = check_twice(fill(folder / "tiny", tiny, 20 if given.quick else 13_320), given.jobs)
    if given.json:
        print(json.dumps({"bytes": len(usual), "ways": speeds, "twice": twice}, indent=1))
    else:
        for way, found in speeds.items():
            speed, ratio = found["files_per_second"], found["ratio"]
            print(f"{way:12} {speed:7,.0f} files/s   {ratio:.2f}x the plain loop")
        print(
            f"{twice['files']:,} files: first check {twice['first']:.1f} s, second "
            f"{twice['second']:.2f} s"
        )
    if not given.quick:
        slow = speeds["no process"]["ratio"] < SLOWEST
        sys.exit(slow or twice["second"] > LARGEST_SHARE * twice["first"])


if __name__ == "__main__":
    main()
