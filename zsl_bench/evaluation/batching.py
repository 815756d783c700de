"""Flat batches of clips through a model, and one pooled vector a video out of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from zsl_bench.device import is_out_of_memory
from zsl_bench.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from zsl_bench.evaluation.loading import LoadedVideo

_Made = TypeVar("_Made")


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


def _silent(_line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, kw_only=True)
class Batching:
    """How batches are cut.

    Attributes:
        batch_size: Clips in a full batch.
        device: Where the model is.
        padded: Fill a batch that is not full with its first clip, whose further outputs are
            dropped, so that a compiled model meets one shape.
        note: Told once, in one line, when batches turn out too large for the memory.
    """

    batch_size: int
    device: torch.device
    padded: bool = False
    note: Callable[[str], None] = _silent


class ClipBatcher:
    """Fill batches with the clips of many videos, and pool each video's outputs.

    On CUDA the outputs of a batch are fetched after the next one has been started, and frames are
    copied to the card beside the batch that runs. A batch that does not fit the memory is run in
    halves, and so are those behind it until the next flush.

    Args:
        forward: Clips ``(B, T, 3, H, W)`` on the device to outputs ``(B, D)``.
        batching: How batches are cut.
        pooling: ``mean`` or ``mean-of-unit``.
        width: Length that every output row must have; None for any.
        keep_clips: Keep the output of every clip beside the pooled vector.
    """

    def __init__(
        self,
        forward: Callable[[Tensor], Tensor],
        batching: Batching,
        *,
        pooling: str,
        width: int | None = None,
        keep_clips: bool = False,
    ) -> None:
        self._forward = forward
        self._batching = batching
        self._pooling = pooling
        self._width = width
        self._keep_clips = keep_clips
        self._limit = batching.batch_size
        self._transfer = Transfer(batching.device)
        self._told = False
        self._clips: list[Tensor] = []
        self._owners: list[_Pending] = []
        self._late: tuple[Fetched, list[_Pending]] | None = None
        self._finished: dict[int, PooledVideo] = {}

    @property
    def wants_pinned(self) -> bool:
        """Whether frames in pinned memory reach the device faster."""
        return self._batching.device.type == "cuda"

    def add(self, video: LoadedVideo) -> None:
        """Queue a video's clips, running every batch that becomes full.

        Raises:
            ModelError: The model or the device fails, or an output has the wrong shape.
        """
        assert video.frames is not None  # noqa: S101
        assert video.slots is not None  # noqa: S101
        assert video.weights is not None  # noqa: S101
        sending = partial(self._transfer.send, video.frames, video.slots)
        frames, slots = self._device_does(sending, "move a video's frames")
        weights = video.weights.numpy().astype(np.float64)
        pending = _Pending(position=video.position, weights=weights)
        done = 0
        while done < len(slots):
            part = slots[done : done + self._batching.batch_size - len(self._owners)]
            gathering = partial(_gathered, frames, part)
            self._clips.append(self._device_does(gathering, "gather clips"))
            self._owners += [pending] * len(part)
            done += len(part)
            if len(self._owners) == self._batching.batch_size:
                self._run()

    def flush(self) -> dict[int, PooledVideo]:
        """Run what is left and return the pooled videos by manifest position.

        Raises:
            ModelError: As :meth:`add` does.
        """
        if self._owners:
            self._run()
        self._collect()
        self._limit = self._batching.batch_size
        finished, self._finished = self._finished, {}
        return finished

    def _run(self) -> None:
        owners, self._owners = self._owners, []
        parts, self._clips = self._clips, []
        missing = self._batching.batch_size - len(owners) if self._batching.padded else 0
        joining = partial(_joined, parts, missing)
        outputs = self._fitting(self._device_does(joining, "join clips"), len(owners))
        fetched = self._device_does(partial(self._transfer.fetch, outputs), "fetch outputs")
        self._collect()
        self._late = fetched, owners
        if not fetched.on_its_way:
            self._collect()

    def _fitting(self, clips: Tensor, count: int) -> list[Tensor]:
        """Return the outputs of the first clips, in parts as large as the memory allows."""
        outputs: list[Tensor] = []
        start = 0
        while start < count:
            size = self._limit if self._batching.padded else min(self._limit, count - start)
            output = self._try(clips[start : start + size])
            if output is None:
                self._shrink(size)
            else:
                outputs.append(output[: count - start].clone())
                start += size
        return outputs

    def _try(self, clips: Tensor) -> Tensor | None:
        """Return the outputs of clips, or None where they take more memory than there is.

        Raises:
            ModelError: A single clip does, the clips were written to and cannot be run again, or
                the outputs do not fit the clips.
        """
        written = clips._version
        try:
            outputs: object = self._forward(clips)
        except (RuntimeError, MemoryError, ModelError) as error:
            if not is_out_of_memory(error):
                raise
            if len(clips) == 1:
                raise self._too_large(error) from error
            if clips._version != written:
                raise ModelError(
                    f"run {len(clips)} clips again in halves, which were too many for the memory",
                    found="a model that has written into its clips",
                    fix="give a smaller --batch-size, or use operations that are not in place",
                ) from error
            return None
        return self._checked(outputs, len(clips))

    def _too_large(self, error: Exception) -> ModelError:
        return ModelError(
            error.asked if isinstance(error, ModelError) else "run the model",
            found=f"{error.found if isinstance(error, ModelError) else 'out of memory'}, with "
            f"one clip on {self._batching.device}",
            fix="try --precision bf16, or a device with more memory",
        )

    def _shrink(self, size: int) -> None:
        """Halve the batches from here on, after a batch of that size did not fit."""
        if not self._told:
            self._batching.note(
                f"a batch of {size} clips is too large for the memory of {self._batching.device}: "
                "such batches are run in halves; a smaller --batch-size saves that"
            )
        self._told = True
        self._limit = (size + 1) // 2
        self._transfer.give_back()

    def _checked(self, outputs: object, count: int) -> Tensor:
        import torch

        asked = f"run {count} clips"
        if not isinstance(outputs, torch.Tensor):
            kind = type(outputs).__name__
            raise ModelError(asked, found=f"a {kind}", fix="return a torch tensor")
        shape = tuple(outputs.shape)
        if len(shape) != 2 or shape != (count, self._width or shape[1]):
            raise ModelError(
                asked,
                found=f"an output of {shape}, not ({count}, {self._width or 'D'})",
                fix="return one row a clip, as long as a class vector (or one score a class)",
            )
        return outputs.detach()

    def _collect(self) -> None:
        """Fetch the outputs that are on their way, and pool the videos that they complete."""
        if self._late is None:
            return
        (fetched, owners), self._late = self._late, None
        rows = self._device_does(fetched.rows, "run a batch of clips")
        for row, owner in zip(rows, owners, strict=True):
            owner.rows.append(row)
            if len(owner.rows) == len(owner.weights):
                outputs_of_video = np.stack(owner.rows)
                self._finished[owner.position] = PooledVideo(
                    vector=pool(outputs_of_video, owner.weights, self._pooling),
                    clips=outputs_of_video.astype(np.float32) if self._keep_clips else None,
                    weights=owner.weights,
                )

    def _device_does(self, step: Callable[[], _Made], asked: str) -> _Made:
        """Run a step of one's own on the device; what it fails with becomes one line."""
        try:
            return step()
        except (RuntimeError, MemoryError) as error:
            said = [line.strip() for line in str(error).splitlines() if line.strip()]
            short = is_out_of_memory(error)
            raise ModelError(
                f"{asked} on {self._batching.device}",
                found=said[0][:200] if said else type(error).__name__,
                fix="give a smaller --batch-size" if short else "mend the device, or try another",
            ) from error


