"""The processes of one evaluation: alone, or several that ``torchrun`` started."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsl_bench.device import choose_device
from zsl_bench.errors import ZslBenchError
from zsl_bench.workers import VIDEO_BYTES, choose_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

_TURN_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Processes:
    """The place of this process among those of one evaluation.

    Attributes:
        rank: This process, from 0; that of rank 0 scores, writes and prints.
        size: How many processes there are, on all machines.
        local_rank: This process among those of its machine.
        local_size: How many processes its machine has.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @classmethod
    def from_environment(cls) -> Processes:
        """Return the place that ``torchrun`` gave this process; alone where it did not.

        Raises:
            ZslBenchError: The variables that say it are incomplete or no numbers.
        """
        size = _variable("WORLD_SIZE", 1)
        if size <= 1:
            return cls()
        rank = _variable("RANK", None)
        place = cls(
            rank=rank,
            size=size,
            local_rank=_variable("LOCAL_RANK", rank),
            local_size=_variable("LOCAL_WORLD_SIZE", size),
        )
        if not (place.rank < size and place.local_rank < place.local_size <= size):
            raise ZslBenchError(
                "evaluate in several processes",
                found=f"RANK {place.rank} of WORLD_SIZE {size}, LOCAL_RANK {place.local_rank} of "
                f"LOCAL_WORLD_SIZE {place.local_size}",
                fix="start them with torchrun, which sets these variables",
            )
        return place

    @property
    def leads(self) -> bool:
        """Whether this process scores, writes and prints."""
        return self.rank == 0

    def device(self, name: str) -> torch.device:
        """Return this process's device: with several processes and ``auto`` or ``cuda``, its GPU.

        Processes beyond the GPUs of a machine share them.

        Args:
            name: As for :func:`zsl_bench.device.choose_device`.

        Raises:
            ZslBenchError: The device is not there.
        """
        import torch

        chosen = choose_device(name)
        if self.size == 1 or chosen.type != "cuda":
            return chosen
        if chosen.index is None:
            chosen = torch.device("cuda", self.local_rank % torch.cuda.device_count())
        torch.cuda.set_device(chosen)
        return chosen

    def workers(
        self,
        asked: int | None,
        device_type: str,
        *,
        item_bytes: int = VIDEO_BYTES,
        note: Callable[[str], None] | None = None,
    ) -> int:
        """Return how many processes decode for this one: those asked for, or a fair share.

        Args:
            asked: How many were asked for; None to choose.
            device_type: Where the model runs.
            item_bytes: Bytes of a video's frames, at most.
            note: Told in a line where memory is short.
        """
        return choose_workers(
            asked, device_type, sharing=self.local_size, item_bytes=item_bytes, note=note
        )

    @contextmanager
    def told_in_turn(self) -> Iterator[None]:
        """Hold an error back a little, so that of the processes that meet it the first tells it.

        ``torchrun`` ends the others of a machine as soon as one has failed.
        """
        try:
            yield
        except ZslBenchError:
            time.sleep(_TURN_SECONDS * self.local_rank)
            raise


def _variable(name: str, default: int | None) -> int:
    text = os.environ.get(name, "" if default is None else str(default))
    if not text.isdecimal():
        raise ZslBenchError(
            "evaluate in several processes",
            found=f"{name}={text!r}, no number",
            fix="start them with torchrun, which sets this variable",
        )
    return int(text)
