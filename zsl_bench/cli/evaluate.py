"""``zsl-bench evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.render import ProgressBar, console, percent, print_json, table
from zsl_bench.errors import DatasetError, listing
from zsl_bench.evaluation.settings import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from zsl_bench.results import EvaluationResult
    from zsl_bench.videos import Manifest

STOPPED = 130


def _pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not (name and equals and rest):
            raise click.BadParameter(f"{value!r} is not NAME=VALUE", ctx=ctx, param=param)
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
    help="An installed name, hub:ORG/REPO@REVISION, path:FOLDER or py:PACKAGE.MODULE:LOAD.",
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
@click.option("--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True)
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
    help="Only classes with a video are candidates; the protocol is then called custom.",
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
    the model's declared training and pretraining classes. Ctrl-C keeps the finished videos; the
    same command goes on from there.
    """
    manifests = _manifests(data, test_lists)
    from zsl_bench.evaluation import evaluate as run

    try:
        results = run(
            model, data=manifests, protocols=protocols, out=out, progress=ProgressBar(), **settings
        )
    except KeyboardInterrupt:
        console(stderr=True).print(
            f"\nstopped; finished blocks of videos are kept under {out}/vectors, "
            "and the same command goes on from there"
        )
        raise click.exceptions.Exit(STOPPED) from None
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
    grid = table()
    for column in ("data set", "protocol"):
        grid.add_column(column)
    for column in ("classes", "videos", "top-1 %", "top-5 %", "if all were here", "chance %"):
        grid.add_column(column, justify="right")
    grid.add_column("zero-shot verdict")
    for result in results:
        for name, scores in result.scores.items():
            grid.add_row(*_row(result, name, scores))
    to.print(grid)
    for result in results:
        _notes(to, result)
        to.print(f"written: {out / result.stem}.json", soft_wrap=True)


def _row(result: EvaluationResult, protocol: str, scores: dict[str, Any]) -> tuple[str, ...]:
    trials, mean, std = scores["trials"], scores["mean"], scores["std"]
    several = len(trials) > 1
    bounds = "-"
    if mean["top1_lower"] is not None and mean["top1_lower"] != mean["top1_upper"]:
        bounds = f"{percent(mean['top1_lower'])} to {percent(mean['top1_upper'])}"
    top = [
        f"{percent(mean[name])}" + (f" ± {percent(std[name])}" if several else "")
        for name in ("top1", "top5")
    ]
    scored, expected = result.coverage["scored"], result.coverage["expected"]
    return (
        result.dataset,
        f"{protocol} v{scores['version']}" + ("" if result.complete else " (incomplete)"),
        str(trials[0]["num_classes"]) + (f" x {len(trials)}" if several else ""),
        f"{scored}" if scored == expected else f"{scored} of {expected}",
        *top,
        bounds,
        percent(trials[0]["chance"]),
        result.verdict,
    )


def _notes(to: Console, result: EvaluationResult) -> None:
    lines = [*_zero_shot_notes(result.zero_shot), *_coverage_notes(result)]
    for line in lines:
        to.print(f"{result.model} on {result.dataset}: {line}", soft_wrap=True)


def _zero_shot_notes(zero_shot: dict[str, Any]) -> Iterator[str]:
    rule = zero_shot["rules"][0]
    if rule["seen"]:
        shown = listing(f"{s['name']} ({s['seen_as']})" for s in rule["seen"])
        yield f"{len(rule['seen'])} test classes were seen: {shown}"
    if rule["silent"]:
        yield f"the model's card leaves open {', '.join(rule['silent'])}"
    for names in zero_shot["equal_class_vectors"]:
        yield f"equal class vectors: {', '.join(names)}"
    if zero_shot["approximate_words"]:
        count = len(zero_shot["approximate_words"])
        yield f"{count} words of its classes have no vector: comparable only with itself"


def _coverage_notes(result: EvaluationResult) -> Iterator[str]:
    for protocol, scores in result.scores.items():
        if scores["unscorable"]:
            none, trials = len(scores["unscorable"]), len(scores["trials"])
            yield f"{protocol}: {none} of {trials} trials have no video and are not scorable"
    unreadable = result.coverage["unreadable"]
    if unreadable:
        first = f"{unreadable[0]['id']}: {unreadable[0]['reason']}"
        yield f"{len(unreadable)} videos are unreadable, the first {first}"
    if not result.complete:
        yield "incomplete: top-1 and top-5 are over the videos at hand"
