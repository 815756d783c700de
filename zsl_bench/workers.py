"""Processes that decode: how many, and what it means when one dies."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from zsl_bench.errors import ZslBenchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

MAX_WORKERS = 16
_DEATH = re.compile(r"DataLoader worker \(pid.*(exited unexpectedly|is killed by signal)")
_Item = TypeVar("_Item")


def choose_workers(workers: int | None, device_type: str) -> int:
    """Return how many processes decode: those asked for, or as the machine has them to spare."""
    if workers is not None:
        return workers
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    available = processors or os.cpu_count() or 1
    spare = available if device_type != "cpu" else max(available // 2, 1)
    return min(spare, MAX_WORKERS)


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
    yield
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
