"""Zip archives."""

from __future__ import annotations

import calendar
import lzma
import stat
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

from zsl_bench.archives.contents import ArchiveError, Contents, Member, checked, safe_name
from zsl_bench.archives.kinds import largest_archive
from zsl_bench.archives.writer import FolderWriter

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.archives.counting import Counter

_UTF8, _ENCRYPTED, _UNIX = 0x800, 0x1, 3
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_BROKEN = (
    *(zipfile.BadZipFile, NotImplementedError, zlib.error, lzma.LZMAError),
    *(EOFError, struct.error, ValueError),
)


class ZipArchive:
    """A zip archive.

    Args:
        path: The archive.
        name: What it is called in messages.

    Raises:
        ArchiveError: It is damaged, encrypted, compressed in an unusual way, or a name is unsafe.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._infos: dict[str, zipfile.ZipInfo] = {}
        try:
            with zipfile.ZipFile(path) as archive:
                self._contents = self._listed(archive)
        except _BROKEN as error:
            raise self._damaged(error) from error
        self.files = len(self._contents.members)
        self.least_size = self._contents.size
        self.largest_inner = largest_archive(self._contents)

    def extract(self, folder: Path, counter: Counter) -> Contents:
        """Unpack it into an empty folder; links are left out.

        Raises:
            ArchiveError: It is damaged.
        """
        writer = FolderWriter(folder)
        try:
            with zipfile.ZipFile(self._path) as archive:
                for name in self._contents.folders:
                    writer.make_folder(name)
                for member in self._contents.members:
                    info = self._infos[member.name]
                    with archive.open(info) as stream:
                        size = writer.write(member.name, stream, modified=_time(info))
                    if size != member.size:
                        raise zipfile.BadZipFile(f"{member.name} is cut off")
                    counter.one_more()
        except _BROKEN as error:
            raise self._damaged(error) from error
        except OSError as error:
            if error.errno is None:
                raise self._damaged(error) from error
            raise
        return self._contents

    def _listed(self, archive: zipfile.ZipFile) -> Contents:
        members, folders, left_out = [], [], []
        for info in archive.infolist():
            name = safe_name(self._name, _name(info))
            if info.is_dir() or _name(info).endswith("/"):
                folders.append(name)
            elif _is_special(info):
                left_out.append(name)
            else:
                self._check(info)
                members.append(Member(name=name, size=info.file_size, crc=info.CRC))
                self._infos[name] = info
        contents = Contents(
            members=tuple(members), folders=tuple(folders), left_out=tuple(left_out)
        )
        return checked(self._name, contents)

    def _check(self, info: zipfile.ZipInfo) -> None:
        problem = None
        if info.flag_bits & _ENCRYPTED:
            problem = "members that need a password"
        elif info.compress_type not in _METHODS:
            problem = f"members compressed by method {info.compress_type}"
        if problem is not None:
            raise ArchiveError(
                f"unpack {self._name}",
                found=problem,
                fix="unpack it by hand and give the folder",
            )

    def _damaged(self, error: Exception) -> ArchiveError:
        return ArchiveError(
            f"unpack {self._name}",
            found=f"damaged or cut off ({error})",
            fix="download it again",
        )


def _name(info: zipfile.ZipInfo) -> str:
    """Return a member's name: of UTF-8 where it can be, else of code page 437, as zip has it."""
    name = info.filename
    if not info.flag_bits & _UTF8:
        try:
            name = name.encode("cp437").decode()
        except UnicodeError:
            name = info.filename
    return name.replace("\\", "/")


def _is_special(info: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
    return kind not in (0, stat.S_IFREG)


def _time(info: zipfile.ZipInfo) -> float | None:
    try:
        return float(calendar.timegm((*info.date_time, 0, 0, 0)))
    except ValueError:
        return None
