"""The tables of a result's page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zsl_bench.assessment.contamination import GROUPS
from zsl_bench.pages import Cell, PageTable, number_cell
from zsl_bench.report.formats import interval
from zsl_bench.report.notes import group_name
from zsl_bench.report.summary import TONES
from zsl_bench.report.tables import TITLES, entry_of
from zsl_bench.report.units import number, percent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from zsl_bench.assessment.compare import ProtocolComparison
    from zsl_bench.report.confused import Confusion
    from zsl_bench.report.tables import Column, Entry, Row, ScoreTable, Span
    from zsl_bench.results import EvaluationResult

_AMONG = {
    "all_candidates": "among all candidates",
    "own_candidates": "among its own",
    "common_size": "among equally many",
}
_SCORES = ("figure %", "± %", "95%, other videos", "95%, other classes", "top-5 %")


def slug(*parts: str) -> str:
    """Return an id for a part of a page, of letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).casefold()).strip("-")


def protocol_anchor(protocol: str, sha256: str) -> str:
    """Return the id of the lines that say what a protocol is."""
    return f"protocol-{slug(protocol)}-{sha256[:8]}"


def class_anchor(name: str, of: str) -> str:
    """Return the id of the videos that a page shows of a class, below a table's id."""
    return slug(name, of)


def score_tables(table: ScoreTable, name: str) -> Iterator[PageTable]:
    """Yield a table for each protocol, or for each data set where one model stands alone.

    A table holds one protocol, or one model: to sort it never ranks across protocols.

    Args:
        table: Comparable results.
        name: The beginning of the tables' ids.
    """
    for dataset in table.datasets:
        rows = [row for row in table.rows if row.on(dataset) is not None]
        columns = [one for one in table.columns if one.dataset == dataset and one.own]
        if len(rows) == 1:
            yield PageTable(
                name=slug(name, dataset),
                caption=f"{rows[0].name} on {dataset}",
                header=("protocol", "metric", *_SCORES, "verdict", "candidates", "trials"),
                rows=tuple(_protocol_row(rows[0], column) for column in columns),
            )
            continue
        for column in columns:
            yield _ranking(table, column, slug(name, dataset, column.protocol))


def _protocol_row(row: Row, column: Column) -> tuple[str | Cell, ...]:
    result = row.on(column.dataset)
    if result is None or column.protocol not in result.scores:
        return (column.protocol_title, *["-"] * 9)
    scores = result.scores[column.protocol]
    trials = scores["trials"]
    return (
        _protocol_cell(column),
        TITLES[column.metric],
        *_score_cells(result, column, entry_of(result, column.protocol, column.metric)),
        number_cell(trials[0]["num_classes"] + trials[0]["num_distractors"], digits=0, scale=1.0),
        number_cell(len(trials), digits=0, scale=1.0),
    )


def _ranking(table: ScoreTable, column: Column, name: str) -> PageTable:
    rows: list[tuple[str | Cell, ...]] = []
    for row, entry in zip(table.rows, table.column(column), strict=True):
        result = row.on(column.dataset)
        if entry is None or result is None:
            continue
        videos = f"{result.coverage['scored']:,} of {result.coverage['expected']:,}"
        tone = "" if result.complete else "doubt"
        state = "" if result.complete else ", incomplete"
        rows.append(
            (
                row.name,
                *_score_cells(result, column, entry),
                Cell(text=f"{videos}{state}", order=result.coverage["scored"], tone=tone),
            )
        )
    return PageTable(
        name=name,
        caption=f"{column.dataset}, {column.title}",
        link=f"#{protocol_anchor(column.protocol, column.sha256)}",
        header=("model", *_SCORES, "verdict", "videos"),
        rows=tuple(rows),
        filters=("verdict",) if len(rows) > 2 else (),
    )


def _score_cells(result: EvaluationResult, column: Column, entry: Entry) -> Iterator[Cell]:
    yield Cell(
        text=percent(entry.value), order=-1.0 if entry.value is None else entry.value,
        strong=entry.best,
    )  # fmt: skip
    yield number_cell(entry.std)
    yield _span_cell(entry.videos)
    yield _span_cell(entry.classes)
    generalised = column.metric == "harmonic_mean"
    yield number_cell(None if generalised else entry_of(result, column.protocol, "top5").value)
    yield Cell(text=entry.finding, tone=TONES[entry.finding], title=result.verdict)


def _span_cell(span: Span | None) -> Cell:
    return Cell(text=interval(span), order=-1.0 if span is None else span.low)


def _protocol_cell(column: Column) -> Cell:
    return Cell(
        text=column.protocol_title,
        link=f"#{protocol_anchor(column.protocol, column.sha256)}",
    )


