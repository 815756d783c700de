"""Processes that decode: how many, and what it means when one dies."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from zsl_bench.errors import ZslBenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

MAX_WORKERS = 16
VIDEO_BYTES = 25 * 16 * 3 * 112 * 112 * 4
"""Frames of a video at most, where nothing else is known: 25 float32 clips of 16 x 112 x 112."""
_HELD_ITEMS = 4
_PROCESS_BYTES = 200_000_000
SHARED_MEMORY = "/dev/shm"  # noqa: S108
_REMEDY = "give more (docker run --shm-size=1g), or set the number of workers"
_DEATH = re.compile(
    r"DataLoader worker \(pid.*(exited unexpectedly|is killed by signal)|shared memory"
    r"|Pin memory thread exited unexpectedly"
)
_Item = TypeVar("_Item")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What this process may use of the machine, or of the container that it runs in.

    Attributes:
        processors: Processors, at least 1: those that it may run on, or fewer by a quota.
        memory: Bytes of memory that are left; None where that is not known.
        shared: Bytes of shared memory (``/dev/shm``) that are left; None where that is not known.
    """

    processors: int
    memory: int | None = None
    shared: int | None = None

    @classmethod
    def here(cls, root: Path = Path("/")) -> Machine:
        """Look around.

        Args:
            root: The folder that holds ``proc``, ``sys`` and ``dev``.
        """
        affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        whole = affinity or os.cpu_count() or 1
        groups = _groups(root)
        quotas = [quota for group in groups if (quota := _quota(group))]
        left = [room for group in groups if (room := _room(group)) is not None]
        available = re.search(r"MemAvailable: +(\d+) kB", _text(root / "proc" / "meminfo"))
        if available:
            left.append(int(available[1]) * 1024)
        return cls(
            processors=max(int(min([whole, *quotas])), 1),
            memory=min(left, default=None),
            shared=_free(root / "dev" / "shm"),
        )

    def fitting(self, item_bytes: int = VIDEO_BYTES) -> int | None:
        """Return how many decoding processes the memory holds: half of it is left to the model.

        Args:
            item_bytes: Bytes that a process hands over at a time; it holds up to four of that.

        Returns:
            None where nothing is known about the memory.
        """
        needs = self._needs(item_bytes)
        return min((room // each for _, room, each in needs), default=None)

    def shortage(self, item_bytes: int, sharing: int) -> str | None:
        """Return what does not hold a decoding process for each that shares it, or None.

        Args:
            item_bytes: As for :meth:`fitting`.
            sharing: Processes that want decoding processes.
        """
        for name, room, each in self._needs(item_bytes):
            if room // each < sharing:
                return f"{name} has {room >> 20} MB free, of {sharing * each >> 20} that it takes"
        return None

    def _needs(self, item_bytes: int) -> list[tuple[str, int, int]]:
        """Return kinds of memory, their bytes that are left and what a process takes of each."""
        held = _HELD_ITEMS * item_bytes
        kinds = (
            (SHARED_MEMORY, self.shared, held),
            ("memory", self.memory, 2 * (held + _PROCESS_BYTES)),
        )
        return [(name, room, each) for name, room, each in kinds if room is not None]


def choose_workers(
    workers: int | None,
    device_type: str,
    *,
    sharing: int = 1,
    item_bytes: int = VIDEO_BYTES,
    note: Callable[[str], None] | None = None,
    machine: Machine | None = None,
) -> int:
    """Return how many processes decode: those asked for, or as the machine has them to spare.

    Args:
        workers: How many were asked for; None to choose.
        device_type: Where the model runs; on ``cpu`` half of the processors are left to it.
        sharing: Processes that decode on this machine in as many processes again.
        item_bytes: Bytes that a decoding process hands over at a time, at most.
        note: Told in a line where memory is short.
        machine: What may be used; None to look.

    Returns:
        At most 16; 0, to decode in the process itself, where memory is short.
    """
    if workers is not None:
        return workers
    machine = machine or Machine.here()
    shortage = machine.shortage(item_bytes, sharing)
    if shortage:
        if note:
            note(f"decoding in one process: {shortage}; {_REMEDY}")
        return 0
    spare = machine.processors if device_type != "cpu" else machine.processors // 2
    fitting = machine.fitting(item_bytes)
    shares = spare if fitting is None else min(spare, fitting)
    return min(max(shares // sharing, 1), MAX_WORKERS)


def _groups(root: Path) -> list[Path]:
    """Return the folders of the control groups (versions 1 and 2) that bind this process.

    In a container the paths may be those of the machine outside; the files are then further up.
    """
    mount = root / "sys" / "fs" / "cgroup"
    found = []
    for line in _text(root / "proc" / "self" / "cgroup").splitlines():
        _, controllers, path = [*line.split(":", maxsplit=2), "", ""][:3]
        tops = [mount / "unified", mount] if not controllers else [mount / controllers]
        tops += [mount / name for name in controllers.split(",") if "," in controllers]
        inside = Path(path.lstrip("/"))
        if ".." in inside.parts:
            inside = Path()
        found += [top / each for top in tops for each in (inside, *inside.parents)]
    return list(dict.fromkeys(found))


def _quota(group: Path) -> float | None:
    """Return the processors that a control group allows; None for all."""
    newer = _text(group / "cpu.max").split()
    older = [_text(group / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    quota, period = newer if len(newer) == 2 else older
    if not (quota.isdecimal() and period.isdecimal() and int(period)):
        return None
    return int(quota) / int(period)


def _room(group: Path) -> int | None:
    """Return the bytes of memory that a control group still allows; None for all."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        most, now = _text(group / limit).strip(), _text(group / used).strip()
        if most.isdecimal() and now.isdecimal():
            cached = re.search(
                r"^(?:total_)?inactive_file (\d+)", _text(group / "memory.stat"), re.M
            )
            return max(int(most) - int(now) + (int(cached[1]) if cached else 0), 0)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _free(folder: Path) -> int | None:
    try:
        held = os.statvfs(folder)
    except (AttributeError, OSError):
        return None
    return held.f_bavail * held.f_frsize


def next_item(items: Iterator[_Item], workers: int) -> _Item:
    """Return the next item of a loader.

    Raises:
        ZslBenchError: A decoding process died, for lack of memory for instance.
    """
    with death_told(workers):
        return next(items)


@contextmanager
def death_told(workers: int) -> Iterator[None]:
    """Tell the death of a decoding process in one line.

    Raises:
        ZslBenchError: A decoding process died, for lack of memory for instance.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
        if isinstance(error, RuntimeError) and not _DEATH.search(str(error)):
            raise
        raise ZslBenchError(
            f"decode videos in {workers} processes",
            found="a decoding process died (often for lack of memory or of /dev/shm)",
            fix="run the same command again to go on, with fewer workers",
        ) from error


@contextmanager
def signal_kept() -> Iterator[None]:
    """Keep the handler of SIGCHLD that there was, where a loader puts one of its own.

    That one raises the death of a worker out of any statement. Without it, the loader notices when
    it waits for the worker's next video.
    """
    on_main = threading.current_thread() is threading.main_thread()
    if not on_main or not hasattr(signal, "SIGCHLD"):
        yield
        return
    before = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGCHLD, before)


def keep_quiet(_worker: int = 0) -> None:
    """In a decoding process, print nothing where the process that it decodes for breaks off.

    Frames are handed over by a thread of the decoding process, which prints a traceback where the
    other side goes away in the middle, as it does on Ctrl-C. Any other error is printed as before.
    """
    printed = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, (EOFError, ConnectionError)):
            printed(kind, error, trace)

    sys.excepthook = hook
