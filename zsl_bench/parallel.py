"""Work shared out among processes, where a process may die without taking the rest with it.

Damaged files can crash a decoder, and a crash ends the whole process. Here it ends one process and
one item. The processes are plain interpreters that import what they need: unlike those of
:mod:`multiprocessing` they do not run the caller's script again, so that it needs no guard, and
they end by themselves, within a second, when the caller is gone, however it went.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Thread
from typing import IO, TYPE_CHECKING, Any, Self, TypeVar

from zsl_bench.errors import ZslBenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from zsl_bench.parallel import work; work()"
)
_LENGTH = struct.Struct(">Q")
_READY = -1
_AHEAD_SECONDS = 0.05
_MOST_AHEAD = 64
_PATIENCE = 5.0
_GRACE = 0.5

_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome")


@dataclass(frozen=True, kw_only=True)
class Died:
    """What an item gives whose process died twice, the second time with this item alone.

    Attributes:
        status: The exit status; for a process that a signal ended, minus the signal's number.
    """

    status: int

    @property
    def reason(self) -> str:
        """How the process ended, such as ``the process died (SIGSEGV)``."""
        if self.status >= 0:
            return f"the process died (exit status {self.status})"
        try:
            name = signal.Signals(-self.status).name
        except ValueError:
            name = f"signal {-self.status}"
        return f"the process died ({name})"


def default_jobs() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_parallel(
    function: Callable[[_Item], _Outcome], items: Sequence[_Item], *, jobs: int
) -> Generator[tuple[int, _Outcome | Died]]:
    """Call a function on every item, in processes of their own, also where ``jobs`` is 1.

    Where a process dies, the item that it was at is tried again at the end, alone in a fresh
    process, and gives :class:`Died` where that dies as well; the items behind it are not affected.
    Closing the generator, an interrupt and an error end the processes at once.

    Args:
        function: What to call: a function at the top level of a module that can be imported, or a
            ``functools.partial`` of one. Whatever it prints goes to stderr.
        items: What to call it on; each can be pickled, as can what comes back.
        jobs: The most processes at a time.

    Yields:
        The position of an item and what the function returned for it, as they get done.

    Raises:
        ZslBenchError: ``jobs`` is less than 1, or no process can be started.
        Exception: Whatever the function raises.
    """
    if jobs < 1:
        raise ZslBenchError(f"{jobs} jobs", found="no process to work", fix="give 1 or more")
    return _run(pickle.dumps(function), items, jobs)


def _run(
    function: bytes, items: Sequence[_Item], jobs: int
) -> Generator[tuple[int, _Outcome | Died]]:
    suspects: list[int] = []
    with _Crew(function, items, range(len(items)), jobs) as crew:
        for position, answer in crew.answers():
            if isinstance(answer, Died):
                suspects.append(position)
            else:
                yield position, answer
    for position in suspects:
        with _Crew(function, items, [position], 1) as alone:
            yield from alone.answers()


class _Worker:
    """A process, the positions it has yet to answer for, and a thread that reads its answers."""

    def __init__(self, function: bytes, inbox: SimpleQueue[tuple[_Worker, bytes | None]]) -> None:
        try:
            self.process = subprocess.Popen(  # noqa: S603 - this interpreter, this module
                [sys.executable, "-c", _BOOT, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise _start_error(error.strerror or str(error)) from error
        self.ready = False
        self.flying: deque[int] = deque()
        self._reader = Thread(target=self._read, args=(inbox,), daemon=True)
        self._reader.start()
        self.send(function)

    def send(self, message: bytes) -> None:
        """Send a message; that the process is dead is learnt from its answers' end."""
        assert self.process.stdin is not None  # noqa: S101
        with suppress(OSError):
            _write(self.process.stdin, message)

    def _read(self, inbox: SimpleQueue[tuple[_Worker, bytes | None]]) -> None:
        assert self.process.stdout is not None  # noqa: S101
        while (message := _read(self.process.stdout)) is not None:
            inbox.put((self, message))
        inbox.put((self, None))

    def end(self, *, kill: bool) -> int:
        """End the process, at once or when it is done, and return its exit status."""
        assert self.process.stdin is not None  # noqa: S101
        assert self.process.stdout is not None  # noqa: S101
        if kill:
            self.process.kill()
        with suppress(OSError):
            self.process.stdin.close()
        try:
            status = self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        return status


