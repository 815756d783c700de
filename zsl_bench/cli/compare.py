"""``zsl-bench compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.render import console, count, percent, print_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from zsl_bench.assessment.compare import ProtocolComparison
    from zsl_bench.results import EvaluationResult
    from zsl_bench.uncertainty import DifferenceTest, Interval, PairedComparison

_TITLES = {"top1": "top-1", "mean_per_class": "per class", "top5": "top-5"}
_NOTES = (
    "differences, intervals and detectable differences are in points; A is ahead where positive",
    "other videos: sources are resampled within classes, for p swapped; other classes: classes are",
    "detectable: what a test at the 5% level finds with 80% power on as many sources or classes",
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
    help="Show the N classes on which the two differ most.",
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
    results = (first[0], second[0])
    told = {
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
    differs = ", ".join(told["differs"]) or "nothing but the models"
    to.print(f"differs beside the models: {differs}", soft_wrap=True)
    for name, result in zip("AB", results, strict=True):
        state = "" if result.complete else ", INCOMPLETE"
        to.print(f"{name}: {result.model}, {result.verdict}{state}", style="bold", soft_wrap=True)
    left_out = sum(told["left_out"])
    only = f" that both have ({left_out:,} others left out)" if left_out else ""
    to.print(f"{results[0].dataset}, {told['num_videos']:,} videos{only}", soft_wrap=True)
    for one in compared:
        _render_protocol(to, one, top)
    for line in (*told["notes"], *_NOTES):
        to.print(f"* {line}", soft_wrap=True)


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
    figure = one.figures["top1"]
    to.print(
        f"top-1 by class: A wins {figure.wins}, B wins {figure.losses}, {figure.ties} equal"
        + (", the largest differences:" if top else ""),
        soft_wrap=True,
    )
    if top:
        _render_classes(to, one, top)


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
    return "-" if interval is None else f"{_points(interval.low)} to {_points(interval.high)}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def _render_classes(to: Console, one: ProtocolComparison, top: int) -> None:
    grid = table()
    grid.add_column("class")
    for heading in ("videos", "A %", "B %", "difference"):
        grid.add_column(heading, justify="right")
    for entry in one.per_class[:top]:
        grid.add_row(
            entry.name,
            str(entry.num_videos),
            percent(entry.a),
            percent(entry.b),
            _points(entry.difference),
        )
    to.print(grid)
