"""Room on a disk, and making some."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from zsl_bench.errors import DatasetError

_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def check_room(folder: Path, needed: int, *, what: str) -> None:
    """Check that a disk has room.

    Args:
        folder: A folder on it.
        needed: Bytes that are to be written.
        what: What they come from, for the message.

    Raises:
        DatasetError: There is less room.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise no_room(what, f"at least {_readable(needed)} needed, {_readable(free)} free")


def no_room(what: str, found: str) -> DatasetError:
    """Return the error of a disk without room."""
    return DatasetError(
        f"unpack {what}",
        found=f"too little space: {found}",
        fix="free some space, or unpack to another disk with --unpack-to",
    )


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(
        (Path(place) / name).lstat().st_size
        for place, _, names in os.walk(folder)
        for name in names
    )


def remove_tree(folder: Path) -> None:
    """Remove a folder with everything in it, folders without permission to write included."""
    try:
        shutil.rmtree(folder)
    except PermissionError:
        for place, _, _ in os.walk(folder):
            for entry in Path(place).iterdir():
                if stat.S_ISDIR(entry.lstat().st_mode):
                    entry.chmod(0o700)
        shutil.rmtree(folder)


def _readable(size: int) -> str:
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
