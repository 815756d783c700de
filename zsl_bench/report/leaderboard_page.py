"""A leaderboard as a static site: an index, a page for each data set, and the rows as data."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ProtocolError, one_line
from zsl_bench.files import atomic_write, sha256_bytes, write_json
from zsl_bench.pages import PageTable, render_page
from zsl_bench.protocols.catalogue import load_definition
from zsl_bench.protocols.recipes import RECIPES
from zsl_bench.published import SOURCES, TAGS
from zsl_bench.report.leaderboard import HEADER
from zsl_bench.report.leaderboard_tables import (
    NAMES,
    TAG_WORDS,
    alone_table,
    boards_table,
    claimed_table,
    conflicts_table,
    figures_table,
    measured_table,
    protocol_id,
)
from zsl_bench.report.result_page import PageOptions, result_page
from zsl_bench.report.sections import slug
from zsl_bench.report.sources import load_sources
from zsl_bench.report.units import count, harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from zsl_bench.published import PublishedNumbers
    from zsl_bench.report.leaderboard import Board, Leaderboard
    from zsl_bench.report.submissions import Submission

TITLE = "Zero-shot video classification: results"


@dataclass(frozen=True, kw_only=True)
class MeasuredList:
    """A list of comparable results on a page.

    Attributes:
        heading: What the list is.
        differs: In which fields it is not comparable with other results; empty without others.
        table: The results.
    """

    heading: str
    differs: tuple[str, ...]
    table: PageTable


@dataclass(frozen=True, kw_only=True)
class ProtocolSection:
    """One protocol on the page of a data set.

    Attributes:
        name: Id of the section.
        protocol: The protocol's id or label.
        meaning: What it means.
        lists: Measured results.
        claimed: Published rows; None where there are none.
    """

    name: str
    protocol: str
    meaning: str
    lists: tuple[MeasuredList, ...]
    claimed: PageTable | None


def write_site(
    board: Leaderboard,
    out: Path,
    *,
    title: str = TITLE,
    links: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Write the site; each page needs nothing beside it but the pages it links to.

    Args:
        board: What it shows.
        out: The folder.
        title: Title of the index.
        links: Pages of results below the folder, by SHA-256 of their identity.

    Returns:
        The files: ``index.html``, a page for each data set, ``data.json`` and ``data.csv``.

    Raises:
        ResultError: A file cannot be written.
    """
    pages = {dataset: page_name(dataset) for dataset in board.datasets}
    written = [_write(out / "index.html", _index(board, pages, title))]
    for dataset, name in pages.items():
        text = _dataset_page(board, dataset, title, links or {})
        written.append(_write(out / name, text))
    write_json(out / "data.json", board.to_json())
    return (*written, out / "data.json", _write(out / "data.csv", _csv(board)))


def write_result_pages(submissions: Sequence[Submission], out: Path) -> dict[str, str]:
    """Write a page for each verified result, without figures.

    Args:
        submissions: The results.
        out: Folder of the site; the pages go to ``results`` in it.

    Returns:
        Path of each page below the folder, by SHA-256 of the result's identity.

    Raises:
        ResultError: A file cannot be written.
    """
    links = {}
    for one in submissions:
        if not one.verified:
            continue
        page = result_page(load_sources([one.path]), PageOptions(figures=False))
        name = f"results/{one.result.stem}.html"
        _write(out / name, page.html)
        links[one.result.sha256] = name
    return links


def page_name(dataset: str) -> str:
    """Return the file name of a data set's page; whatever the set is called, it is a plain name."""
    plain = slug(dataset)
    mark = "" if plain == dataset else f"-{sha256_bytes(dataset.encode())[:8]}"
    return f"board-{plain}{mark}.html"


def protocol_meaning(protocol: str, numbers: PublishedNumbers) -> str:
    """Say what a protocol is.

    Args:
        protocol: An id of the catalogue, a recipe with its digest, or a label of published rows.
        numbers: The published numbers, which tell their labels.
    """
    label = numbers.protocols.get(protocol)
    if label is not None:
        return label.meaning
    recipe = RECIPES.get(protocol.partition("@")[0])
    if recipe is not None:
        return recipe
    try:
        return str(load_definition(protocol)["title"])
    except ProtocolError:
        return "a list of classes of its own"


