"""Run a manifest's videos in several processes that share a folder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from zsl_bench.evaluation.claims import Claims
from zsl_bench.evaluation.run import run_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zsl_bench.evaluation.batching import ClipBatcher
    from zsl_bench.evaluation.cached import CachedVideos
    from zsl_bench.evaluation.claims import Patience
    from zsl_bench.evaluation.loading import VideoDataset
    from zsl_bench.evaluation.processes import Processes
    from zsl_bench.evaluation.settings import Progress
    from zsl_bench.evaluation.store import VectorStore, VideoVectors

LOOK_SHARE = 0.02
"""The most of a process's time that it spends looking at what others have finished."""
_BETWEEN_LOOKS = 2.0


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How the processes of one run share it.

    Attributes:
        processes: The place of this process among them.
        folder: Where they tell each other what they work on.
        patience: When a process counts as lost; None for the defaults.
    """

    processes: Processes
    folder: Path
    patience: Patience | None = None


class _Turns:
    """The blocks that this process runs, taken one at a time; counts what all of them finish."""

    def __init__(
        self,
        dataset: VideoDataset | CachedVideos,
        store: VectorStore,
        claims: Claims,
        progress: Progress,
        *,
        start: float,
    ) -> None:
        self._dataset = dataset
        self._store = store
        self._claims = claims
        self._progress = progress
        self._next_look = time.monotonic() + _BETWEEN_LOOKS
        there = store.on_disk()
        pending = store.pending(dataset.reads)
        first = int(len(pending) * start)
        self._pending = pending[first:] + pending[:first]
        # Kept, but a video that could not be read can be by now: only a claim leads to a new look.
        self._again = there.intersection(pending)
        total, left = len(dataset), sum(len(store.positions(block)) for block in pending)
        progress.start(dataset.manifest.dataset, total=total, done=total - left)

    def __iter__(self) -> Iterator[int]:
        """Yield blocks that no process has finished or works on, each claimed for this one."""
        for block in self._pending:
            if self._store.has(block):
                continue
            self._look_now_and_then()
            name = self._store.name(block)
            if self._store.has(block) or not self._claims.take(name):
                continue
            if self._store.finished(block, self._dataset.reads):
                self._claims.release(name)
                self._count(block)
                continue
            yield block

    def _look_now_and_then(self) -> None:
        """Look, but not before every block: a look costs as much as there are blocks."""
        if time.monotonic() >= self._next_look:
            self.look()

    def look(self) -> bool:
        """Take up what others have finished, and say whether all blocks are."""
        started = time.monotonic()
        there = self._store.on_disk() - self._again
        for block in self._pending:
            if self._store.has(block):
                self._claims.release(self._store.name(block))
            elif block in there and self._store.finished(block, self._dataset.reads):
                self._count(block)
        ended = time.monotonic()
        self._next_look = ended + max(_BETWEEN_LOOKS, (ended - started) / LOOK_SHARE)
        return all(self._store.has(block) for block in self._pending)

    def advance(self, videos: int) -> None:
        """Count videos that this process has run."""
        self._progress.advance(videos)

    def keep(self, videos: int) -> None:
        """Count videos whose vectors this process has kept."""
        self._progress.keep(videos)

    def _count(self, block: int) -> None:
        videos = len(self._store.positions(block))
        self._progress.advance(videos)
        self._progress.keep(videos)


def run_shared(
    dataset: VideoDataset | CachedVideos,
    batcher: ClipBatcher,
    store: VectorStore,
    shares: Shares,
    *,
    workers: int,
    progress: Progress,
) -> VideoVectors | None:
    """Run the blocks of a manifest together with other processes.

    Every process begins at a place of its own, takes one block after the other and then what others
    have left. The process of rank 0 stays until all blocks are there, and takes over those of a
    process that is lost. The others leave when there is nothing to take.

    Returns:
        All vectors in the process of rank 0, else None.

    Raises:
        ModelError: The model gives an output of the wrong shape, or one that is not finite.
        ZslBenchError: A decoding process died, or a block or claim cannot be kept.
    """
    processes = shares.processes
    with Claims(shares.folder, shares.patience) as claims:
        start = processes.rank / processes.size
        turns = _Turns(dataset, store, claims, progress, start=start)
        try:
            while not turns.look():
                blocks = iter(turns)
                first = next(blocks, None)
                if first is not None:
                    mine = chain([first], blocks)
                    run_blocks(dataset, batcher, store, mine, workers=workers, progress=turns)
                elif not processes.leads:
                    break
                else:
                    time.sleep(claims.patience.poll)
        except KeyboardInterrupt:
            turns.look()  # so that what is said to be kept is what all have kept
            raise
        finally:
            progress.finish()
        if not processes.leads:
            return None
        claims.sweep()
    return store.whole()
