"""``zsl-bench figure``: a group whose charts load only when they are asked for."""

from __future__ import annotations

from importlib import import_module
from typing import cast

import click

from zsl_bench.errors import near_matches

_CHARTS = {
    "per-class": ("figure_results:per_class", "Accuracy on each class, sorted by each model."),
    "best-worst": ("figure_results:best_worst", "The classes each model does worst and best on."),
    "confusion": ("figure_results:confusion", "Which class is named for which, and how often."),
    "confusion-difference": (
        "figure_results:confusion_difference",
        "How far the confusion matrices of models are apart.",
    ),
    "far-classes": (
        "figure_results:far_classes",
        "Accuracy on classes far from the training classes.",
    ),
    "forest": ("figure_results:forest", "Results with their intervals and verdicts."),
    "overlap": ("figure_classes:overlap", "Training classes by distance to the test classes."),
    "class-map": ("figure_classes:class_map", "A map of the training and the test classes."),
    "nearer-classes": (
        "figure_classes:nearer_classes",
        "What a further training set brings nearer, and what it gains.",
    ),
}


class LazyCharts(click.Group):
    """A group that knows its charts by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the charts in the order of the table."""
        return list(_CHARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a chart, or say which is near."""
        if cmd_name not in _CHARTS:
            if not cmd_name.startswith("-"):
                ctx.fail(f"no figure {cmd_name!r}; {near_matches(cmd_name, _CHARTS)}")
            return None
        module, _, attribute = _CHARTS[cmd_name][0].partition(":")
        return cast("click.Command", getattr(import_module(f"zsl_bench.cli.{module}"), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the charts without importing any."""
        with formatter.section("Figures"):
            formatter.write_dl([(name, text) for name, (_, text) in _CHARTS.items()])


@click.command(
    cls=LazyCharts, epilog="Example: zsl-bench figure per-class results/a.json --format png"
)
def figure() -> None:
    """Draw one of the paper's figures for any model, with its numbers in a CSV beside it.

    The first six are made of result files, the others of class lists.
    """
