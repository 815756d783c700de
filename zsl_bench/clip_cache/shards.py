"""One file of the cache: the clip outputs of some videos, with what identifies and checks them.

A shard is a safetensors file with two tensors, ``clip_vectors`` ``(N, D)`` float32 and
``clip_weights`` ``(N,)`` int64, the clips of a video together. Its metadata names the format, the
key, the videos with their numbers of clips, and a SHA-256 over all of these and both tensors. A
shard is written once, whole, and never changed.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from zsl_bench.files import atomic_write, canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 1
"""Raise it where the same outputs would be written in another way."""

SUFFIX = ".safetensors"
_LENGTH_BYTES = 8
_DIGEST = re.compile("[0-9a-f]{64}")


class ShardError(ValueError):
    """A file that is no whole shard of the key it lies under; the text says why."""


class Entry(NamedTuple):
    """A video, or a part of one, by its content.

    Attributes:
        sha256: SHA-256 of the file's bytes, in hex.
        start: Second at which the part begins, None for the beginning of the file.
        end: Second at which the part ends, None for the end of the file.
    """

    sha256: str
    start: float | None
    end: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipOutputs:
    """What a model gave for the distinct clips of one video.

    Attributes:
        vectors: ``(K, D)`` float32, one row a clip.
        weights: ``(K,)`` int64, how often the clip policy repeats each clip.
    """

    vectors: NDArray[Any]
    weights: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class ShardHeader:
    """What a shard says of itself, checked against the size of its file but not by its digest.

    Attributes:
        key: The key that its outputs belong to, in hex.
        counts: For each video its number of clips, in the order of the rows.
        width: Numbers in a clip's vector.
        sha256: Digest of header and tensors.
        vectors_at: Byte at which the vectors begin.
        weights_at: Byte at which the weights begin.
    """

    key: str
    counts: tuple[tuple[Entry, int], ...]
    width: int
    sha256: str
    vectors_at: int
    weights_at: int

    @property
    def clips(self) -> int:
        """How many clips there are."""
        return sum(count for _, count in self.counts)


def listed(folder: Path, pattern: str = "*") -> list[Path]:
    """Return what a folder holds, in order of name; nothing where it is gone or no folder."""
    try:
        return sorted(folder.glob(pattern))
    except (FileNotFoundError, NotADirectoryError):
        return []


def write_shard(path: Path, key: str, outputs: Sequence[tuple[Entry, ClipOutputs]]) -> None:
    """Write a shard atomically.

    Args:
        path: The file, which is not there yet.
        key: The key that the outputs belong to.
        outputs: At least one video; all vectors have the same width.

    Raises:
        ResultError: The folder cannot be written or the device is full.
    """
    import numpy as np
    from safetensors.numpy import save

    vectors = np.concatenate([each.vectors for _, each in outputs]).astype("<f4", copy=False)
    weights = np.concatenate([each.weights for _, each in outputs]).astype("<i8", copy=False)
    counts = tuple((entry, len(each.weights)) for entry, each in outputs)
    metadata = {
        "format": str(FORMAT),
        "key": key,
        "entries": json.dumps([[*entry, count] for entry, count in counts]),
        "sha256": _digest(key, counts, vectors.shape[1], vectors.tobytes(), weights.tobytes()),
    }
    data = save({"clip_vectors": vectors, "clip_weights": weights}, metadata=metadata)
    with atomic_write(path) as stream:
        stream.write(data)


def read_header(path: Path) -> ShardHeader:
    """Read what a shard says of itself, without its tensors.

    Raises:
        ShardError: It is no whole shard of this format.
        OSError: The file cannot be read.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        if not 0 < length <= size - _LENGTH_BYTES:
            raise ShardError("it is cut off or is no safetensors file")
        return _parsed(stream.read(length), data_at=_LENGTH_BYTES + length, size=size)


def read_shard(path: Path) -> tuple[ShardHeader, dict[Entry, ClipOutputs]]:
    """Read a shard and check its digest.

    Raises:
        ShardError: It is no whole shard of this format, or its bytes have changed.
        OSError: The file cannot be read.
    """
    import numpy as np

    header = read_header(path)
    data = path.read_bytes()
    clips, width = header.clips, header.width
    vectors = data[header.vectors_at :][: 4 * clips * width]
    weights = data[header.weights_at :][: 8 * clips]
    if _digest(header.key, header.counts, width, vectors, weights) != header.sha256:
        raise ShardError("its bytes are not those that were written")
    rows = np.frombuffer(vectors, dtype="<f4").reshape(clips, width).astype(np.float32)
    times = np.frombuffer(weights, dtype="<i8").astype(np.int64)
    outputs: dict[Entry, ClipOutputs] = {}
    start = 0
    for entry, count in header.counts:
        part = slice(start, start + count)
        outputs.setdefault(entry, ClipOutputs(vectors=rows[part], weights=times[part]))
        start += count
    return header, outputs


def _parsed(header: bytes, *, data_at: int, size: int) -> ShardHeader:
    try:
        fields = json.loads(header)
        metadata = fields["__metadata__"]
        _check_format(metadata["format"])
        counts = tuple(_counted(row) for row in json.loads(metadata["entries"]))
        clips = sum(count for _, count in counts)
        width = int(fields["clip_vectors"]["shape"][1])
        vectors_at = _start(fields["clip_vectors"], "F32", (clips, width))
        weights_at = _start(fields["clip_weights"], "I64", (clips,))
        key, digest = str(metadata["key"]), str(metadata["sha256"])
    except ShardError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise ShardError("it has no header of a shard") from error
    if size - data_at != 4 * clips * width + 8 * clips:
        raise ShardError("it is cut off or too long")
    return ShardHeader(
        key=key,
        counts=counts,
        width=width,
        sha256=digest,
        vectors_at=data_at + vectors_at,
        weights_at=data_at + weights_at,
    )


def _check_format(written: object) -> None:
    if written != str(FORMAT):
        raise ShardError(f"it has format {written!r}, not {FORMAT}")


def _counted(row: Any) -> tuple[Entry, int]:  # noqa: ANN401
    sha256, start, end, count = row
    times = [time for time in (start, end) if time is not None]
    fits = isinstance(sha256, str) and _DIGEST.fullmatch(sha256) is not None
    if not fits or type(count) is not int or count < 1:
        raise ShardError("it names no video with clips")
    if not all(type(time) in (int, float) and math.isfinite(time) for time in times):
        raise ShardError("it names a part of a video without times")
    return Entry(sha256, start, end), count


def _start(tensor: Mapping[str, Any], dtype: str, shape: tuple[int, ...]) -> int:
    start, end = tensor["data_offsets"]
    length = math.prod(shape) * (4 if dtype == "F32" else 8)
    if tensor["dtype"] != dtype or tuple(tensor["shape"]) != shape or end - start != length:
        raise ShardError("its tensors are not those that its header names")
    return int(start)


def _digest(
    key: str, counts: Sequence[tuple[Entry, int]], width: int, vectors: bytes, weights: bytes
) -> str:
    head = canonical_json([FORMAT, key, width, [[*entry, count] for entry, count in counts]])
    digest = hashlib.sha256(head)
    digest.update(vectors)
    digest.update(weights)
    return digest.hexdigest()