def _gathered(frames: Tensor, slots: Tensor) -> Tensor:
    """Return clips ``(b, T, ...)`` of a video's frames, ``slots`` being ``(b, T)``."""
    return frames.index_select(0, slots.flatten()).view(*slots.shape, *frames.shape[1:])


def _joined(parts: Sequence[Tensor], missing: int) -> Tensor:
    """Return the clips of a batch in one tensor, and behind them the first one again."""
    import torch

    padding = [parts[0][:1].expand(missing, *parts[0].shape[1:])] if missing else []
    return torch.cat([*parts, *padding])


@dataclass(frozen=True, kw_only=True, eq=False)
class Fetched:
    """Outputs of a batch in the machine's memory, or on their way there.

    Attributes:
        parts: Outputs ``(b, D)`` float32 each.
        event: Reached when they are there; None where they are already.
    """

    parts: Sequence[Tensor]
    event: torch.cuda.Event | None

    @property
    def on_its_way(self) -> bool:
        """Whether the outputs may not be there yet."""
        return self.event is not None

    def rows(self) -> NDArray[np.float64]:
        """Return the outputs ``(B, D)`` when they are there."""
        if self.event is not None:
            self.event.synchronize()
        return np.concatenate([part.numpy().astype(np.float64) for part in self.parts])


class Transfer:
    """The way to a device and back; on CUDA beside what the device computes.

    Args:
        device: Where the model is.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = _stream(device) if device.type == "cuda" else None

    def send(self, *tensors: Tensor) -> list[Tensor]:
        """Return tensors on the device; from pinned memory without waiting for the copy."""
        import torch

        if self._stream is None:
            return [tensor.to(self._device) for tensor in tensors]
        with torch.cuda.stream(self._stream):
            sent = [tensor.to(self._device, non_blocking=True) for tensor in tensors]
        computing = torch.cuda.current_stream(self._device)
        computing.wait_stream(self._stream)
        for tensor in sent:
            tensor.record_stream(computing)
        return sent

    def fetch(self, outputs: Sequence[Tensor]) -> Fetched:
        """Return outputs in the machine's memory; on CUDA they are only started on their way."""
        import torch

        if self._stream is None:
            return Fetched(parts=[part.float().cpu() for part in outputs], event=None)
        parts = []
        for part in outputs:
            there = torch.empty(part.shape, dtype=torch.float32, pin_memory=True)
            parts.append(there.copy_(part.float(), non_blocking=True))
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return Fetched(parts=parts, event=event)

    def give_back(self) -> None:
        """Hand memory that holds nothing back to the card."""
        import torch

        if self._stream is not None:
            torch.cuda.empty_cache()


def _stream(device: torch.device) -> torch.cuda.Stream:
    import torch

    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


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
