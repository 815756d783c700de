"""The block of clean and overlapping rows under a protocol's scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.cli.render import count, percent, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

_GROUPS = ("clean", "overlapping", "unjudged")
_NOT_FOUND = "not found"
_CANDIDATES = {
    "all_candidates": "among all candidates %",
    "own_candidates": "among its own %",
    "common_size": "among equally many %",
}


def contamination_table(to: Console, protocol: str, scores: Mapping[str, Any]) -> None:
    """Print top-1 of clean and of overlapping rows under one protocol, rule by rule.

    Beside every accuracy stand its 95% interval, the candidates and chance. A rule that puts every
    row into one group is a line below the table; a rule that judges no class is left out.

    Args:
        to: Where to print.
        protocol: The protocol's id.
        scores: Its entry in a result's ``scores``; one without contamination prints nothing.
    """
    entries: Sequence[Mapping[str, Any]] = scores.get("contamination") or ()
    parted = [entry for entry in entries if _is_parted(entry)]
    if parted:
        title = f"{protocol}: top-1 (95% over other videos) by what a rule says of the true class"
        to.print(title, style="italic", soft_wrap=True)
        grid = table()
        grid.add_column("rule", no_wrap=True)
        grid.add_column("rows", no_wrap=True)
        for heading in ("classes", "videos"):
            grid.add_column(heading, justify="right")
        for heading in _CANDIDATES.values():
            grid.add_column(heading, justify="right")
            grid.add_column("of, chance %", justify="right")
        for entry in parted:
            for row in _rows(entry):
                grid.add_row(*row)
        to.print(grid)
    for line in _notes(protocol, entries):
        to.print(f"* {line}", soft_wrap=True)


def _is_parted(entry: Mapping[str, Any]) -> bool:
    return sum(entry["mean"].get(group) is not None for group in _GROUPS) > 1


def _rows(entry: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    rule = entry["rule"]
    for group in _GROUPS:
        figures = entry["mean"][group]
        if figures is None:
            continue
        first, total = figures["all_candidates"], len(entry["trials"])
        name = _name(entry, group)
        if first["num_trials"] < total:
            name += f" ({first['num_trials']} of {total} trials)"
        cells = [cell for kind in _CANDIDATES for cell in _cells(figures[kind])]
        yield rule, name, number(first["num_classes"]), number(first["num_videos"]), *cells
        rule = ""


def _cells(figures: Mapping[str, Any] | None) -> tuple[str, str]:
    if figures is None:
        return "-", "-"
    span = figures["intervals"]["top1"]
    between = "" if span is None else f" ({percent(span['low'])} to {percent(span['high'])})"
    beside = f"{number(figures['num_candidates'])}, {percent(figures['chance'])}"
    return f"{percent(figures['top1'])}{between}", beside


def number(value: float) -> str:
    """Return a mean over trials: whole where it is, else with one digit."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _notes(protocol: str, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    whole: dict[str, list[str]] = {}
    for entry in entries:
        if entry["applies"] and not _is_parted(entry):
            group = next((name for name in _GROUPS if entry["mean"][name] is not None), "without")
            found = _name(entry, group)
            whole.setdefault(found, []).append(entry["rule"])
    for group, rules in whole.items():
        yield f"{protocol}: every row is {group} by {', '.join(rules)}"
    unknown: dict[str, list[str]] = {}
    for entry in entries:
        if entry["applies"] and not entry["clean_is_known"]:
            unknown.setdefault(", ".join(entry["silent"]), []).append(entry["rule"])
    for why, rules in unknown.items():
        yield f"{protocol}: not found is not clean by {', '.join(rules)}, for {why}"


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
