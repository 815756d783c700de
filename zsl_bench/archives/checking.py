"""Comparing what a program unpacked with what the archive lists."""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.archives.contents import shown_name
from zsl_bench.archives.tools import UnpackerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zsl_bench.archives.contents import Contents

_CHUNK = 1 << 20


def check_unpacked(
    folder: Path, contents: Contents, *, surplus: frozenset[str] = frozenset()
) -> None:
    """Check that a folder holds the listed files and no others, byte for byte as listed.

    Files and folders become readable and writable as new ones are.

    Args:
        folder: Where the archive was unpacked.
        contents: What it lists.
        surplus: Names that may be there as well; such files are removed.

    Raises:
        UnpackerError: A file is missing, too many, of another size or checksum, or no file.
    """
    wanted = {member.name: member for member in contents.members}
    found: dict[str, int] = {}
    for name, status in _regular_files(folder):
        if name in surplus:
            (folder / name).unlink()
        elif name not in wanted:
            raise UnpackerError(f"{shown_name(name)} is not in the listing")
        else:
            found[name] = status.st_size
    for name, member in wanted.items():
        if found.get(name) != member.size:
            size = f"{found[name]:,}" if name in found else "none"
            raise UnpackerError(f"{name}: {size} of {member.size:,} bytes")
        if member.crc is not None and _crc(folder / name) != member.crc:
            raise UnpackerError(f"{name}: wrong checksum")
    for name in contents.folders:
        (folder / name).mkdir(parents=True, exist_ok=True)


def _regular_files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    mask = os.umask(0)
    os.umask(mask)
    yield from _walk(folder, "", mask)


def _walk(folder: Path, above: str, mask: int) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as scanned:
        entries = list(scanned)
    for entry in entries:
        status = entry.stat(follow_symlinks=False)
        name, path = above + entry.name, Path(entry.path)
        if stat.S_ISDIR(status.st_mode):
            path.chmod(0o777 & ~mask)
            yield from _walk(path, f"{name}/", mask)
        elif stat.S_ISREG(status.st_mode):
            path.chmod(0o666 & ~mask)
            yield name, status
        else:
            raise UnpackerError(f"{shown_name(name)} is not a regular file")


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc
