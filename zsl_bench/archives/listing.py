"""The members of an archive, checked before anything is written."""

from __future__ import annotations

import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zsl_bench.archives.contents import (
    ArchiveError,
    Contents,
    Member,
    checked,
    safe_name,
    shown_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_ENCRYPTED = 0x1
_AGAIN = "download it again, or unpack it by hand and give the folder"


def encrypted(archive: str) -> ArchiveError:
    """Make the error about an archive that wants a password."""
    return ArchiveError(
        f"unpack {archive}",
        found="it is encrypted",
        fix="unpack it by hand with its password and give the folder",
    )


@contextmanager
def damage_told(archive: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn what a library raises about a damaged archive into one line."""
    try:
        yield
    except errors as error:
        reason = shown_name(str(error)) or type(error).__name__
        raise ArchiveError(
            f"unpack {archive}", found=f"it is damaged or cut short ({reason})", fix=_AGAIN
        ) from error


def rar_contents(path: Path) -> tuple[Contents, bool]:
    """Return what a rar archive holds, and whether all of it is stored as it is.

    Raises:
        ArchiveError: It is encrypted or damaged, or a name is unsafe.
    """
    import rarfile

    name = path.name
    with damage_told(name, rarfile.Error, OSError, EOFError), rarfile.RarFile(path) as archive:
        if archive.needs_password():
            raise encrypted(name)
        infos = archive.infolist()
    members, folders, left_out = [], [], []
    for info in infos:
        place = info.filename
        if info.is_dir():
            folders.append(safe_name(name, place))
        elif not info.is_file():
            left_out.append(shown_name(place))
        else:
            copy_of, is_link = _redirection(info, name)
            if is_link:
                left_out.append(shown_name(place))
                continue
            members.append(
                Member(
                    name=safe_name(name, place),
                    size=info.file_size,
                    crc=info.CRC,
                    copy_of=copy_of,
                )
            )
    stored = all(info.compress_type == rarfile.RAR_M0 for info in infos if info.is_file())
    return _checked(name, members, folders, left_out), stored


def _redirection(info: Any, archive: str) -> tuple[str | None, bool]:  # noqa: ANN401
    """Return the member that one is a copy of, if any, and whether it is a link instead."""
    import rarfile

    redirected = getattr(info, "file_redir", None)
    if not redirected:
        return None, False
    kind, _, target = redirected
    if kind == rarfile.RAR5_XREDIR_FILE_COPY:
        return safe_name(archive, target.replace("\\", "/")), False
    return None, True


def zip_contents(path: Path) -> Contents:
    """Return what a zip archive holds.

    Raises:
        ArchiveError: It is encrypted or damaged, or a name is unsafe.
    """
    import zipfile

    name = path.name
    with damage_told(name, zipfile.BadZipFile, OSError, EOFError), zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    if any(info.flag_bits & _ENCRYPTED for info in infos):
        raise encrypted(name)
    members, folders, left_out = [], [], []
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            folders.append(safe_name(name, info.filename))
        elif kind not in (0, stat.S_IFREG):
            left_out.append(shown_name(info.filename))
        else:
            place = safe_name(name, info.filename)
            members.append(Member(name=place, size=info.file_size, crc=info.CRC))
    return _checked(name, members, folders, left_out)


def _checked(
    archive: str, members: Iterable[Member], folders: Iterable[str], left_out: Iterable[str]
) -> Contents:
    contents = Contents(members=tuple(members), folders=tuple(folders), left_out=tuple(left_out))
    return checked(archive, contents)
