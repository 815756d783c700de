"""What a preparation has finished, line by line on the disk, so that a stopped one goes on."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any, Self

from zsl_bench.errors import ResultError
from zsl_bench.files import atomic_write, canonical_json
from zsl_bench.preparation.encode import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KIND = "zsl-bench preparation"
_SCHEMA = 1
_FILE, _LOCK = "journal.jsonl", "lock"


class Journal:
    """The finished videos and shards of an output folder; a context manager that locks it.

    A line is written once its file is in place. A last line that was cut off is passed over.

    Args:
        folder: Where the journal lies; made if need be.
        header: What the finished files depend on as a whole: data set and settings.

    Attributes:
        outcomes: Finished videos by key.
        shards: Finished shards by name: size in bytes and a hash of what it was made from.

    Raises:
        ResultError: The folder was made with another header, is in use, or cannot be written.
    """

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        self._folder = folder
        self._header = {"kind": KIND, "schema": _SCHEMA, **header}
        self._lock: IO[bytes] | None = None
        self._stream: IO[bytes] | None = None
        self.outcomes: dict[str, Outcome] = {}
        self.shards: dict[str, tuple[int, str]] = {}

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self._folder / _LOCK).open("ab")
            self._take_lock()
            self._read()
            self._write_anew()
            self._stream = (self._folder / _FILE).open("ab")
        except OSError as error:
            self.__exit__()
            raise ResultError(
                f"write into {self._folder}",
                found=error.strerror or str(error),
                fix="choose another folder",
            ) from error
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._stream, self._lock):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._stream = self._lock = None

    def keep(self, key: str, outcome: Outcome) -> None:
        """Write down a finished video."""
        self.outcomes[key] = outcome
        self._append(_video_line(key, outcome))

    def keep_shard(self, name: str, size: int, content: str) -> None:
        """Write down a finished shard."""
        self.shards[name] = (size, content)
        self._append(_shard_line(name, size, content))

    def forget(self, keys: Iterable[str]) -> None:
        """Take videos out that are to be made again, until they are finished anew."""
        for key in keys:
            self.outcomes.pop(key, None)

    def _append(self, line: dict[str, Any]) -> None:
        assert self._stream is not None  # noqa: S101 - only within the context
        try:
            self._stream.write(canonical_json(line) + b"\n")
            self._stream.flush()
        except OSError as error:
            raise ResultError(
                f"write {self._folder / _FILE}",
                found=error.strerror or str(error),
                fix="free some space; the same command then goes on",
            ) from error

    def _take_lock(self) -> None:
        """Lock the folder where the system has such locks; they end with the process."""
        try:
            from fcntl import LOCK_EX, LOCK_NB, flock
        except ImportError:
            return
        assert self._lock is not None  # noqa: S101
        try:
            flock(self._lock, LOCK_EX | LOCK_NB)
        except BlockingIOError as error:
            raise ResultError(
                f"prepare into {self._folder.parent}",
                found="another process is at it",
                fix="wait for it to end, or choose another folder",
            ) from error

    def _read(self) -> None:
        try:
            lines = (self._folder / _FILE).read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        header = _parsed(lines[0])
        if header is None:
            return
        if header != self._header:
            raise ResultError(
                f"prepare into {self._folder.parent}",
                found=f"files made otherwise ({_difference(header, self._header)})",
                fix="choose another folder, delete this one, or give the same settings",
            )
        for line in lines[1:]:
            self._take(_parsed(line))

    def _take(self, line: dict[str, Any] | None) -> None:
        """Take a line in; what is no whole line of ours is work that is done again."""
        if line is None:
            return
        with suppress(KeyError, TypeError):
            if "shard" in line:
                self.shards[line["shard"]] = (line["bytes"], line["content"])
                return
            fields = {name: value for name, value in line.items() if name != "video"}
            self.outcomes[line["video"]] = Outcome(**{**fields, "size": tuple(fields["size"])})

    def _write_anew(self) -> None:
        lines = [self._header]
        lines += [_video_line(key, outcome) for key, outcome in self.outcomes.items()]
        lines += [_shard_line(name, *shard) for name, shard in self.shards.items()]
        with atomic_write(self._folder / _FILE) as stream:
            stream.write(b"".join(canonical_json(line) + b"\n" for line in lines))


def _video_line(key: str, outcome: Outcome) -> dict[str, Any]:
    return {"video": key, **asdict(outcome)}


def _shard_line(name: str, size: int, content: str) -> dict[str, Any]:
    return {"shard": name, "bytes": size, "content": content}


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Say in which fields two headers differ: before and now."""
    flat = [{**header, **header.get("settings", {})} for header in (one, other)]
    names = sorted({*flat[0], *flat[1]} - {"settings"})
    return ", ".join(
        f"{name.replace('_', ' ')} {flat[0].get(name)!r}, now {flat[1].get(name)!r}"
        for name in names
        if flat[0].get(name) != flat[1].get(name)
    )
