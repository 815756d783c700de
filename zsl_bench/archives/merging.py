"""Moving unpacked files to their places, beside what is there already."""

from __future__ import annotations

import filecmp
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def conflicts(source: Path, target: Path) -> Iterator[Path]:
    """Yield the paths at the target where something else is than the source has.

    The same file with the same bytes is no conflict.
    """
    with os.scandir(source) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        ours, theirs = source / name, target / name
        if not os.path.lexists(theirs):
            continue
        if ours.is_dir():
            if theirs.is_dir() and not theirs.is_symlink():
                yield from conflicts(ours, theirs)
            else:
                yield theirs
        elif not _is_same(ours, theirs):
            yield theirs


def merge(source: Path, target: Path) -> None:
    """Move everything in a folder to another folder on the same file system.

    Whole folders are moved at once where they are new. Files that are there already, which must
    have the same bytes, stay as they are.
    """
    with os.scandir(source) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        ours, theirs = source / name, target / name
        if not os.path.lexists(theirs):
            ours.rename(theirs)
        elif ours.is_dir():
            merge(ours, theirs)
        else:
            ours.unlink()


def _is_same(ours: Path, theirs: Path) -> bool:
    return theirs.is_file() and filecmp.cmp(ours, theirs, shallow=False)
