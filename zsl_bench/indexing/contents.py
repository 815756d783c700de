"""What a file is that is no video that can be opened, by its first bytes."""

from __future__ import annotations

from typing import Final

HEAD = 512
_VIDEOS: Final = (
    (b"ftyp", 4, "mp4"),
    (b"moov", 4, "mp4"),
    (b"mdat", 4, "mp4"),
    (b"AVI ", 8, "AVI"),
    (b"\x1a\x45\xdf\xa3", 0, "Matroska or WebM"),
    (b"OggS", 0, "Ogg"),
    (b"FLV\x01", 0, "FLV"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", 0, "WMV"),
    (b"\x00\x00\x01\xba", 0, "MPEG"),
)
_OTHERS: Final = (
    (b"Rar!", 0, "a rar archive"),
    (b"PK\x03\x04", 0, "a zip archive"),
    (b"\x1f\x8b", 0, "a gzip archive"),
    (b"ustar", 257, "a tar archive"),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7-Zip archive"),
    (b"\xff\xd8\xff", 0, "a JPEG image"),
    (b"\x89PNG", 0, "a PNG image"),
    (b"version https://git-lfs", 0, "a pointer of Git LFS, whose file was not fetched"),
)
_PAGE = (b"<!doctype html", b"<html", b"<?xml", b"<head")


def cut_container(head: bytes) -> str | None:
    """Return the container format that a file begins as, or None where it begins as none."""
    return _match(head, _VIDEOS)


def other_content(head: bytes) -> str | None:
    """Return what a file is by its first bytes, where that is something other than a video."""
    if not head.strip(b"\0"):
        return "zeros, as in a file that was set aside and never filled"
    known = _match(head, _OTHERS)
    if known is not None:
        return known
    if head.lstrip().lower().startswith(_PAGE):
        return "a web page, such as the answer of a site that refused the download"
    return "text" if _is_text(head) else None


def _match(head: bytes, kinds: tuple[tuple[bytes, int, str], ...]) -> str | None:
    return next((name for mark, at, name in kinds if head[at:].startswith(mark)), None)


def _is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in head) and b"\x7f" not in head
