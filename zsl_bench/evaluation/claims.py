"""Which process works on what, told by small files in a folder that all processes see."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from zsl_bench.errors import ResultError
from zsl_bench.files import atomic_write

if TYPE_CHECKING:
    from types import TracebackType

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often a process gives a sign of life, and how long the others wait for one.

    Attributes:
        sign: Seconds between two signs.
        lost: Seconds without a new one after which a process counts as lost.
        poll: Seconds between two looks at what the others have finished.
    """

    sign: float = 5.0
    lost: float = 120.0
    poll: float = 0.2


class Claims:
    """The claims of one process, as a context manager that gives them up at the end.

    A claim keeps two processes from doing the same work. What is done must be the same whoever does
    it, and be written whole: then a claim that is taken over too early costs time and nothing else.
    A process that this one would see is lost when it no longer runs; one on another machine or in
    another container when its sign of life stays the same for long, by the clock of the one that
    looks. A thread gives the signs, so that a long batch does not count as silence.

    Args:
        folder: Where the claims are; made where it is missing.
        patience: When a process counts as lost.
    """

    def __init__(self, folder: Path, patience: Patience | None = None) -> None:
        self._folder = folder
        self.patience = patience or Patience()
        self._own = uuid.uuid4().hex
        self._held: set[str] = set()
        self._next = self._folder / f"{self._own}.next"
        self._signs = 0
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="signs of life", daemon=True)
        self._seen: dict[str, tuple[str, float]] = {}

    def __enter__(self) -> Self:
        """Give the first sign of life, and go on in a thread."""
        with atomic_write(self._session(self._own)) as stream:
            stream.write(self._sign())
        self._heart.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give up what is still claimed."""
        self._ended.set()
        self._heart.join()
        for name in tuple(self._held):
            self.release(name)
        _remove(self._session(self._own))
        _remove(self._next)

    def take(self, name: str) -> bool:
        """Claim a piece of work, unless a process that is still there has it.

        Raises:
            ResultError: The folder cannot be written.
        """
        path = self._claim(name)
        try:
            with path.open("x", encoding="utf-8") as stream:
                stream.write(self._own)
        except FileExistsError:
            if not self._is_free(path):
                return False
            with atomic_write(path) as overwritten:
                overwritten.write(self._own.encode())
        except OSError as error:
            raise ResultError(
                f"write {path}",
                found=error.strerror or str(error),
                fix="free some space or choose another place",
            ) from error
        self._held.add(name)
        return True

    def release(self, name: str) -> None:
        """Give up a claim of this process, if it has it and no other process took it over."""
        if name in self._held:
            self._held.remove(name)
            if _text(self._claim(name)) == self._own:
                _remove(self._claim(name))

    def sweep(self) -> None:
        """Remove all claims, once nothing is left to do, and what lost processes left behind."""
        for path in self._folder.glob("*.claim"):
            _remove(path)
        for path in chain(self._folder.glob("*.process"), self._folder.glob("*.next")):
            if path.stem != self._own and self._is_lost(path.stem):
                _remove(path)

    def _beat(self) -> None:
        while not self._ended.wait(self.patience.sign):
            with suppress(OSError):  # then this is a time of silence
                self._next.write_bytes(self._sign())
                self._next.replace(self._session(self._own))

    def _sign(self) -> bytes:
        self._signs += 1
        sign = {"host": _host(), "pid": os.getpid(), "signs": self._signs}
        return json.dumps(sign).encode()

    def _is_free(self, claim: Path) -> bool:
        owner = _text(claim)
        if owner is None:
            return True
        if not owner.isalnum():  # its process is between making and writing it, or was lost there
            return self._is_still(claim.name, owner)
        return self._is_lost(owner)

    def _is_lost(self, session: str) -> bool:
        sign = _text(self._session(session))
        if sign is None:
            return True
        return _is_dead(sign) or self._is_still(session, sign)

    def _is_still(self, what: str, sign: str) -> bool:
        now = time.monotonic()
        before, since = self._seen.get(what, (None, now))
        if sign != before:
            self._seen[what] = (sign, now)
            return False
        return now - since > self.patience.lost

    def _claim(self, name: str) -> Path:
        return self._folder / f"{name}.claim"

    def _session(self, session: str) -> Path:
        return self._folder / f"{session}.process"


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return None


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


@cache
def _host() -> str:
    """Return what processes share that see each other by number: a machine and, there, a container.

    Two machines may have one name, and so may two containers: Linux tells them apart by the number
    of its start and by the process namespace.
    """
    parts = [platform.node(), _text(_BOOT) or ""]
    with suppress(OSError):
        parts.append(str(_NAMESPACE.readlink()))
    return " ".join(part.strip() for part in parts if part)


def _is_dead(sign: str) -> bool:
    """Say whether a sign is of a process that this one would see, and that no longer runs."""
    try:
        process: Any = json.loads(sign)
        host, pid = process["host"], int(process["pid"])
    except (ValueError, KeyError, TypeError):
        return False
    if os.name != "posix" or host != _host() or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError) as error:
        return isinstance(error, ProcessLookupError)
    return False
