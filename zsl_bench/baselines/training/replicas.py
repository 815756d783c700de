"""The processes of one run: alone, or several under ``torchrun``."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import distributed

from zsl_bench.device import choose_device
from zsl_bench.errors import ZslBenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

_Value = TypeVar("_Value")
_GONE = re.compile(r"peer|[Cc]onnection|NCCL|[Tt]imed? ?out")


@dataclass(frozen=True, kw_only=True)
class Replicas:
    """One process among those of a run.

    Attributes:
        rank: Which one this is, from 0.
        size: How many there are.
        device: Where this one computes.
        local_size: How many of them are on this machine.
    """

    rank: int
    size: int
    device: torch.device
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def total(self, values: list[float]) -> list[float]:
        """Return sums over all processes, element by element."""
        if self.size == 1:
            return values
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(sums)
        return list(sums.tolist())

    def gather(self, value: _Value) -> list[_Value]:
        """Return the values of all processes, in order of rank, in every one of them."""
        if self.size == 1:
            return [value]
        gathered: list[Any] = [None] * self.size
        distributed.all_gather_object(gathered, value)
        return gathered

    def wait(self) -> None:
        """Wait until every process has come here."""
        if self.size > 1:
            self.gather(None)

    def share_buffers(self, module: nn.Module) -> None:
        """Give every process the buffers of the first, such as running statistics."""
        if self.size > 1:
            for buffer in module.buffers():
                distributed.broadcast(buffer, src=0)

    def wrap(self, module: nn.Module, *, sync_batch_norm: bool) -> nn.Module:
        """Return a module whose gradients are averaged over the processes.

        Buffers follow the first process; batch norm is per process unless it is synchronised.
        """
        if self.size == 1:
            return module
        if sync_batch_norm:
            module = torch.nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        devices = [self.device.index] if self.device.type == "cuda" else None
        return torch.nn.parallel.DistributedDataParallel(module, device_ids=devices)


@contextmanager
def join_replicas(device: str) -> Iterator[Replicas]:
    """Join the processes that ``torchrun`` started; alone where it did not.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; under ``torchrun`` each process takes the
            GPU of its local rank.

    Raises:
        ZslBenchError: The device is not there, or another process has ended.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    chosen = choose_device(device)
    if size == 1:
        yield Replicas(rank=0, size=1, device=chosen)
        return
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(chosen)
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        local_size = int(os.environ.get("LOCAL_WORLD_SIZE", size))
        yield Replicas(rank=rank, size=size, device=chosen, local_size=local_size)
    except RuntimeError as error:
        if not _GONE.search(str(error)):
            raise
        raise ZslBenchError(
            f"train in process {rank} of {size}",
            found="another process has ended",
            fix="see what that one says",
        ) from error
    finally:
        distributed.destroy_process_group()
