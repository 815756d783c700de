"""What an unpacking keeps beside its files, so that a stopped one goes on: records and a lock."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.archives.contents import STATE_FOLDER
from zsl_bench.archives.room import remove_tree
from zsl_bench.errors import DatasetError, ResultError
from zsl_bench.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_SCHEMA = 1
_WORK, _WAITING = "work-", "waiting-"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one archive gave.

    Attributes:
        archive: Its name.
        files: Paths of its files below the folder and their sizes in bytes.
        inner: Keys of the records of the archives within it.
        left_out: Links and devices in it.
        is_finished: Whether everything is in its place.
    """

    archive: str
    files: tuple[tuple[str, int], ...]
    inner: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    is_finished: bool = False


class State:
    """The records of the archives that were unpacked into a folder.

    Args:
        folder: The folder that archives are unpacked into, which exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = folder / STATE_FOLDER

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from unpacking into the folder.

        Raises:
            DatasetError: Another one is at it, or the folder cannot be written to.
        """
        try:
            self._own.mkdir(parents=True, exist_ok=True)
            stream = (self._own / "lock").open("ab")
        except OSError as error:
            raise DatasetError(
                f"unpack into {self._folder}",
                found=(error.strerror or str(error)).lower(),
                fix="choose a folder that can be written to with --unpack-to",
            ) from error
        with stream:
            if not _lock(stream.fileno()):
                raise DatasetError(
                    f"unpack into {self._folder}",
                    found="another process that is unpacking into it",
                    fix="wait until it is done, or choose another folder",
                )
            yield

    def clear(self, keys: Collection[str] = ()) -> None:
        """Remove what stopped runs left, except what the archives of some keys can go on with."""
        for child in self._own.iterdir():
            if child.name.endswith(".part"):
                child.unlink()
            is_waiting = child.name.startswith(_WAITING)
            if child.name.startswith(_WORK) or (is_waiting and _top_key(child.name) not in keys):
                remove_tree(child)

    @contextmanager
    def work_folder(self) -> Iterator[Path]:
        """Make a folder to unpack into, and remove it at the end."""
        work = tempfile.mkdtemp(dir=self._own, prefix=_WORK)
        try:
            yield self._own / work
        finally:
            with suppress(OSError):
                remove_tree(Path(work))

    def waiting(self, key: str) -> Path:
        """Return where an archive waits that is unpacked whole and not yet moved to its place."""
        return self._own / f"{_WAITING}{key}"

    def save(self, key: str, record: Record) -> None:
        """Write a record."""
        value = {
            "schema": _SCHEMA,
            "archive": record.archive,
            "files": record.files,
            "inner": record.inner,
            "left_out": record.left_out,
            "is_finished": record.is_finished,
        }
        write_json(self._record_path(key), value)

    def load(self, key: str) -> Record | None:
        """Return the record of an archive, or None where there is none that can be read."""
        path = self._record_path(key)
        if not path.exists():
            return None
        with suppress(ResultError, KeyError, TypeError, ValueError):
            return _parsed(read_json(path, what="record of unpacking"))
        return None

    def finish(self, key: str, record: Record) -> Record:
        """Write that everything of an archive is in its place."""
        finished = replace(record, is_finished=True)
        self.save(key, finished)
        return finished

    def is_whole(self, record: Record) -> bool:
        """Return whether the files of an archive, and of those in it, are there in full size."""
        for path, size in record.files:
            try:
                if (self._folder / path).stat().st_size != size:
                    return False
            except OSError:
                return False
        inner = self.inner_of(record)
        return len(inner) == len(record.inner) and all(
            one.is_finished and self.is_whole(one) for one in inner
        )

    def inner_of(self, record: Record) -> list[Record]:
        """Return the records of the archives within one, as far as there are any."""
        records = [self.load(key) for key in record.inner]
        return [one for one in records if one is not None]

    def with_inner(self, record: Record) -> Iterator[Record]:
        """Yield a record and those of all archives within it."""
        yield record
        for inner in self.inner_of(record):
            yield from self.with_inner(inner)

    def _record_path(self, key: str) -> Path:
        return self._own / f"{key}.json"


def _parsed(value: Any) -> Record | None:  # noqa: ANN401 - what a file holds
    if value["schema"] != _SCHEMA:
        return None
    return Record(
        archive=str(value["archive"]),
        files=tuple((str(path), int(size)) for path, size in value["files"]),
        inner=tuple(str(key) for key in value["inner"]),
        left_out=tuple(str(name) for name in value["left_out"]),
        is_finished=bool(value["is_finished"]),
    )


def _top_key(name: str) -> str:
    return name.removeprefix(_WAITING).partition(".")[0]


def _lock(descriptor: int) -> bool:
    """Lock a file, and return False where another process has it; True where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
