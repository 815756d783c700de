"""Features of training samples on disk: finished blocks while they are computed, then one file.

A block holds consecutive samples and appears whole or not at all. When all are there they are
joined to one array, which is read through a memory map: it may be larger than memory.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import ResultError
from zsl_bench.files import atomic_write, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_FEATURES = "features.npy"
_BANK = "bank.json"
_CLIPS = 256
_AGAIN = "remove the folder to compute the features again"


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureBank:
    """Features of K augmented views of every sample.

    Attributes:
        features: ``(N, K, F)`` float32, memory-mapped; zeros where a sample is unreadable.
        readable: ``(N,)`` bool, whether each sample could be read.
        unreadable: Position and reason of every sample that could not.
    """

    features: NDArray[np.float32]
    readable: NDArray[np.bool_]
    unreadable: tuple[tuple[int, str], ...]

    @classmethod
    def open(cls, folder: Path) -> FeatureBank | None:
        """Open a finished bank, or return None where there is none.

        Raises:
            ResultError: It is damaged.
        """
        if not (folder / _BANK).exists():
            return None
        note = read_json(folder / _BANK, what="feature bank")
        try:
            features = np.load(folder / _FEATURES, mmap_mode="r", allow_pickle=False)
            unreadable = tuple((int(i), str(why)) for i, why in note["unreadable"])
            whole = list(features.shape) == note["shape"] and features.dtype == np.float32
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise _damaged(folder, str(error)) from error
        if not whole:
            raise _damaged(folder, f"an array of shape {features.shape}")
        readable = np.ones(len(features), dtype=np.bool_)
        readable[[position for position, _ in unreadable]] = False
        return cls(features=features, readable=readable, unreadable=unreadable)


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureBlock:
    """Features of consecutive samples.

    Attributes:
        features: ``(n, K, F)`` float32, zeros where a sample is unreadable.
        unreadable: For each unreadable sample, by position in the training set: the reason, and
            what changes when its file does.
    """

    features: NDArray[np.float32]
    unreadable: dict[int, tuple[str, Any]]

    def to_bytes(self) -> bytes:
        """Return the block as an npz file without pickles."""
        stream = io.BytesIO()
        note = np.frombuffer(json.dumps(self.unreadable).encode(), dtype=np.uint8)
        np.savez(stream, features=self.features, unreadable=note)
        return stream.getvalue()

    @classmethod
    def from_file(cls, path: Path) -> FeatureBlock | None:
        """Read an npz file, or return None where there is none or it is damaged."""
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                features = arrays["features"]
                note = json.loads(arrays["unreadable"].tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        unreadable = {int(position): (why, stamp) for position, (why, stamp) in note.items()}
        return cls(features=features, unreadable=unreadable)


class BlockStore:
    """The blocks of a bank that is being computed, by any number of processes.

    Args:
        folder: Where the bank goes; of nothing else.
        samples: Number of samples N.
        views: Views of a sample K.
    """

    def __init__(self, folder: Path, *, samples: int, views: int) -> None:
        self.folder = folder
        self.samples = samples
        self.views = views
        self.size = max(_CLIPS // views, 1)
        self.num_blocks = -(-samples // self.size)

    def positions(self, block: int) -> range:
        """Return the samples of a block."""
        return range(block * self.size, min((block + 1) * self.size, self.samples))

    def load(self, block: int) -> FeatureBlock | None:
        """Return a finished block, or None."""
        found = FeatureBlock.from_file(self._path(block))
        shape = (len(self.positions(block)), self.views)
        return found if found is not None and found.features.shape[:2] == shape else None

    def save(self, block: int, content: FeatureBlock) -> None:
        """Keep a finished block.

        Raises:
            ResultError: The folder cannot be written.
        """
        with atomic_write(self._path(block)) as stream:
            stream.write(content.to_bytes())

    def present(self) -> int:
        """Return how many blocks have been written, without a look into them."""
        return len(self._paths())

    def join(self, check: Callable[[Mapping[int, tuple[str, Any]]], None]) -> FeatureBank:
        """Make the bank of all blocks, and remove them.

        Args:
            check: Is handed the unreadable samples by position, and raises where they are too many;
                the blocks then stay.

        Raises:
            ResultError: A block is missing or damaged, or the folder cannot be written.
        """
        first = self._whole(0).features
        shape = (self.samples, self.views, first.shape[2])
        unreadable: dict[int, tuple[str, Any]] = {}
        with atomic_write(self.folder / _FEATURES) as stream:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for block in range(self.num_blocks):
                content = self._whole(block)
                stream.write(np.ascontiguousarray(content.features, dtype="<f4").tobytes())
                unreadable.update(content.unreadable)
            check(unreadable)
        reasons = [[position, unreadable[position][0]] for position in sorted(unreadable)]
        write_json(self.folder / _BANK, {"shape": shape, "unreadable": reasons})
        self.discard()
        bank = FeatureBank.open(self.folder)
        if bank is None:
            raise _damaged(self.folder, "no features")
        return bank

    def discard(self) -> None:
        """Remove the blocks."""
        for path in self._paths():
            path.unlink(missing_ok=True)

    def _whole(self, block: int) -> FeatureBlock:
        found = self.load(block)
        if found is None:
            raise _damaged(self.folder, f"block {block} is missing or damaged")
        return found

    def _paths(self) -> list[Path]:
        return list(self.folder.glob("[0-9]*.npz"))

    def _path(self, block: int) -> Path:
        return self.folder / f"{block:08d}.npz"


def _damaged(folder: Path, found: str) -> ResultError:
    return ResultError(f"read features {folder}", found=found, fix=_AGAIN)
