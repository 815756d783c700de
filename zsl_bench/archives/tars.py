"""Tar archives, plain or compressed with gzip, bzip2 or xz, whole or cut into pieces."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from contextlib import ExitStack, closing
from typing import IO, TYPE_CHECKING, cast

from zsl_bench.archives.contents import ArchiveError, Contents, Member, checked, safe_name
from zsl_bench.archives.kinds import pieces_of
from zsl_bench.archives.writer import FolderWriter

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Buffer

    from zsl_bench.archives.counting import Counter

_CHUNK = 1 << 20
_BLOCK = 512
_READ = 64 * _BLOCK  # tarfile copies what is left of it at every header
_BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, ValueError)


class TarArchive:
    """A tar archive, which is read once from beginning to end.

    What it holds is known when it is unpacked.

    Args:
        path: The archive, or the first of its pieces.
        name: What it is called in messages.

    Raises:
        ArchiveError: A piece is missing.
    """

    files = 0

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        self._pieces = pieces_of(path)
        self.least_size = sum(piece.stat().st_size for piece in self._pieces)
        self.largest_inner = 0

    def extract(self, folder: Path, counter: Counter) -> Contents:
        """Unpack it into an empty folder; links within it become copies, others are left out.

        Raises:
            ArchiveError: It is damaged or truncated, or a name is unsafe or comes twice.
        """
        try:
            with ExitStack() as stack:
                stream = _Counting(_decompressed(_Pieces(self._pieces, stack), stack))
                contents, end = self._members(stream, FolderWriter(folder), counter)
                while stream.read(_CHUNK):
                    pass
        except FileExistsError as error:
            raise self._error("more than one member of one name", "unpack it by hand") from error
        except _BROKEN as error:
            raise self._damaged(str(error)) from error
        except OSError as error:
            if error.errno is None:
                raise self._damaged(str(error)) from error
            raise
        if stream.count < end + _BLOCK:
            raise self._damaged("it ends without an end mark")
        return checked(self._name, contents)

    def _members(
        self, stream: _Counting, writer: FolderWriter, counter: Counter
    ) -> tuple[Contents, int]:
        members: dict[str, Member] = {}
        folders: list[str] = []
        left_out: list[str] = []
        end = 0
        # what is read from is no file object to the type checker, but has all that tarfile needs
        with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|", bufsize=_READ) as tar:
            for info in tar:
                end = info.offset_data + (-(-info.size // _BLOCK) * _BLOCK if info.isreg() else 0)
                if info.isdir():
                    if info.name.strip("./"):
                        folders.append(safe_name(self._name, info.name))
                        writer.make_folder(folders[-1])
                elif member := self._unpacked(tar, info, members, writer):
                    members[member.name] = member
                    counter.one_more()
                else:
                    left_out.append(info.name)
        contents = Contents(
            members=tuple(members.values()), folders=tuple(folders), left_out=tuple(left_out)
        )
        return contents, end

    def _unpacked(
        self,
        tar: tarfile.TarFile,
        info: tarfile.TarInfo,
        members: dict[str, Member],
        writer: FolderWriter,
    ) -> Member | None:
        name = safe_name(self._name, info.name)
        if info.islnk():
            original = members.get(safe_name(self._name, info.linkname))
            if original is None or name in members:
                return None
            writer.copy(name, original.name)
            return Member(name=name, size=original.size)
        stream = tar.extractfile(info) if info.isreg() else None
        if stream is None:
            return None
        if writer.write(name, stream, modified=_time(info.mtime)) != info.size:
            raise tarfile.ReadError(f"{name} is cut off")
        return Member(name=name, size=info.size)

    def _damaged(self, reason: str) -> ArchiveError:
        return self._error(f"damaged or cut off ({reason})", "download it again")

    def _error(self, found: str, fix: str) -> ArchiveError:
        return ArchiveError(f"unpack {self._name}", found=found, fix=fix)


def _time(seconds: float) -> float | None:
    return seconds if 0 <= seconds < 1 << 32 else None


def _decompressed(raw: _Pieces, stack: ExitStack) -> io.BufferedIOBase:
    stream = io.BufferedReader(raw, _CHUNK)
    head = stream.peek(6)[:6]
    if head.startswith(b"\x1f\x8b"):
        return stack.enter_context(closing(gzip.GzipFile(fileobj=stream, mode="rb")))
    if head.startswith(b"BZh"):
        return stack.enter_context(closing(bz2.BZ2File(stream)))
    if head == b"\xfd7zXZ\0":
        return stack.enter_context(closing(lzma.LZMAFile(stream)))
    return stream


class _Pieces(io.RawIOBase):
    """Files read one after the other as if they were one."""

    def __init__(self, paths: tuple[Path, ...], stack: ExitStack) -> None:
        super().__init__()
        self._left = list(paths)
        self._stack = stack
        self._current: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        while True:
            if self._current is None:
                if not self._left:
                    return 0
                self._current = self._stack.enter_context(self._left.pop(0).open("rb"))
            data = self._current.read(len(view))
            if data:
                view[: len(data)] = data
                return len(data)
            self._current.close()
            self._current = None


class _Counting:
    """Counts the bytes that are read through it."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self.count = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.count += len(data)
        return data
