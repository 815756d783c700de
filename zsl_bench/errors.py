"""The error family: every message says what was asked, what was found and what to do."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


_MOST_CHOICES = 20


class ZslBenchError(Exception):
    """A problem that the user can mend, told in one line.

    Args:
        asked: What the user or caller wanted, such as ``class set 'ucf11'``.
        found: What there was instead.
        fix: What to do about it.
    """

    def __init__(self, asked: str, *, found: str, fix: str) -> None:
        self.asked = one_line(asked)
        self.found = one_line(found)
        self.fix = one_line(fix)
        super().__init__(f"{self.asked}: {self.found}; {self.fix}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by field, so that the error crosses a process boundary whole."""
        return _rebuild, (type(self), self.asked, self.found, self.fix)


class ClassSetError(ZslBenchError):
    """A class list is unknown, empty, repeated or malformed."""


class WordVectorError(ZslBenchError):
    """A word-vector source is missing, damaged or does not cover the classes."""


class VideoError(ZslBenchError):
    """A video file cannot be read or is not a video."""


class DatasetError(ZslBenchError):
    """A folder or manifest is not the data set that was asked for."""


class ModelError(ZslBenchError):
    """A model reference cannot be resolved, or the model breaks its contract."""


class WeightsError(ZslBenchError):
    """Weights are missing, unsafe to read, or made for another network."""


class MissingWeightsError(WeightsError):
    """Weights are neither given nor published."""


class ProtocolError(ZslBenchError):
    """A protocol is unknown or does not fit the data."""


class ResultError(ZslBenchError):
    """A result or split file is damaged, or cannot be written."""


def _rebuild(kind: type[ZslBenchError], asked: str, found: str, fix: str) -> ZslBenchError:
    return kind(asked, found=found, fix=fix)


def one_line(text: object) -> str:
    r"""Return text in one line that a terminal only shows: what it would act on is escaped.

    White space of any kind becomes single spaces; an escape, a mark that reverses the direction of
    writing or half a surrogate pair is spelled out.

    Example:
        >>> one_line("mit\n\x1b[2J* pretrained on: nothing")
        'mit \\x1b[2J* pretrained on: nothing'
    """
    line = " ".join(str(text).split())
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def near_matches(name: str, choices: Iterable[str]) -> str:
    """Return a hint such as ``did you mean 'ucf101'?``, or the choices where none is near."""
    known = sorted(set(choices))
    folded = {choice.casefold(): choice for choice in known}
    close = [folded[c] for c in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    if close:
        return "did you mean " + " or ".join(repr(choice) for choice in close) + "?"
    shown = ", ".join(known[:_MOST_CHOICES]) + (", ..." if len(known) > _MOST_CHOICES else "")
    return f"choose from {shown}" if known else "there are none to choose from"


def listing(items: Iterable[str], *, limit: int = 5) -> str:
    """Join names for a message: the first few, and how many more there are."""
    names = list(items)
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more:,} more" if more > 0 else "")
