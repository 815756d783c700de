"""Clips of a manifest's videos in manifest order, decoded in worker processes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import VideoError
from zsl_bench.evaluation.buffers import BufferedDataset, FrameBuffers
from zsl_bench.video import load_clips
from zsl_bench.video.decoders import PYAV
from zsl_bench.workers import keep_quiet, next_item, signal_kept

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from torch import Tensor

    from zsl_bench.clip_cache import SeenFile
    from zsl_bench.evaluation.cached import HashedVideos
    from zsl_bench.video import ClipPolicy, ClipSpec
    from zsl_bench.videos import Manifest


@dataclass(frozen=True, kw_only=True)
class LoadedVideo:
    """A video's unique frames and how its clips are made of them, or why there are none.

    Attributes:
        position: Position in the manifest.
        frames: ``(U, 3, S, S)`` unique frames; None where the video is unreadable.
        slots: ``(K, T)`` int64, for each unique clip its frames.
        weights: ``(K,)`` int64, how often the policy repeats each clip.
        reason: Why the video is unreadable, or None.
        decoder: What decoded the file, one of ``DECODERS``; None where nothing did.
        seen: With a cache of clips, the file's digest; without frames and reason the outputs of
            the video's clips are kept there.
    """

    position: int
    frames: Tensor | None = None
    slots: Tensor | None = None
    weights: Tensor | None = None
    reason: str | None = None
    decoder: str | None = None
    seen: SeenFile | None = None


class VideoDataset:
    """A map-style dataset for torch's ``DataLoader``: manifest positions to loaded videos.

    Attributes:
        decoded: How many videos :func:`load_videos` handed out by what decoded them.
    """

    def __init__(
        self, manifest: Manifest, policy: ClipPolicy, spec: ClipSpec, decoder: str = PYAV
    ) -> None:
        self.decoder = decoder
        self.decoded: Counter[str] = Counter()
        self.manifest = manifest
        self.policy = policy
        self.spec = spec

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.manifest.videos)

    @property
    def most_bytes(self) -> int:
        """Bytes of a video's frames at most, which is where no clips share any."""
        spec, frames = self.spec, self.policy.clips * self.policy.frames
        return frames * 3 * spec.size**2 * np.dtype(spec.dtype).itemsize

    def reads(self, position: int) -> bool:
        """Say whether the video at a position can be read."""
        return "frames" in self[position]

    def __getitem__(self, position: int) -> dict[str, Any]:
        """Decode one video; a video that cannot be read gives its reason and no frames."""
        import torch

        video = self.manifest.videos[position]
        try:
            path = self.manifest.resolve(video)
            clips = load_clips(
                path,
                self.policy,
                self.spec,
                start=video.start,
                end=video.end,
                decoder=self.decoder,
            )
        except VideoError as error:
            return {"position": position, "reason": error.found}
        return {
            "position": position,
            "frames": torch.from_numpy(clips.frames),
            "slots": torch.from_numpy(clips.slots),
            "weights": torch.from_numpy(clips.weights),
            "decoder": clips.decoder,
        }


def load_videos(
    dataset: VideoDataset | HashedVideos,
    positions: Iterable[int],
    *,
    workers: int,
    pinned: bool = False,
) -> Generator[LoadedVideo]:
    """Yield the videos at some positions, in that order.

    Positions are asked for as they are needed: some videos ahead, for the processes that decode.
    Those leave the frames in memory that is used again as soon as no tensor over it is left, so
    that a caller who lets go of each video has it at the speed of decoding.

    Args:
        dataset: The videos.
        positions: Which of them.
        workers: Processes that decode; 0 decodes in this one.
        pinned: Put frames into memory from which a CUDA card copies them by itself.

    Raises:
        ZslBenchError: A decoding process died, for lack of memory for instance.
    """
    from torch.utils.data import DataLoader

    loader: DataLoader[Any] = DataLoader(
        BufferedDataset(dataset, FrameBuffers(workers)) if workers else dataset,  # type: ignore[arg-type]
        batch_size=None,
        sampler=positions,
        num_workers=workers,
        prefetch_factor=2 if workers else None,
        pin_memory=pinned,
        worker_init_fn=keep_quiet if workers else None,
    )
    with signal_kept():
        items = iter(loader)
    while True:
        try:
            item = next_item(items, workers)
        except StopIteration:
            return
        video = LoadedVideo(**item)
        if video.decoder is not None:
            dataset.decoded[video.decoder] += 1
        yield video
