"""Accuracy on each test class, sorted, and the classes each model does worst and best on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ResultError
from zsl_bench.figures.chart import GREY, Chart, as_percent, look
from zsl_bench.figures.runs import KEY, gather, legend_above, shortened, shown
from zsl_bench.scoring import per_class_accuracy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsl_bench.assessment.reload import Reloaded
    from zsl_bench.figures.runs import Panel, Run

EXTREMES = 10
MOST_NAMES = 130
_INCHES_A_CLASS = 0.098
_NARROWEST, _WIDEST = 6.4, 13.0
_LONGEST, _TITLE_WIDTH = 26, 24
_TICKS = 50
_HEADER = (*KEY, "place, hardest first", "class", "videos", "accuracy")


@dataclass(frozen=True, kw_only=True)
class ClassAccuracy:
    """One model on one test class.

    Attributes:
        name: The class.
        videos: Videos scored, each counted once.
        accuracy: Top-1, the mean over the trials that hold a video of the class.
    """

    name: str
    videos: int
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class _Table:
    """Every model's accuracies, and the order of the classes by each.

    Attributes:
        panel: The models.
        names: What they are called.
        classes: The classes with a video, in the data set's order.
        accuracy: For each model its accuracy on each class.
        sorted: For each model its classes, hardest first.
    """

    panel: Panel
    names: tuple[str, ...]
    classes: tuple[str, ...]
    accuracy: tuple[dict[str, float], ...]
    sorted: tuple[tuple[ClassAccuracy, ...], ...]

    def order(self, model: int) -> list[str]:
        """Return the names of the classes, hardest first for a model."""
        return [entry.name for entry in self.sorted[model]]

    def rows(self) -> Iterator[tuple[int, ClassAccuracy, tuple[object, ...]]]:
        """Yield for every model and class its place from 1, its figures, and its row."""
        for run, entries in zip(self.panel.runs, self.sorted, strict=True):
            for place, entry in enumerate(entries, start=1):
                figures = (place, entry.name, entry.videos, entry.accuracy)
                yield place, entry, (*run.key, *figures)


def class_accuracies(run: Run) -> tuple[ClassAccuracy, ...]:
    """Return a run's accuracy on each test class that has a video, in the data set's order."""
    found: dict[str, list[float]] = {}
    for trial in run.ranked:
        values = per_class_accuracy(trial.ranks, trial.labels, len(trial.trial.classes))
        for name, value in zip(trial.trial.classes, values, strict=True):
            if value is not None:
                found.setdefault(name, []).append(value)
    rows = np.unique(np.concatenate([trial.rows for trial in run.ranked]))
    counts = np.bincount(run.evidence.matrix.labels[rows], minlength=len(run.evidence.classes))
    return tuple(
        ClassAccuracy(name=name, videos=int(count), accuracy=float(np.mean(found[name])))
        for name, count in zip(run.evidence.classes.names, counts, strict=False)
        if name in found
    )


def per_class_chart(
    reloaded: Sequence[Reloaded], *, protocol: str | None = None, anyway: bool = False
) -> Chart:
    """Chart the accuracy on each test class, one panel a model sorted by it (supplement Fig. 3).

    Args:
        reloaded: One result or several, on one data set.
        protocol: Id of the protocol; None for the one with every class as a candidate.
        anyway: Put results side by side that are not comparable.

    Raises:
        ResultError: The results may not share a panel, or none has a video.
        ProtocolError: The protocol does not fit.
    """
    panel = gather(reloaded, protocol=protocol, anyway=anyway)
    table = _tabulate(panel)
    width = min(max(_NARROWEST, 1.0 + _INCHES_A_CLASS * len(table.classes)), _WIDEST)
    height = 2.6 if len(table.classes) <= MOST_NAMES else 1.9
    left_out = (
        f"Names of {len(table.classes)} classes do not fit; they stand in the CSV."
        if len(table.classes) > MOST_NAMES
        else ""
    )
    return Chart(
        name="per-class",
        title=f"Accuracy on each class of {panel.heading}",
        caption=panel.caption(
            "Top-1 accuracy on each test class. Each panel sorts the classes by one model, "
            "hardest first; otherwise the numbers are the same.",
            *([left_out] if left_out else []),
        ),
        header=_HEADER,
        rows=tuple(row for _, _, row in table.rows()),
        draw=partial(_draw_sorted, table),
        size=(width, 0.6 + height * len(table.names)),
    )


def best_worst_chart(
    reloaded: Sequence[Reloaded],
    *,
    protocol: str | None = None,
    anyway: bool = False,
    number: int = EXTREMES,
) -> Chart:
    """Chart the classes each model does worst and best on, with all models (supplement Fig. 4).

    Args:
        reloaded: One result or several, on one data set.
        protocol: Id of the protocol; None for the one with every class as a candidate.
        anyway: Put results side by side that are not comparable.
        number: How many classes are shown at either end; fewer where there are fewer than twice
            as many, so that none is shown at both.

    Raises:
        ResultError: The results may not share a panel, there are fewer than two classes with a
            video, or the number is below 1.
        ProtocolError: The protocol does not fit.
    """
    panel = gather(reloaded, protocol=protocol, anyway=anyway)
    table = _tabulate(panel)
    shown_here = min(number, len(table.classes) // 2)
    if shown_here < 1:
        raise ResultError(
            f"the {number} best and worst classes",
            found=f"{len(table.classes)} classes with a video",
            fix="take 1 or more classes, of two or more that have a video",
        )
    return Chart(
        name="best-worst",
        title=f"Worst and best {shown_here} classes of {panel.heading}",
        caption=panel.caption(
            f"Top-1 accuracy on the {shown_here} classes that each model does worst (upper panels) "
            "and best on (lower panels), with every model on the same classes.",
            *_ties(table, shown_here),
        ),
        header=(*_HEADER, *(f"accuracy of {name}" for name in table.names)),
        rows=tuple(
            (*row, *(of.get(entry.name) for of in table.accuracy))
            for place, entry, row in table.rows()
            if not shown_here < place <= len(table.classes) - shown_here
        ),
        draw=partial(_draw_ends, table, shown_here),
        size=(
            max(2.9 * len(table.names), 4.6),
            1.4 + 2 * shown_here * (0.13 + 0.055 * len(table.names)),
        ),
    )


def _tabulate(panel: Panel) -> _Table:
    found = [class_accuracies(run) for run in panel.runs]
    having = {entry.name for entries in found for entry in entries}
    if not having:
        raise ResultError(
            f"accuracy by class on {panel.heading}",
            found="no video of its classes",
            fix="name a protocol that these videos serve",
        )
    listed = panel.runs[0].evidence.classes.names
    return _Table(
        panel=panel,
        names=tuple(run.name for run in panel.runs),
        classes=tuple(name for name in listed if name in having),
        accuracy=tuple({entry.name: entry.accuracy for entry in entries} for entries in found),
        sorted=tuple(tuple(sorted(entries, key=lambda e: e.accuracy)) for entries in found),
    )


def _ties(table: _Table, number: int) -> Iterator[str]:
    """Yield what is left out although it is no better or worse than what is shown."""
    for name, entries in zip(table.names, table.sorted, strict=True):
        values = [entry.accuracy for entry in entries]
        for side, edge, beyond in (
            ("worst", values[number - 1], values[number:]),
            ("best", values[-number], values[:-number]),
        ):
            equal = beyond.count(edge)
            if equal:
                yield f"{name}: of equal accuracy to the {side}, but not shown: {equal}."


def _draw_sorted(table: _Table, figure: Figure) -> None:
    grid = figure.subplots(len(table.names), squeeze=False)[:, 0]
    handles: list[Artist] = []
    for number, axes in enumerate(grid):
        order = table.order(number)
        own = [table.accuracy[number][name] for name in order]
        axes.fill_between(range(len(order)), own, color=GREY, alpha=0.22, linewidth=0)
        handles = [
            _draw_one(axes, table, order, other, line=other == number)
            for other in range(len(table.names))
        ]
        axes.set_xlim(-0.8, len(order) - 0.2)
        axes.set_ylim(-0.04, 1.04)
        axes.set_ylabel("top-1 (%)")
        axes.set_title(shown(f"sorted by {table.names[number]}"), loc="left")
        as_percent(axes, "y")
        _name_places(axes, order)
    if len(table.names) > 1:
        legend_above(figure, handles, table.names)


def _draw_one(
    axes: Axes, table: _Table, order: Sequence[str], number: int, *, line: bool
) -> Artist:
    style = look(number)
    heights = [table.accuracy[number].get(name, np.nan) for name in order]
    axes.plot(
        range(len(order)), heights, color=style.colour, linewidth=1.3 if line else 0,
        linestyle="-", zorder=3 if line else 2,
    )  # fmt: skip
    (marks,) = axes.plot(
        range(len(order)), heights, linestyle="none", color=style.colour, marker=style.marker,
        markersize=3.2, markerfacecolor=style.colour if number == 0 else "white",
        markeredgewidth=0.9, zorder=3 if line else 2, clip_on=False,
    )  # fmt: skip
    return marks


def _name_places(axes: Axes, order: Sequence[str]) -> None:
    if len(order) > MOST_NAMES:
        places = [1, *range(_TICKS, len(order) + 1, _TICKS)]
        axes.set_xticks([place - 1 for place in places], [str(place) for place in places])
        axes.set_xlabel("place of the class, hardest first")
        return
    labels = [shown(shortened(name, _LONGEST)) for name in order]
    size = 5.4 if len(order) > 60 else 7
    axes.set_xticks(range(len(order)), labels, rotation=90, fontsize=size)
    axes.tick_params(axis="x", length=2, pad=1)


def _draw_ends(table: _Table, number: int, figure: Figure) -> None:
    grid = figure.subplots(2, len(table.names), squeeze=False, sharex=True)
    handles: list[Artist] = []
    for column, name in enumerate(table.names):
        order = table.order(column)
        for row, part in enumerate((order[:number], order[-number:])):
            axes = grid[row, column]
            handles = _draw_dots(axes, table, part)
            if row == 0:
                axes.set_title(shown(fill(name, _TITLE_WIDTH)), loc="left")
        grid[1, column].set_xlabel("top-1 (%)")
    for row, side in enumerate(("worst", "best")):
        grid[row, 0].set_ylabel(f"{side} {number}")
    figure.align_ylabels(grid[:, 0])
    if len(table.names) > 1:
        legend_above(figure, handles, table.names)


def _draw_dots(axes: Axes, table: _Table, part: Sequence[str]) -> list[Artist]:
    handles: list[Artist] = []
    places = np.arange(len(part), dtype=np.float64)
    step = 0.6 / len(table.names)
    for number, of in enumerate(table.accuracy):
        style = look(number)
        shift = (number - (len(table.names) - 1) / 2) * step
        values = [of.get(name, np.nan) for name in part]
        axes.hlines(places + shift, 0, values, color=style.colour, linewidth=1.1, alpha=0.7)
        (marks,) = axes.plot(
            values, places + shift, linestyle="none", color=style.colour, marker=style.marker,
            markersize=4, clip_on=False,
            markerfacecolor=style.colour if number == 0 else "white", zorder=3,
        )  # fmt: skip
        handles.append(marks)
    labels = [shown(shortened(name, _LONGEST)) for name in part]
    axes.set_yticks(places, labels, fontsize=7)
    axes.set_ylim(len(part) - 0.4, -0.6)
    axes.set_xlim(0, 1.02)
    axes.tick_params(axis="y", length=0)
    axes.hlines(places[:-1] + 0.5, 0, 1, color=GREY, linewidth=0.3, alpha=0.5)
    as_percent(axes, "x")
    return handles
