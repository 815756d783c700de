"""The page of an overlap report: tables, a chart, and a choice of threshold."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from zsl_bench.errors import listing
from zsl_bench.figures.chart import INSTALL_PLOTS, WITHOUT_PLOTS, can_plot
from zsl_bench.figures.overlap_share import SeenSeries, overlap_share_chart
from zsl_bench.pages import Cell, PageTable, number_cell, picture_source, render_page
from zsl_bench.report.overlap_pairs import CLEAN, NOT_JUDGED, OVERLAPPING, THRESHOLDS
from zsl_bench.report.units import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zsl_bench.figures.chart import Chart
    from zsl_bench.report.overlap_pairs import OverlapReport, SeenTestClass, SetPair
    from zsl_bench.verdict import Verdict

_TONES = {OVERLAPPING: "bad", CLEAN: "good", NOT_JUDGED: "doubt"}
_TITLES = {
    "exact-name": "same name",
    "same-words": "same words",
    "truze-v2": "TruZe",
    "truze-v1": "TruZe, earlier",
    "fair-30": "Fair ZSL",
}
_WHOLE_FILE = "GoogleNews-vectors-negative300.bin"
_NAMED = 4


def overlap_chart_of(report: OverlapReport) -> Chart:
    """Return the chart of test classes seen at each threshold, of all pairs."""
    series = [
        SeenSeries(
            train=pair.train.dataset,
            test=pair.test.dataset,
            distances=tuple(row.distance for row in pair.rows),
        )
        for pair in report.pairs
    ]
    return overlap_share_chart(series, threshold=report.threshold)


def overlap_page(
    report: OverlapReport, *, arguments: Sequence[str] = (), is_bundled: bool = True
) -> str:
    """Write an overlap report as one HTML page that needs no other file and no network.

    Args:
        report: The report.
        arguments: What ``zsl-bench overlap-report`` was called with, shown in the page.
        is_bundled: Whether the vectors are the bundled ones, so that all of them are advised.
    """
    chart = overlap_chart_of(report) if can_plot() else None
    command = shlex.join(["zsl-bench", "overlap-report", *arguments])
    return render_page(
        "overlap.html.j2",
        title=f"What training on {_listed(report, 'train')} shows of {_listed(report, 'test')}",
        threshold=f"{report.threshold:g}",
        summary=summary_table(report),
        chart=chart,
        source=picture_source(chart.picture("svg"), "svg") if chart else "",
        no_chart=f"The chart is left out: {WITHOUT_PLOTS}; {INSTALL_PLOTS} brings it.",
        thresholds=list(_threshold_tables(report)),
        classes=[class_table(pair) for pair in report.pairs],
        without_caption=lambda content: replace(content, caption=""),
        rules=rules_table(report),
        published=published_table(report),
        about=_about(report),
        standing=_standing(report),
        stand_ins=stand_in_table(report),
        words=", ".join(report.approximate_words),
        command=command,
        full_command=f"{command} --vectors {_WHOLE_FILE}" if is_bundled else "",
    )


def summary_table(report: OverlapReport) -> PageTable:
    """Return one row a pair: what is seen at the report's threshold."""
    rows = []
    for pair in report.pairs:
        at, equal = pair.at(report.threshold), pair.at(0.0)
        rows.append(
            (
                Cell(text=pair.train.dataset, link=f"#{pair.name}"),
                pair.test.dataset,
                _whole(len(pair.rows)),
                Cell(text=str(at.classes), order=at.classes, tone="bad" if at.classes else "good"),
                number_cell(at.share),
                _whole(equal.classes),
                _whole(at.videos),
                number_cell(at.video_share),
                _whole(at.removed),
                _whole(len(pair.train)),
            )
        )
    return PageTable(
        name="summary-table",
        header=(
            "training set", "test set", "test classes", "seen", "seen (%)", "of these equal words",
            "videos of seen classes", "videos (%)", "training classes removed",
            "training classes",
        ),
        rows=tuple(rows),
    )  # fmt: skip


def class_table(pair: SetPair) -> PageTable:
    """Return one row a test class, nearest first, with what every other rule says of it."""
    rules = list(pair.rows[0].rules)
    has_videos = pair.videos is not None
    return PageTable(
        name=pair.name,
        caption=f"{pair.train.dataset} against {pair.test.dataset}",
        header=(
            "test class", *(["videos"] if has_videos else []), "nearest training class", "distance",
            *(_TITLES.get(rule, rule) for rule in rules), "words without a vector",
        ),
        rows=tuple(
            (
                row.name,
                *([_whole(row.videos)] if has_videos else []),
                row.nearest,
                Cell(text=f"{row.distance:.3f}", order=row.distance),
                *(_said(rule, row.rules[rule]) for rule in rules),
                _resting(row),
            )
            for row in sorted(pair.rows, key=lambda row: row.distance)
        ),
        filters=tuple(_TITLES.get(rule, rule) for rule in rules),
        search=True,
        below="distance",
    )  # fmt: skip


def rules_table(report: OverlapReport) -> PageTable:
    """Return one row a pair and rule, held against the distance at the report's threshold."""
    rows = []
    for pair in report.pairs:
        near = {row.name for row in pair.seen(report.threshold)}
        rows += [_rule_row(pair, verdict, near) for verdict in pair.verdicts[1:]]
    return PageTable(
        name="rules-table",
        header=(
            "training set", "test set", "rule", "seen", "clean", "not judged", "both",
            "only this rule", "only distance", "which",
        ),
        rows=tuple(rows),
        filters=("training set", "test set", "rule"),
    )  # fmt: skip


