"""Finished blocks of video vectors on disk, so that a stopped run goes on where it was."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from zsl_bench.assessment.array_file import Rows
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


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptClips:
    """Vectors of the distinct clips of consecutive readable videos, clips of a video together.

    Attributes:
        vectors: ``(K, D)`` float32; where blocks are kept on disk they stay there until they are
            asked for, one block at a time.
        weights: ``(K,)`` int64, how often the policy repeats each clip.
        counts: ``(V,)`` int64, how many distinct clips each readable video has.
    """

    vectors: Rows
    weights: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        vectors: NDArray[np.float32],
        *,
        weights: NDArray[np.int64],
        counts: NDArray[np.int64],
    ) -> KeptClips:
        """Return kept clips whose vectors are in memory.

        Raises:
            ResultError: The numbers of vectors, weights and counts differ.
        """
        if vectors.ndim != 2 or not len(vectors) == len(weights) == int(counts.sum()):
            raise ResultError(
                "vectors of the clips of some videos",
                found=f"vectors {vectors.shape}, {len(weights)} weights and counts that "
                f"sum to {int(counts.sum())}",
                fix="run the model again",
            )
        rows = Rows(shape=(len(vectors), vectors.shape[1]), parts=(lambda: vectors,))
        return cls(vectors=rows, weights=weights, counts=counts)


@dataclass(frozen=True, kw_only=True)
class VideoVectors:
    """Vectors of consecutive videos of a manifest.

    Attributes:
        readable: ``(N,)`` bool, whether each video gave a vector.
        vectors: ``(readable.sum(), D)`` float32, one row a readable video, in order.
        reasons: For each video that is not readable, by position, why.
        clips: The vectors of the clips that the rows of ``vectors`` were pooled from; None where
            they were not kept, or no video is readable.
        from_cache: How many of the readable videos came from a cache of clip outputs.
    """

    readable: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    reasons: dict[int, str]
    clips: KeptClips | None = None
    from_cache: int = 0

    def to_bytes(self) -> bytes:
        """Return the vectors as an npz file without pickles."""
        stream = io.BytesIO()
        reasons = np.frombuffer(json.dumps(self.reasons).encode(), dtype=np.uint8)
        arrays: dict[str, NDArray[np.generic]] = {
            "readable": self.readable,
            "vectors": self.vectors,
            "reasons": reasons,
        }
        if self.clips is not None:
            arrays["clip_vectors"] = self.clips.vectors.stacked()
            arrays["clip_weights"] = self.clips.weights
            arrays["clip_counts"] = self.clips.counts
        if self.from_cache:
            arrays["from_cache"] = np.array(self.from_cache)
        np.savez(stream, **arrays)  # type: ignore[arg-type]
        return stream.getvalue()

    @classmethod
    def from_file(cls, path: Path, *, clips: bool = False) -> VideoVectors | None:
        """Read an npz file, or return None where there is none or it is damaged.

        Args:
            path: The file.
            clips: Whether the vectors of the clips are wanted; a file without them then counts as
                none. Where they are not wanted they are not read.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                readable, vectors = arrays["readable"], arrays["vectors"]
                reasons = json.loads(arrays["reasons"].tobytes())
                from_cache = int(arrays["from_cache"]) if "from_cache" in arrays else 0
                kept = None
                if clips and readable.any():
                    kept = KeptClips.of(
                        arrays["clip_vectors"],
                        weights=arrays["clip_weights"],
                        counts=arrays["clip_counts"],
                    )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, ResultError):
            return None
        if vectors.ndim != 2 or len(vectors) != int(readable.sum()):
            return None
        if kept is not None and len(kept.counts) != len(vectors):
            return None
        return cls(
            readable=readable,
            vectors=vectors,
            reasons={int(k): v for k, v in reasons.items()},
            clips=kept,
            from_cache=from_cache,
        )


