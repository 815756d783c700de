"""``zsl-bench compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.render import console, count, percent, print_json, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from zsl_bench.assessment.compare import ProtocolComparison
    from zsl_bench.results import EvaluationResult
    from zsl_bench.uncertainty import ClassDifference, DifferenceTest, Interval, PairedComparison

_TITLES = {"top1": "top-1", "mean_per_class": "per class", "top5": "top-5"}
_MARKS = {
    "†": "Student's t on few degrees of freedom, without resamples",
    "‡": "exact intervals of gains and of losses, joined: too few sources or classes differ",
    "°": "drawn out to 0: the permutation test does not tell the two apart at the interval's level",
}
_UNKNOWN = " (unknown)"
_NOTES = (
    "differences, intervals and detectable differences are in points; A is ahead where positive",
    "other videos: sources are resampled within classes, for p swapped; other classes: classes are",
    "detectable: what a test at the 5% level finds with 80% power, were the spread as it is here",
)


@click.command(
    epilog="Example: zsl-bench compare results/a.json results/b.json --protocol brattoli-full"
)
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--protocol", "protocols", multiple=True, metavar="ID",
    help="A protocol id; may be given several times. Default: those of either result that both "
    "can be scored under.",
)  # fmt: skip
@click.option(
    "--common", is_flag=True,
    help="Take the videos that both have. The accuracies are then those of these videos.",
)  # fmt: skip
@click.option(
    "--top", type=click.IntRange(min=0), default=5, show_default=True, metavar="N",
    help="Show the N classes on which the two differ most; equal ones are left out.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every class.")
def compare(
    *,
    a: Path,
    b: Path,
    protocols: tuple[str, ...],
    common: bool,
    top: int,
    as_json: bool,
) -> None:
    """Test whether two models differ, on the same videos.

    A and B are result files with their arrays beside them; no model and no video is needed.
    What differs between the two runs beside the models is named first: a difference of the
    numbers may come from there.
    """
    from zsl_bench.assessment.compare import (
        compare_evidence,
        named_protocols,
        same_videos,
        shared_protocols,
        word_rule_notes,
    )
    from zsl_bench.assessment.reload import load_evidence
    from zsl_bench.results import comparable

    first, second = load_evidence(a), load_evidence(b)
    left, right = same_videos(first[1], second[1], common=common)
    notes: tuple[str, ...] = ()
    if protocols:
        chosen = named_protocols(left, right, protocols)
    else:
        chosen, notes = shared_protocols(first, second)
    compared = compare_evidence(left, right, chosen)
    notes += word_rule_notes(left, right, chosen)
    results = (first[0], second[0])
    told = {
        "same_result": results[0].sha256 == results[1].sha256,
        "differs": list(comparable(*results)),
        "num_videos": len(left.groups),
        "left_out": [len(side.groups) - len(left.groups) for side in (first[1], second[1])],
        "notes": list(notes),
    }
    if as_json:
        sides = {name: _side(r, p) for name, r, p in zip("ab", results, (a, b), strict=True)}
        print_json({**sides, **told, "protocols": [one.to_json() for one in compared]})
        return
    _render(console(), results, told, compared, top=top)


def _side(result: EvaluationResult, path: Path) -> dict[str, Any]:
    return {
        "file": path.name,
        "model": result.model,
        "identity_sha256": result.sha256,
        "verdict": result.verdict,
        "complete": result.complete,
    }


def _render(
    to: Console,
    results: tuple[EvaluationResult, EvaluationResult],
    told: dict[str, Any],
    compared: Sequence[ProtocolComparison],
    *,
    top: int,
) -> None:
    to.print(_what_differs(results, told), soft_wrap=True)
    for name, result in zip("AB", results, strict=True):
        state = "" if result.complete else ", INCOMPLETE"
        to.print(f"{name}: {result.model}, {result.verdict}{state}", style="bold", soft_wrap=True)
    left_out = sum(told["left_out"])
    only = f" that both have ({left_out:,} others left out)" if left_out else ""
    to.print(f"{results[0].dataset}, {told['num_videos']:,} videos{only}", soft_wrap=True)
    for one in compared:
        _render_protocol(to, one, top)
    for line in (*told["notes"], *_legend(compared), *_NOTES):
        to.print(f"* {line}", soft_wrap=True)


def _what_differs(results: Sequence[EvaluationResult], told: dict[str, Any]) -> str:
    first, second = results
    if told["same_result"]:
        return "A and B are the same result: their identities are equal"
    unknown = [path for path in told["differs"] if path.endswith(_UNKNOWN)]
    differs = ", ".join(path for path in told["differs"] if path not in unknown)
    named = ", ".join(path.removesuffix(_UNKNOWN) for path in unknown)
    tail = f"; not recorded, so perhaps different: {named}" if unknown else ""
    if first.identity["model"] == second.identity["model"]:
        return f"the model is the same in both; differs: {differs or 'the protocols only'}{tail}"
    return f"differs beside the models: {differs or 'nothing that is recorded'}{tail}"


def _legend(compared: Sequence[ProtocolComparison]) -> Iterator[str]:
    """Yield what the marks mean, of those that occur."""
    found = {
        mark
        for one in compared
        for figure in one.figures.values()
        for test in (figure.groups, figure.classes)
        if test.interval is not None
        for mark in _marks(test.interval)
    }
    yield from (f"{mark} {meaning}" for mark, meaning in _MARKS.items() if mark in found)


def _render_protocol(to: Console, one: ProtocolComparison, top: int) -> None:
    trials = count(one.num_trials, "trial")
    to.print(f"\n{one.protocol} v{one.version}, {trials}, {one.num_videos:,} videos", style="bold")
    grid = table()
    grid.add_column("figure", no_wrap=True)
    for heading in ("A %", "B %", "difference"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for what in ("videos", "classes"):
        for heading in (f"95% other {what}", "p", "detectable"):
            grid.add_column(heading, justify="right")
    for name in sorted(one.figures, key=lambda figure: figure != one.metric):
        grid.add_row(_TITLES[name], *_cells(one.figures[name]))
    to.print(grid)
    alike = [_TITLES[name] for name, figure in one.figures.items() if figure.identical]
    if alike:
        to.print(
            f"{', '.join(alike)}: A and B give the same answers, right or wrong, on every video",
            soft_wrap=True,
        )
    largest = one.largest(top)
    figure = one.figures["top1"]
    to.print(
        f"top-1 by class: A wins {figure.wins}, B wins {figure.losses}, {figure.ties} equal"
        + (", the largest differences:" if largest else ""),
        soft_wrap=True,
    )
    if largest:
        _render_classes(to, largest)


def _cells(figure: PairedComparison) -> tuple[str, ...]:
    return (
        percent(figure.a),
        percent(figure.b),
        _points(figure.difference),
        *_test(figure.groups),
        *_test(figure.classes),
    )


def _test(test: DifferenceTest) -> tuple[str, str, str]:
    return (
        _span(test.interval),
        "-" if test.p_value is None else f"{test.p_value:.4f}",
        "-" if test.detectable is None else f"{100 * test.detectable:.1f}",
    )


def _span(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return f"{_points(interval.low)} to {_points(interval.high)}{_marks(interval)}"


def _marks(interval: Interval) -> str:
    """Return the marks of an interval that is not the studentised bootstrap alone."""
    kinds = {"Student": "†", "Clopper": "‡"}
    mark = "".join(mark for start, mark in kinds.items() if interval.method.startswith(start))
    return mark + ("°" if "drawn out to 0" in interval.method else "")


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def _render_classes(to: Console, entries: Sequence[ClassDifference]) -> None:
    grid = table()
    grid.add_column("class")
    for heading in ("videos", "A %", "B %", "difference"):
        grid.add_column(heading, justify="right")
    for entry in entries:
        grid.add_row(
            entry.name,
            str(entry.num_videos),
            percent(entry.a),
            percent(entry.b),
            _points(entry.difference),
        )
    to.print(grid)
