"""One archive into one empty folder."""

from __future__ import annotations

import io
import os
import shutil
from typing import IO, TYPE_CHECKING

from zsl_bench.archives.contents import ArchiveError, safe_name, shown_name
from zsl_bench.archives.counting import Counter
from zsl_bench.archives.kinds import Kind, kind_of, pieces_of
from zsl_bench.archives.listing import damage_told, rar_contents, zip_contents
from zsl_bench.archives.rar_tools import unpack_with_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zsl_bench.archives.contents import Contents
    from zsl_bench.archives.counting import ArchiveProgress


def extract(archive: Path, folder: Path, progress: ArchiveProgress | None) -> tuple[str, ...]:
    """Unpack an archive into an empty folder; regular files only.

    Args:
        archive: Its first volume or piece.
        folder: The folder, which exists.
        progress: Told of the files.

    Returns:
        Names of links and devices, which are left out.

    Raises:
        ArchiveError: It is damaged, unsafe, encrypted, of a kind that cannot be read, or too large
            for the disk.
    """
    kind = kind_of(archive)
    if kind is Kind.SEVEN_ZIP:
        raise ArchiveError(
            f"unpack {archive.name}",
            found="a 7z archive, which is not read here",
            fix="unpack it with 7z x and give the folder",
        )
    if kind is Kind.TAR:
        _begin(progress, archive, total=0)
        return _extract_tar(archive, folder, Counter(progress))
    contents, stored = rar_contents(archive) if kind is Kind.RAR else (zip_contents(archive), True)
    check_space(archive.name, folder, contents.size)
    _begin(progress, archive, total=len(contents.members))
    counter = Counter(progress)
    if not stored:
        unpack_with_tool(archive, contents, folder, counter)
    elif kind is Kind.RAR:
        _extract_stored_rar(archive, contents, folder, counter)
    else:
        _extract_zip(archive, contents, folder, counter)
    return contents.left_out


def check_space(archive: str, folder: Path, size: int) -> None:
    """Refuse to unpack what the disk has no room for.

    Raises:
        ArchiveError: There is too little space.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise ArchiveError(
            f"unpack {archive}",
            found=f"{size / 1e9:.1f} GB to unpack and {free / 1e9:.1f} GB free",
            fix="free some space, or unpack to another disk with --unpack-to",
        )


def _begin(progress: ArchiveProgress | None, archive: Path, *, total: int) -> None:
    if progress is not None:
        progress.start(f"unpacking {archive.name}", total=total, done=0)


def _extract_stored_rar(archive: Path, contents: Contents, folder: Path, counter: Counter) -> None:
    import rarfile

    errors = (rarfile.Error, EOFError, FileNotFoundError)
    with damage_told(archive.name, *errors), rarfile.RarFile(archive) as opened:
        infos = [info for info in opened.infolist() if info.is_file()]
        by_name = {safe_name(archive.name, info.filename): info for info in infos}
        _copy_members(contents, folder, lambda name: opened.open(by_name[name]), counter)


def _extract_zip(archive: Path, contents: Contents, folder: Path, counter: Counter) -> None:
    import zipfile
    import zlib

    errors = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)
    with damage_told(archive.name, *errors), zipfile.ZipFile(archive) as opened:
        infos = [info for info in opened.infolist() if not info.is_dir()]
        by_name = {safe_name(archive.name, info.filename): info for info in infos}
        _copy_members(contents, folder, lambda name: opened.open(by_name[name]), counter)


def _copy_members(
    contents: Contents, folder: Path, opened: Callable[[str], IO[bytes]], counter: Counter
) -> None:
    for member in contents.members:
        with opened(member.copy_of or member.name) as stream:
            size = _copy(stream, folder / member.name)
        if member.copy_of is None and size != member.size:
            raise EOFError(f"{member.name}: {size} of {member.size} bytes")
        counter.one_more()


def _copy(stream: IO[bytes], place: Path) -> int:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)
        return out.tell()


def _extract_tar(archive: Path, folder: Path, counter: Counter) -> tuple[str, ...]:
    import lzma
    import tarfile
    import zlib

    pieces = pieces_of(archive)
    check_space(archive.name, folder, sum(piece.stat().st_size for piece in pieces))
    left_out = []
    errors = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError)
    with (
        damage_told(archive.name, *errors),
        _Pieces(pieces) as stream,
        tarfile.open(fileobj=stream, mode="r|*") as opened,
    ):
        for info in opened:
            if info.isdir():
                continue
            data = opened.extractfile(info) if info.isreg() else None
            if data is None:
                left_out.append(shown_name(info.name))
                continue
            place = folder / safe_name(archive.name, info.name)
            if place.exists():
                raise EOFError(f"{info.name} twice")
            _copy(data, place)
            counter.one_more()
    return tuple(left_out)


class _Pieces(io.RawIOBase):
    """Files read one behind the other, as one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._waiting = list(paths)
        self._stream: IO[bytes] | None = None

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Read into a buffer, from the next file where one ends."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        while True:
            if self._stream is None:
                if not self._waiting:
                    return 0
                self._stream = self._waiting.pop(0).open("rb")
            data = self._stream.read(len(view))
            if data:
                view[: len(data)] = data
                return len(data)
            self._stream.close()
            self._stream = None

    def close(self) -> None:
        """Close the file that is open."""
        if self._stream is not None:
            self._stream.close()
        super().close()


def files_below(folder: Path) -> list[Path]:
    """Return the files below a folder, sorted."""
    return sorted(
        path
        for place, _, names in os.walk(folder)
        for path in (folder.joinpath(place, name) for name in names)
    )
