"""Measured costs of one video, one clip and one block, from which ``scale.py`` computes."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from loader import GENERATED, generate
from torch.utils.flop_counter import FlopCounterMode

from zsl_bench.baselines.networks import WORD_VECTOR_DIM, empty_network
from zsl_bench.datasets import open_dataset
from zsl_bench.evaluation.claims import Claims
from zsl_bench.evaluation.store import VectorStore, VideoVectors, block_size
from zsl_bench.preparation import prepare
from zsl_bench.video import ClipSpec, clip_policy, load_clips, load_training_clip
from zsl_bench.videos import Video

if TYPE_CHECKING:
    from collections.abc import Callable

POLICY = clip_policy("official-25")
SPEC = ClipSpec(dtype="float32")
NETWORK = "r2plus1d_18"
_FILE_EVENTS = {"open", "os.listdir", "os.scandir", "os.rename", "os.remove", "os.mkdir"}


@dataclass(frozen=True, kw_only=True)
class VideoUnits:
    """Costs of a video of one kind.

    Attributes:
        frames: Frames of it.
        clips: Distinct clips of ``official-25``.
        size_bytes: Bytes of the file.
        decode_seconds: Core seconds of the evaluation loader.
        training_clip_seconds: Core seconds of one random training clip.
    """

    frames: int
    clips: int
    size_bytes: int
    decode_seconds: float
    training_clip_seconds: float


@dataclass(frozen=True, kw_only=True)
class RunUnits:
    """Costs that do not depend on the kind of video.

    Attributes:
        clip_flops: Floating-point operations of R(2+1)D-18 on one clip.
        block: Videos of a block.
        block_bytes: Bytes of its file.
        block_operations: Files opened, listed, renamed and removed to claim and keep a block.
        block_read_seconds: Seconds to read a block that another process has kept.
        look_seconds: Seconds of one look at what all have finished, for each block of the run.
        stat_seconds: Seconds to look up size and time of a file on this machine.
        manifest_bytes: Memory of one video in the list of videos.
    """

    clip_flops: int
    block: int
    block_bytes: int
    block_operations: int
    block_read_seconds: float
    look_seconds: float
    stat_seconds: float
    manifest_bytes: float


def measure_videos(kinds: list[str], *, runs: int) -> dict[str, VideoUnits]:
    """Measure videos of some kinds; ``prepared`` is one of Kinetics' size after ``prepare``."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        return {kind: _measure_video(_video(kind, Path(name)), runs) for kind in kinds}


def _video(kind: str, folder: Path) -> Path:
    if kind != "prepared":
        return generate(folder, GENERATED[kind])
    (folder / "originals" / "made").mkdir(parents=True)
    generate(folder / "originals" / "made", GENERATED["kinetics"])
    made = prepare(open_dataset("made", folder / "originals"), folder / "prepared", jobs=1)
    return made.manifest.resolve(made.manifest.videos[0])


def _measure_video(path: Path, runs: int) -> VideoUnits:
    clips = load_clips(path, POLICY, SPEC)
    return VideoUnits(
        frames=clips.total,
        clips=len(clips.slots),
        size_bytes=path.stat().st_size,
        decode_seconds=_median(lambda _: load_clips(path, POLICY, SPEC), runs),
        training_clip_seconds=_median(
            lambda seed: load_training_clip(path, SPEC, np.random.default_rng(seed)), 4 * runs
        ),
    )


def _median(call: Callable[[int], object], runs: int) -> float:
    seconds = []
    for run in range(runs):
        started = time.process_time()
        call(run)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)


def measure_run(batch_size: int, *, blocks: int) -> RunUnits:
    """Measure what does not depend on the kind of video.

    Args:
        batch_size: Clips in a batch.
        blocks: Blocks of the run at which looks at finished ones are timed.
    """
    block = block_size(batch_size, POLICY.clips)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return RunUnits(
            clip_flops=clip_flops(NETWORK),
            block=block,
            block_bytes=len(vectors_of(block).to_bytes()),
            block_operations=_operations(folder / "one", block),
            block_read_seconds=_read_seconds(folder / "read", block),
            look_seconds=_look_seconds(folder / "looks", blocks),
            stat_seconds=_stat_seconds(folder),
            manifest_bytes=manifest_bytes(2000),
        )


def clip_flops(network: str) -> int:
    """Count the floating-point operations of a network on one clip of 16 x 112 x 112."""
    made = empty_network(network).eval().to("meta")
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        made(torch.empty((1, 16, 3, 112, 112), device="meta"))
    return int(counter.get_total_flops())


def vectors_of(videos: int) -> VideoVectors:
    """Return vectors of readable videos, of the length of word vectors."""
    return VideoVectors(
        readable=np.ones(videos, dtype=np.bool_),
        vectors=np.zeros((videos, WORD_VECTOR_DIM), dtype=np.float32),
        reasons={},
    )


def _store(folder: Path, *, blocks: int, block: int) -> VectorStore:
    return VectorStore(folder, "measured", stamps=range(blocks * block), block=block)


def _operations(folder: Path, block: int) -> int:
    """Count what Python does with files from before a block is claimed to after it is kept."""
    store = _store(folder, blocks=2, block=block)
    store.save(1, vectors_of(block))
    seen: list[str] = []
    counting = False

    def hook(event: str, _: tuple[object, ...]) -> None:
        if counting and event in _FILE_EVENTS:
            seen.append(event)

    sys.addaudithook(hook)
    with Claims(folder / "vectors" / "measured" / "claims") as claims:
        counting = True
        store.on_disk()
        claims.take(store.name(0))
        store.finished(0, lambda _: False)
        store.save(0, vectors_of(block))
        claims.release(store.name(0))
        counting = False
    return len(seen)


def _read_seconds(folder: Path, block: int) -> float:
    store = _store(folder, blocks=1, block=block)
    store.save(0, vectors_of(block))
    return _median(lambda _: store.finished(0, lambda _: False), 50)


def _look_seconds(folder: Path, blocks: int) -> float:
    """Time a look at a folder with half of the blocks, as it is in the middle of a run."""
    store = _store(folder, blocks=blocks, block=1)
    place = folder / "vectors" / "measured"
    place.mkdir(parents=True)
    for block in range(blocks // 2):
        (place / f"{store.name(block)}.npz").touch()

    def look(_: int) -> int:
        there = store.on_disk()
        return sum(not store.has(block) and block in there for block in range(blocks))

    return _median(look, 5) / blocks


def _stat_seconds(folder: Path) -> float:
    files = [folder / f"{number}.txt" for number in range(500)]
    for file in files:
        file.touch()
    return _median(lambda _: [file.stat() for file in files], 5) / len(files)


def manifest_bytes(videos: int) -> float:
    """Return the memory of one video in a manifest with names as long as those of Kinetics."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [
        Video(
            id=f"v_{number:011d}_000010_000020",
            label="playing a game",
            path=f"playing a game/v_{number:011d}_000010_000020.mp4",
            group=f"v_{number:011d}",
            frames=300,
        )
        for number in range(videos)
    ]
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / len(kept)
