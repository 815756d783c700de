"""Run a model once over a manifest: flat batches of clips, one pooled vector a video."""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from zsl_bench.errors import ModelError, listing
from zsl_bench.evaluation.loading import LoadedVideo, VideoDataset, load_videos
from zsl_bench.evaluation.store import KeptClips, VectorStore, VideoVectors
from zsl_bench.model import guarded, is_scoring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from zsl_bench.classes import ClassSet
    from zsl_bench.evaluation.settings import Progress
    from zsl_bench.model import Model, ZeroShotModel


@dataclass(kw_only=True)
class _Pending:
    """A video whose clips are on their way through the model."""

    position: int
    weights: NDArray[np.float64]
    rows: list[NDArray[np.float64]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, eq=False)
class PooledVideo:
    """What a video gave.

    Attributes:
        vector: ``(D,)`` float64, the pooled outputs of its clips.
        clips: ``(K, D)`` float32, the output of each distinct clip; None unless they are kept.
        weights: ``(K,)`` float64, how often the policy repeats each clip.
    """

    vector: NDArray[np.float64]
    clips: NDArray[np.float32] | None
    weights: NDArray[np.float64]


class ClipBatcher:
    """Fill batches with the clips of many videos, and pool each video's outputs.

    Args:
        forward: Clips ``(B, T, 3, H, W)`` on the device to outputs ``(B, D)``.
        batch_size: Clips in a full batch.
        pooling: ``mean`` or ``mean-of-unit``.
        device: Where the model is.
        width: Length that every output row must have; None for any.
        keep_clips: Keep the output of every clip beside the pooled vector.
    """

    def __init__(
        self,
        forward: Callable[[Tensor], Tensor],
        *,
        batch_size: int,
        pooling: str,
        device: torch.device,
        width: int | None = None,
        keep_clips: bool = False,
    ) -> None:
        self._forward = forward
        self._batch_size = batch_size
        self._pooling = pooling
        self._device = device
        self._width = width
        self._keep_clips = keep_clips
        self._clips: list[Tensor] = []
        self._owners: list[_Pending] = []
        self._finished: dict[int, PooledVideo] = {}

    def add(self, video: LoadedVideo) -> None:
        """Queue a video's clips, running every batch that becomes full."""
        assert video.frames is not None  # noqa: S101
        assert video.slots is not None  # noqa: S101
        assert video.weights is not None  # noqa: S101
        frames = video.frames.to(self._device, non_blocking=True)
        slots = video.slots.to(self._device)
        pending = _Pending(
            position=video.position, weights=video.weights.numpy().astype(np.float64)
        )
        for slot in slots:
            self._clips.append(frames[slot])
            self._owners.append(pending)
            if len(self._clips) == self._batch_size:
                self._run()

    def flush(self) -> dict[int, PooledVideo]:
        """Run what is left and return the pooled videos by manifest position."""
        if self._clips:
            self._run()
        finished, self._finished = self._finished, {}
        return finished

    def _run(self) -> None:
        import torch

        clips, owners = torch.stack(self._clips), self._owners
        self._clips, self._owners = [], []
        outputs: object = self._forward(clips)
        asked = f"run {len(clips)} clips"
        if not isinstance(outputs, torch.Tensor):
            kind = type(outputs).__name__
            raise ModelError(asked, found=f"a {kind}", fix="return a torch tensor")
        shape = tuple(outputs.shape)
        if len(shape) != 2 or shape != (len(clips), self._width or shape[1]):
            raise ModelError(
                asked,
                found=f"an output of {shape}, not ({len(clips)}, {self._width or 'D'})",
                fix="return one row a clip, as long as a class vector (or one score a class)",
            )
        rows = outputs.detach().float().cpu().numpy().astype(np.float64)
        for row, owner in zip(rows, owners, strict=True):
            owner.rows.append(row)
            if len(owner.rows) == len(owner.weights):
                outputs_of_video = np.stack(owner.rows)
                self._finished[owner.position] = PooledVideo(
                    vector=pool(outputs_of_video, owner.weights, self._pooling),
                    clips=outputs_of_video.astype(np.float32) if self._keep_clips else None,
                    weights=owner.weights,
                )


def pool(
    outputs: NDArray[np.float64], weights: NDArray[np.float64], pooling: str
) -> NDArray[np.float64]:
    """Average a video's clip vectors, each weighted by how often the policy repeats the clip.

    Args:
        outputs: ``(K, D)``, one row a unique clip.
        weights: ``(K,)``.
        pooling: ``mean``, or ``mean-of-unit`` to scale every clip vector to unit length first.

    Returns:
        ``(D,)``, not normalised.
    """
    if pooling == "mean-of-unit":
        lengths = np.linalg.norm(outputs, axis=1, keepdims=True)
        outputs = outputs / np.where(lengths == 0.0, 1.0, lengths)
    return np.asarray((weights[:, None] * outputs).sum(axis=0) / weights.sum())


def forward_of(
    model: Model, classes: ClassSet, *, precision: str, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """Return the model as one function of clips, without gradients and in the precision asked."""
    import torch

    def forward(clips: Tensor) -> Tensor:
        autocast = precision == "bf16"
        context = torch.autocast(device.type, dtype=torch.bfloat16) if autocast else nullcontext()
        with torch.no_grad(), context:
            if is_scoring(model):
                return guarded(lambda: model.score(clips, classes), f"score of {model.card.name}")
            embed = cast("ZeroShotModel", model).embed_clips
            return guarded(lambda: embed(clips), f"embed_clips of {model.card.name}")

    return forward


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
