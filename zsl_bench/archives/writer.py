"""Writing members into a new, private folder."""

from __future__ import annotations

import os
import shutil
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 20


class FolderWriter:
    """Writes the members of one archive below a folder that nobody else writes to.

    Args:
        root: The folder, which exists and is empty. Names given to the methods are checked ones.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: set[Path] = {root}

    def make_folder(self, name: str) -> None:
        """Make a folder and those above it."""
        self._make(self._root / name)

    def write(self, name: str, stream: IO[bytes], *, modified: float | None = None) -> int:
        """Write a file from a stream to its end, and return its size.

        Args:
            name: Its path below the root.
            stream: Its bytes.
            modified: When it was last changed, in seconds since 1970, or None where unknown.
        """
        path = self._root / name
        self._make(path.parent)
        with path.open("xb") as target:
            shutil.copyfileobj(stream, target, _CHUNK)
            size = target.tell()
        if modified is not None:
            os.utime(path, (modified, modified))
        return size

    def copy(self, name: str, original: str) -> None:
        """Write a file with the bytes of one that is there already."""
        path = self._root / name
        self._make(path.parent)
        shutil.copyfile(self._root / original, path)

    def _make(self, folder: Path) -> None:
        if folder not in self._made:
            folder.mkdir(parents=True, exist_ok=True)
            self._made.add(folder)
