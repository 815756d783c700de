"""A writer of RAR archives whose members are stored as they are, for tests.

Written from the public notes on the two formats: RAR 4 (blocks of CRC-16, type, flags, size) and
RAR 5 (blocks of CRC-32 and numbers of seven bits a byte). Nothing is compressed, so that no
unpacker is needed to read what it writes, and every unpacker can.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MARK4 = b"Rar!\x1a\x07\x00"
MARK5 = b"Rar!\x1a\x07\x01\x00"
DOS_TIME = 0x4A21_6000  # 1 January 2017, noon
_FOLDER_MODE, _FILE_MODE, _LINK_MODE = 0o040755, 0o100644, 0o120777


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One member: its name as bytes in the archive, and what it holds.

    ``link`` makes it a symbolic link, ``copy_of`` (RAR 5) a copy of another member, ``hard_link``
    (RAR 5) a hard link to one. ``method`` may claim a compression that the bytes do not have, and
    ``crc`` a wrong checksum.
    """

    name: str | bytes
    data: bytes = b""
    folder: bool = False
    link: str | None = None
    copy_of: str | None = None
    hard_link: str | None = None
    encrypted: bool = False
    method: int = 0
    crc: int | None = None

    @property
    def raw_name(self) -> bytes:
        return self.name if isinstance(self.name, bytes) else self.name.encode()

    @property
    def checksum(self) -> int:
        return zlib.crc32(self.data) if self.crc is None else self.crc

    @property
    def mode(self) -> int:
        return _FOLDER_MODE if self.folder else _LINK_MODE if self.link else _FILE_MODE


@dataclass(frozen=True)
class _Piece:
    """The part of a member that one volume holds."""

    entry: Entry
    data: bytes
    before: bool
    after: bool


def write_rar4(path: Path, entries: Sequence[Entry], *, encrypted_names: bool = False) -> Path:
    """Write one RAR 4 archive."""
    pieces = [_Piece(entry, _stored(entry), before=False, after=False) for entry in entries]
    path.write_bytes(_volume4(pieces, main_flags=0x80 if encrypted_names else 0))
    return path


def write_rar5(path: Path, entries: Sequence[Entry], *, encrypted_names: bool = False) -> Path:
    """Write one RAR 5 archive."""
    pieces = [_Piece(entry, _stored(entry), before=False, after=False) for entry in entries]
    path.write_bytes(_volume5(pieces, encrypted_names=encrypted_names))
    return path


def write_volumes(paths: Sequence[Path], entries: Sequence[Entry], *, version: int) -> None:
    """Spread one archive over as many volumes as there are paths, in equal shares of the data.

    Args:
        paths: ``a.part1.rar``, ``a.part2.rar``, ... or, RAR 4 only, ``a.rar``, ``a.r00``, ...
        entries: The members, files only.
        version: 4 or 5.
    """
    share = -(-sum(len(entry.data) for entry in entries) // len(paths))
    new_names = ".part" in paths[0].name
    for number, (path, pieces) in enumerate(zip(paths, _shares(entries, share), strict=True)):
        more = number + 1 < len(paths)
        if version == 5:
            path.write_bytes(_volume5(pieces, number=number, more=more))
        else:
            first = 0x100 if number == 0 else 0
            flags = 0x01 | (0x10 if new_names else 0) | first
            path.write_bytes(_volume4(pieces, main_flags=flags, more=more, number=number))


def _stored(entry: Entry) -> bytes:
    return entry.link.encode() if entry.link else entry.data


def _shares(entries: Sequence[Entry], share: int) -> list[list[_Piece]]:
    volumes: list[list[_Piece]] = [[]]
    room = share
    for entry in entries:
        at = 0
        while True:
            taken = min(room, len(entry.data) - at)
            end = at + taken
            piece = _Piece(entry, entry.data[at:end], before=at > 0, after=end < len(entry.data))
            volumes[-1].append(piece)
            at, room = end, room - taken
            if at == len(entry.data):
                break
            volumes.append([])
            room = share
    return volumes


def _block4(kind: int, flags: int, body: bytes) -> bytes:
    head = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head


def _volume4(
    pieces: Sequence[_Piece], *, main_flags: int, more: bool = False, number: int | None = None
) -> bytes:
    blocks = [MARK4, _block4(0x73, main_flags, bytes(6))]
    for piece in pieces:
        entry, name = piece.entry, piece.entry.raw_name.replace(b"/", b"\\")
        is_utf8 = not isinstance(entry.name, bytes) and not name.isascii()
        flags = 0x8000 | (0xE0 if entry.folder else 0) | (0x0200 if is_utf8 else 0)
        flags |= 0x01 * piece.before | 0x02 * piece.after | 0x04 * entry.encrypted
        size = len(_stored(entry))
        crc = zlib.crc32(piece.data) if piece.after or entry.link else entry.checksum
        body = struct.pack(
            "<IIBIIBB", len(piece.data), size, 3, crc, DOS_TIME, 29, 0x30 + entry.method
        )
        body += struct.pack("<HI", len(name), entry.mode) + name
        blocks += [_block4(0x74, flags, body), piece.data]
    if number is None:
        return b"".join([*blocks, _block4(0x7B, 0x4000, b"")])
    return b"".join([*blocks, _block4(0x7B, 0x4008 | 0x01 * more, struct.pack("<H", number))])


def _number(value: int) -> bytes:
    groups = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        groups.append(low | (0x80 if value else 0))
        if not value:
            return bytes(groups)


def _text(raw: bytes) -> bytes:
    return _number(len(raw)) + raw


def _block5(kind: int, flags: int, body: bytes, *, extra: bytes = b"", data: int = 0) -> bytes:
    flags |= 0x01 * bool(extra) | 0x02 * bool(data)
    head = _number(kind) + _number(flags)
    head += (_number(len(extra)) if extra else b"") + (_number(data) if data else b"")
    head = head + body + extra
    sized = _number(len(head)) + head
    return struct.pack("<I", zlib.crc32(sized)) + sized


def _extra5(entry: Entry) -> bytes:
    records = []
    targets = ((1, entry.link), (5, entry.copy_of), (4, entry.hard_link))
    for kind, target in targets:
        if target is not None:
            records.append(_number(5) + _number(kind) + _number(0) + _text(target.encode()))
    if entry.encrypted:
        records.append(_number(1) + _number(0) + _number(0) + b"\x0f" + bytes(16) + bytes(16))
    return b"".join(_text(record) for record in records)


def _volume5(
    pieces: Sequence[_Piece],
    *,
    number: int | None = None,
    more: bool = False,
    encrypted_names: bool = False,
) -> bytes:
    blocks = [MARK5]
    if encrypted_names:
        blocks.append(_block5(4, 0, _number(0) + _number(0) + b"\x0f" + bytes(16)))
    volume = b"" if not number else _number(number)
    kind = 0 if number is None else 1 | (2 if number else 0)
    blocks.append(_block5(1, 0, _number(kind) + volume))
    for piece in pieces:
        entry = piece.entry
        data = b"" if entry.link else piece.data
        body = _number((0x01 if entry.folder else 0) | 0x04)
        body += _number(len(entry.data)) + _number(entry.mode)
        crc = zlib.crc32(piece.data) if piece.after else entry.checksum
        body += struct.pack("<I", crc) + _number(entry.method << 7)
        body += _number(1) + _text(entry.raw_name)
        flags = 0x08 * piece.before | 0x10 * piece.after
        blocks += [_block5(2, flags, body, extra=_extra5(entry), data=len(data)), data]
    return b"".join([*blocks, _block5(5, 0, _number(1 if more else 0))])
