"""Programs that unpack compressed rar archives: one process an archive."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

from zsl_bench.archives.contents import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from zsl_bench.archives.contents import Contents
    from zsl_bench.archives.counting import Counter

_POLL_SECONDS = 0.5
_MOST_SHOWN = 200


def _unrar(archive: str, folder: str) -> list[str]:
    return ["unrar", "x", "-o+", "-p-", "-y", "-idq", "--", archive, f"{folder}{os.sep}"]


def _unar(archive: str, folder: str) -> list[str]:
    return ["unar", "-quiet", "-force-overwrite", "-no-directory", "-o", folder, archive]


def _7zz(archive: str, folder: str) -> list[str]:
    return ["7zz", "x", "-y", "-bd", "-p", f"-o{folder}", archive]


def _7z(archive: str, folder: str) -> list[str]:
    return ["7z", *_7zz(archive, folder)[1:]]


def _bsdtar(archive: str, folder: str) -> list[str]:
    return ["bsdtar", "-x", "-f", archive, "-C", folder]


_TOOLS: dict[str, Callable[[str, str], list[str]]] = {
    "unrar": _unrar,
    "unar": _unar,
    "7zz": _7zz,
    "7z": _7z,
    "bsdtar": _bsdtar,
}


def unpack_with_tool(archive: Path, contents: Contents, folder: Path, counter: Counter) -> None:
    """Unpack a rar archive with the first installed program that can.

    What comes out is held against the archive's list: each file there, regular, of the listed size;
    its checksum is the program's to check.

    Args:
        archive: The archive's first volume.
        contents: What it holds.
        folder: An empty folder; emptied again where a program fails.
        counter: Told of the files.

    Raises:
        ArchiveError: No program is installed, or none can read this archive.
    """
    installed = [name for name in _TOOLS if shutil.which(name)]
    if not installed:
        raise ArchiveError(
            f"unpack {archive.name}",
            found="compressed files, and no program that unpacks rar",
            fix="install one: apt install unar (Debian, Ubuntu) or brew install unar (macOS)",
        )
    failures = []
    for name in installed:
        command = _TOOLS[name](str(archive.absolute()), str(folder.absolute()))
        failure = _run(command, folder, counter) or _difference(contents, folder)
        if failure is None:
            return
        failures.append(f"{name}: {failure}")
        shutil.rmtree(folder)
        folder.mkdir()
    advice = "" if {"unrar", "unar"} & set(installed) else ", or apt install unar"
    raise ArchiveError(
        f"unpack {archive.name}",
        found="; ".join(failures),
        fix=f"download it again{advice}",
    )


def _run(command: Sequence[str], folder: Path, counter: Counter) -> str | None:
    """Run a program; return what it complains of, or None."""
    process = subprocess.Popen(  # noqa: S603 - a known program, no shell
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        said = _output(process, folder, counter)
    except BaseException:
        process.kill()
        process.wait()
        raise
    counter.reach(sum(1 for _ in _files(folder)))
    if process.returncode == 0:
        return None
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    said_last = ", ".join(lines[-2:]) or f"exit status {process.returncode}"
    return said_last[:_MOST_SHOWN]


def _output(process: subprocess.Popen[bytes], folder: Path, counter: Counter) -> bytes:
    while True:
        try:
            return process.communicate(timeout=_POLL_SECONDS)[0]
        except subprocess.TimeoutExpired:
            counter.reach(sum(1 for _ in _files(folder)))


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)  # noqa: PTH118 - thousands of strings
            yield os.path.relpath(path, folder), os.lstat(path)


def _difference(contents: Contents, folder: Path) -> str | None:
    """Return how a folder differs from what the archive lists; links are taken away."""
    found: dict[str, int] = {}
    for name, status in _files(folder):
        if stat.S_ISREG(status.st_mode):
            found[name.replace(os.sep, "/")] = status.st_size
        else:
            (folder / name).unlink()
    strange = sorted(found.keys() - {member.name for member in contents.members})
    if strange:
        return f"it made {strange[0]!r}, which the archive does not list"
    for member in contents.members:
        size = found.get(member.name)
        if size is None or (size != member.size and member.copy_of is None):
            came = "nothing" if size is None else f"{size:,}"
            return f"{member.name!r} came out as {came} of {member.size:,} bytes"
    return None
