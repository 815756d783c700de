"""Rar archives: listed and checked here, unpacked here where their members are only stored."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.archives.checking import check_unpacked
from zsl_bench.archives.contents import (
    ArchiveError,
    Contents,
    Member,
    checked,
    safe_name,
)
from zsl_bench.archives.kinds import largest_archive
from zsl_bench.archives.room import check_room, size_of
from zsl_bench.archives.tools import UnpackerError, find_unpackers, run_unpacker
from zsl_bench.archives.writer import FolderWriter
from zsl_bench.errors import DatasetError, listing

if TYPE_CHECKING:
    import rarfile

    from zsl_bench.archives.counting import Counter

_UNICODE = 0x0200
_COPIES = (4, 5)  # a hard link to a member, and a copy of one
INSTALL = "install one: apt install unar (Debian, Ubuntu), or brew install unar (macOS)"


class RarArchive:
    """A rar archive of one or more volumes.

    Args:
        path: The archive, or its first volume.
        name: What it is called in messages.

    Raises:
        ArchiveError: It is damaged, truncated or encrypted, a volume is missing, or a name is
            unsafe.
    """

    def __init__(self, path: Path, name: str) -> None:
        import rarfile

        self._path = path
        self._name = name
        self._infos: dict[str, Any] = {}
        seen = _Seen()
        try:
            with rarfile.RarFile(str(path), errors="strict", info_callback=seen.add) as archive:
                self._check_readable(archive)
                self._contents = self._listed(archive)
                self._volumes = tuple(Path(volume) for volume in archive.volumelist())
        except _broken() as error:
            raise self._damaged(str(error)) from error
        self._check_whole(seen)
        self._is_stored = all(_is_stored(info) for info in self._infos.values())
        self.files = len(self._contents.members)
        self.least_size = self._contents.size
        self.largest_inner = largest_archive(self._contents)

    def extract(self, folder: Path, counter: Counter) -> Contents:
        """Unpack it into an empty folder; links are left out.

        Members that are only stored are read here. Others are unpacked by one run of an installed
        unpacker, and what comes out is compared with the listing, checksums included; where one
        unpacker fails, the next is tried.

        Raises:
            ArchiveError: It is damaged, no installed unpacker can read it, or it has links and
                needs an unpacker, which might write through them.
            DatasetError: There is no unpacker.
        """
        if self._is_stored:
            self._extract_stored(FolderWriter(folder), counter)
        else:
            self._extract_by_tool(folder, counter)
        self._copy(FolderWriter(folder), counter)
        return self._contents

    def _extract_stored(self, writer: FolderWriter, counter: Counter) -> None:
        import rarfile

        for name in self._contents.folders:
            writer.make_folder(name)
        try:
            with rarfile.RarFile(str(self._path), errors="strict") as archive:
                for member in self._originals():
                    info = self._infos[member.name]
                    with archive.open(info) as stream:
                        size = writer.write(member.name, stream, modified=_time(info))
                    if size != member.size:
                        raise self._damaged(f"{member.name} is cut off")
                    counter.one_more()
        except _broken() as error:
            raise self._damaged(str(error)) from error

    def _extract_by_tool(self, folder: Path, counter: Counter) -> None:
        if self._contents.left_out:
            raise ArchiveError(
                f"unpack {self._name}",
                found=f"links, which a program might follow: {listing(self._contents.left_out)}",
                fix="unpack it by hand if you trust it, and give the folder",
            )
        unpackers = find_unpackers()
        if not unpackers:
            raise DatasetError(
                f"unpack {self._name}", found="no program that unpacks rar", fix=INSTALL
            )
        originals = Contents(members=self._originals(), folders=self._contents.folders)
        surplus = frozenset(member.name for member in self._contents.members if member.copy_of)
        problems = []
        for unpacker in unpackers:
            try:
                run_unpacker(unpacker, self._path, folder, counter)
                check_unpacked(folder, originals, surplus=surplus)
            except UnpackerError as error:
                check_room(folder, self._contents.size - size_of(folder), what=self._name)
                problems.append(f"{unpacker.name}: {error}")
            else:
                return
        raise ArchiveError(
            f"unpack {self._name}",
            found=f"not unpacked whole by any program here ({'; '.join(problems)})",
            fix="download it again; if that does not help, unpack it with the unrar of its makers "
            "and give the folder",
        )

    def _copy(self, writer: FolderWriter, counter: Counter) -> None:
        for member in self._contents.members:
            if member.copy_of is not None:
                writer.copy(member.name, member.copy_of)
        counter.reach(self.files)

    def _originals(self) -> tuple[Member, ...]:
        return tuple(member for member in self._contents.members if member.copy_of is None)

    def _check_readable(self, archive: rarfile.RarFile) -> None:
        if archive.needs_password():
            raise ArchiveError(
                f"unpack {self._name}",
                found="encrypted",
                fix="unpack it with its password by hand and give the folder",
            )

    def _listed(self, archive: rarfile.RarFile) -> Contents:
        members, folders, left_out = [], [], []
        for info in archive.infolist():
            name = safe_name(self._name, _name(info))
            if info.is_dir():
                folders.append(name)
            elif _is_link(info):
                left_out.append(name)
            else:
                members.append(self._member(info, name))
                self._infos[name] = info
        contents = Contents(
            members=tuple(members), folders=tuple(folders), left_out=tuple(left_out)
        )
        return checked(self._name, contents)

    def _member(self, info: Any, name: str) -> Member:  # noqa: ANN401 - rarfile has no types
        copy_of = None
        if info.file_redir is not None:
            copy_of = safe_name(self._name, info.file_redir[2])
        return Member(name=name, size=info.file_size, crc=info.CRC, copy_of=copy_of)

    def _check_whole(self, seen: _Seen) -> None:
        import rarfile

        if rarfile.get_rar_version(str(self._path)) == rarfile.RAR_V5 and not seen.is_ended:
            raise self._damaged("it ends without an end mark")
        for volume in self._volumes:
            size, wanted = volume.stat().st_size, seen.ends.get(str(volume), 0)
            if size < wanted:
                raise self._damaged(f"{volume.name} has {size:,} of at least {wanted:,} bytes")

    def _damaged(self, reason: str) -> ArchiveError:
        reason = reason.replace(f"{self._path.parent}/", "")
        return ArchiveError(
            f"unpack {self._name}",
            found=f"damaged, cut off or a part of it missing ({reason})",
            fix="download it again, with all of its parts in one folder",
        )


def _broken() -> tuple[type[Exception], ...]:
    import rarfile

    return (rarfile.Error, struct.error, ValueError, LookupError, TypeError, OverflowError)


class _Seen:
    """What was met while an archive was listed: where each volume ends, and the mark at its end.

    Old archives of RAR 4 have no such mark.
    """

    def __init__(self) -> None:
        self.ends: dict[str, int] = {}
        self.is_ended = False

    def add(self, block: Any) -> None:  # noqa: ANN401 - rarfile has no types
        import rarfile

        end = block.data_offset + block.add_size
        self.ends[block.volume_file] = max(self.ends.get(block.volume_file, 0), end)
        self.is_ended = block.type == rarfile.RAR_BLOCK_ENDARC


def _is_link(info: Any) -> bool:  # noqa: ANN401 - rarfile has no types
    if info.file_redir is not None:
        return info.file_redir[0] not in _COPIES
    return not info.is_file()


def _is_stored(info: Any) -> bool:  # noqa: ANN401 - rarfile has no types
    import rarfile

    return info.file_redir is not None or info.compress_type == rarfile.RAR_M0


def _name(info: Any) -> str:  # noqa: ANN401 - rarfile has no types
    """Return a member's name, with surrogates where its bytes are in an unknown encoding."""
    if not info.flags & _UNICODE:
        raw: bytes = info.orig_filename
        try:
            raw.decode()
        except UnicodeDecodeError:
            return raw.decode("utf-8", "surrogateescape").replace("\\", "/")
    name: str = info.filename
    return name.replace("\\", "/")


def _time(info: Any) -> float | None:  # noqa: ANN401 - rarfile has no types
    import calendar

    try:
        return float(calendar.timegm((*info.date_time, 0, 0, 0))) if info.date_time else None
    except (ValueError, TypeError):
        return None
