"""``zsl-bench evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.progress import ProgressBar
from zsl_bench.cli.render import INTERRUPTED, console, count, percent, print_json, table
from zsl_bench.errors import DatasetError, listing
from zsl_bench.evaluation.settings import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from zsl_bench.results import EvaluationResult
    from zsl_bench.videos import Manifest


def _pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not (name and equals and rest):
            raise click.BadParameter(
                f"{value!r} is not {param.metavar}, such as ucf101={value}", ctx=ctx, param=param
            )
        if name in pairs:
            raise click.BadParameter(f"{name!r} is given twice", ctx=ctx, param=param)
        pairs[name] = rest
    return pairs


@click.command(
    epilog="Example: zsl-bench evaluate --model e2e-random --data ucf101=videos/ucf101 "
    "--allow-partial --allow-approximate"
)
@click.option(
    "--model", required=True, metavar="REF",
    help="An installed name, path:FILE.py, path:FOLDER, hub:ORG/REPO@REVISION or "
    "py:PACKAGE.MODULE:LOAD.",
)  # fmt: skip
@click.option(
    "--data", required=True, multiple=True, callback=_pairs, metavar="DATASET=PATH",
    help="A data set and its folder; ucf101, hmdb51, or any name for a folder with one "
    "sub-folder a class. May be given several times.",
)  # fmt: skip
@click.option(
    "--test-list", "test_lists", multiple=True, callback=_pairs, metavar="DATASET=LIST",
    help="Take an official test list of a data set (testlist01, split1, or a file) instead of "
    "all its videos.",
)  # fmt: skip
@click.option(
    "--protocol", "protocols", multiple=True, default=("1", "2"), show_default="1 and 2",
    metavar="ID", help="1, 2, half, full or a protocol id; may be given several times.",
)  # fmt: skip
@click.option("--policy", metavar="NAME", help="Clip policy. Default: the model's own.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N, mps.")
@click.option("--batch-size", type=int, help="Clips in a batch. Default: by device.")
@click.option("--workers", type=int, help="Processes that decode. Default: by machine.")
@click.option(
    "--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True,
    help="bf16 runs the model under autocast.",
)  # fmt: skip
@click.option(
    "--weights", type=click.Path(path_type=Path), help="Weights for a model given by name."
)
@click.option("--vectors", metavar="PATH", help="Word vectors; see check-overlap.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("results"),
    show_default=True, help="Folder for results and for what a stopped run has done.",
)  # fmt: skip
@click.option("--allow-approximate", is_flag=True, help="Stand in for words without a vector.")
@click.option("--allow-unreadable", is_flag=True, help="Put up with videos that do not decode.")
@click.option("--allow-partial", is_flag=True, help="Put up with videos that are missing.")
@click.option(
    "--restrict-to-present", is_flag=True,
    help="Only classes with a video are candidates; the one protocol is then called custom.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, one object a result.")
def evaluate(
    *,
    model: str,
    data: dict[str, str],
    test_lists: dict[str, str],
    protocols: tuple[str, ...],
    out: Path,
    as_json: bool,
    **settings: Any,  # noqa: ANN401
) -> None:
    """Run a model once over each data set and score it under every protocol.

    Every number stands beside its protocol, the videos it covers and the zero-shot verdict on
    the model's declared training and pretraining classes. Ctrl-C keeps the videos finished
    so far (exit status 130); the same command goes on from there.
    """
    manifests = _manifests(data, test_lists)
    from zsl_bench.evaluation import evaluate as run

    bar = ProgressBar()
    try:
        results = run(model, data=manifests, protocols=protocols, out=out, progress=bar, **settings)
    except KeyboardInterrupt:
        bar.note(f"\n{bar.stopped(out)}")
        raise click.exceptions.Exit(INTERRUPTED) from None
    if as_json:
        print_json([result.to_json() for result in results])
    else:
        _render(console(), results, out)


def _manifests(data: dict[str, str], test_lists: dict[str, str]) -> dict[str, str | Manifest]:
    from zsl_bench.datasets import open_dataset

    stray = sorted(set(test_lists) - set(data))
    if stray:
        raise DatasetError(
            f"--test-list {stray[0]}=...",
            found="no --data of that name",
            fix=f"add --data {stray[0]}=PATH",
        )
    return {
        name: open_dataset(name, Path(path), test_list=test_lists.get(name))
        for name, path in data.items()
    }


def _render(to: Console, results: Sequence[EvaluationResult], out: Path) -> None:
    for result in results:
        coverage = result.coverage
        videos = f"{coverage['scored']:,} of {coverage['expected']:,} videos"
        title = [f"{result.model} on {result.dataset}", videos]
        if result.identity["manifest"]["videos"] != "all":
            title.append(result.identity["manifest"]["videos"])
        title.append("complete" if result.complete else "INCOMPLETE")
        to.print(", ".join([*title, result.verdict]), style="bold", soft_wrap=True)
        grid = table()
        grid.add_column("protocol", no_wrap=True)
        for column in ("classes", "top-1 %", "top-5 %", "bounds %"):
            grid.add_column(column, justify="right", no_wrap=column != "bounds %")
        grid.add_column("verdict", no_wrap=True)
        for name, scores in result.scores.items():
            grid.add_row(*_row(name, scores), result.zero_shot["rules"][0]["finding"])
        to.print(grid)
        for line in (*_zero_shot_notes(result.zero_shot), *_coverage_notes(result)):
            to.print(f"* {line}", soft_wrap=True)
        to.print(f"* written: {out / result.stem}.json\n", soft_wrap=True)


def _row(protocol: str, scores: dict[str, Any]) -> tuple[str, ...]:
    trials, mean, std = scores["trials"], scores["mean"], scores["std"]
    several = len(trials) > 1
    bounds = "-"
    if mean["top1_lower"] is not None and mean["top1_lower"] != mean["top1_upper"]:
        bounds = f"{percent(mean['top1_lower'])} to {percent(mean['top1_upper'])}"
    top = [
        f"{percent(mean[name])}" + (f" ± {percent(std[name])}" if several else "")
        for name in ("top1", "top5")
    ]
    classes = f"{trials[0]['num_classes']}" + (f" x {len(trials)}" if several else "")
    return (f"{protocol} v{scores['version']}", classes, *top, bounds)


def _zero_shot_notes(zero_shot: dict[str, Any]) -> Iterator[str]:
    rule = zero_shot["rules"][0]
    if rule["seen"]:
        shown = listing(f"{s['name']} ({s['seen_as']})" for s in rule["seen"])
        seen = count(len(rule["seen"]), "test class was", "test classes were")
        yield f"{seen} seen in training or pretraining: {shown}"
    if rule["approximate_words"]:
        words = count(len(rule["approximate_words"]), "word")
        yield f"verdict: {words} without a vector; a class with one is seen only by equal words"
    for field in rule["silent"]:
        yield f"{field} by its card, so the verdict cannot be disjoint"
    equal = zero_shot["equal_class_vectors"]
    if equal:
        first = ", ".join(equal[0])
        groups = count(len(equal), "group")
        yield f"{groups} of classes with equal vectors, which can only tie: {first}" + (
            " (the others are in the result file)" if len(equal) > 1 else ""
        )
    if zero_shot["approximate_words"]:
        words = count(len(zero_shot["approximate_words"]), "word")
        yield f"stand-ins for {words} without a vector: compare only with runs that used the same"


def _coverage_notes(result: EvaluationResult) -> Iterator[str]:
    for protocol, scores in result.scores.items():
        if scores["unscorable"]:
            none, trials = len(scores["unscorable"]), len(scores["trials"])
            yield f"{protocol}: {none} of {trials} trials have no video and are not scorable"
    unreadable = result.coverage["unreadable"]
    if unreadable:
        first = f"{unreadable[0]['id']}: {unreadable[0]['reason']}"
        yield f"{count(len(unreadable), 'unreadable video')}, the first {first}"
    if not result.complete:
        yield "top-1 and top-5 are over the videos at hand; bounds count the others wrong or right"
