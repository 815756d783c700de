"""The demonstration's figures, each beside a CSV file of its numbers."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any

from zsl_bench.figures.chart import (
    GREY,
    INSTALL_PLOTS,
    LOOKS,
    WITHOUT_PLOTS,
    can_plot,
    write_csv,
)
from zsl_bench.files import atomic_write
from zsl_bench.workflows.demo.report import RecipeScores, class_accuracies
from zsl_bench.workflows.demo.sheets import Shown, write_contact_sheet, write_predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from zsl_bench.workflows.demo.plan import DemoPlan
    from zsl_bench.workflows.demo.report import Prediction

NO_PLOTS = f"no charts were drawn, only their CSV files: {WITHOUT_PLOTS}; {INSTALL_PLOTS} brings it"
_BLUE, _ORANGE = LOOKS[0].colour, LOOKS[1].colour
_SHOWN, _COLUMNS, _STRIPS = 12, 4, 4
_STRIDE = 7


def draw_videos(plan: DemoPlan, videos: Path, path: Path) -> Path:
    """Draw some training and some test videos with their names.

    Args:
        plan: The plan that the videos were made by.
        videos: The folder of both parts.
        path: Where the sheet goes.
    """
    groups = []
    for part, heading in (
        (plan.train, "Training videos (H.264 in mp4)"),
        (plan.test, "Test videos (MPEG-4 in avi): classes that training never saw"),
    ):
        step = len(part.classes) // _STRIPS + _STRIDE
        chosen = [part.classes[number * step % len(part.classes)] for number in range(_STRIPS)]
        root = videos / part.part
        groups.append(
            (heading, [Shown(path=part.path(root, one, 0), title=one.name) for one in chosen])
        )
    return write_contact_sheet(path, groups)


def draw_predictions(
    predictions: Sequence[Prediction], videos: Path, path: Path
) -> tuple[Path, Path]:
    """Draw videos taken at even steps from the list, with what the model calls them.

    Args:
        predictions: One for each test video.
        videos: The folder of the test videos.
        path: Where the sheet goes; a moving one goes beside it.
    """
    count = min(_SHOWN, len(predictions))
    step = len(predictions) // count + _STRIDE
    chosen = sorted(number * step % len(predictions) for number in range(count))
    shown = [
        Shown(
            path=videos / one.video,
            title=one.named,
            note="right" if one.is_right else f"really {one.truth}",
            right=one.is_right,
        )
        for one in (predictions[number] for number in chosen)
    ]
    return write_predictions(path, shown, columns=_COLUMNS)


def draw_accuracy(recipes: Sequence[RecipeScores], path: Path) -> list[Path]:
    """Write the table of accuracies and, where matplotlib is there, draw it as bars."""
    header = [field.name for field in fields(RecipeScores)]
    written = [write_csv(path.with_suffix(".csv"), header, map(astuple, recipes))]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        bars = (("chance", GREY), ("frozen", _ORANGE), ("e2e", _BLUE))
        names = ("chance", "frozen random backbone", "trained end to end")
        for number, ((kind, colour), name) in enumerate(zip(bars, names, strict=True)):
            places = [row + (number - 1) * 0.27 for row in range(len(recipes))]
            heights = [100 * getattr(scores, kind) for scores in recipes]
            drawn = axes.bar(places, heights, width=0.25, color=colour, label=name)
            axes.bar_label(drawn, fmt="%.1f", padding=2)
        axes.set_xticks(
            range(len(recipes)),
            [f"{s.recipe}: {s.classes} unseen classes" for s in recipes],
        )
        axes.set_ylabel("top-1 accuracy (%)")
        axes.set_title("Naming classes that were never seen in training")
        _plain(axes)

    return written + _drawn(path, draw, size=(6.4, 4.0))


def draw_learning(metrics: Path, path: Path, *, held_out_classes: int) -> list[Path]:
    """Write loss and held-out accuracy epoch by epoch and, with matplotlib, draw the curves.

    Args:
        metrics: The training run's ``metrics.csv``.
        held_out_classes: Number of the classes that the accuracy is among.
        path: Where the figure goes.
    """
    losses, scores = (
        _curve(metrics, "epoch", "loss"),
        _curve(metrics, "validation", "held_out_top1"),
    )
    rows = [(epoch + 1, loss, scores.get(epoch, "")) for epoch, loss in losses.items()]
    written = [write_csv(path.with_suffix(".csv"), ("epoch", "loss", "held_out_top1"), rows)]

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        epochs = [epoch + 1 for epoch in losses]
        left.plot(epochs, list(losses.values()), color=_BLUE, marker="o", markersize=3)
        left.set_ylabel("training loss, 2 (1 - cosine)")
        right.plot(
            [epoch + 1 for epoch in scores],
            [100 * score for score in scores.values()],
            color=_ORANGE, marker="s", markersize=3,
            label=f"{held_out_classes} held-out training classes",
        )  # fmt: skip
        right.axhline(
            100 / held_out_classes, color=GREY, linestyle="--", linewidth=1, label="chance"
        )
        right.set_ylabel("top-1 accuracy (%)")
        for axes in (left, right):
            axes.set_xlabel("epoch")
            axes.set_ylim(bottom=0)
            axes.xaxis.get_major_locator().set_params(integer=True)
        _plain(left, legend=False)
        _plain(right)

    return written + _drawn(path, draw, size=(8.0, 3.4))


def draw_classes(e2e: Sequence[Prediction], frozen: Sequence[Prediction], path: Path) -> list[Path]:
    """Write both models' accuracy on each unseen class and, with matplotlib, draw it."""
    ours, theirs = class_accuracies(e2e), class_accuracies(frozen)
    rows = [(name, share, theirs[name]) for name, share in ours.items()]
    written = [write_csv(path.with_suffix(".csv"), ("class", "e2e", "frozen"), rows)]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        places = range(len(rows))
        axes.barh(places, [100 * row[1] for row in rows], color=_BLUE, label="trained end to end")
        axes.plot(
            [100 * row[2] for row in rows], places, "o", color=_ORANGE, markersize=3,
            label="frozen random backbone",
        )  # fmt: skip
        axes.set_yticks(places, [row[0] for row in rows], fontsize=6)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel("top-1 accuracy on an unseen class (%)")
        _plain(axes)

    return written + _drawn(path, draw, size=(6.4, 1.2 + 0.13 * len(rows)))


def _curve(metrics: Path, kind: str, column: str) -> dict[int, float]:
    with metrics.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] == kind and row[column]]
    return {int(row["epoch"]): float(row[column]) for row in rows}


def _plain(axes: Any, *, legend: bool = True) -> None:  # noqa: ANN401
    axes.spines[["top", "right"]].set_visible(False)
    if legend:
        axes.legend(frameon=False, fontsize=8)


def _drawn(path: Path, draw: Callable[[Figure], None], *, size: tuple[float, float]) -> list[Path]:
    if not can_plot():
        return []
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150, metadata={"Software": None})
    with atomic_write(path) as stream:
        stream.write(picture.getvalue())
    return [path]
