"""Which files are archives, of what kind, and which of them belong together."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.archives.contents import ArchiveError, shown_name
from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zsl_bench.archives.contents import Contents


class Kind(StrEnum):
    """How an archive is written."""

    RAR = "rar"
    ZIP = "zip"
    TAR = "tar"
    SEVEN_ZIP = "7z"


_TAR_SUFFIX = r"\.(?:tar|tar\.gz|tgz|tar\.bz2|tbz2?|tar\.xz|txz)"
_PIECE = re.compile(
    rf"(?P<whole>.+{_TAR_SUFFIX})\.(?:part[-_]?)?(?P<piece>(?!gz|bz|xz)[a-z]{{2}}|\d{{1,3}})",
    re.IGNORECASE,
)
_SUFFIX = re.compile(rf"(?<=.)(?:(?:\.part\d+)?\.rar|\.zip|\.7z|{_TAR_SUFFIX})\Z", re.IGNORECASE)
_NEW_VOLUME = re.compile(r"(?P<stem>.+\.part)(?P<number>\d+)(?P<suffix>\.rar)", re.IGNORECASE)
_OLD_VOLUME = re.compile(r"(?P<stem>.+)\.[r-z]\d\d", re.IGNORECASE)
_MAGIC = (
    (b"Rar!\x1a\x07", Kind.RAR),
    (b"PK\x03\x04", Kind.ZIP),
    (b"PK\x05\x06", Kind.ZIP),
    (b"\x1f\x8b", Kind.TAR),
    (b"BZh", Kind.TAR),
    (b"\xfd7zXZ\0", Kind.TAR),
    (b"7z\xbc\xaf\x27\x1c", Kind.SEVEN_ZIP),
)
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
_SYSTEM_FOLDERS = frozenset(("__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN"))


def is_archive(path: Path) -> bool:
    """Return whether a path is a file that is named as an archive, or that begins like one."""
    if not path.is_file():
        return False
    if is_named_so(path.name):
        return True
    head = _head(path)
    return head.startswith(b"Rar!\x1a\x07") or head[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC)


def find_archives(folder: Path) -> tuple[Path, ...]:
    """Return the archives below a folder, sorted; of volumes and pieces only the first.

    Names that begin with a dot and folders that systems make are passed over; links to folders are
    not followed. Nothing is opened: an archive is known by its name.
    """
    return tuple(sorted({_first_of(path) for path in _named_so(folder)}))


def largest_archive(contents: Contents) -> int:
    """Return the bytes of the largest archive among some members, 0 where there is none."""
    return max((m.size for m in contents.members if is_named_so(m.name)), default=0)


def archive_stem(path: Path) -> str:
    """Return an archive's name without its suffixes: ``UCF101`` of ``UCF101.part1.rar``."""
    match = _PIECE.fullmatch(path.name)
    name = match["whole"] if match else path.name
    suffix = _SUFFIX.search(name)
    return path.stem if suffix is None else name[: suffix.start()]


def is_named_so(name: str) -> bool:
    """Return whether a name is that of an archive, of a volume or of a piece."""
    forms = (_SUFFIX.search, _PIECE.fullmatch, _OLD_VOLUME.fullmatch)
    return any(form(name) is not None for form in forms)


def first_volume(path: Path) -> Path:
    """Return the file that an archive begins with, given any of its volumes or pieces.

    Raises:
        ArchiveError: It is not there.
    """
    first = _first_of(path)
    if first == path and _is_later(path):
        raise ArchiveError(
            f"unpack {path.name}",
            found="a later part of an archive whose first part is not beside it",
            fix="put all parts into one folder",
        )
    return first


def pieces_of(path: Path) -> tuple[Path, ...]:
    """Return the files that one tar archive was cut into, in order; itself where it is whole.

    Raises:
        ArchiveError: One of them is missing.
    """
    match = _PIECE.fullmatch(path.name)
    if match is None:
        return (path,)
    pieces = _pieces(path, match["whole"])
    numbers = [_piece_number(piece) for piece in pieces]
    gaps = [n for n, (a, b) in enumerate(pairwise(numbers)) if b != a + 1]
    if gaps:
        raise ArchiveError(
            f"unpack {match['whole']}",
            found=f"no piece between {pieces[gaps[0]].name} and {pieces[gaps[0] + 1].name}",
            fix="put all pieces into one folder",
        )
    return tuple(pieces)


