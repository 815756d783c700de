"""The block of clean and overlapping rows under a protocol's scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.assessment.contamination import GROUPS
from zsl_bench.cli.render import percent, table
from zsl_bench.report.notes import group_name
from zsl_bench.report.units import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

_CANDIDATES = {
    "all_candidates": "all candidates",
    "own_candidates": "its own candidates",
    "common_size": "equally many",
}


def contamination_tables(to: Console, protocol: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Print top-1 of clean and of overlapping rows under one protocol, a table a rule.

    Beside every accuracy stand its 95% interval, the candidates and chance. A rule that puts every
    row into one group has no table; :func:`contamination_notes` tells it.

    Args:
        to: Where to print.
        protocol: The protocol's id.
        entries: The rules of its ``contamination`` that are to be shown.
    """
    for entry in entries:
        if not _is_parted(entry):
            continue
        title = f"{protocol}, by {entry['rule']}: top-1 % (95% over other videos) among"
        to.print(title, style="italic", soft_wrap=True)
        grid = table()
        grid.add_column("rows", overflow="fold")
        for heading in ("classes", "videos", *_CANDIDATES.values()):
            grid.add_column(heading, justify="right", overflow="fold")
        for row in _rows(entry):
            grid.add_row(*row)
        to.print(grid)


def _is_parted(entry: Mapping[str, Any]) -> bool:
    return sum(entry["mean"].get(group) is not None for group in GROUPS) > 1


def _rows(entry: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for group in GROUPS:
        figures = entry["mean"][group]
        if figures is None:
            continue
        first, total = figures["all_candidates"], len(entry["trials"])
        name = group_name(entry, group)
        if first["num_trials"] < total:
            name += f" ({first['num_trials']} of {total} trials)"
        cells = (_cell(figures[kind]) for kind in _CANDIDATES)
        yield name, number(first["num_classes"]), number(first["num_videos"]), *cells


def _cell(figures: Mapping[str, Any] | None) -> str:
    if figures is None:
        return "-"
    span = figures["intervals"]["top1"]
    between = "" if span is None else f" ({percent(span['low'])} to {percent(span['high'])})"
    beside = f"of {number(figures['num_candidates'])}, chance {percent(figures['chance'])}"
    return f"{percent(figures['top1'])}{between}\n{beside}"
