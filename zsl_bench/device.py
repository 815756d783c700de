"""Where a model runs, and how many clips fit there."""

from __future__ import annotations

import platform
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zsl_bench.errors import ZslBenchError, near_matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
_BATCH = {"cuda": 64, "mps": 16, "cpu": 8}


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


def choose_batch_size(device_type: str) -> int:
    """Return how many clips go through a model at once where the user does not say."""
    return _BATCH[device_type]


def device_description(device: torch.device) -> str:
    """Return the device's name for the result's environment."""
    import torch

    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.processor() or platform.machine()})"
