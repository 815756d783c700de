"""How much memory a run has taken."""

from __future__ import annotations

import sys

import torch


def peak_memory_mb(device: torch.device) -> float | None:
    """Return the most memory that this process has held, in MiB: the GPU's where it trains on one.

    Returns:
        The figure; None where the system does not say.
    """
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device)) / 2**20
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most) / (2**20 if sys.platform == "darwin" else 2**10)
