"""Where prepared files lie: paths that every system takes, one for each row of a manifest."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from zsl_bench.files import sha256_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zsl_bench.videos import Video

FOLDER = "videos"
_PLAIN = frozenset(" !#%&'()+,-=@[]^_`{}.")
_RESERVED = frozenset(
    ("con", "prn", "aux", "nul", *(f"{name}{k}" for name in ("com", "lpt") for k in range(1, 10)))
)
_MOST_BYTES = 180
_DIGITS = 12


def target_paths(videos: Sequence[Video], suffix: str) -> dict[str, str]:
    """Return the path below the output folder of every row's prepared file, by the row's id.

    A file keeps its source's path and gets another suffix; a segment also gets its times. What a
    system could not take is replaced, and a piece of a hash then keeps names apart. So it does
    where two rows would share a name, also one that differs in case only, or where a file would
    have the name of a folder.

    Args:
        videos: The rows.
        suffix: How the prepared files end, such as ``.mp4``.
    """
    stems = {video.id: _stem(video) for video in videos}
    wanted = Counter((stem + suffix).casefold() for stem in stems.values())
    taken = _folders(stems.values()) | {name for name, count in wanted.items() if count > 1}

    def path(name: str, stem: str) -> str:
        mark = _mark(name) if (stem + suffix).casefold() in taken else ""
        return f"{FOLDER}/{stem}{mark}{suffix}"

    return {name: path(name, stem) for name, stem in stems.items()}


def _folders(stems: Iterable[str]) -> set[str]:
    """Return the folders that the stems lie in, and those above them, in lower case."""
    folders: set[str] = set()
    for stem in stems:
        folder = stem.rpartition("/")[0].casefold()
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return folders


def _stem(video: Video) -> str:
    folder, _, name = video.path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    if video.start is not None or video.end is not None:
        times = (f"{time:g}" if time is not None else "" for time in (video.start, video.end))
        stem += "@" + "-".join(times)
    parts = [*(folder.split("/") if folder else ()), stem]
    return "/".join(safe_name(part) for part in parts)


def safe_name(text: str) -> str:
    """Return a file or folder name that every system takes, the same one if it is such a name.

    Letters and digits of any script stay, in composed form. A name that had to change ends in a
    piece of its hash.
    """
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(c if c.isalnum() or c in _PLAIN else "_" for c in composed)
    kept = kept.rstrip(" .").lstrip(" ")
    if kept.startswith((".", "-")) or kept.partition(".")[0].casefold() in _RESERVED:
        kept = f"_{kept}"
    encoded = kept.encode()
    if kept == composed and len(encoded) <= _MOST_BYTES:
        return kept
    return encoded[:_MOST_BYTES].decode(errors="ignore").rstrip(" .") + _mark(text)


def _mark(text: str) -> str:
    return f"~{sha256_bytes(text.encode())[:_DIGITS]}"
