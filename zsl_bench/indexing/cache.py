"""What earlier checks found, kept by path, size and time of change.

The file is shared by all processes of a user. It is only a shortcut: a file that is damaged is made
anew, one that is locked or cannot be written is done without, and a check says so and goes on.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from zsl_bench.files import cache_dir
from zsl_bench.indexing.probe import FileProbe, SegmentProbe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SCHEMA = 1
"""Raise it where a record has other fields, or where the same file would get another record."""

_FILE = f"probes-{SCHEMA}.sqlite3"
_TABLE = """
create table if not exists probes (
    path blob primary key, decoder text, size integer, mtime_ns integer, record text
) without rowid
"""
_SELECT = "select size, mtime_ns, record from probes where path = ? and decoder = ?"
_INSERT = "insert or replace into probes values (?, ?, ?, ?, ?)"
_SECONDS_LOCKED = 10.0
_SECONDS_UNSAVED = 1.0


class ProbeCache:
    """Records of files; a context manager that saves what is not saved yet.

    Attributes:
        notes: What went wrong with the file, a sentence each.
    """

    def __init__(self, decoder: str, *, folder: Path | None = None) -> None:
        """Open the cache.

        Args:
            decoder: What reads the files, with its version; records of another are not used.
            folder: Where the cache lies; None for the user's.
        """
        self.notes: list[str] = []
        self._decoder = decoder
        self._file = (cache_dir() if folder is None else folder) / _FILE
        self._unsaved: dict[bytes, FileProbe] = {}
        self._saved = time.monotonic()
        self._connection = self._open()

    def __enter__(self) -> Self:
        """Return the cache."""
        return self

    def __exit__(self, *_: object) -> None:
        """Save what is not saved yet, and close the file."""
        self.save()
        if self._connection is not None:
            self._connection.close()

    def find(
        self, places: Mapping[str, Path], known: Mapping[str, FileProbe]
    ) -> dict[str, FileProbe]:
        """Return the records of files that have not changed.

        Args:
            places: Files by their path below the manifest's root.
            known: By the same path, what the disk says of each file now.
        """
        found: dict[str, FileProbe] = {}
        if self._connection is None:
            return found
        try:
            for path, place in places.items():
                key = os.fsencode(place), self._decoder
                row = self._connection.execute(_SELECT, key).fetchone()
                now = known[path]
                if row is not None and row[:2] == (now.size, now.mtime_ns):
                    found[path] = _decoded(row[2], now)
        except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
            self._give_up(error)
        return found

    def add(self, place: Path, probe: FileProbe) -> None:
        """Keep a record, on the disk within about a second if more come."""
        self._unsaved[os.fsencode(place)] = probe
        if time.monotonic() - self._saved > _SECONDS_UNSAVED:
            self.save()

    def save(self) -> None:
        """Write what is not on the disk yet."""
        rows, self._unsaved = self._unsaved, {}
        if self._connection is not None and rows:
            try:
                with self._connection:
                    self._connection.executemany(_INSERT, self._rows(rows))
            except sqlite3.Error as error:
                self._give_up(error)
        self._saved = time.monotonic()

    def _rows(self, probes: Mapping[bytes, FileProbe]) -> Iterable[tuple[object, ...]]:
        for key, probe in probes.items():
            yield key, self._decoder, probe.size, probe.mtime_ns, _encoded(probe)

    def _open(self) -> sqlite3.Connection | None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            return self._connect()
        except (OSError, sqlite3.OperationalError) as error:
            self._note(error)
        except sqlite3.DatabaseError as error:
            self.notes.append(f"the cache of earlier checks was damaged and is made anew ({error})")
            with suppress(OSError):
                self._file.unlink()
            with suppress(sqlite3.Error):
                return self._connect()
        return None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=_SECONDS_LOCKED)
        try:
            connection.execute(_TABLE)
            connection.execute("select count(*) from probes where path = x''")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _give_up(self, error: Exception) -> None:
        self._note(error)
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        if not isinstance(error, sqlite3.OperationalError):
            with suppress(OSError):
                self._file.unlink()

    def _note(self, error: Exception) -> None:
        self.notes.append(f"the cache of earlier checks cannot be used ({error}): {self._file}")


def _encoded(probe: FileProbe) -> str:
    fields = asdict(probe)
    for name in ("path", "size", "mtime_ns"):
        del fields[name]
    return json.dumps({name: value for name, value in fields.items() if value not in (None, "")})


def _decoded(record: str, now: FileProbe) -> FileProbe:
    fields: dict[str, Any] = json.loads(record)
    segments = tuple(SegmentProbe(**part) for part in fields.pop("segments"))
    return FileProbe(
        path=now.path, size=now.size, mtime_ns=now.mtime_ns, segments=segments, **fields
    )