def published_table(report: OverlapReport) -> PageTable:
    """Return one row a published count: claimed beside found."""
    return PageTable(
        name="published-table",
        header=(
            "training set", "against", "threshold", "words", "counted", "claimed", "found",
            "agrees", "published in",
        ),
        rows=tuple(
            (
                one.train,
                ", ".join(one.tests),
                Cell(text=f"{one.threshold:g}", order=one.threshold),
                one.rules,
                one.what,
                _whole(one.claimed),
                _whole(one.found),
                Cell(text="yes", tone="good") if one.claimed == one.found
                else Cell(text=f"no, by {abs(one.found - one.claimed)}", tone="doubt"),
                one.source,
            )
            for one in report.counts
        ),
    )  # fmt: skip


def stand_in_table(report: OverlapReport) -> PageTable:
    """Return one row a pair: how many decisions at the threshold rest on a stand-in."""
    rows = []
    for pair in report.pairs:
        seen = pair.seen(report.threshold)
        names = {row.name for row in seen}
        rest = [row for row in pair.rows if row.name not in names]
        rows.append(
            (
                pair.train.dataset,
                pair.test.dataset,
                _whole(sum(row.has_equal_words for row in seen)),
                _whole(sum(not row.has_equal_words and bool(row.approximate) for row in seen)),
                _whole(sum(bool(row.approximate) for row in rest)),
                _whole(len(rest)),
                _whole(pair.train_approximate),
            )
        )
    return PageTable(
        name="stand-in-table",
        header=(
            "training set", "test set", "seen by equal words", "seen, resting on a stand-in",
            "not seen, resting on a stand-in", "not seen", "training classes with a stand-in",
        ),
        rows=tuple(rows),
    )  # fmt: skip


def _threshold_tables(report: OverlapReport) -> Iterator[PageTable]:
    for test in dict.fromkeys(pair.test.dataset for pair in report.pairs):
        pairs = [pair for pair in report.pairs if pair.test.dataset == test]
        columns = ("classes", *(["videos"] if pairs[0].videos is not None else []), "removed")
        yield PageTable(
            name=f"thresholds-{test}",
            caption=f"{test}: test classes and videos seen, training classes removed",
            header=(
                "threshold",
                *(f"{pair.train.dataset}: {column}" for pair in pairs for column in columns),
            ),
            rows=tuple(
                (
                    Cell(text=f"{threshold:g}" if threshold else "0 (equal words)",
                         order=threshold),
                    *(cell for pair in pairs for cell in _at(pair, threshold)),
                )
                for threshold in THRESHOLDS
            ),
        )  # fmt: skip


def _at(pair: SetPair, threshold: float) -> Iterator[Cell]:
    at = pair.at(threshold)
    yield _share(at.classes, at.share)
    if pair.videos is not None:
        yield _share(at.videos or 0, at.video_share or 0.0)
    yield _whole(at.removed)


def _share(number: int, share: float) -> Cell:
    return Cell(text=f"{number:,} ({100 * share:.1f}%)", order=number)


def _whole(number: int | None) -> Cell:
    return number_cell(None) if number is None else Cell(text=f"{number:,}", order=number)


def _said(rule: str, what: str) -> Cell:
    by_key = rule in ("exact-name", "same-words")
    text = {OVERLAPPING: "yes", CLEAN: "no"}[what] if by_key else what
    return Cell(text=text.replace(" ", "\N{NO-BREAK SPACE}"), tone="" if by_key else _TONES[what])


def _resting(row: SeenTestClass) -> str:
    words = ", ".join(row.approximate)
    return f"{words} (equal words all the same)" if words and row.has_equal_words else words


def _rule_row(pair: SetPair, verdict: Verdict, near: set[str]) -> tuple[str | Cell, ...]:
    seen = {entry.name for entry in verdict.seen}
    clean = [row for row in pair.rows if row.rules[verdict.rule] == CLEAN]
    only_rule = [row.name for row in pair.rows if row.name in seen - near]
    only_near = [row.name for row in clean if row.name in near]
    told = [f"only this rule: {listing(only_rule, limit=_NAMED)}"] if only_rule else []
    told += [f"only distance: {listing(only_near, limit=_NAMED)}"] if only_near else []
    return (
        Cell(text=pair.train.dataset, link=f"#{pair.name}"),
        pair.test.dataset,
        _TITLES.get(verdict.rule, verdict.rule),
        _whole(len(seen)),
        _whole(len(clean)),
        _whole(len(verdict.unjudged)),
        _whole(len(seen & near)),
        _whole(len(only_rule)),
        _whole(len(only_near)),
        "; ".join(told),
    )


def _about(report: OverlapReport) -> list[tuple[str, str]]:
    rules = dict.fromkeys(pair.train.rules for pair in report.pairs)
    return [
        ("vectors", report.vectors),
        ("SHA-256", report.vectors_digest),
        ("words by the rules", ", ".join(rules)),
        ("words without a vector", str(len(report.approximate_words))),
    ]


def _standing(report: OverlapReport) -> str:
    if not report.approximate_words:
        return "Every word has a vector: no decision rests on a stand-in."
    return (
        f"{count(len(report.approximate_words), 'word has', 'words have')} no vector here; a fixed "
        "vector made from a hash of the word stands in for each. Classes of equal words meet at 0 "
        "all the same. Any other distance of a class with a stand-in is usually too large, so that "
        "a class called unseen may be seen; classes called seen by equal words stay so. A test "
        "class whose own words all have vectors may still be nearer than measured to one of the "
        "training classes with a stand-in."
    )


def _listed(report: OverlapReport, side: str) -> str:
    return listing(dict.fromkeys(getattr(pair, side).dataset for pair in report.pairs), limit=4)
