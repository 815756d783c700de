"""Telling how unpacking gets on, file by file."""

from __future__ import annotations

from typing import Protocol


class ArchiveProgress(Protocol):
    """Told how unpacking gets on."""

    def start(self, name: str, /, *, total: int, done: int) -> None:
        """An archive of ``total`` files is begun; 0 where that is known at its end only."""
        ...

    def advance(self, files: int, /) -> None:
        """That many more files are unpacked."""
        ...

    def note(self, line: str, /) -> None:
        """Something that a person should know."""
        ...

    def finish(self) -> None:
        """The archive is done, or the run is stopping."""
        ...


class Counter:
    """Counts the files of one archive, which a second unpacker may do again.

    Args:
        progress: Told of the files; None to tell nobody.
    """

    def __init__(self, progress: ArchiveProgress | None) -> None:
        self._progress = progress
        self._told = 0

    def reach(self, files: int) -> None:
        """Tell that so many files are done, where that is more than was told before."""
        more = files - self._told
        if more > 0 and self._progress is not None:
            self._progress.advance(more)
        self._told = max(self._told, files)

    def one_more(self) -> None:
        """Tell of one more file."""
        self.reach(self._told + 1)
