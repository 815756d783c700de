"""Finished blocks of video vectors on disk, so that a stopped run goes on where it was."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ResultError
from zsl_bench.files import atomic_write

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BLOCK = 64
"""Videos in a block. Batches never cross a block, so a resumed run cuts the same batches."""


@dataclass(frozen=True, kw_only=True)
class VideoVectors:
    """Vectors of consecutive videos of a manifest.

    Attributes:
        readable: ``(N,)`` bool, whether each video gave a vector.
        vectors: ``(readable.sum(), D)`` float32, one row a readable video, in order.
        reasons: For each video that is not readable, by position, why.
    """

    readable: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    reasons: dict[int, str]

    def to_bytes(self) -> bytes:
        """Return the vectors as an npz file without pickles."""
        stream = io.BytesIO()
        reasons = np.frombuffer(json.dumps(self.reasons).encode(), dtype=np.uint8)
        np.savez(stream, readable=self.readable, vectors=self.vectors, reasons=reasons)
        return stream.getvalue()

    @classmethod
    def from_file(cls, path: Path) -> VideoVectors | None:
        """Read an npz file, or return None where there is none or it is damaged."""
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                readable, vectors = arrays["readable"], arrays["vectors"]
                reasons = json.loads(arrays["reasons"].tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        if vectors.ndim != 2 or len(vectors) != int(readable.sum()):
            return None
        return cls(
            readable=readable, vectors=vectors, reasons={int(k): v for k, v in reasons.items()}
        )


class VectorStore:
    """The blocks of one run, and the whole once all are there.

    Args:
        folder: Where results go.
        key: Digest of all that the vectors depend on, or None to keep nothing.
        num_videos: Videos in the manifest.
    """

    def __init__(self, folder: Path | None, key: str | None, num_videos: int) -> None:
        keep = folder is not None and key is not None
        self._base = folder / "vectors" / str(key)[:24] if keep and folder is not None else None
        self._memory: dict[int, VideoVectors] = {}
        self.num_videos = num_videos
        self.num_blocks = -(-num_videos // BLOCK)
        self._whole = self._read_whole()

    def _read_whole(self) -> VideoVectors | None:
        if self._base is None:
            return None
        whole = VideoVectors.from_file(self._base.with_suffix(".npz"))
        return whole if whole is not None and len(whole.readable) == self.num_videos else None

    def positions(self, block: int) -> range:
        """Return the manifest positions of a block's videos."""
        return range(block * BLOCK, min((block + 1) * BLOCK, self.num_videos))

    def pending(self) -> list[int]:
        """Return the blocks that are not finished, reading those that are."""
        if self._whole is not None:
            return []
        for block in range(self.num_blocks):
            if block not in self._memory and self._base is not None:
                found = VideoVectors.from_file(self._base / f"{block:06d}.npz")
                if found is not None and len(found.readable) == len(self.positions(block)):
                    self._memory[block] = found
        return [block for block in range(self.num_blocks) if block not in self._memory]

    def save(self, block: int, vectors: VideoVectors) -> None:
        """Keep a finished block.

        Raises:
            ResultError: The folder cannot be written.
        """
        self._memory[block] = vectors
        if self._base is not None:
            with atomic_write(self._base / f"{block:06d}.npz") as stream:
                stream.write(vectors.to_bytes())

    def finish(self) -> VideoVectors:
        """Join all blocks into one file, drop the blocks, and return the whole.

        Raises:
            ResultError: A block is not finished, or two disagree on the size of a vector.
        """
        if self._whole is not None:
            return self._whole
        whole = _join([self._memory[block] for block in range(self.num_blocks)])
        if self._base is not None:
            with atomic_write(self._base.with_suffix(".npz")) as stream:
                stream.write(whole.to_bytes())
            shutil.rmtree(self._base, ignore_errors=True)
        self._whole = whole
        return whole


def _join(blocks: list[VideoVectors]) -> VideoVectors:
    sizes = {block.vectors.shape[1] for block in blocks if len(block.vectors)}
    if len(sizes) > 1:
        raise ResultError(
            "video vectors of one run",
            found=f"vectors of {' and '.join(str(size) for size in sorted(sizes))} numbers",
            fix="mend the model: every clip must give a vector of the same size",
        )
    size = sizes.pop() if sizes else 0
    reasons, start = {}, 0
    for block in blocks:
        reasons.update({start + position: why for position, why in block.reasons.items()})
        start += len(block.readable)
    return VideoVectors(
        readable=np.concatenate([block.readable for block in blocks]),
        vectors=np.concatenate(
            [block.vectors for block in blocks if len(block.vectors)]
            or [np.zeros((0, size), dtype=np.float32)]
        ),
        reasons=reasons,
    )
