"""Whom a check tells how it is getting on."""

from __future__ import annotations

from typing import Protocol


class IndexProgress(Protocol):
    """Told how the work is getting on; the command line draws a bar with it."""

    def note(self, line: str, /) -> None:
        """Something that a person should know."""
        ...

    def start(self, name: str, /, *, total: int, done: int) -> None:
        """Files are about to be worked on; ``done`` of ``total`` are known from before."""
        ...

    def advance(self, files: int, /) -> None:
        """That many more files are done."""
        ...

    def finish(self) -> None:
        """The files are done, or the work is stopping."""
        ...


class Silent:
    """A progress that says nothing."""

    def note(self, line: str, /) -> None:
        """Say nothing."""

    def start(self, name: str, /, *, total: int, done: int) -> None:
        """Say nothing."""

    def advance(self, files: int, /) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""
