"""What prepare costs and what it does to pixels and embeddings.

Without ``--effect``: videos a second of ``prepare`` against the loop that one writes first, in the
same process: decode with PyAV, ``frame.reformat``, encode with libx264 (its default preset and
threads) and the same crf and GOP, one file after the other, nothing verified. The ways take turns;
a ratio is one of wall times in a run. VIDEOS is a folder with one sub-folder a class; without it,
clips of UCF101's size are generated.

With ``--effect``: for every scaler and quality of the table, the mean absolute difference, in
levels, of what a model is handed (``paper-25``, 112 x 112) from prepared files against originals,
under both resize variants, and how far these are apart on the originals; and for one clip in the
middle of every video, the relative distance of its vector under the bundled randomly initialised
R(2+1)D-18, how many nearest classes of UCF101 changed ("raw"; "centred" after the mean vector of
the originals was taken off, without which such a network sees one class in everything), and how
many nearest other videos did. ``--no-network`` leaves the network out, ``--every N`` takes every
Nth video.

    python benchmarks/preparation.py [VIDEOS] [--runs 3] [--jobs N] [--quick] [--json]
    python benchmarks/preparation.py VIDEOS --effect [--every N] [--no-network] [--json]

``--quick`` prepares two small clips and checks that every frame is there; the exit code is 1 where
one is not.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from loader import GENERATED, generate

from zsl_bench.datasets import open_dataset
from zsl_bench.parallel import default_jobs
from zsl_bench.preparation import PrepareSettings, prepare
from zsl_bench.video import ClipSpec, clip_policy, load_clips, probe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zsl_bench.videos import Manifest

POLICY = clip_policy("paper-25")
SPECS = {
    variant: ClipSpec(dtype="float32", resize=variant)
    for variant in ("brattoli2020", "scale-factor")
}
TRIED = (
    *(PrepareSettings(scaler=s) for s in ("evaluation", "area", "bicubic", "bilinear")),
    *(PrepareSettings(quality=q) for q in (10, 14, 23, 28)),
    *(PrepareSettings(codec=c) for c in ("h265", "mjpeg")),
)


def plain(manifest: Manifest, out: Path) -> None:
    """Re-encode one file after the other with a few lines of PyAV."""
    for number, video in enumerate(manifest.videos):
        with (
            av.open(str(manifest.resolve(video)), metadata_errors="replace") as source,
            av.open(str(out / f"{number}.mp4"), "w") as target,
        ):
            read = source.streams.video[0]
            scale = 128 / min(read.height, read.width)
            width, height = (int(side * scale) // 2 * 2 for side in (read.width, read.height))
            stream = target.add_stream(
                "libx264", rate=read.average_rate, options={"crf": "18", "g": "16"}
            )
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for index, frame in enumerate(source.decode(read)):
                scaled = frame.reformat(width, height, format="yuv420p")
                scaled.pts, scaled.time_base = index, 1 / read.average_rate
                target.mux(stream.encode(scaled))
            target.mux(stream.encode())


def throughput(manifest: Manifest, runs: int, jobs: int) -> dict[str, Any]:
    """Time both ways, taking turns."""
    seconds: dict[str, list[float]] = {"prepare": [], "plain": []}
    report: dict[str, Any] = {}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            report = prepare(manifest, Path(folder, "out"), jobs=jobs).report
            seconds["prepare"].append(time.perf_counter() - started)
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            plain(manifest, Path(folder))
            seconds["plain"].append(time.perf_counter() - started)
    ratios = [b / a for a, b in zip(seconds["prepare"], seconds["plain"], strict=True)]
    best = statistics.median(seconds["prepare"])
    return {
        "jobs": jobs,
        "videos": report["videos"],
        "frames": report["frames"],
        "seconds": {way: statistics.median(times) for way, times in seconds.items()},
        "videos_per_second": report["videos"] / best,
        "frames_per_second": report["frames"] / best,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "smaller": report["ratio"],
    }


class Network:
    """The bundled randomly initialised R(2+1)D-18 and the class vectors of UCF101."""

    def __init__(self) -> None:
        import torch

        from zsl_bench.baselines.models import random_model
        from zsl_bench.classes import load_class_set

        self._torch = torch
        self._model = random_model(allow_approximate=True)
        self._classes = self._model.embed_classes(load_class_set("ucf101")).numpy()

    def embed(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vector of one clip, shape (300,)."""
        with self._torch.inference_mode():
            vectors = self._model.embed_clips(self._torch.from_numpy(clip[None]))
        vector: NDArray[np.float32] = vectors.numpy()[0]
        return vector

    def decisions(
        self, vectors: NDArray[np.float32], originals: NDArray[np.float32]
    ) -> dict[str, NDArray[np.int64]]:
        """Return the nearest class of every vector, raw and centred, and the nearest video."""
        mean = originals.mean(0)
        likeness = unit(vectors - mean) @ unit(originals - mean).T
        np.fill_diagonal(likeness, -np.inf)
        return {
            "raw": np.argmax(vectors @ self._classes.T, 1),
            "centred": np.argmax((vectors - mean) @ self._classes.T, 1),
            "neighbour": np.argmax(likeness, 1),
        }


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit length."""
    scaled: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def effect(manifest: Manifest, network: Network | None) -> list[dict[str, Any]]:
    """Compare what a model is handed from originals and from files prepared in every way."""
    with tempfile.TemporaryDirectory() as folder:
        made = [
            prepare(manifest, Path(folder, str(number)), settings)
            for number, settings in enumerate(TRIED)
        ]
        rows: list[list[dict[str, float]]] = [[] for _ in TRIED]
        vectors: list[list[NDArray[np.float32]]] = [[] for _ in (None, *TRIED)]
        for video in manifest.videos:
            original = seen(manifest, video.id, network)
            vectors[0].append(original["vector"])
            for number, prepared in enumerate(made):
                again = seen(prepared.manifest, video.id, network)
                vectors[number + 1].append(again["vector"])
                rows[number].append({v: apart(original[v], again[v]) for v in SPECS})
                rows[number][-1]["variants"] = apart(*(original[v] for v in SPECS))
    changes = [{} for _ in TRIED] if network is None else compare(network, vectors)
    return [
        {
            **asdict(settings),
            "quality": settings.level,
            "bytes_a_frame": done.report["bytes_after"] / done.report["frames"],
            "smaller": done.report["ratio"],
            "least_psnr_db": done.report["least_psnr_db"],
            **{name: float(np.mean([row[name] for row in table])) for name in SPECS},
            "variants": float(np.mean([row["variants"] for row in table])),
            "worst_video": max(row["brattoli2020"] for row in table),
            "videos": len(table),
            **changed,
        }
        for settings, done, table, changed in zip(TRIED, made, rows, changes, strict=True)
    ]


def apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the mean absolute difference in levels."""
    return float(np.abs(one - other).mean())


