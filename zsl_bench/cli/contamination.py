"""The block of clean and overlapping rows under a protocol's scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.assessment.contamination import GROUPS
from zsl_bench.cli.render import count, percent, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

_NOT_FOUND = "not found"
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


def contamination_notes(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which rules put every row into one group, and where not found is not clean.

    Args:
        entries: The rules of a protocol's ``contamination``.
    """
    whole: dict[str, list[str]] = {}
    for entry in entries:
        groups = [name for name in GROUPS if entry["mean"].get(name) is not None]
        if len(groups) == 1:
            whole.setdefault(_name(entry, groups[0]), []).append(entry["rule"])
    for group, rules in whole.items():
        yield f"every row is {group} by {', '.join(rules)}"
    silent: dict[str, list[str]] = {}
    for entry in entries:
        if entry["applies"] and not entry["clean_is_known"]:
            silent.setdefault(", ".join(entry["silent"]), []).append(entry["rule"])
    for fields, rules in silent.items():
        yield f"by {', '.join(rules)} a row not found may have been seen all the same ({fields})"


def _is_parted(entry: Mapping[str, Any]) -> bool:
    return sum(entry["mean"].get(group) is not None for group in GROUPS) > 1


def _rows(entry: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for group in GROUPS:
        figures = entry["mean"][group]
        if figures is None:
            continue
        first, total = figures["all_candidates"], len(entry["trials"])
        name = _name(entry, group)
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


def number(value: float) -> str:
    """Return a mean over trials: whole where it is, else with one digit."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _name(entry: Mapping[str, Any], group: str) -> str:
    return _NOT_FOUND if group == "clean" and not entry["clean_is_known"] else group


def verdict_lines(zero_shot: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the rules beside the headline say, and why a curated list says nothing.

    Args:
        zero_shot: That field of a result.
    """
    others = zero_shot["rules"][1:]
    if others:
        yield "other rules: " + ", ".join(map(_told, others))
    silent: dict[str, list[str]] = {}
    for rule in others:
        if rule.get("note") and not rule["seen"] and rule["finding"] == "unjudged":
            silent.setdefault(rule["note"], []).append(rule["rule"])
    for note, rules in silent.items():
        yield f"{', '.join(rules)}: {note}"


def _told(rule: Mapping[str, Any]) -> str:
    beside = [rule.get("rule") or rule["rules"]]
    if rule["seen"]:
        beside.append(count(len(rule["seen"]), "class", "classes"))
    if rule.get("unjudged"):
        beside.append(f"{count(len(rule['unjudged']), 'class', 'classes')} unjudged")
    return f"{rule['finding']} ({', '.join(beside)})"