class VectorStore:
    """The vectors of one run, in blocks of consecutive videos.

    Args:
        folder: Where results go.
        key: Digest of all that the vectors depend on apart from the files; None to keep nothing.
        stamps: For each video of the manifest what changes when its file does.
        block: Videos in a block.
        keep_clips: Keep the vectors of the clips as well. A block that was kept without them is
            then not finished, and one that was kept with them serves a run that wants none.
            Blocks on disk give them back one at a time; without a folder none are kept.
        takes_cached: Whether a block with videos from a cache of clip outputs is finished. Where it
            is not, all vectors are those that a run alone would give.

    Attributes:
        folder: Where the blocks are; None where nothing is kept.
        keeps: Whether blocks are kept on disk.
        block: Videos in a block.
        num_blocks: How many blocks there are.
    """

    def __init__(
        self,
        folder: Path | None,
        key: str | None,
        *,
        stamps: Sequence[object],
        block: int,
        keep_clips: bool = False,
        takes_cached: bool = True,
    ) -> None:
        self.folder: Path | None = None
        if folder is not None and key is not None:
            self.folder = folder / "vectors" / key[:24]
        self._memory: dict[int, VideoVectors] = {}
        self._stamps = stamps
        self._keep_clips = keep_clips and folder is not None
        self._takes_cached = takes_cached
        self.keeps = self.folder is not None
        self.block = block
        self.num_blocks = -(-len(stamps) // block)
        self._names = [self._named(number) for number in range(self.num_blocks)]

    def positions(self, block: int) -> range:
        """Return the manifest positions of a block's videos."""
        return range(block * self.block, min((block + 1) * self.block, len(self._stamps)))

    def pending(self, reads: Callable[[int], bool]) -> list[int]:
        """Return the blocks that are not finished, reading those that are.

        Args:
            reads: Whether the video at a position, unreadable before, can be read by now; its
                block is then not finished.
        """
        return [block for block in range(self.num_blocks) if not self.finished(block, reads)]

    def finished(self, block: int, reads: Callable[[int], bool]) -> bool:
        """Say whether a block is finished on disk, and read it if it is.

        Args:
            block: The block.
            reads: As for :meth:`pending`.
        """
        found = self._read(block) if self.folder else None
        if found is None or len(found.readable) != len(self.positions(block)):
            return False
        if found.from_cache and not self._takes_cached:
            return False
        if any(reads(self.positions(block)[i]) for i in found.reasons):
            return False
        self._memory[block] = self._light(block, found)
        return True

    def has(self, block: int) -> bool:
        """Say whether a block was saved or read by this process."""
        return block in self._memory

    def on_disk(self) -> set[int]:
        """Return the blocks that have a file, finished or not."""
        if self.folder is None or not self.folder.is_dir():
            return set()
        names = {path.name for path in self.folder.iterdir()}
        return {block for block, name in enumerate(self._names) if f"{name}.npz" in names}

    def name(self, block: int) -> str:
        """Return what a block's file is called, without its suffix; changes with its videos."""
        return self._names[block]

    def save(self, block: int, vectors: VideoVectors) -> None:
        """Keep a finished block.

        Raises:
            ResultError: The folder cannot be written.
        """
        if not self._keep_clips:
            vectors = replace(vectors, clips=None)
        if self.folder is not None:
            with atomic_write(self._path(block)) as stream:
                stream.write(vectors.to_bytes())
        self._memory[block] = self._light(block, vectors)

    def whole(self) -> VideoVectors:
        """Return all blocks joined.

        Raises:
            ResultError: Two blocks disagree on the size of a vector.
        """
        return _join([self._memory[block] for block in range(self.num_blocks)])

    def _named(self, block: int) -> str:
        stamp = sha256_json([self._stamps[i] for i in self.positions(block)])[:12]
        return f"{block:06d}-{stamp}"

    def _read(self, block: int) -> VideoVectors | None:
        return VideoVectors.from_file(self._path(block), clips=self._keep_clips)

    def _light(self, block: int, vectors: VideoVectors) -> VideoVectors:
        """Leave the vectors of the clips on disk, where the block is there."""
        if self.folder is None or vectors.clips is None:
            return vectors
        rows = replace(vectors.clips.vectors, parts=(partial(self._clips_of, block),))
        return replace(vectors, clips=replace(vectors.clips, vectors=rows))

    def _clips_of(self, block: int) -> NDArray[np.float32]:
        found = self._read(block)
        if found is None or found.clips is None:
            raise ResultError(
                f"read the vectors of clips in {self._path(block)}",
                found="a block that is gone or damaged since it was written",
                fix="evaluate again; only that block is run",
            )
        return found.clips.vectors.stacked()

    def _path(self, block: int) -> Path:
        return cast("Path", self.folder) / f"{self._names[block]}.npz"


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
        clips=_join_clips(blocks),
        from_cache=sum(block.from_cache for block in blocks),
    )


def _join_clips(blocks: Sequence[VideoVectors]) -> KeptClips | None:
    kept = [block.clips for block in blocks if block.clips is not None]
    if not kept:
        return None
    weights = np.concatenate([clips.weights for clips in kept])
    return KeptClips(
        vectors=Rows(
            shape=(len(weights), kept[0].vectors.shape[1]),
            parts=tuple(part for clips in kept for part in clips.vectors.parts),
        ),
        weights=weights,
        counts=np.concatenate([clips.counts for clips in kept]),
    )
