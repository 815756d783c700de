"""Reading a file, plain or gzipped, in chunks, with its digest computed alongside."""

from __future__ import annotations

import hashlib
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

from zsl_bench.errors import WordVectorError
from zsl_bench.vector_files.slim import damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

CHUNK = 1 << 20
_PEEK = 1 << 16
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_BITS = 31


class ContentStream:
    """The content of a file in chunks; gzip is recognised by its first bytes and unpacked.

    Unpacking and hashing run in threads beside the consumer. The digest is of the content, so that
    a file and its gzipped copy have the same one; it is complete after the last chunk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.sha256()
        self._start = b""
        self._chunks = self._produce()

    def __iter__(self) -> Iterator[bytes]:
        """Yield what ``peek`` has read ahead, then the rest."""
        if self._start:
            start, self._start = self._start, b""
            yield start
        yield from self._chunks

    def __enter__(self) -> Self:
        """Return the stream itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the threads and close the file."""
        self._chunks.close()

    @property
    def digest(self) -> str:
        """SHA-256 of the content so far, in hex."""
        return self._hash.hexdigest()

    def peek(self) -> bytes:
        """Return the first bytes, at least 64 KiB if there are as many, without taking them."""
        while len(self._start) < _PEEK and (chunk := next(self._chunks, b"")):
            self._start += chunk
        return self._start

    def _produce(self) -> Generator[bytes]:
        try:
            with closing(_pieces(self._path)) as pieces, ThreadPoolExecutor(2) as pool:
                ahead = pool.submit(next, pieces, b"")
                while chunk := ahead.result():
                    hashed = pool.submit(self._hash.update, chunk)
                    ahead = pool.submit(next, pieces, b"")
                    yield chunk
                    hashed.result()
        except (EOFError, _unpacker()[1]) as error:
            raise damaged(self._path, f"damaged or cut-short gzip data ({error})") from error
        except OSError as error:
            raise WordVectorError(
                f"word vectors from {self._path}",
                found=error.strerror or str(error),
                fix="check the path",
            ) from error


def _pieces(path: Path) -> Generator[bytes]:
    with path.open("rb") as stream:
        start = stream.read(CHUNK)
        if start.startswith(_GZIP_MAGIC):
            yield from _unpacked(stream.read, start)
            return
        while start:
            yield start
            start = stream.read(CHUNK)


def _unpacked(read: Callable[[int], bytes], packed: bytes) -> Generator[bytes]:
    """Unpack gzip members one after the other; each member's CRC and length are checked."""
    unpacker, _ = _unpacker()
    member = unpacker(_GZIP_BITS)
    while packed:
        if member.eof:
            if not packed.strip(b"\0"):
                packed = read(CHUNK)
                continue
            member = unpacker(_GZIP_BITS)
        if data := member.decompress(packed, CHUNK):
            yield data
        packed = (member.unused_data if member.eof else member.unconsumed_tail) or read(CHUNK)
    if data := member.flush():
        yield data
    if not member.eof:
        message = "the end is missing"
        raise EOFError(message)


def _unpacker() -> tuple[Callable[[int], Any], type[Exception]]:
    """Return what makes an unpacker and what it raises: ISA-L's, or zlib's where it is missing."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.decompressobj, zlib.error
    unpacker: Any = isal_zlib
    return unpacker.decompressobj, unpacker.error
