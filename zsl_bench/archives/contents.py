"""What an archive holds, and which names it may give."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable

STATE_FOLDER = ".unpacked"
_DRIVE = re.compile(r"[A-Za-z]:")


class ArchiveError(DatasetError):
    """One archive is damaged, unsafe, encrypted or of a kind that cannot be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A file in an archive.

    Attributes:
        name: Its path below the folder that it is unpacked into, with ``/`` on every system.
        size: Its bytes when unpacked.
        crc: CRC-32 of them, or None where the archive does not say.
        copy_of: The member that it has its bytes from, where it has none of its own.
    """

    name: str
    size: int
    crc: int | None = None
    copy_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What an archive holds.

    Attributes:
        members: Its files.
        folders: Its folders, as far as it names them.
        left_out: Links and devices, which are not unpacked.
    """

    members: tuple[Member, ...]
    folders: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The bytes of all files when unpacked."""
        return sum(member.size for member in self.members)


def shown_name(name: str) -> str:
    r"""Return a name that can be shown: what is not UTF-8 becomes ``\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def safe_name(archive: str, name: str) -> str:
    """Return a member's name as a plain path below a folder.

    Args:
        archive: The archive's name, for the message.
        name: The member's name with ``/`` between folders; bytes that are not UTF-8 are surrogates.

    Raises:
        ArchiveError: The path is absolute, climbs out with ``..``, is empty, is not UTF-8, or lies
            in the folder where unpacking keeps its records.
    """
    problem = _problem_of(name)
    if problem is None:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if parts and parts[0] != STATE_FOLDER:
            return "/".join(parts)
        problem = f"a member named {name!r}"
    raise ArchiveError(
        f"unpack {archive}",
        found=problem,
        fix="look at it, unpack it by hand if you trust it, and give the folder",
    )


def _problem_of(name: str) -> str | None:
    shown = repr(shown_name(name))
    if name.startswith("/") or _DRIVE.match(name):
        return f"a member with an absolute path, {shown}"
    if ".." in name.split("/"):
        return f"a member that would lie outside the folder, {shown}"
    if "\0" in name or not _is_utf8(name):
        return f"a name that is not UTF-8, {shown}"
    return None


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\ufffd" not in name


def checked(archive: str, contents: Contents) -> Contents:
    """Return contents that are not empty and whose files have one place each.

    Raises:
        ArchiveError: There is nothing, two files have one name, a file is also a folder, or a copy
            has no original.
    """
    names = {member.name: member for member in contents.members}
    folders = {*contents.folders, *_parents(names)}
    both = sorted(folders & names.keys())
    lost = [
        member.name
        for member in contents.members
        if member.copy_of is not None and not _is_original(names.get(member.copy_of))
    ]
    problem = None
    if not (contents.members or contents.folders or contents.left_out):
        problem = "nothing in it"
    elif len(names) < len(contents.members):
        problem = f"more than one member named {_first_repeated(contents.members)!r}"
    elif both:
        problem = f"{both[0]!r} as a file and as a folder"
    elif lost:
        problem = f"{lost[0]!r}, a copy of a member that is not there"
    if problem is not None:
        raise ArchiveError(
            f"unpack {archive}",
            found=problem,
            fix="download it again, or unpack it by hand and give the folder",
        )
    return contents


def _is_original(member: Member | None) -> bool:
    return member is not None and member.copy_of is None


def _parents(names: Iterable[str]) -> set[str]:
    parents: set[str] = set()
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in parents:
            parents.add(folder)
            folder = folder.rpartition("/")[0]
    return parents


def _first_repeated(members: Iterable[Member]) -> str:
    counts = Counter(member.name for member in members)
    return counts.most_common(1)[0][0]
