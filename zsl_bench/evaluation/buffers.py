"""Shared memory in which decoding processes leave frames, used again once nobody reads it.

Fresh shared memory costs a page fault every 4 KiB in the process that writes it and more in the
one that reads it. Here frames are decoded straight into memory that both processes have mapped
already.
"""

from __future__ import annotations

import uuid
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zsl_bench.video.clips import frames_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from zsl_bench.evaluation.loading import VideoDataset

BUFFERS_PER_WORKER = 4
_NONE = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """Where the frames of a video lie.

    Attributes:
        worker: Number of the decoding process whose buffer holds them.
        buffer: Number of the buffer among those of the process.
        shape: Shape of the frames.
        dtype: Their numpy type.
        memory: The whole buffer, uint8, where the loading process has not mapped it yet.
    """

    worker: int
    buffer: int
    shape: tuple[int, ...]
    dtype: str
    memory: Tensor | None


class FrameBuffers:
    """The loading process's side: what is mapped, and which buffers are read by somebody.

    A buffer is free again when the last tensor over it is gone; nothing has to be handed back.

    Args:
        workers: Decoding processes that will leave frames.
    """

    _all: ClassVar[weakref.WeakValueDictionary[str, FrameBuffers]] = weakref.WeakValueDictionary()

    def __init__(self, workers: int) -> None:
        import torch

        self.name = uuid.uuid4().hex
        self.taken: Tensor = torch.zeros((workers, BUFFERS_PER_WORKER), dtype=torch.uint8)
        self.taken.share_memory_()  # type: ignore[no-untyped-call]
        self._mapped: dict[tuple[int, int], np.ndarray] = {}
        self._all[self.name] = self

    @classmethod
    def named(cls, name: str) -> FrameBuffers:
        """Return those of this process that have a name."""
        return cls._all[name]

    def frames(self, place: Place) -> Tensor:
        """Return the frames at a place, without a copy; their buffer is kept while they are."""
        import torch

        key = place.worker, place.buffer
        if place.memory is not None:
            self._mapped[key] = place.memory.numpy()
        size = int(np.prod(place.shape)) * np.dtype(place.dtype).itemsize
        levels = self._mapped[key][:size].view(place.dtype).reshape(place.shape)
        free = weakref.finalize(levels, self.taken.numpy().__setitem__, key, 0)
        free.atexit = False
        return torch.from_numpy(levels)


class BufferWriter:
    """A decoding process's side: buffers as large as its largest video so far.

    Args:
        name: Name of the buffers in the loading process.
        taken: Which buffers somebody reads, shape (workers, buffers), uint8, shared.
        worker: Number of this process.
    """

    def __init__(self, name: str, taken: Tensor, worker: int) -> None:
        self._name = name
        self._taken = taken.numpy()[worker]
        self._worker = worker
        self._memory: list[Tensor | None] = [None] * len(self._taken)
        self._known = [False] * len(self._taken)
        self._latest = _NONE

    def load(self, read: Callable[[], dict[str, Any]]) -> Parcel:
        """Read a video whose frames go into a buffer, where one is free.

        Args:
            read: Returns the fields of a loaded video; the tensor ``frames`` is among them where
                the video can be read.
        """
        self._latest = _NONE
        with frames_in(self._allocate):
            item = read()
        frames = item.get("frames")
        if frames is None:
            return Parcel(self._name, item, None)
        latest = self._latest
        memory = None if latest == _NONE else self._memory[latest]
        if memory is None or frames.data_ptr() != memory.data_ptr():
            return Parcel(self._name, {**item, "frames": frames.share_memory_()}, None)
        self._taken[latest] = 1
        place = Place(
            worker=self._worker,
            buffer=latest,
            shape=tuple(frames.shape),
            dtype=str(frames.numpy().dtype),
            memory=None if self._known[latest] else memory,
        )
        self._known[latest] = True
        return Parcel(self._name, {**item, "frames": None}, place)

    def _allocate(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """Return room in the first free buffer; ordinary memory where that is in use already."""
        free = np.flatnonzero(self._taken == 0)
        if self._latest != _NONE or not free.size:
            return np.empty(shape, dtype)
        self._latest = int(free[0])
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        room = self._room(self._latest, size).numpy()
        return room[:size].view(dtype).reshape(shape)

    def _room(self, buffer: int, size: int) -> Tensor:
        import torch

        memory = self._memory[buffer]
        if memory is None or memory.numel() < size:
            self._memory[buffer] = None
            new_shared = torch.UntypedStorage._new_shared
            storage = new_shared(max(size, 1))  # type: ignore[no-untyped-call]
            memory = torch.empty(0, dtype=torch.uint8).set_(storage)
            self._memory[buffer], self._known[buffer] = memory, False
        return memory


class Parcel:
    """A loaded video on its way between two processes; unpickled, it is the video's fields.

    Args:
        name: Name of the buffers in the loading process.
        item: The fields, ``frames`` None where they lie in a buffer.
        place: Where the frames lie; None where they are among the fields.
    """

    def __init__(self, name: str, item: dict[str, Any], place: Place | None) -> None:
        self._name = name
        self._item = item
        self._place = place

    def __reduce__(self) -> tuple[Any, ...]:
        """Send small tensors by value: a piece of shared memory for each costs more."""
        import torch

        small = {
            key: value.numpy()
            for key, value in self._item.items()
            if isinstance(value, torch.Tensor) and key != "frames"
        }
        return _unpack, (self._name, {**self._item, **small}, self._place)


def _unpack(name: str, item: dict[str, Any], place: Place | None) -> dict[str, Any]:
    import torch

    fields = {
        key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for key, value in item.items()
    }
    if place is not None:
        fields["frames"] = FrameBuffers.named(name).frames(place)
    return fields


class BufferedDataset:
    """A dataset for decoding processes, which leave their frames in buffers.

    Args:
        dataset: What loads a video.
        buffers: Where the frames go.
    """

    def __init__(self, dataset: VideoDataset, buffers: FrameBuffers) -> None:
        self._dataset = dataset
        self._buffers = buffers
        self._writer: BufferWriter | None = None

    def __getitem__(self, position: int) -> Parcel:
        """Load the video at a position of the manifest, in a decoding process."""
        from torch.utils.data import get_worker_info

        if self._writer is None:
            worker = get_worker_info()
            assert worker is not None  # noqa: S101
            self._writer = BufferWriter(self._buffers.name, self._buffers.taken, worker.id)
        return self._writer.load(lambda: self._dataset[position])
