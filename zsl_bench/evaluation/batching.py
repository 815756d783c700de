"""Flat batches of clips through a model, and one pooled vector a video out of them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np

from zsl_bench.errors import ModelError
from zsl_bench.model import guarded, is_scoring

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from zsl_bench.classes import ClassSet
    from zsl_bench.evaluation.loading import LoadedVideo
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
