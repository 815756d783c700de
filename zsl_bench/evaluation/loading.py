"""Clips of a manifest's videos in manifest order, decoded in worker processes."""

from __future__ import annotations

import os
import re
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import VideoError, ZslBenchError
from zsl_bench.video import load_clips

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from torch import Tensor

    from zsl_bench.video import ClipPolicy, ClipSpec
    from zsl_bench.videos import Manifest

MAX_WORKERS = 16
_DEATH = re.compile(r"DataLoader worker \(pid.*(exited unexpectedly|is killed by signal)")


@dataclass(frozen=True, kw_only=True)
class LoadedVideo:
    """A video's unique frames and how its clips are made of them, or why there are none.

    Attributes:
        position: Position in the manifest.
        frames: ``(U, 3, S, S)`` unique frames; None where the video is unreadable.
        slots: ``(K, T)`` int64, for each unique clip its frames.
        weights: ``(K,)`` int64, how often the policy repeats each clip.
        reason: Why the video is unreadable, or None.
    """

    position: int
    frames: Tensor | None = None
    slots: Tensor | None = None
    weights: Tensor | None = None
    reason: str | None = None


class VideoDataset:
    """A map-style dataset for torch's ``DataLoader``: manifest positions to loaded videos."""

    def __init__(self, manifest: Manifest, policy: ClipPolicy, spec: ClipSpec) -> None:
        self.manifest = manifest
        self.policy = policy
        self.spec = spec

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.manifest.videos)

    def __getitem__(self, position: int) -> dict[str, Any]:
        """Decode one video; a video that cannot be read gives its reason and no frames."""
        import torch

        video = self.manifest.videos[position]
        try:
            path = self.manifest.resolve(video)
            clips = load_clips(path, self.policy, self.spec, start=video.start, end=video.end)
        except VideoError as error:
            return {"position": position, "reason": error.found}
        return {
            "position": position,
            "frames": torch.from_numpy(clips.frames),
            "slots": torch.from_numpy(clips.slots),
            "weights": torch.from_numpy(clips.weights),
        }


def choose_workers(workers: int | None, device_type: str) -> int:
    """Return how many processes decode: those asked for, or as the machine has them to spare."""
    if workers is not None:
        return workers
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    available = processors or os.cpu_count() or 1
    spare = available if device_type != "cpu" else max(available // 2, 1)
    return min(spare, MAX_WORKERS)


def load_videos(
    dataset: VideoDataset, positions: Sequence[int], *, workers: int
) -> Generator[LoadedVideo]:
    """Yield the videos at some positions, in that order.

    Raises:
        ZslBenchError: A decoding process died, for lack of memory for instance.
    """
    from torch.utils.data import DataLoader

    loader: DataLoader[Any] = DataLoader(
        dataset,  # type: ignore[arg-type]
        batch_size=None,
        sampler=list(positions),
        num_workers=workers,
        prefetch_factor=2 if workers else None,
    )
    with _signal_kept():
        items = iter(loader)
    for _ in positions:
        yield LoadedVideo(**_next(items, workers))


def _next(items: Iterator[dict[str, Any]], workers: int) -> dict[str, Any]:
    try:
        return next(items)
    except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
        if isinstance(error, RuntimeError) and not _DEATH.search(str(error)):
            raise
        raise ZslBenchError(
            f"decode videos in {workers} processes",
            found="a decoding process died (often for lack of memory or of /dev/shm)",
            fix="run the same command again to go on, with fewer --workers",
        ) from error


@contextmanager
def _signal_kept() -> Iterator[None]:
    """Keep the handler of SIGCHLD that there was, where a loader puts one of its own.

    That one raises the death of a worker out of any statement. Without it, the loader notices when
    it waits for the worker's next video.
    """
    on_main = threading.current_thread() is threading.main_thread()
    if not on_main or not hasattr(signal, "SIGCHLD"):
        yield
        return
    before = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, before)
