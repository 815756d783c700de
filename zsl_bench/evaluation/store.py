"""Finished blocks of video vectors on disk, so that a stopped run goes on where it was."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from zsl_bench.errors import ResultError
from zsl_bench.files import atomic_write, sha256_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_BATCHES = 8


def block_size(batch_size: int, clips: int) -> int:
    """Return how many videos are kept at once: enough to fill some batches with their clips.

    Batches never cross a block, so that a resumed run cuts the same batches.

    Args:
        batch_size: Clips in a full batch.
        clips: Clips that the policy cuts from a video.
    """
    return max(_BATCHES * batch_size // clips, 1)


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
    """The vectors of one run, in blocks of consecutive videos.

    Args:
        folder: Where results go.
        key: Digest of all that the vectors depend on apart from the files; None to keep nothing.
        stamps: For each video of the manifest what changes when its file does.
        block: Videos in a block.
    """

    def __init__(
        self, folder: Path | None, key: str | None, *, stamps: Sequence[object], block: int
    ) -> None:
        self._base = None
        if folder is not None and key is not None:
            self._base = folder / "vectors" / key[:24]
        self._memory: dict[int, VideoVectors] = {}
        self._stamps = stamps
        self.keeps = self._base is not None
        self.block = block
        self.num_blocks = -(-len(stamps) // block)

    def positions(self, block: int) -> range:
        """Return the manifest positions of a block's videos."""
        return range(block * self.block, min((block + 1) * self.block, len(self._stamps)))

    def pending(self, reads: Callable[[int], bool]) -> list[int]:
        """Return the blocks that are not finished, reading those that are.

        Args:
            reads: Whether the video at a position, unreadable before, can be read by now; its
                block is then not finished.
        """
        for block in range(self.num_blocks):
            found = VideoVectors.from_file(self._path(block)) if self._base else None
            if found is None or len(found.readable) != len(self.positions(block)):
                continue
            if not any(reads(self.positions(block)[i]) for i in found.reasons):
                self._memory[block] = found
        return [block for block in range(self.num_blocks) if block not in self._memory]

    def save(self, block: int, vectors: VideoVectors) -> None:
        """Keep a finished block.

        Raises:
            ResultError: The folder cannot be written.
        """
        self._memory[block] = vectors
        if self._base is not None:
            with atomic_write(self._path(block)) as stream:
                stream.write(vectors.to_bytes())

    def whole(self) -> VideoVectors:
        """Return all blocks joined.

        Raises:
            ResultError: Two blocks disagree on the size of a vector.
        """
        return _join([self._memory[block] for block in range(self.num_blocks)])

    def _path(self, block: int) -> Path:
        stamp = sha256_json([self._stamps[i] for i in self.positions(block)])[:12]
        return cast("Path", self._base) / f"{block:06d}-{stamp}.npz"


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