def volumes_of(path: Path) -> tuple[Path, ...]:
    """Return the files that an archive consists of, as their names tell, given the first.

    Raises:
        ArchiveError: A piece of a tar archive is missing.
    """
    new = _NEW_VOLUME.fullmatch(path.name)
    if new is not None:
        form = re.compile(rf"{re.escape(new['stem'])}\d+\.rar", re.IGNORECASE)
    elif path.suffix.lower() == ".rar":
        form = re.compile(rf"{re.escape(path.stem)}\.[r-z]\d\d", re.IGNORECASE)
    else:
        return pieces_of(path)
    siblings = sorted(sibling for sibling in path.parent.iterdir() if form.fullmatch(sibling.name))
    return (path, *(sibling for sibling in siblings if sibling != path))


def kind_of(path: Path, name: str) -> Kind:
    """Return how an archive is written, which its first bytes tell, whatever its name.

    Args:
        path: The archive.
        name: What it is called in a message.

    Raises:
        ArchiveError: It is none of the kinds.
    """
    head = _head(path)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):
        return Kind.TAR
    lower = path.name.lower()
    if lower.endswith(".tar") and head[:1].isalnum() and len(head) == 512:
        return Kind.TAR
    beginning = head[:20].decode("ascii", "backslashreplace")
    raise ArchiveError(
        f"unpack {name}",
        found=f"no archive: it begins with {beginning!r}" if head else "an empty file",
        fix="download it again",
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(512)


def _named_so(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [f for f in folders if not f.startswith(".") and f not in _SYSTEM_FOLDERS]
        for name in files:
            if not name.startswith(".") and is_named_so(name):
                yield Path(place, name)


def _refuse(error: OSError) -> None:
    raise DatasetError(
        f"archives in {shown_name(str(error.filename))}",
        found=(error.strerror or str(error)).lower(),
        fix="check the path, and make the folder readable",
    ) from error


def _first_of(path: Path) -> Path:
    new, old = _NEW_VOLUME.fullmatch(path.name), _OLD_VOLUME.fullmatch(path.name)
    if new is not None:
        candidates = [
            path.with_name(f"{new['stem']}{'1'.zfill(width)}{new['suffix']}")
            for width in (len(new["number"]), 1, 2, 3, 4)
        ]
        return next((first for first in candidates if first.is_file()), path)
    if old is not None:
        first = path.with_name(f"{old['stem']}.rar")
        return first if first.is_file() else path
    piece = _PIECE.fullmatch(path.name)
    return _pieces(path, piece["whole"])[0] if piece is not None else path


def _is_later(path: Path) -> bool:
    """Return whether a file is named as a part which is not the first."""
    new, piece = _NEW_VOLUME.fullmatch(path.name), _PIECE.fullmatch(path.name)
    if new is not None:
        return int(new["number"]) != 1
    if piece is not None:
        return _piece_number(path) > 1
    return _OLD_VOLUME.fullmatch(path.name) is not None


def _pieces(path: Path, whole: str) -> list[Path]:
    shape = _piece_shape(path.name)
    found = [
        sibling
        for sibling in path.parent.iterdir()
        if (match := _PIECE.fullmatch(sibling.name))
        and match["whole"] == whole
        and _piece_shape(sibling.name) == shape
    ]
    return sorted(found or [path], key=_piece_number)


def _piece_shape(name: str) -> tuple[str, int, bool]:
    match = _PIECE.fullmatch(name)
    piece = "" if match is None else match["piece"]
    return name[: len(name) - len(piece)], len(piece), piece.isdigit()


def _piece_number(path: Path) -> int:
    match = _PIECE.fullmatch(path.name)
    piece = "0" if match is None else match["piece"].lower()
    if piece.isdigit():
        return int(piece)
    number = 0
    for letter in piece:
        number = number * 26 + ord(letter) - ord("a")
    return number