def compare(network: Network, vectors: list[list[NDArray[np.float32]]]) -> list[dict[str, float]]:
    """Compare the vectors of every way with the first, those of the originals."""
    originals = np.stack(vectors[0])
    before = network.decisions(originals, originals)
    table = []
    for way in vectors[1:]:
        there = np.stack(way)
        after = network.decisions(there, originals)
        moved = np.linalg.norm(there - originals, axis=1) / np.linalg.norm(originals, axis=1)
        changed = {name: int((before[name] != after[name]).sum()) for name in before}
        table.append({"vector": float(moved.mean()), **changed})
        table[-1]["classes_seen"] = len(set(before["centred"].tolist()))
    return table


def seen(manifest: Manifest, name: str, network: Network | None) -> dict[str, Any]:
    """Return the clips of a video under both variants and the vector of the one in the middle."""
    path = next(manifest.resolve(video) for video in manifest.videos if video.id == name)
    clips = {variant: load_clips(path, POLICY, spec) for variant, spec in SPECS.items()}
    found: dict[str, Any] = {variant: made.frames for variant, made in clips.items()}
    middle = clips["brattoli2020"]
    slots = middle.slots[len(middle.slots) // 2]
    found["vector"] = None if network is None else network.embed(middle.frames[slots])
    return found


def show_effect(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    print(
        f"{'codec':6} {'scaler':10} {'quality':>7} {'bytes/frame':>11} {'smaller':>7} "
        f"{'brattoli2020':>12} {'worst':>6} {'scale-factor':>12}"
    )
    for row in rows:
        print(
            f"{row['codec']:6} {row['scaler']:10} {row['quality']:7} {row['bytes_a_frame']:11.0f} "
            f"{row['smaller']:7.2f} {row['brattoli2020']:12.2f} {row['worst_video']:6.2f} "
            f"{row['scale-factor']:12.2f}",
            end="",
        )
        if "vector" in row:
            print(
                f"  vector {row['vector']:.1e}, changed of {row['videos']}: {row['raw']} raw, "
                f"{row['centred']} centred ({row['classes_seen']} classes), "
                f"{row['neighbour']} neighbours",
                end="",
            )
        print()
    print(f"originals under the two variants: {rows[0]['variants']:.2f} levels apart")


def show_speed(speed: dict[str, Any]) -> None:
    """Print the speed."""
    ratios = speed["ratios"]
    print(
        f"{speed['videos']} videos, {speed['frames']:,} frames, jobs {speed['jobs']}: "
        f"{speed['videos_per_second']:.1f} videos/s, {speed['frames_per_second']:,.0f} frames/s, "
        f"{speed['ratio']:.2f}x the plain loop ({min(ratios):.2f} to {max(ratios):.2f}), "
        f"{speed['smaller']:.2f} times smaller files"
    )


def generated(folder: Path, copies: int) -> Path:
    """Put some clips of UCF101's size into a folder with one class."""
    root = folder / "clips"
    made = generate(folder, GENERATED["ucf"])
    for number in range(copies):
        path = root / "made" / f"{number}{made.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.read_bytes())
    return root


def is_whole(manifest: Manifest) -> bool:
    """Prepare, and check that every frame is there."""
    with tempfile.TemporaryDirectory() as folder:
        made = prepare(manifest, Path(folder, "out"), jobs=1)
        pairs = zip(manifest.videos, made.manifest.videos, strict=True)
        return all(
            new.frames == probe(made.manifest.resolve(new)).frames
            and new.frames == probe(manifest.resolve(old)).frames
            for old, new in pairs
        )


def run(videos: Path, arguments: argparse.Namespace) -> int:
    """Do what was asked for on a folder."""
    manifest = open_dataset("clips", videos)
    manifest = replace(manifest, videos=manifest.videos[:: arguments.every])
    if arguments.quick:
        whole = is_whole(manifest)
        told = "every frame is there" if whole else "frames are missing"
        print(json.dumps({"agree": whole}) if arguments.json else told)
        return 0 if whole else 1
    if arguments.effect:
        rows = effect(manifest, None if arguments.no_network else Network())
        if arguments.json:
            print(json.dumps(rows, indent=1))
        else:
            show_effect(rows)
        return 0
    speed = throughput(manifest, arguments.runs, arguments.jobs)
    if arguments.json:
        print(json.dumps(speed, indent=1))
    else:
        show_speed(speed)
    return 0


def main() -> int:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", nargs="?", type=Path, metavar="VIDEOS")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=default_jobs())
    parser.add_argument("--effect", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--no-network", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        given = arguments.videos or generated(Path(folder), 2 if arguments.quick else 24)
        return run(given, arguments)


if __name__ == "__main__":
    sys.exit(main())
