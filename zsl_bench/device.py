"""Where a model runs, and how many clips fit there."""

from __future__ import annotations

import os
import platform
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeGuard, runtime_checkable

from zsl_bench.errors import ZslBenchError, near_matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
INFERENCES = ("fast", "reference")
_BATCH = {"cuda": 64, "mps": 16, "cpu": 8}
_CPU_SHARE = 0.25
_CUDA_SHARE = 0.5
LEAST_BATCH = 8
"""Clips in the smallest batch on CUDA, before memory runs out."""
_MOST = 512
_CLIP_BYTES = 128 * 2**20
_CLIP_PIXELS = 16 * 112 * 112
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_UNKNOWN_MEMORY = 4 * 2**30
_NO_MEMORY = (
    "defaultcpuallocator",
    "out of memory",
    "not enough memory",
    "status_alloc_failed",
    "allocation_failed",
)


@dataclass(frozen=True, kw_only=True)
class Acceleration:
    """How a model that can make itself faster is about to be run.

    Attributes:
        inference: ``fast``, or ``reference`` for the network as it was written and trained.
        precision: ``fp32``, or ``bf16`` where it will be called under autocast.
        device: Where the model is: ``cpu``, ``cuda`` or ``mps``.
        compiled: Whether its calls will be compiled by ``torch.compile``.
    """

    inference: str = "fast"
    precision: str = "fp32"
    device: str = "cpu"
    compiled: bool = False


@runtime_checkable
class Accelerates(Protocol):
    """A model that has a faster form with the same outputs."""

    def accelerate(self, options: Acceleration, /) -> None:
        """Get ready to be run that way; ``reference`` undoes what ``fast`` did.

        It is called after ``eval()`` and ``to(device)``, before the first clips. In ``fp32`` the
        outputs may differ from the reference by 1e-5 of their length, and ``state_dict()`` stays
        as it is.
        """
        ...


def is_accelerating(model: object) -> TypeGuard[Accelerates]:
    """Say whether a model has a method ``accelerate``."""
    return callable(getattr(model, "accelerate", None))


def choose_device(name: str) -> torch.device:
    """Return the device asked for; ``auto`` takes CUDA, then Apple's GPU, then the CPU.

    Raises:
        ZslBenchError: The device is not there.
    """
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    kind = name.split(":", maxsplit=1)[0]
    if kind not in DEVICES:
        raise ZslBenchError(
            f"device {name!r}", found="no such device", fix=near_matches(name, DEVICES)
        )
    if kind != "cpu" and not {"cuda": cuda, "mps": mps}[kind]:
        raise ZslBenchError(
            f"device {name}",
            found="none that this PyTorch can use",
            fix="choose the device cpu, or install a PyTorch built for it",
        )
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ZslBenchError(
            f"device {name}", found=str(error), fix="give cuda or cuda:0"
        ) from error


def use_device(device: torch.device) -> None:
    """Make a numbered CUDA card the current one, for code that says ``cuda`` alone.

    Raises:
        ZslBenchError: There is no such card, or it cannot be used.
    """
    import torch

    if device.type != "cuda" or device.index is None:
        return
    try:
        torch.cuda.set_device(device)
    except RuntimeError as error:
        raise ZslBenchError(
            f"device {device}",
            found=(str(error).splitlines() or ["it cannot be used"])[0],
            fix=f"choose one of the {torch.cuda.device_count()} cards, from cuda:0",
        ) from error


def arithmetic_of(device: torch.device) -> str:
    """Name what the last bits of a sum depend on: the kind of device; on a CPU its threads."""
    import torch

    if device.type != "cpu":
        return device.type
    return f"cpu with {torch.get_num_threads()} threads"


@contextmanager
def exact_fp32(precision: str) -> Iterator[None]:
    """Keep CUDA from rounding to TF32 where ``fp32`` was asked for; settings are put back."""
    import torch

    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    try:
        if precision == "fp32":
            convolutions.allow_tf32 = products.allow_tf32 = False
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


def choose_batch_size(
    device_type: str, *, pixels: int = _CLIP_PIXELS, memory: int | None = None
) -> int:
    """Return how many clips go through a model at once where neither user nor measurement say.

    On a CPU, 8 or as many as a quarter of the memory holds: 128 MiB for a clip of R(2+1)D-18, and
    as many times more as a clip has more pixels.

    Args:
        device_type: ``cpu``, ``cuda`` or ``mps``.
        pixels: Pixels of all frames of a clip.
        memory: Bytes of the machine; None for what :func:`machine_memory` finds.
    """
    if device_type != "cpu":
        return _BATCH[device_type]
    clip = _CLIP_BYTES * max(pixels / _CLIP_PIXELS, 1.0)
    there = machine_memory() if memory is None else memory
    return max(min(_BATCH["cpu"], int(_CPU_SHARE * there / clip)), 1)


def fitting_batch_size(*, one: int, two: int, memory: int) -> int:
    """Return how many clips fit a card: a power of two from 8 to 512 that fills half of it at most.

    Steps that wide make a measurement that is a little off, as after a restart, come out the same.

    Args:
        one: Bytes that a batch of one clip takes at its peak.
        two: The same of two clips.
        memory: Bytes of the card, whether or not they are free.
    """
    clip = max(two - one, 1)
    room = _CUDA_SHARE * memory - max(one - clip, 0)
    size = LEAST_BATCH
    while size < _MOST and 2 * size * clip <= room:
        size *= 2
    return size


def machine_memory(limits: tuple[str, ...] = _LIMITS) -> int:
    """Return the bytes of memory that this process may use: the machine's, or its cgroup's limit.

    Args:
        limits: Files that may hold a limit in bytes.

    Returns:
        4 GiB where the system does not say.
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        memory = _UNKNOWN_MEMORY
    for name in limits:
        try:
            text = Path(name).read_text("ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            memory = min(memory, int(text))
    return memory


def is_out_of_memory(error: BaseException | None) -> bool:
    """Say whether an error, or the one that it was raised from, is a lack of memory."""
    import torch

    while error is not None:
        told = isinstance(error, RuntimeError) and any(
            words in str(error).lower() for words in _NO_MEMORY
        )
        if told or isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            return True
        error = error.__cause__
    return False


def device_description(device: torch.device) -> str:
    """Return the device's name for the result's environment."""
    import torch

    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.processor() or platform.machine()})"
