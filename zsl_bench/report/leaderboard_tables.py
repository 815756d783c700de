"""The tables of a leaderboard's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.errors import one_line
from zsl_bench.pages import Cell, PageTable, number_cell
from zsl_bench.published import SOURCES, TAGS
from zsl_bench.report.leaderboard import ALONE
from zsl_bench.report.sections import slug
from zsl_bench.report.submissions import declared_text
from zsl_bench.report.summary import TONES
from zsl_bench.report.tables import TITLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zsl_bench.published import PublishedRow
    from zsl_bench.report.conflicts import Conflict
    from zsl_bench.report.leaderboard import Board, Comparable, Leaderboard, Standing

NAMES = {**TITLES, "avg15": "mean of top-1, top-5"}
"""The metrics as headings call them."""
TAG_WORDS = {
    "A": "kept apart",
    "B": "apart by another rule",
    "C": "same data set",
    "D": "overlap seen",
    "E": "web data",
}
"""Short names of the tags of published numbers."""
_MEASURED = (
    *("model", "%", "95%, other videos", "± %", "top-5 %", "verdict", "trained on"),
    *("pretrained on", "checks", "file"),
)
_DASH = Cell(text="-", order=-1.0)


def tag_cell(tag: str) -> Cell:
    """Return a published row's tag with its short name; the whole meaning is shown over it."""
    letters = tag.split("+")
    tone = "bad" if "D" in letters else "doubt" if {"C", "E"} & set(letters) else "good"
    return Cell(
        text=f"{tag}: {', '.join(TAG_WORDS[letter] for letter in letters)}",
        tone=tone,
        title="; ".join(TAGS[letter] for letter in letters),
    )


def measured_table(group: Comparable, name: str, links: Mapping[str, str]) -> PageTable:
    """Return one list of comparable results.

    Args:
        group: The list.
        name: Id of the table.
        links: Pages of results, by SHA-256 of their identity.
    """
    rows = tuple((_rank(one), *_measured(one, links)) for one in group.standings)
    return PageTable(name=name, header=("rank in its verdict", *_MEASURED), rows=rows)


def alone_table(groups: Sequence[Comparable], name: str, links: Mapping[str, str]) -> PageTable:
    """Return the results that are comparable with none of the others, in no ranked order.

    Args:
        groups: Lists of one result.
        name: Id of the table.
        links: Pages of results, by SHA-256 of their identity.
    """
    rows = tuple(
        (*_measured(one, links), "" if one.unranked == ALONE else one.unranked)
        for group in groups
        for one in group.standings
    )
    return PageTable(name=name, header=(*_MEASURED, "state"), rows=rows)


def claimed_table(boards: Sequence[Board], name: str) -> PageTable:
    """Return the published rows of one protocol on one data set, a row an entry.

    Args:
        boards: One board for each metric.
        name: Id of the table.
    """
    metrics = [board.metric for board in boards if board.claimed]
    entries: dict[str, dict[str, PublishedRow]] = {}
    for board in boards:
        for row in board.claimed:
            entries.setdefault(row.entry, {})[board.metric] = row
    header = (
        *("method", "year", *(f"{NAMES[metric]} %" for metric in metrics), "contamination"),
        *("backbone", "trained on", "pretrained on", "looks at", "source", "note"),
    )
    rows = [_claimed(found, metrics) for found in entries.values()]
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return PageTable(name=name, header=header, rows=tuple(rows))


def boards_table(board: Leaderboard, pages: Mapping[str, str]) -> PageTable:
    """Return what boards there are; it holds no figure, so that none is ranked across protocols.

    Args:
        board: The leaderboard.
        pages: File name of each data set's page.
    """
    rows: dict[tuple[str, str], list[int]] = {}
    for one in board.boards:
        counts = rows.setdefault((one.dataset, one.protocol), [0, 0, 0])
        standings = [standing for group in one.measured for standing in group.standings]
        counts[0] += len(standings)
        counts[1] += sum(standing.rank is not None for standing in standings)
        counts[2] += len(one.claimed)
    return PageTable(
        name="boards",
        header=("data set", "protocol", "measured", "of these ranked", "claimed figures"),
        rows=tuple(
            (
                dataset,
                Cell(text=one_line(protocol), link=f"{pages[dataset]}#{protocol_id(protocol)}"),
                *(Cell(text=f"{number or '-'}", order=number) for number in counts),
            )
            for (dataset, protocol), counts in rows.items()
        ),
        filters=("data set",),
    )