def contamination_tables(
    result: EvaluationResult, protocols: Sequence[str], name: str
) -> Iterator[PageTable]:
    """Yield for each protocol its clean and overlapping rows by each rule that parts them.

    Args:
        result: The result.
        protocols: The protocols to show.
        name: The beginning of the tables' ids.
    """
    for protocol in protocols:
        rows = tuple(
            row
            for rule in result.scores[protocol]["contamination"]
            for row in _contamination_rows(rule)
        )
        if rows:
            yield PageTable(
                name=slug(name, protocol),
                caption=f"{protocol}: top-1 in percent, with its 95% interval over other videos",
                header=("rule", "rows", "classes", "videos", *_AMONG.values()),
                rows=rows,
                filters=("rule",),
            )


def _contamination_rows(rule: Mapping[str, Any]) -> Iterator[tuple[str | Cell, ...]]:
    groups = [group for group in GROUPS if rule["mean"].get(group) is not None]
    for group in groups if len(groups) > 1 else ():
        figures = rule["mean"][group]
        first = figures["all_candidates"]
        tones = {"clean": "good" if rule["clean_is_known"] else "doubt", "overlapping": "bad"}
        yield (
            rule["rule"],
            Cell(text=group_name(rule, group), tone=tones.get(group, "doubt")),
            Cell(text=number(first["num_classes"]), order=first["num_classes"]),
            Cell(text=number(first["num_videos"]), order=first["num_videos"]),
            *(_group_cell(figures[kind]) for kind in _AMONG),
        )


def _group_cell(figures: Mapping[str, Any] | None) -> Cell:
    if figures is None or figures["top1"] is None:
        return Cell(text="-", order=-1.0)
    around = figures["intervals"]["top1"]
    between = "" if around is None else f" ({percent(around['low'])} to {percent(around['high'])})"
    return Cell(
        text=f"{percent(figures['top1'])}{between}",
        order=figures["top1"],
        detail=f"of {number(figures['num_candidates'])}, chance {percent(figures['chance'])}",
    )


def class_table(
    result: EvaluationResult,
    accuracies: Mapping[str, tuple[int, float]],
    confusions: Mapping[str, Confusion],
    name: str,
    *,
    shown: Collection[str] = (),
) -> PageTable:
    """Return the table of test classes.

    Args:
        result: The result.
        accuracies: For each class its videos and its accuracy.
        confusions: What each is taken for most.
        name: The table's id.
        shown: Classes of which the page shows videos, under :func:`class_anchor`.
    """
    distances = result.zero_shot.get("distances") or {"classes": [], "nearest": []}
    nearest = dict(zip(distances["classes"], distances["nearest"], strict=True))
    seen = {entry["name"]: entry for entry in result.zero_shot["rules"][0]["seen"]}
    unknown = bool(result.zero_shot["rules"][0]["silent"])
    return PageTable(
        name=name,
        header=("class", "videos", "top-1 %", "taken for", "videos so", "distance", "seen"),
        rows=tuple(
            (
                Cell(text=one, link=f"#{class_anchor(name, one)}" if one in shown else ""),
                number_cell(videos, digits=0, scale=1.0),
                number_cell(value),
                confusions[one].named if one in confusions else "-",
                number_cell(confusions[one].times if one in confusions else 0, digits=0, scale=1.0),
                number_cell(nearest.get(one), digits=3, scale=1.0),
                _seen_cell(seen.get(one), unknown=unknown),
            )
            for one, (videos, value) in accuracies.items()
        ),
        filters=("seen",),
        search=True,
    )


def _seen_cell(seen: Mapping[str, Any] | None, *, unknown: bool) -> Cell:
    if seen is None:
        return Cell(text="not found" if unknown else "no", tone="doubt" if unknown else "good")
    place = f"{seen['seen_as'] or 'named by no class'}, {seen['seen_in']}"
    return Cell(text="yes", tone="bad", title=place)


def comparison_table(
    compared: Sequence[tuple[str, str, ProtocolComparison]], name: str
) -> PageTable:
    """Return paired comparisons: names of both models, and what was found under a protocol.

    Args:
        compared: The comparisons.
        name: The table's id.
    """
    return PageTable(
        name=name,
        header=(
            "A", "B", "protocol", "A %", "B %", "A - B, points", "95%, other videos", "p, videos",
            "95%, other classes", "p, classes",
        ),
        rows=tuple(_comparison_row(*one) for one in compared),
    )  # fmt: skip


def _comparison_row(a: str, b: str, one: ProtocolComparison) -> tuple[str | Cell, ...]:
    figure = one.figures[one.metric]
    cells: list[str | Cell] = [
        a,
        b,
        f"{one.protocol} v{one.version} {TITLES[one.metric]}",
        number_cell(figure.a),
        number_cell(figure.b),
        Cell(text=f"{100 * figure.difference:+.1f}", order=figure.difference),
    ]
    for test in (figure.groups, figure.classes):
        ends = test.interval
        text = "-" if ends is None else f"{100 * ends.low:+.1f} to {100 * ends.high:+.1f}"
        cells.append(Cell(text=text, order=-1.0 if ends is None else ends.low))
        p = test.p_value
        cells.append(Cell(text="-" if p is None else f"{p:.4f}", order=2.0 if p is None else p))
    return tuple(cells)
