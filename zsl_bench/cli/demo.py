"""``zsl-bench demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsl_bench.cli.progress import ProgressBar, TrainingBar
from zsl_bench.cli.render import INTERRUPTED, console, duration, percent, print_json, table

if TYPE_CHECKING:
    from rich.console import Console

    from zsl_bench.workflows.demo.report import DemoReport, RecipeScores

_CLEAR = 3
"""Standard errors of a difference that is called one."""


class _Bars:
    """The bars of a demonstration's stages."""

    def __init__(self) -> None:
        self.videos = ProgressBar()
        self.training = TrainingBar()

    def note(self, line: str) -> None:
        """Print a line."""
        self.videos.note(line)


@click.command(epilog="Example: zsl-bench demo --minutes 0.1 --out demo")
@click.option(
    "--minutes", type=float, metavar="M", show_default="2, with --full 10",
    help="How long it may take on two CPU cores. What is done is a fixed function of it.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("demo"),
    show_default=True, help="A new folder for videos, weights, results and figures.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Seed of classes, videos, weights and training.")  # fmt: skip
@click.option("--full", is_flag=True, help="Train R(2+1)D-18 on larger videos; needs a GPU.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def demo(*, minutes: float | None, out: Path, seed: int, full: bool, as_json: bool) -> None:
    """Watch a model learn to name classes it never saw.

    Makes small videos whose classes are combinations of words (gold star falling), trains a tiny
    network end to end on some combinations and evaluates it on others, beside a baseline whose
    backbone stays random. The classes are audited first, and no test video is looked at before
    the training is over.
    """
    from zsl_bench.workflows.demo.run import run_demo

    bars = _Bars()
    try:
        report = run_demo(out, minutes=minutes, seed=seed, full=full, progress=bars)
    except KeyboardInterrupt:
        bars.note(f"\nstopped; remove {out} or give another folder with --out to begin anew")
        raise click.exceptions.Exit(INTERRUPTED) from None
    if as_json:
        print_json(report.to_json())
    else:
        _render(console(), report)


def _render(to: Console, report: DemoReport) -> None:
    title = f"{report.num_videos} videos of {report.num_unseen} classes never seen in training"
    to.print(f"{title}, {report.verdict}", style="bold", soft_wrap=True)
    grid = table()
    grid.add_column("top-1 %", no_wrap=True)
    for column in ("classes", "chance", "frozen random backbone", "trained end to end"):
        grid.add_column(column, justify="right", no_wrap=True)
    for scores in report.recipes:
        grid.add_row(*_row(scores))
    to.print(grid)
    for line in (*_said(report), *report.notes):
        to.print(line, soft_wrap=True)
    to.print(f"\nwritten in {duration(report.seconds)}:", soft_wrap=True)
    for path in report.paths.values():
        to.print(f"  {path}", soft_wrap=True)


def _row(scores: RecipeScores) -> tuple[str, ...]:
    several = scores.trials > 1
    means = [
        percent(mean) + (f" ± {percent(std)}" if several else "")
        for mean, std in ((scores.frozen, scores.frozen_std), (scores.e2e, scores.e2e_std))
    ]
    classes = f"{scores.classes}" + (f" x {scores.trials}" if several else "")
    return scores.recipe, classes, percent(scores.chance), *means


def _said(report: DemoReport) -> tuple[str, str]:
    """Say in two sentences what was shown, whichever way it went."""
    times = report.e2e / report.chance
    first = (
        f"The network was trained on {report.num_seen - report.num_held_out} combinations of a "
        f"colour, a shape and a motion, and named videos of {report.num_unseen} other combinations "
        f"right in {percent(report.e2e)} % of cases, {times:.1f} times as often as guessing."
    )
    second = (
        f"With a random backbone that stays as it is and the same word vectors it is "
        f"{percent(report.frozen)} %: "
    )
    errors = [p * (1 - p) / report.num_videos for p in (report.e2e, report.frozen)]
    if report.e2e - report.frozen > _CLEAR * sum(errors) ** 0.5:
        return first, second + (
            "the network learned more about what moves and how than a linear layer finds in random "
            "features."
        )
    return first, second + (
        f"on {report.num_videos} videos that is no clear difference, so nothing was shown."
    )
