"""The kept clip outputs of one key: found by a video's content, added shard by shard."""

from __future__ import annotations

import os
import time
import uuid
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from zsl_bench.clip_cache.shards import (
    SUFFIX,
    ClipOutputs,
    Entry,
    ShardError,
    listed,
    read_header,
    read_shard,
    write_shard,
)
from zsl_bench.errors import ResultError
from zsl_bench.files import sha256_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

KEYS, DIGESTS = "keys", "digests"
"""Folders of a cache: the outputs by key, and the digests of video files."""

KEY_FILE = "key.json"
_OPEN_SHARDS = 32
_OTHER_KEY = "it belongs to another key"


class ClipCache:
    """The kept clip outputs of one model, set up in one way, for videos of any data set.

    What is found is exactly what was added. A file that is damaged, cut off or of another key is
    passed over and told. Several processes may use one folder: shards have names of their own and
    appear whole. Where two hold the same video, the first by name counts.

    Args:
        root: Folder of the cache, for all keys.
        parts: All that the outputs depend on apart from the video; another value of any of it is
            another key. Its ``run`` has the ``name`` of the ``model`` and the ``clip_policy``, by
            which people know a key.
        note: Told in one line what is wrong with the cache.

    Attributes:
        root: Folder of the cache.
        key: SHA-256 of ``parts``, in hex.
        folder: Where the shards of this key lie.
    """

    def __init__(self, root: Path, parts: Mapping[str, Any], note: Callable[[str], None]) -> None:
        self.root = root
        self.key = sha256_json(parts)
        self.folder = root / KEYS / self.key
        self._parts = parts
        self._note = note
        self._bad: set[Path] = set()
        self._open: OrderedDict[Path, dict[Entry, ClipOutputs]] = OrderedDict()
        self._places: dict[Entry, Path] = {}
        self._index()

    @property
    def entries(self) -> frozenset[Entry]:
        """The videos that there are outputs of."""
        return frozenset(self._places)

    def find(self, entry: Entry) -> ClipOutputs | None:
        """Return the outputs of a video's clips, or None where they are not there."""
        while (path := self._places.get(entry)) is not None:
            found = self._outputs(path)
            if found is not None and entry in found:
                return found[entry]
            self._bad.add(path)
            self._index()
        return None

    def add(self, outputs: Sequence[tuple[Entry, ClipOutputs]]) -> None:
        """Keep the outputs of some videos, all or none of them.

        Raises:
            ResultError: The folder cannot be written or the device is full.
        """
        if not outputs:
            return
        path = self.folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:12]}{SUFFIX}"
        try:
            self._write(path, outputs)
        except ResultError:
            # Another process may have removed the folder as an empty one, between two steps.
            self._write(path, outputs)
        for entry, _ in outputs:
            self._places.setdefault(entry, path)

    def _write(self, path: Path, outputs: Sequence[tuple[Entry, ClipOutputs]]) -> None:
        self._write_key()
        write_shard(path, self.key, outputs)
        # Another process may have taken the folder for an empty one and removed the key's file.
        self._write_key()

    def _write_key(self) -> None:
        if not (self.folder / KEY_FILE).exists():
            write_json(self.folder / KEY_FILE, {"key": self.key, "parts": self._parts})

    def _index(self) -> None:
        self._places = {}
        for path in listed(self.folder, f"*{SUFFIX}"):
            if path in self._bad:
                continue
            try:
                header = read_header(path)
                if header.key != self.key:
                    self._pass_over(path, _OTHER_KEY)
                    continue
            except (ShardError, OSError) as error:
                self._pass_over(path, _reason(error))
                continue
            for entry, _ in header.counts:
                self._places.setdefault(entry, path)

    def _outputs(self, path: Path) -> dict[Entry, ClipOutputs] | None:
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        try:
            header, outputs = read_shard(path)
        except (ShardError, OSError) as error:
            self._pass_over(path, _reason(error))
            return None
        if header.key != self.key:
            self._pass_over(path, _OTHER_KEY)
            return None
        with suppress(OSError):
            os.utime(path)
        self._open[path] = outputs
        if len(self._open) > _OPEN_SHARDS:
            self._open.popitem(last=False)
        return outputs

    def _pass_over(self, path: Path, reason: str) -> None:
        self._bad.add(path)
        if path.exists():
            self._note(f"{path} is passed over: {reason}; see zsl-bench cache verify")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
