"""What an evaluation of millions of videos needs, from unit costs measured here.

Measures what one video, one clip and one block cost on this machine, and computes from them, in
closed form and by a simulation of events (``scale_model.py``), how long a cluster takes, which
resource binds, and how many bytes and files come about. What cannot be measured here is given:
the speed of a device, the bandwidth and latency of the file system.

    python benchmarks/scale.py [--videos 10000000] [--kind kinetics] [--gpus 8] [--cores 64]
        [--tflops 30 150] [--bandwidth 1e9] [--latency 1e-3] [--batch-size 64] [--parts 1 100]
        [--runs 5] [--quick] [--json]
    python benchmarks/scale.py --real [--videos 96] [--quick] [--json]

``--tflops`` are trillions of operations that a device really does in a second; several make several
rows, as do ``--parts``, into which the videos are cut, each evaluated on its own. One core of each
GPU drives it and the others decode.

``--real`` runs ``zsl-bench evaluate`` on this machine in one process and in two under ``torchrun``,
with a model that waits as if for a device, and puts the seconds beside those of the simulation.

The exit code is 1 where a simulation beats the closed-form bound, the operations of R(2+1)D-18 are
not 81.0 billion, or two processes give other vectors than one.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from scale_model import Cluster, Workload, bound, estimate, simulate
from scale_real import compare_with_torchrun, show_real
from scale_units import RunUnits, VideoUnits, measure_run, measure_videos

from zsl_bench.evaluation.identity import LOOKUPS_AT_ONCE
from zsl_bench.evaluation.shards import LOOK_SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS = ("ucf", "hmdb", "kinetics", "prepared")
VIDEOS = 10_000_000
REAL_VIDEOS = 96
KNOWN_FLOPS = 81.0e9
CLIP_VECTOR_BYTES = 4 * 300
TRAINING_CLIPS = 15_000_000
TRAINING_FACTOR = 3
ROUGHLY = 0.99  # what is extrapolated from a sample
HOUR = 3600


def workload(
    video: VideoUnits, run: RunUnits, cluster: Cluster, *, videos: int, flops: float
) -> Workload:
    """Put the unit costs of one part of an evaluation together.

    A process keeps a block, reads what the others have kept, and looks at what all have finished,
    which takes at most a share of its time.
    """
    blocks = -(-videos // run.block)
    model_seconds = video.clips * run.clip_flops / flops
    others = cluster.processes - 1
    books = (
        run.block_operations * cluster.latency
        + min(blocks * run.look_seconds, LOOK_SHARE * run.block * model_seconds)
        + others * (cluster.latency + run.block_read_seconds)
    )
    return Workload(
        videos=videos,
        block=run.block,
        size_bytes=video.size_bytes,
        decode_seconds=video.decode_seconds,
        model_seconds=model_seconds,
        block_seconds=books,
    )


def plan(
    video: VideoUnits, run: RunUnits, cluster: Cluster, *, videos: int, flops: float, parts: int
) -> dict[str, Any]:
    """Return what an evaluation needs, cut into equal parts that follow one another."""
    part = workload(video, run, cluster, videos=-(-videos // parts), flops=flops)
    limits, seconds = bound(part, cluster), estimate(part, cluster)
    # Every process looks up all files before the first is decoded.
    start = part.videos * max(cluster.latency / LOOKUPS_AT_ONCE, run.stat_seconds)
    books = part.blocks * part.block_seconds / cluster.processes
    more_books = limits.binding == "model" and books > limits.model / 2
    return {
        "what": f"simulated over bound, {flops / 1e12:g} Tflop/s, {parts} parts",
        "tflops": flops / 1e12,
        "parts": parts,
        "hours": parts * (seconds + start) / HOUR,
        "bound_hours": parts * limits.seconds / HOUR,
        "bound_ratio": seconds / limits.seconds,
        "binds": "books" if more_books else limits.binding,
        "decoding_hours": parts * limits.decoding / HOUR,
        "reading_hours": parts * limits.reading / HOUR,
        "model_hours": videos * part.model_seconds / cluster.processes / HOUR,
        "books_hours": parts * books / HOUR,
        "start_hours": parts * start / HOUR,
        "read_tb": videos * video.size_bytes / 1e12,
        "vectors_gb": parts * part.blocks * run.block_bytes / 1e9,
        "clip_vectors_gb": videos * video.clips * CLIP_VECTOR_BYTES / 1e9,
        "block_files": part.blocks,
        "manifest_gb_per_process": part.videos * run.manifest_bytes / 1e9,
        "agree": seconds >= ROUGHLY * limits.seconds,
    }


def training(
    videos: dict[str, VideoUnits], run: RunUnits, *, gpus: int, cores: int, flops: Sequence[float]
) -> list[dict[str, Any]]:
    """Return the hours of 15 million training clips by kind of file and speed of the devices."""
    rows = []
    for kind, video in videos.items():
        for speed in flops:
            loading = TRAINING_CLIPS * video.training_clip_seconds / cores / HOUR
            stepping = TRAINING_CLIPS * TRAINING_FACTOR * run.clip_flops / speed / gpus / HOUR
            rows.append(
                {
                    "kind": kind,
                    "cores": cores,
                    "gpus": gpus,
                    "tflops": speed / 1e12,
                    "loading_hours": loading,
                    "stepping_hours": stepping,
                    "binds": "loading" if loading > stepping else "devices",
                    "cores_needed": gpus
                    * speed
                    * video.training_clip_seconds
                    / (TRAINING_FACTOR * run.clip_flops),
                }
            )
    return rows


def report(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the unit costs and compute everything from them."""
    kinds = ["ucf"] if arguments.quick else list(KINDS)
    videos = measure_videos(kinds, runs=1 if arguments.quick else arguments.runs)
    run = measure_run(arguments.batch_size, blocks=200 if arguments.quick else 20_000)
    cluster = Cluster(
        processes=arguments.gpus,
        workers=max(arguments.cores // arguments.gpus - 1, 1),
        bandwidth=arguments.bandwidth,
        latency=arguments.latency,
    )
    speeds = [1e12 * each for each in arguments.tflops]
    chosen = videos["ucf" if arguments.quick else arguments.kind]
    total = min(arguments.videos, 2000) if arguments.quick else arguments.videos
    rows = [
        plan(chosen, run, cluster, videos=total, flops=flops, parts=parts)
        for flops in speeds
        for parts in arguments.parts
    ]
    small = workload(chosen, run, cluster, videos=500, flops=speeds[0])
    known = abs(run.clip_flops - KNOWN_FLOPS) < 1e-3 * KNOWN_FLOPS
    agree = known and all(row["agree"] for row in rows)
    return {
        "agree": agree and simulate(small, cluster).seconds >= bound(small, cluster).seconds,
        "videos": total,
        "units": {"video": {kind: asdict(each) for kind, each in videos.items()}, **asdict(run)},
        "cluster": asdict(cluster),
        "evaluation": rows,
        "training": [
            *training(videos, run, gpus=1, cores=16, flops=speeds),
            *training(videos, run, gpus=arguments.gpus, cores=arguments.cores, flops=speeds),
        ],
    }


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    units = found["units"]
    print("one video            decode ms  training clip ms  clips     kB")
    for kind, each in units["video"].items():
        print(
            f"{kind:18}{1000 * each['decode_seconds']:12.1f}"
            f"{1000 * each['training_clip_seconds']:18.1f}{each['clips']:7}"
            f"{each['size_bytes'] / 1000:7.0f}"
        )
    print(
        f"one clip: {units['clip_flops'] / 1e9:.1f} billion operations; a block of "
        f"{units['block']} videos: {units['block_bytes']:,} bytes, "
        f"{units['block_operations']} file operations, "
        f"{1e6 * units['block_read_seconds']:.0f} us to read, "
        f"{1e9 * units['look_seconds']:.0f} ns a look for each block of the run; a video in the "
        f"list: {units['manifest_bytes']:.0f} bytes\n"
    )
    print(f"{found['videos']:,} videos on {found['cluster']}")
    for row in found["evaluation"]:
        print(
            f"{row['tflops']:5.0f} Tflop/s, {row['parts']:4} parts: {row['hours']:6.1f} h "
            f"(bound {row['bound_hours']:.1f}, {row['binds']}): decoding "
            f"{row['decoding_hours']:.1f}, reading {row['reading_hours']:.1f}, model "
            f"{row['model_hours']:.1f}, books {row['books_hours']:.1f}, start "
            f"{row['start_hours']:.1f}; {row['read_tb']:.1f} TB read, {row['vectors_gb']:.1f} GB "
            f"of vectors, {row['clip_vectors_gb']:.0f} GB of clip vectors, "
            f"{row['block_files']:,} files in a folder, list of videos "
            f"{row['manifest_gb_per_process']:.2f} GB"
        )
    print("\n15 million training clips")
    for row in found["training"]:
        print(
            f"{row['kind']:10}{row['gpus']} GPUs of {row['tflops']:.0f} Tflop/s, {row['cores']} "
            f"cores: loading {row['loading_hours']:.1f} h, steps {row['stepping_hours']:.1f} h; "
            f"binds: {row['binds']}; {row['cores_needed']:.1f} cores feed them"
        )


def main() -> int:
    """Parse the arguments and compute, or run and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=int)
    parser.add_argument("--kind", choices=KINDS, default="kinetics")
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--cores", type=int, default=64)
    parser.add_argument("--tflops", type=float, nargs="+", default=[30.0, 150.0])
    parser.add_argument("--bandwidth", type=float, default=1e9)
    parser.add_argument("--latency", type=float, default=1e-3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--parts", type=int, nargs="+", default=[1, 100])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.real:
        found = compare_with_torchrun(arguments.videos or REAL_VIDEOS, quick=arguments.quick)
    else:
        arguments.videos = arguments.videos or VIDEOS
        found = report(arguments)
    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        (show_real if arguments.real else show)(found)
    return 0 if found["agree"] else 1


if __name__ == "__main__":
    sys.exit(main())
