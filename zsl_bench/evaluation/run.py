"""Run a model once over a manifest, block by block."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Protocol

import numpy as np

from zsl_bench.errors import ModelError, listing
from zsl_bench.evaluation.loading import VideoDataset, load_videos
from zsl_bench.evaluation.store import KeptClips, VectorStore, VideoVectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zsl_bench.evaluation.batching import ClipBatcher, PooledVideo
    from zsl_bench.evaluation.settings import Progress


def run_videos(
    dataset: VideoDataset,
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
    dataset: VideoDataset,
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
    reasons: dict[int, str] = {}
    positions = (position for block in blocks for position in store.positions(block))
    with closing(load_videos(dataset, positions, workers=workers)) as videos:
        for video in videos:
            if video.reason is None:
                batcher.add(video)
            else:
                reasons[video.position] = video.reason
            progress.advance(1)
            block = store.positions(video.position // store.block)
            if video.position == block[-1]:
                done = _block(dataset, block, batcher.flush(), reasons)
                store.save(video.position // store.block, done)
                progress.keep(len(block) if store.keeps else 0)
                reasons = {}


def _block(
    dataset: VideoDataset,
    positions: range,
    pooled: dict[int, PooledVideo],
    reasons: dict[int, str],
) -> VideoVectors:
    bad = [p for p, video in sorted(pooled.items()) if not np.isfinite(video.vector).all()]
    if bad:
        videos = dataset.manifest.videos
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
