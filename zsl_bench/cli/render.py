"""What the verbs print: consoles, tables, JSON, numbers with their units."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

FOUND = 3
"""Exit status of a check that found something."""
INTERRUPTED, TERMINATED = 130, 143
"""Exit statuses of a run that Ctrl-C or SIGTERM ended."""
_PIPE_WIDTH = 160
_NOT_SHOWN = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def console(*, stderr: bool = False) -> Console:
    """Return a console; in a pipe it is plain, wide or ``COLUMNS``, so that lines stay whole."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else int(os.environ.get("COLUMNS") or _PIPE_WIDTH)
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


class FoldingTable(Table):
    """A table that breaks what does not fit, rather than cutting it off."""

    def add_column(self, *headers: Any, **options: Any) -> None:  # noqa: ANN401
        """Add a column; see :meth:`rich.table.Table.add_column`."""
        options.setdefault("overflow", "fold")
        super().add_column(*headers, **options)


def table(title: str | None = None) -> FoldingTable:
    """Return an empty table in the house style."""
    return FoldingTable(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )


def print_json(value: object) -> None:
    """Print one JSON value on stdout."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    click.echo(_NOT_SHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def percent(value: float | None) -> str:
    """Return an accuracy as the field prints it: percent with one digit."""
    return "-" if value is None else f"{100 * value:.1f}"


def duration(seconds: float) -> str:
    """Return a duration in its natural unit, such as ``12 s`` or ``3.4 h``."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 video``, ``2 videos``, ``3 classes``."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
