r"""SHA-256 digests of video files, kept by path, size and times, so that a file is hashed once.

Each process appends lines to a file of its own, so that two never mix theirs; a line that was cut
off by a crash is no line. What is lost costs the time of hashing again and nothing else.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from zsl_bench.clip_cache.shards import listed
from zsl_bench.errors import ResultError
from zsl_bench.files import atomic_write, sha256_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_SUFFIX = ".digests"
_MOST_FILES = 32
_SETTLED_NS = 3_000_000_000
_LINE = re.compile(rb"([0-9a-f]{64}) (\d+) (-?\d+) (-?\d+) (\d+) (.+)")


@dataclass(frozen=True, kw_only=True)
class FileStamp:
    """What changes when a file does, short of reading it.

    Attributes:
        path: Absolute path, with the links of its folder resolved.
        size: Bytes.
        mtime_ns: When its content was last written, as it says.
        ctime_ns: When its content or its times were last set; a replaced file cannot hide there.
        inode: Number of the file in its file system.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileStamp:
        """Look at a file.

        Raises:
            OSError: It cannot be looked at, or is no regular file: reading a pipe may never end.
        """
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(path))
        return cls(
            path=os.path.join(_resolved(os.path.dirname(path)), path.name),  # noqa: PTH118, PTH120
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            inode=status.st_ino,
        )


@dataclass(frozen=True, kw_only=True)
class SeenFile:
    """A file's content, and the stamp that it had before and after it was read.

    Attributes:
        stamp: What changes when the file does.
        sha256: SHA-256 of its bytes, in hex.
        settled: Whether it was last changed long enough ago for the stamp to show the next change;
            some file systems count in steps of two seconds.
    """

    stamp: FileStamp
    sha256: str
    settled: bool = True

    @classmethod
    def read(cls, path: Path) -> SeenFile | None:
        """Hash a file, or return None where it cannot be read or changes meanwhile."""
        try:
            before = FileStamp.of(path)
            sha256 = sha256_file(path)
            if FileStamp.of(path) != before:
                return None
        except OSError:
            return None
        changed = max(before.mtime_ns, before.ctime_ns)
        return cls(stamp=before, sha256=sha256, settled=time.time_ns() - changed > _SETTLED_NS)

    def is_same(self, path: Path) -> bool:
        """Say whether a file still has this stamp."""
        try:
            return FileStamp.of(path) == self.stamp
        except OSError:
            return False


class FileDigests:
    """The digests of files that were hashed before.

    Args:
        folder: Where they lie; it need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = folder / f"{uuid.uuid4().hex}{_SUFFIX}"

    def known(self, paths: Iterable[Path]) -> list[SeenFile | None]:
        """Return for each file its digest, None where it is not known or the file has changed.

        Nothing but the list of digests and the files' stamps is read.
        """
        stamps = [_stamp(path) for path in paths]
        wanted = {os.fsencode(stamp.path) for stamp in stamps if stamp is not None}
        found = {seen.stamp: seen for seen in self._read(wanted)}
        return [None if stamp is None else found.get(stamp) for stamp in stamps]

    def add(self, seen: Iterable[SeenFile]) -> None:
        """Append digests.

        Raises:
            ResultError: The folder cannot be written.
        """
        lines = b"".join(_line(each) for each in seen if each.settled)
        if not lines:
            return
        try:
            try:
                self._append(lines)
            except FileNotFoundError:
                # Another process may have removed the folder between two steps.
                self._append(lines)
        except OSError as error:
            raise ResultError(
                f"write {self._own}",
                found=error.strerror or str(error),
                fix="free some space or choose another place",
            ) from error

    def _append(self, lines: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._own.open("ab") as stream:
            stream.write(lines)

    def tidy(self) -> None:
        """Join the files of many processes in one; what a running one adds later may be lost."""
        files = self._files()
        if len(files) <= _MOST_FILES:
            return
        by_time = sorted(self._read(None), key=lambda each: each.stamp.ctime_ns)
        latest = {each.stamp.path: each for each in by_time}
        with suppress(ResultError), atomic_write(self._own) as stream:
            stream.write(b"".join(map(_line, latest.values())))
        if self._own.exists():
            for path in files:
                with suppress(OSError):
                    path.unlink()

    def _files(self) -> list[Path]:
        return listed(self._folder, f"*{_SUFFIX}")

    def _read(self, wanted: set[bytes] | None) -> Iterator[SeenFile]:
        for path in self._files():
            try:
                lines = path.read_bytes().split(b"\n")
            except OSError:
                continue
            for line in lines[:-1]:
                seen = _parsed(line, wanted)
                if seen is not None:
                    yield seen


@lru_cache(maxsize=1024)
def _resolved(folder: str) -> str:
    return os.path.realpath(folder)


def _stamp(path: Path) -> FileStamp | None:
    try:
        return FileStamp.of(path)
    except OSError:
        return None


def _line(seen: SeenFile) -> bytes:
    stamp = seen.stamp
    if "\n" in stamp.path:
        return b""
    numbers = f"{stamp.size} {stamp.mtime_ns} {stamp.ctime_ns} {stamp.inode}"
    return f"{seen.sha256} {numbers} ".encode() + os.fsencode(stamp.path) + b"\n"


def _parsed(line: bytes, wanted: set[bytes] | None) -> SeenFile | None:
    parts = _LINE.fullmatch(line)
    if parts is None or (wanted is not None and parts[6] not in wanted):
        return None
    size, mtime, ctime, inode = (int(number) for number in parts.groups()[1:5])
    stamp = FileStamp(
        path=os.fsdecode(parts[6]), size=size, mtime_ns=mtime, ctime_ns=ctime, inode=inode
    )
    return SeenFile(stamp=stamp, sha256=parts[1].decode())
