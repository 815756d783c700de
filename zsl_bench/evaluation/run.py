"""Run a model once over a manifest, block by block."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Protocol

import numpy as np

from zsl_bench.errors import ModelError, listing
from zsl_bench.evaluation.batching import PooledVideo
from zsl_bench.evaluation.cached import CachedVideos
from zsl_bench.evaluation.loading import load_videos
from zsl_bench.evaluation.store import KeptClips, VideoVectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zsl_bench.evaluation.batching import ClipBatcher
    from zsl_bench.evaluation.loading import LoadedVideo, VideoDataset
    from zsl_bench.evaluation.settings import Progress
    from zsl_bench.evaluation.store import VectorStore
    from zsl_bench.videos import Manifest


def run_videos(
    dataset: VideoDataset | CachedVideos,
    batcher: ClipBatcher,
    store: VectorStore,
    *,
    workers: int,
    progress: Progress,
) -> VideoVectors:
    """Run every video that the store does not have yet, keeping each finished block.

    Raises:
        ModelError: The model gives an output of the wrong shape, or one that is not finite.
        ZslBenchError: A decoding process died, or a block cannot be kept.
    """
    blocks = store.pending(dataset.reads)
    total, left = len(dataset), sum(len(store.positions(block)) for block in blocks)
    progress.start(dataset.manifest.dataset, total=total, done=total - left)
    try:
        run_blocks(dataset, batcher, store, blocks, workers=workers, progress=progress)
    finally:
        progress.finish()
    return store.whole()


class Counter(Protocol):
    """Told what is done; a part of :class:`zsl_bench.evaluation.settings.Progress`."""

    def advance(self, videos: int) -> None:
        """That many more videos are done."""
        ...

    def keep(self, videos: int) -> None:
        """That many more videos are on disk."""
        ...


def run_blocks(
    dataset: VideoDataset | CachedVideos,
    batcher: ClipBatcher,
    store: VectorStore,
    blocks: Iterable[int],
    *,
    workers: int,
    progress: Counter,
) -> None:
    """Run the videos of some blocks, keeping each finished block.

    Blocks are asked for as they are needed: some videos ahead, for the processes that decode.

    Raises:
        ModelError: The model gives an output of the wrong shape, or one that is not finite.
        ZslBenchError: A decoding process died, or a block cannot be kept.
    """
    running = _Running(dataset, batcher, store, progress)
    positions = running.to_load(blocks)
    first = next(positions, None)
    if first is None:
        return
    videos = load_videos(
        running.loaded,
        chain([first], positions),
        workers=workers,
        pinned=batcher.wants_pinned,
    )
    with closing(videos):
        for video in videos:
            running.take(video)


@dataclass(kw_only=True, eq=False)
class _OpenBlock:
    """A block that is not finished.

    Attributes:
        found: Its videos from the cache, by position.
        left: How many of its videos are still to be loaded.
        reasons: Why videos are unreadable, by position.
        runs: Whether any of its videos goes through the model.
    """

    found: dict[int, PooledVideo]
    left: int
    reasons: dict[int, str] = field(default_factory=dict)
    runs: bool = False


class _Running:
    """The blocks on their way from the disk through the model to the store."""

    def __init__(
        self,
        dataset: VideoDataset | CachedVideos,
        batcher: ClipBatcher,
        store: VectorStore,
        progress: Counter,
    ) -> None:
        self._manifest = dataset.manifest
        self._cache = dataset if isinstance(dataset, CachedVideos) else None
        self.loaded = dataset.loaded if isinstance(dataset, CachedVideos) else dataset
        self._batcher = batcher
        self._store = store
        self._progress = progress
        self._open: dict[int, _OpenBlock] = {}

    def to_load(self, blocks: Iterable[int]) -> Iterator[int]:
        """Yield the positions that must be loaded; a block without any is finished on the way."""
        for block in blocks:
            positions = self._store.positions(block)
            found = self._found(positions)
            missing = [position for position in positions if position not in found]
            self._open[block] = _OpenBlock(found=found, left=len(missing))
            self._progress.advance(len(found))
            if missing:
                yield from missing
            else:
                self._finish(block)

    def take(self, video: LoadedVideo) -> None:
        """Take the next loaded video; its block is finished with its last one."""
        number = video.position // self._store.block
        block = self._open[number]
        looked_up = self._cache.looked_up(video) if self._cache is not None else video
        if isinstance(looked_up, PooledVideo):
            block.found[video.position] = looked_up
        elif looked_up.reason is not None:
            block.reasons[video.position] = looked_up.reason
        else:
            block.runs = True
            self._batcher.add(looked_up)
        block.left -= 1
        self._progress.advance(1)
        if not block.left:
            self._finish(number)

    def _found(self, positions: range) -> dict[int, PooledVideo]:
        if self._cache is None:
            return {}
        found = {position: self._cache.found(position) for position in positions}
        return {position: video for position, video in found.items() if video is not None}

    def _finish(self, number: int) -> None:
        block, positions = self._open.pop(number), self._store.positions(number)
        # Batches never cross a block, so that what is flushed is of this block.
        fresh = self._batcher.flush() if block.runs else {}
        done = _block(self._manifest, positions, {**block.found, **fresh}, block.reasons)
        if self._cache is not None:
            self._cache.add(positions, fresh)
        self._store.save(number, replace(done, from_cache=len(block.found)))
        self._progress.keep(len(positions) if self._store.keeps else 0)


def _block(
    manifest: Manifest,
    positions: range,
    pooled: dict[int, PooledVideo],
    reasons: dict[int, str],
) -> VideoVectors:
    bad = [p for p, video in sorted(pooled.items()) if not np.isfinite(video.vector).all()]
    if bad:
        videos = manifest.videos
        raise ModelError(
            f"run {len(pooled)} videos",
            found=f"vectors that are not finite for {listing(videos[p].id for p in bad)}",
            fix="mend the model, or try --precision fp32",
        )
    videos_of_block = [pooled[p] for p in positions if p in pooled]
    rows = [video.vector for video in videos_of_block]
    return VideoVectors(
        readable=np.array([p in pooled for p in positions]),
        vectors=np.stack(rows).astype(np.float32) if rows else np.zeros((0, 0), dtype=np.float32),
        reasons={p - positions.start: why for p, why in reasons.items()},
        clips=_kept(videos_of_block),
    )


def _kept(videos: Sequence[PooledVideo]) -> KeptClips | None:
    clips = [video.clips for video in videos if video.clips is not None]
    if not clips:
        return None
    return KeptClips.of(
        np.concatenate(clips),
        weights=np.concatenate([video.weights for video in videos]).astype(np.int64),
        counts=np.array([len(each) for each in clips], dtype=np.int64),
    )
