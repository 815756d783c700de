"""One walk over a folder: which video or image files it has, and what was left out."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsl_bench.errors import DatasetError, listing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VIDEO_SUFFIXES = frozenset(
    (
        *(".avi", ".mp4", ".mkv", ".webm", ".mov", ".m4v", ".mpg"),
        *(".mpeg", ".ts", ".flv", ".wmv", ".3gp", ".ogv"),
    )
)
IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"),
        *(".tif", ".tiff", ".ppm", ".pgm", ".jp2"),
    )
)
ARCHIVE_SUFFIXES = frozenset((".rar", ".zip", ".tar", ".gz", ".tgz", ".7z"))
UNFINISHED_SUFFIXES = frozenset(
    (".part", ".partial", ".crdownload", ".download", ".tmp", ".ytdl", ".aria2", ".filepart")
)
SYSTEM_FOLDERS = frozenset(
    ("__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information")
)


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """What kind of files is looked for.

    Attributes:
        noun: What one of them is called.
        suffixes: How their names end, in lower case.
    """

    noun: str
    suffixes: frozenset[str]


VIDEOS = FileKind(noun="video", suffixes=VIDEO_SUFFIXES)
IMAGES = FileKind(noun="image", suffixes=IMAGE_SUFFIXES)


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundFile:
    """A file whose name ends like those of the kind that is looked for.

    Attributes:
        path: Its path below the folder that was walked, with ``/`` on every system.
        problem: Why it cannot be read as far as a look at the folder tells, or None.
    """

    path: str
    problem: str | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return self.name.rpartition(".")[0]

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders between the walked one and the file, outermost first."""
        return tuple(self.path.split("/")[:-1])


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What one walk over a folder found.

    Attributes:
        root: The folder.
        kind: The kind of file that was looked for.
        files: Its files of that kind, sorted by path.
        others: How many other files there are, by lower-case extension.
        unfinished: Paths of files that look like downloads that were cut off.
        empty_folders: Its sub-folders without a file in them or below them, sorted.
        other_folders: Its sub-folders with files, none of them of that kind, sorted.
    """

    root: Path
    kind: FileKind
    files: tuple[FoundFile, ...]
    others: Counter[str]
    unfinished: tuple[str, ...]
    empty_folders: tuple[str, ...] = ()
    other_folders: tuple[str, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """Return a sentence about each kind of file that was left out."""
        notes = []
        if self.unfinished:
            count = f"{len(self.unfinished):,}"
            notes.append(f"left out, unfinished downloads: {count} ({listing(self.unfinished)})")
        if self.others:
            kinds = [f"{suffix or 'no extension'} {n:,}" for suffix, n in self.others.most_common()]
            notes.append(
                f"left out, no {self.kind.noun}s: {self.others.total():,} ({listing(kinds)})"
            )
        return tuple(notes)


def printable(path: str) -> str:
    r"""Return a path that can be shown and stored: bytes that are not UTF-8 become ``\xNN``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_utf8(path: str) -> bool:
    """Return whether a path from the file system was written as UTF-8."""
    return path.isascii() or printable(path) == path


def scan_folder(root: Path, *, depth: int | None = None, kind: FileKind = VIDEOS) -> Scan:
    """Find the files of a kind below a folder.

    Names that begin with a dot (``.DS_Store``, ``._clip.avi``) and folders that systems make, such
    as ``__MACOSX``, are passed over. Links are followed; nothing is opened.

    Args:
        root: The folder.
        depth: How many folders deep to look below the root, None for no limit.
        kind: Videos or images.

    Raises:
        DatasetError: The path is absent or no folder, a folder may not be read, or links go round.
    """
    files: list[FoundFile] = []
    others: Counter[str] = Counter()
    unfinished: list[str] = []
    with_files: set[str] = set()
    for entry, relative in _walk(_checked(root, kind), "", depth, ()):
        with_files.add(relative.partition("/")[0])
        suffix = os.path.splitext(entry.name)[1].casefold()  # noqa: PTH122 - 13,320 times
        if suffix in kind.suffixes:
            files.append(FoundFile(path=relative, problem=problem_of(entry)))
        elif suffix in UNFINISHED_SUFFIXES:
            unfinished.append(printable(relative))
        else:
            others[printable(suffix)] += 1
    folders = set(_sub_folders(root))
    with_kind = {file.folders[0] for file in files if file.folders}
    return Scan(
        root=root,
        kind=kind,
        files=tuple(sorted(files, key=lambda file: file.path)),
        others=others,
        unfinished=tuple(sorted(unfinished)),
        empty_folders=tuple(sorted(folders - with_files)),
        other_folders=tuple(sorted(folders & with_files - with_kind)),
    )


def _sub_folders(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return [entry.name for entry in entries if _is_folder(entry) and not _is_passed_over(entry)]


def _checked(root: Path, kind: FileKind) -> str:
    asked = f"{kind.noun}s in {printable(str(root))}"
    try:
        mode = root.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DatasetError(asked, found=reason.lower(), fix="check the path") from error
    if stat.S_ISDIR(mode):
        return str(root)
    archive = root.suffix.casefold() in ARCHIVE_SUFFIXES
    raise DatasetError(
        asked,
        found="an archive" if archive else "a file, not a folder",
        fix="unpack it and give the folder" if archive else f"give the folder of the {kind.noun}s",
    )


_Seen = tuple[tuple[int, int], ...]


def _walk(
    folder: str, relative: str, depth: int | None, seen: _Seen
) -> Iterator[tuple[os.DirEntry[str], str]]:
    seen = _enter(folder, relative, seen)
    below: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if _is_passed_over(entry):
                    continue
                if _is_folder(entry):
                    below.append(entry.name)
                else:
                    yield entry, relative + entry.name
    except OSError as error:
        raise DatasetError(
            f"folder {printable(folder)}",
            found=(error.strerror or str(error)).lower(),
            fix="make the folder readable, or move it elsewhere",
        ) from error
    if depth == 0:
        return
    for name in sorted(below):
        path = os.path.join(folder, name)  # noqa: PTH118 - strings throughout the walk
        yield from _walk(path, f"{relative}{name}/", None if depth is None else depth - 1, seen)


def _enter(folder: str, relative: str, seen: _Seen) -> _Seen:
    status = os.stat(folder)  # noqa: PTH116 - strings throughout the walk
    identity = (status.st_dev, status.st_ino)
    if identity in seen:
        raise DatasetError(
            f"folder {printable(folder)}",
            found=f"the link {printable(relative.rstrip('/'))!r} leads back to a folder above it",
            fix="remove the link",
        )
    return (*seen, identity)


def _is_passed_over(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith("."):
        return True
    return entry.name in SYSTEM_FOLDERS and _is_folder(entry)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_link(entry: os.DirEntry[str] | Path) -> bool:
    try:
        return entry.is_symlink()
    except OSError:
        return False


def problem_of(entry: os.DirEntry[str] | Path) -> str | None:
    """Return why a file cannot be read, as far as a look at its folder tells, or None."""
    try:
        status = entry.stat()
    except OSError as error:
        if _is_link(entry):
            return f"a link to a file that cannot be reached ({(error.strerror or '').lower()})"
        return (error.strerror or str(error)).lower()
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if status.st_size == 0:
        return "zero length"
    return None if os.access(entry, os.R_OK) else "no permission to read it"
