"""``zsl-bench figure``: the charts that are made of result files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import click

from zsl_bench.cli.figure_options import Output, result_options, tell_charts
from zsl_bench.cli.render import console, percent, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zsl_bench.assessment.reload import Reloaded
    from zsl_bench.figures.confusion import Order
    from zsl_bench.results import EvaluationResult

_PAIRS, _SHOWN = 100, 10


@click.command(
    "per-class",
    epilog="Example: zsl-bench figure per-class results/a.json results/b.json --anyway "
    "--format svg,png",
)
@result_options()
def per_class(
    *, results: tuple[Path, ...], protocol: str | None, anyway: bool, **output: Unpack[Output]
) -> None:
    """Draw the accuracy on each test class, one panel for each model, sorted by it.

    Supplement Fig. 3. RESULT is a result file with its arrays beside it; no video is needed.
    """
    from zsl_bench.figures.per_class import per_class_chart

    tell_charts([per_class_chart(_load(results), protocol=protocol, anyway=anyway)], **output)


@click.command(
    "best-worst",
    epilog="Example: zsl-bench figure best-worst results/a.json results/b.json --anyway "
    "--format png",
)
@result_options()
@click.option(
    "--number", type=click.IntRange(min=1), default=10, show_default=True, metavar="N",
    help="How many classes at either end.",
)  # fmt: skip
def best_worst(
    *,
    results: tuple[Path, ...],
    protocol: str | None,
    anyway: bool,
    number: int,
    **output: Unpack[Output],
) -> None:
    """Draw the classes each model does worst and best on, with all models on them.

    Supplement Fig. 4. RESULT is a result file with its arrays beside it; no video is needed.
    """
    from zsl_bench.figures.per_class import best_worst_chart

    chart = best_worst_chart(_load(results), protocol=protocol, anyway=anyway, number=number)
    tell_charts([chart], **output)


@click.command(
    "confusion",
    epilog="Example: zsl-bench figure confusion results/a.json --order confused --format png",
)
@result_options()
@click.option(
    "--order", type=click.Choice(("official", "confused")), default="official", show_default=True,
    help="Order of the classes: the data set's, or those confused with one another side by side.",
)  # fmt: skip
def confusion(
    *,
    results: tuple[Path, ...],
    protocol: str | None,
    anyway: bool,  # noqa: ARG001
    order: Order,
    **output: Unpack[Output],
) -> None:
    """Draw a confusion matrix for each result, and list the classes most confused.

    Supplement Figs. 6 to 8; most-confused.csv has the pairs. Each result has a figure of its own,
    so that nothing keeps several from being given at once. RESULT is a result file with its
    arrays beside it; no video is needed.
    """
    from zsl_bench.figures.chart import write_csv
    from zsl_bench.figures.confusion import PAIRS, confusion_chart, confusion_of
    from zsl_bench.figures.runs import gather, names

    loaded = _load(results)
    called = names([one.result for one in loaded])
    panels = [gather([one], protocol=protocol) for one in loaded]
    found = {
        name: confusion_of(panel.runs[0]).most_confused(_PAIRS)
        for name, panel in zip(called, panels, strict=True)
    }
    charts = [
        confusion_chart(one, protocol=protocol, order=order, name=name)
        for name, one in zip(called, loaded, strict=True)
    ]
    rows = [(name, *pair) for name, pairs in found.items() for pair in pairs]
    listed = write_csv(output["out"] / "most-confused.csv", PAIRS, rows)
    if not output["as_json"]:
        _print_pairs(found)
    tell_charts(charts, also=[listed], **output)


@click.command(
    "confusion-difference",
    epilog="Example: zsl-bench figure confusion-difference results/a.json results/b.json --anyway "
    "--format png",
)
@result_options()
def confusion_difference(
    *, results: tuple[Path, ...], protocol: str | None, anyway: bool, **output: Unpack[Output]
) -> None:
    """Draw how far the confusion matrices of two to four models are apart.

    Supplement Fig. 5. RESULT is a result file with its arrays beside it; no video is needed.
    """
    from zsl_bench.figures.confusion_difference import confusion_difference_chart

    chart = confusion_difference_chart(_load(results), protocol=protocol, anyway=anyway)
    tell_charts([chart], **output)


@click.command(
    "far-classes",
    epilog="Example: zsl-bench figure far-classes results/a.json results/b.json --anyway "
    "--format png",
)
@result_options()
def far_classes(
    *, results: tuple[Path, ...], protocol: str | None, anyway: bool, **output: Unpack[Output]
) -> None:
    """Draw the accuracy on test classes that are far from the declared training classes.

    Paper Fig. 7, which draws the error. RESULT is a result file with its arrays beside it; no video
    is needed.
    """
    from zsl_bench.figures.far_classes import far_classes_chart

    tell_charts([far_classes_chart(_load(results), protocol=protocol, anyway=anyway)], **output)


@click.command(
    "forest",
    epilog="Example: zsl-bench figure forest results/a.json results/b.json --anyway --format png",
)
@result_options("all that the results have")
def forest(
    *, results: tuple[Path, ...], protocol: str | None, anyway: bool, **output: Unpack[Output]
) -> None:
    """Draw results with their intervals and verdicts, in blocks by data set and protocol.

    RESULT is a result file; its arrays are read only where it was not scored under the protocol.
    """
    from zsl_bench.figures.forest import forest_chart

    protocols = (protocol,) if protocol else ()
    scored = [_scored(path, protocol) for path in results]
    tell_charts([forest_chart(scored, protocols=protocols, anyway=anyway)], **output)


def _load(paths: Sequence[Path]) -> list[Reloaded]:
    from zsl_bench.assessment.reload import reload_result

    return [reload_result(path) for path in paths]


def _scored(path: Path, protocol: str | None) -> EvaluationResult:
    from zsl_bench.assessment.reload import rescore
    from zsl_bench.results import load_result

    result = load_result(path)
    known = {name.partition("@")[0] for name in result.scores}
    if protocol is None or protocol.partition("@")[0] in known:
        return result
    return rescore(path, [protocol])


def _print_pairs(found: Mapping[str, Sequence[tuple[str, str, float, int, int]]]) -> None:
    grid = table(f"the {_SHOWN} most confused pairs of each model; the file has up to {_PAIRS}")
    for heading in ("model", "class", "named"):
        grid.add_column(heading)
    for heading in ("%", "videos", "of"):
        grid.add_column(heading, justify="right")
    for model, pairs in found.items():
        for name, named, share, videos, of in pairs[:_SHOWN]:
            grid.add_row(model, name, named, percent(share), f"{videos:,}", f"{of:,}")
    console().print(grid)