def figures_table(board: Leaderboard) -> PageTable:
    """Return every figure with filters, measured ones first, in no order of figures."""
    rows: list[tuple[str | Cell, ...]] = []
    for one in board.boards:
        place = (one.dataset, one_line(one.protocol), NAMES.get(one.metric, one.metric))
        rows += [
            _measured_figure(standing, place)
            for group in one.measured
            for standing in group.standings
        ]
    for one in board.boards:
        place = (one.dataset, one_line(one.protocol), NAMES.get(one.metric, one.metric))
        rows += [_claimed_figure(row, place) for row in one.claimed]
    return PageTable(
        name="figures",
        header=(
            *("kind", "method", "data set", "protocol", "metric", "%", "± %", "contamination"),
            *("network, input", "trained on", "source"),
        ),
        rows=tuple(rows),
        filters=("kind", "data set", "protocol", "metric", "contamination"),
        search=True,
    )


def conflicts_table(conflicts: Sequence[Conflict], name: str = "conflicts") -> PageTable:
    """Return what sources disagree on, one row a figure."""
    return PageTable(
        name=name,
        header=(
            "method",
            "data set",
            "metric",
            "spread",
            "%",
            "protocol",
            "source",
            "same protocol",
        ),
        rows=tuple(
            (
                conflict.method,
                conflict.dataset,
                NAMES[conflict.metric],
                number_cell(conflict.spread, scale=1),
                figure_cell(row),
                row.protocol,
                _source(row),
                Cell(
                    text="yes" if conflict.same_protocol else "not stated as such",
                    title="" if conflict.same_protocol else "draws or videos may differ",
                ),
            )
            for conflict in conflicts
            for row in conflict.rows
        ),
        filters=("method", "data set"),
    )


def figure_cell(row: PublishedRow) -> Cell:
    """Return a published figure as printed: a range where it is one, with its ± where given."""
    text = f"{row.value:.1f}"
    if row.upper is not None:
        text += f" to {row.upper:.1f}"
    if row.std is not None:
        text += f" ± {row.std:.1f}"
    return Cell(text=text, order=row.value, title=row.note)


def protocol_id(protocol: str) -> str:
    """Return the id of a protocol's section on a data set's page."""
    return slug("protocol", protocol)


def _rank(standing: Standing) -> Cell:
    rank = standing.rank
    if rank is None:
        return Cell(text=standing.unranked, tone="doubt", order=1e6)
    return Cell(text=f"{rank}", order=rank)


def _measured(standing: Standing, links: Mapping[str, str]) -> tuple[str | Cell, ...]:
    submission, entry = standing.submission, standing.entry
    result, span = submission.result, entry.videos
    return (
        Cell(text=one_line(result.model), link=links.get(result.sha256, "")),
        number_cell(entry.value),
        _DASH
        if span is None
        else Cell(text=f"{100 * span.low:.1f} to {100 * span.high:.1f}", order=span.low),
        number_cell(entry.std),
        number_cell(standing.top5),
        Cell(text=entry.finding, tone=TONES[entry.finding], title=result.verdict),
        declared_text(result, "trained_on"),
        declared_text(result, "pretrained_on"),
        Cell(
            text="verified" if submission.verified else f"not verified: {submission.told}",
            tone="good" if submission.verified else "bad",
            title=submission.told,
        ),
        Cell(text=submission.file, title=submission.source),
    )


def _claimed(found: Mapping[str, PublishedRow], metrics: Sequence[str]) -> tuple[str | Cell, ...]:
    row = next(iter(found.values()))
    notes = dict.fromkeys(one.note for one in found.values() if one.note)
    third = "measured by others than its authors" if row.third_party else ""
    return (
        row.method,
        _DASH if row.year is None else Cell(text=f"{row.year}", order=row.year),
        *(figure_cell(found[name]) if name in found else _DASH for name in metrics),
        tag_cell(row.tag),
        row.backbone or "-",
        row.trained_on,
        row.pretrained_on or "-",
        row.clips or "-",
        Cell(text=_source(row), title=SOURCES[row.source_kind]),
        "; ".join(filter(None, (third, *notes))),
    )


def _measured_figure(standing: Standing, place: tuple[str, ...]) -> tuple[str | Cell, ...]:
    result, entry = standing.submission.result, standing.entry
    return (
        Cell(text="measured", title=standing.unranked),
        one_line(result.model),
        *place,
        number_cell(entry.value),
        number_cell(entry.std),
        Cell(text=entry.finding, tone=TONES[entry.finding], title=result.verdict),
        one_line(result.identity.get("clip_policy", "-")),
        declared_text(result, "trained_on"),
        standing.submission.file,
    )


def _claimed_figure(row: PublishedRow, place: tuple[str, ...]) -> tuple[str | Cell, ...]:
    plain = f"{row.value:.1f}" + (f" to {row.upper:.1f}" if row.upper is not None else "")
    return (
        "claimed",
        row.method,
        *place,
        Cell(text=plain, order=row.value, title=row.note),
        number_cell(row.std, scale=1),
        tag_cell(row.tag),
        ", ".join(filter(None, (row.backbone, row.clips))) or "-",
        " after ".join(filter(None, (row.trained_on, row.pretrained_on))),
        _source(row),
    )


def _source(row: PublishedRow) -> str:
    return ", ".join(filter(None, (row.source, row.table)))