def _index(board: Leaderboard, pages: Mapping[str, str], title: str) -> str:
    measured = {
        s.submission.result.sha256 for b in board.boards for g in b.measured for s in g.standings
    }
    return render_page(
        "leaderboard.html.j2",
        title=title,
        measured=count(len(measured), "measured result"),
        claimed=count(len(board.numbers.rows), "claimed figure"),
        entries=len({row.entry for row in board.numbers.rows}),
        pages=tuple(pages.items()),
        boards=boards_table(board, pages),
        figures=figures_table(board),
        conflicts=conflicts_table(board.conflicts),
        remarks=board.numbers.remarks,
        not_listed=_not_listed(board),
        others=board.others,
        **_meanings(),
    )


def _not_listed(board: Leaderboard) -> PageTable | None:
    if not board.not_listed:
        return None
    return PageTable(
        name="not-listed",
        header=("source", "file", "reason"),
        rows=tuple((one.source, one.file, one.reason) for one in board.not_listed),
    )


def _dataset_page(board: Leaderboard, dataset: str, title: str, links: Mapping[str, str]) -> str:
    by_protocol: dict[str, list[Board]] = {}
    for one in board.boards:
        if one.dataset == dataset:
            by_protocol.setdefault(one.protocol, []).append(one)
    conflicts = [one for one in board.conflicts if one.dataset == dataset]
    return render_page(
        "leaderboard_dataset.html.j2",
        title=f"{dataset}: results by protocol",
        site=title,
        sections=tuple(
            _section(boards, protocol_meaning(protocol, board.numbers), links)
            for protocol, boards in by_protocol.items()
        ),
        conflicts=conflicts_table(conflicts) if conflicts else None,
        **_meanings(),
    )


def _section(boards: Sequence[Board], meaning: str, links: Mapping[str, str]) -> ProtocolSection:
    protocol = boards[0].protocol
    name = protocol_id(protocol)
    return ProtocolSection(
        name=name,
        protocol=one_line(protocol),
        meaning=meaning,
        lists=tuple(one for board in boards for one in _lists(board, name, links)),
        claimed=claimed_table(boards, f"claimed-{name}")
        if any(board.claimed for board in boards)
        else None,
    )


def _lists(board: Board, name: str, links: Mapping[str, str]) -> Iterator[MeasuredList]:
    """Yield the lists of several results, then those that stand alone in one table."""
    metric = NAMES.get(board.metric, board.metric)
    several = [group for group in board.measured if len(group.standings) > 1 or not group.differs]
    alone = [group for group in board.measured if group not in several]
    name = f"{name}-{slug(board.metric)}"
    for number, group in enumerate(several, start=1):
        beside = f", list {number} of {len(several)}" if len(several) > 1 else ""
        yield MeasuredList(
            heading=f"Measured, {metric}{beside}",
            differs=group.differs,
            table=measured_table(group, f"measured-{number}-{name}", links),
        )
    if alone:
        yield MeasuredList(
            heading=f"Measured, {metric}, comparable with no other",
            differs=tuple(sorted({field for group in alone for field in group.differs})),
            table=alone_table(alone, f"alone-{name}", links),
        )


def _meanings() -> dict[str, Any]:
    tags = tuple((f"{tag}: {TAG_WORDS[tag]}", text) for tag, text in TAGS.items())
    return {"tags": tags, "kinds": tuple(SOURCES.values())}


def _csv(board: Leaderboard) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER, lineterminator="\n")
    writer.writeheader()
    for row in board.rows():
        writer.writerow({name: harmless(value) for name, value in row.items()})
    return text.getvalue()


def _write(path: Path, text: str) -> Path:
    with atomic_write(path) as stream:
        stream.write(text.encode())
    return path