class _Crew:
    """Processes that work through the items at some positions."""

    def __init__(
        self, function: bytes, items: Sequence[Any], positions: Iterable[int], jobs: int
    ) -> None:
        self._function = function
        self._items = items
        self._waiting = deque(positions)
        self._jobs = jobs
        self._inbox: SimpleQueue[tuple[_Worker, bytes | None]] = SimpleQueue()
        self._workers: list[_Worker] = []
        self._begun = 0.0
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self._workers:
            if kind is not None:
                worker.process.kill()
        for worker in self._workers:
            worker.end(kill=kind is not None)

    def answers(self) -> Generator[tuple[int, Any]]:
        """Yield positions and outcomes, a :class:`Died` for an item that a process died at."""
        while len(self._workers) < min(self._jobs, len(self._waiting)):
            self._workers.append(_Worker(self._function, self._inbox))
        self._begun = time.monotonic()
        while self._waiting or any(worker.flying for worker in self._workers):
            worker, message = self._inbox.get()
            if message is None:
                yield from self._bury(worker)
                continue
            position, outcome, error = pickle.loads(message)  # noqa: S301 - from our own process
            if error is not None:
                raise error
            if position == _READY:
                worker.ready = True
                self._feed(worker)
                continue
            worker.flying.remove(position)
            self._done += 1
            self._feed(worker)
            yield position, outcome

    def _bury(self, worker: _Worker) -> Generator[tuple[int, Died]]:
        self._workers.remove(worker)
        status = worker.end(kill=False)
        if not worker.ready:
            raise _start_error(Died(status=status).reason)
        if worker.flying:
            yield worker.flying.popleft(), Died(status=status)
        self._waiting.extendleft(reversed(worker.flying))
        if self._waiting:
            self._workers.append(_Worker(self._function, self._inbox))

    def _feed(self, worker: _Worker) -> None:
        """Give a process so much to do that it need not wait for the next message."""
        ahead = self._ahead()
        if len(worker.flying) > ahead // 2:
            return
        count = min(ahead - len(worker.flying), len(self._waiting))
        chunk = [self._waiting.popleft() for _ in range(count)]
        if chunk:
            worker.flying.extend(chunk)
            worker.send(pickle.dumps([(position, self._items[position]) for position in chunk]))

    def _ahead(self) -> int:
        if not self._done:
            return 1
        seconds = (time.monotonic() - self._begun) * len(self._workers) / self._done
        share = len(self._waiting) // (2 * len(self._workers))
        return max(min(int(_AHEAD_SECONDS / seconds), share, _MOST_AHEAD), 1)


def work() -> None:
    """Answer messages of :func:`run_parallel` until there are no more; what a process of it runs.

    The pipes are kept from the function: it finds no input, and its output goes to stderr.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    try:
        _serve(source, sink)
    except BrokenPipeError:
        os._exit(1)


def _serve(source: IO[bytes], sink: IO[bytes]) -> None:
    message = _read(source)
    if message is None:
        return
    try:
        function = pickle.loads(message)  # noqa: S301 - from the process that started this one
    except Exception as error:  # noqa: BLE001 - raised again where the work was asked for
        _write(sink, _failure(error))
        return
    _write(sink, pickle.dumps((_READY, None, None)))
    inbox: SimpleQueue[bytes | None] = SimpleQueue()
    ended = Event()
    Thread(target=_listen, args=(source, inbox, ended), daemon=True).start()
    while (message := inbox.get()) is not None:
        for position, item in pickle.loads(message):  # noqa: S301
            _write(sink, _answer(function, position, item))
    ended.set()


def _listen(source: IO[bytes], inbox: SimpleQueue[bytes | None], ended: Event) -> None:
    """Pass messages on, and end the process in the middle of an item when the caller is gone."""
    while (message := _read(source)) is not None:
        inbox.put(message)
    inbox.put(None)
    if not ended.wait(_GRACE):
        os._exit(1)


def _answer(function: Callable[[Any], Any], position: int, item: object) -> bytes:
    try:
        return pickle.dumps((position, function(item), None))
    except Exception as error:  # noqa: BLE001 - raised again where the work was asked for
        return _failure(error)


def _failure(error: Exception) -> bytes:
    told = "".join(traceback.format_exception(error))
    error.add_note(told)
    try:
        message = pickle.dumps((_READY, None, error))
        pickle.loads(message)  # noqa: S301 - some errors can be pickled and not read back
    except Exception:  # noqa: BLE001
        return pickle.dumps((_READY, None, RuntimeError(told)))
    return message


def _write(stream: IO[bytes], message: bytes) -> None:
    stream.write(_LENGTH.pack(len(message)) + message)
    stream.flush()


def _read(stream: IO[bytes]) -> bytes | None:
    """Return the next message, or None at the end, in the middle of a message too."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    message = stream.read(length)
    return message if len(message) == length else None


def _start_error(found: str) -> ZslBenchError:
    return ZslBenchError(
        "start a process to work in",
        found=found,
        fix="free some memory, or ask for fewer jobs",
    )
