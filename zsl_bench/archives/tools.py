"""Installed programs that unpack rar archives, run once per archive."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from zsl_bench.archives.room import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zsl_bench.archives.counting import Counter

_TELLING = re.compile(r"error|fail|unsupported|truncat|corrupt|cannot|no space", re.IGNORECASE)
_KEPT_LINES = 200
_ROSHAL, _RAR_FORMAT = re.compile(rb"Alexander Roshal"), re.compile(rb"\bRar5?\s+rar\b")


class UnpackerError(Exception):
    """One program did not unpack an archive whole."""


@dataclass(frozen=True, kw_only=True)
class Unpacker:
    """A program that unpacks rar archives.

    Attributes:
        name: What it is called.
        program: Its path.
        arguments: Its arguments, given the archive and the folder.
        line: A line that it writes for each file.
    """

    name: str
    program: str
    arguments: Callable[[str, str], list[str]]
    line: re.Pattern[bytes]

    def command(self, archive: Path, folder: Path) -> list[str]:
        """Return the command that unpacks a whole archive into a folder."""
        return [self.program, *self.arguments(str(archive.absolute()), str(folder.absolute()))]


def _unrar(archive: str, folder: str) -> list[str]:
    return ["x", "-cfg-", "-c-", "-idp", "-o+", "-p-", "-y", "--", archive, f"{folder}{os.sep}"]


def _seven_zip(archive: str, folder: str) -> list[str]:
    return ["x", "-y", "-bb1", "-bsp0", "-aoa", f"-o{folder}", "--", archive]


def _unar(archive: str, folder: str) -> list[str]:
    options = ["-force-overwrite", "-no-directory", "-no-recursion"]
    return [*options, "-output-directory", folder, archive]


def _bsdtar(archive: str, folder: str) -> list[str]:
    return ["-x", "-v", "--no-same-owner", "-C", folder, "-f", archive]


# program, arguments, a line for each file, and how its own description must read
_KNOWN: tuple[
    tuple[str, Callable[[str, str], list[str]], bytes, tuple[list[str], re.Pattern[bytes]] | None],
    ...,
] = (
    ("unrar", _unrar, rb"^Extracting\s+(?!from).*OK\s*$", ([], _ROSHAL)),
    ("7zz", _seven_zip, rb"^- .*[^/\s]\s*$", (["i"], _RAR_FORMAT)),
    ("7z", _seven_zip, rb"^- .*[^/\s]\s*$", (["i"], _RAR_FORMAT)),
    ("unar", _unar, rb"\)\.\.\. OK\.\s*$", None),
    ("bsdtar", _bsdtar, rb"^x .*[^/\s]\s*$", None),
)
UNPACKERS = tuple(name for name, *_ in _KNOWN)


def find_unpackers() -> tuple[Unpacker, ...]:
    """Return the installed programs that can unpack rar archives, the most able first.

    ``unrar`` counts where it is the one of the format's makers, and 7-Zip where it was built with
    rar, which Debian's is not.
    """
    return tuple(
        Unpacker(name=name, program=program, arguments=arguments, line=re.compile(line))
        for name, arguments, line, proof in _KNOWN
        if (program := shutil.which(name)) is not None and _is_able(program, proof)
    )


def run_unpacker(unpacker: Unpacker, archive: Path, folder: Path, counter: Counter) -> None:
    """Unpack a whole archive with one run of a program into a folder, emptied before.

    The program ends when this process does, for want of somebody who reads what it writes.

    Raises:
        UnpackerError: The program failed.
    """
    remove_tree(folder)
    folder.mkdir()
    process = subprocess.Popen(  # noqa: S603 - a known program, no shell
        unpacker.command(archive, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"},
        cwd=folder,
    )
    try:
        lines = _read(process.stdout, unpacker, counter)
        status = process.wait()
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if status:
        raise UnpackerError(_reason(lines, status))


def _read(stream: IO[bytes] | None, unpacker: Unpacker, counter: Counter) -> list[str]:
    kept: list[str] = []
    files = 0
    for line in stream or ():
        if unpacker.line.search(line):
            files += 1
            counter.reach(files)
        else:
            kept = [*kept[-_KEPT_LINES:], line.decode("utf-8", "replace").strip()]
    return kept


def _reason(lines: list[str], status: int) -> str:
    telling = [line for line in lines if _TELLING.search(line) and "delayed from" not in line]
    return telling[0] if telling else f"exit status {status}"


def _is_able(program: str, proof: tuple[list[str], re.Pattern[bytes]] | None) -> bool:
    if proof is None:
        return True
    arguments, wanted = proof
    try:
        done = subprocess.run(  # noqa: S603 - a known program, no shell
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return wanted.search(done.stdout) is not None
