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

from zsl_bench.report.units import count, duration, percent

__all__ = [
    "FOUND",
    "INTERRUPTED",
    "TERMINATED",
    "FoldingTable",
    "console",
    "count",
    "duration",
    "percent",
    "print_json",
    "table",
]

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
