"""Whether the disk has room for what is still to be prepared."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from zsl_bench.errors import ResultError

if TYPE_CHECKING:
    from pathlib import Path

_MARGIN = 1.1
_EVERY = 64


class SpaceWatch:
    """Estimates the space that the rest needs from what the first videos took.

    Args:
        folder: Where the prepared files go.
        sample: Videos after which there is a first estimate.
        left: Bytes of the sources that are still to be prepared.
    """

    def __init__(self, folder: Path, *, sample: int, left: int) -> None:
        self._folder = folder
        self._sample = sample
        self._left = left
        self._read = 0
        self._written = 0
        self._videos = 0

    def count(self, read: int, written: int) -> None:
        """Count a video that is done and, now and then, look at the disk.

        Args:
            read: Bytes of its source.
            written: Bytes of the prepared file.

        Raises:
            ResultError: The rest will not fit.
        """
        self._left -= read
        self._read += read
        self._written += written
        self._videos += 1
        if self._videos == self._sample or self._videos % _EVERY == 0:
            self._check()

    def _check(self) -> None:
        if not self._read or self._left <= 0:
            return
        needed = int(self._written / self._read * self._left * _MARGIN)
        free = shutil.disk_usage(self._folder).free
        if needed > free:
            raise ResultError(
                f"prepare into {self._folder}",
                found=f"about {as_size(needed)} still to write and {as_size(free)} free",
                fix="free some space and run the same command again, or choose another disk or a "
                "greater --quality",
            )


def as_size(count: int) -> str:
    """Return a number of bytes in its natural unit, such as ``3.1 GB``."""
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
