"""The slim cache: the words once read from a large file, by the digest of its content.

``vectors/<key>.json`` maps a file (resolved path, size, time of change) to its digest, and
``vectors/<digest>.npz`` holds what was found under that digest and what was looked for in vain.
A damaged or unwritable cache is as good as none.
"""

from __future__ import annotations

import logging
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ResultError
from zsl_bench.files import atomic_write, cache_dir, read_json, sha256_json, write_json
from zsl_bench.vector_files.slim import SlimVectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

_LOGGER = logging.getLogger(__name__)
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, ResultError)


def key_of(files: Sequence[Path]) -> str:
    """Return a key that changes when a file is moved, replaced or written to."""
    states = [(path, path.stat()) for path in files]
    return sha256_json([[str(p.resolve()), s.st_size, s.st_mtime_ns] for p, s in states])


def load(key: str) -> SlimVectors | None:
    """Return what is known of the file with that key, or None."""
    folder = cache_dir() / "vectors"
    listed = folder / f"{key}.json"
    if not listed.is_file():
        return None
    try:
        digest = str(read_json(listed, what="vector cache")["digest"])
        with (
            (folder / f"{digest}.npz").open("rb") as stream,
            np.load(stream, allow_pickle=False) as arrays,
        ):
            words = _split(arrays["words"])
            slim = SlimVectors(
                words=tuple(words),
                absent=frozenset(_split(arrays["absent"])),
                matrix=arrays["matrix"],
                digest=digest,
            )
    except _DAMAGE as error:
        _LOGGER.info("the vector cache is damaged and will be made again: %s", error)
        return None
    sound = slim.matrix.dtype == np.float32 and slim.matrix.ndim == 2
    return slim if sound and len(slim.matrix) == len(words) else None


def save(key: str, slim: SlimVectors) -> None:
    """Keep what was found in the file with that key."""
    folder = cache_dir() / "vectors"
    try:
        with atomic_write(folder / f"{slim.digest}.npz") as stream:
            np.savez(
                stream,
                words=_joined(slim.words),
                absent=_joined(sorted(slim.absent)),
                matrix=slim.matrix,
            )
        write_json(folder / f"{key}.json", {"digest": slim.digest})
    except ResultError as error:
        _LOGGER.warning("word vectors are not cached: %s", error)


def _joined(words: Iterable[str]) -> npt.NDArray[np.uint8]:
    return np.frombuffer("\n".join(words).encode("utf-8", "surrogatepass"), np.uint8)


def _split(data: npt.NDArray[np.uint8]) -> list[str]:
    return data.tobytes().decode("utf-8", "surrogatepass").split("\n") if data.size else []
