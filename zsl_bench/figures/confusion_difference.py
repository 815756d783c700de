"""How far the confusion matrices of two models are apart, class by class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ResultError
from zsl_bench.figures.chart import BLACK, Chart, look
from zsl_bench.figures.confusion import (
    confusion_of,
    draw_matrix,
    drawn_names,
    left_out,
    shade_bar,
    square,
)
from zsl_bench.figures.runs import gather, points, shortened, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from zsl_bench.assessment.reload import Reloaded
    from zsl_bench.figures.confusion import Confusion

MOST_MODELS = 4
_SHOWN = 12
_LONGEST, _TITLE = 24, 22
_HEADER = (
    "first", "second", "class", "L2 of the class", "named", "share of first", "share of second",
    "second minus first",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfusionDistance:
    """Two models' confusion matrices, each row divided by its sum.

    Attributes:
        classes: The classes with a video in both.
        named: What may be named.
        first: ``(C, N)`` float64, shares of the first.
        second: ``(C, N)`` float64, shares of the second.
    """

    classes: tuple[str, ...]
    named: tuple[str, ...]
    first: NDArray[np.float64]
    second: NDArray[np.float64]

    @property
    def per_class(self) -> NDArray[np.float64]:
        """``(C,)`` float64: L2 distance of the two rows of a class, 0 to the square root of 2."""
        return np.asarray(np.linalg.norm(self.second - self.first, axis=1))

    @property
    def mean(self) -> float:
        """Mean of the distances over the classes."""
        return float(self.per_class.mean())

    @property
    def gains(self) -> NDArray[np.float64]:
        """``(C,)`` float64: accuracy of the second on a class minus that of the first."""
        columns = [self.named.index(name) for name in self.classes]
        return np.asarray((self.second - self.first)[np.arange(len(columns)), columns])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Panels:
    """Axes of the matrices, of the maps of the pairs, and of the pairs' farthest classes."""

    matrices: list[Axes]
    maps: list[Axes]
    lists: list[Axes]


def confusion_distance(first: Confusion, second: Confusion) -> ConfusionDistance:
    """Measure how far two confusion matrices are apart.

    The paper's supplement, Fig. 5, shows "pairwise L2 distances between the CMs" with an average,
    and leaves open how they are divided and over what the norm is. Here each row is divided by its
    sum first, so that classes with many videos count no more; the norm is over a row, that is over
    everything that may be named for one true class; the average is over the classes with a video
    in both.

    Raises:
        ResultError: The two may name different classes, or no class has a video in both.
    """
    both = [name for name in first.classes if name in set(second.classes)]
    if first.named != second.named or not both:
        raise ResultError(
            "distance of two confusion matrices",
            found="other classes to name" if both else "no class with a video in both",
            fix="score both on the same videos under one protocol",
        )
    rows = [[one.classes.index(name) for name in both] for one in (first, second)]
    return ConfusionDistance(
        classes=tuple(both),
        named=first.named,
        first=first.shares[rows[0]],
        second=second.shares[rows[1]],
    )


def confusion_difference_chart(
    reloaded: Sequence[Reloaded], *, protocol: str | None = None, anyway: bool = False
) -> Chart:
    """Chart the confusion matrices of models and their pairwise differences (supplement Fig. 5).

    The matrices; for each pair of models the absolute difference of every entry; and the twelve
    classes whose rows are farthest apart, by the L2 distance of :func:`confusion_distance`, whose
    mean over the classes stands in the title.

    Args:
        reloaded: Two to four results on one data set.
        protocol: Id of the protocol; None for the one with every class as a candidate.
        anyway: Put results side by side that are not comparable.

    Raises:
        ResultError: There are too few or too many results, or they may not share a panel.
        ProtocolError: The protocol does not fit.
    """
    if not 2 <= len(reloaded) <= MOST_MODELS:
        raise ResultError(
            f"the confusion matrices of {len(reloaded)} results compared",
            found="too few to compare" if len(reloaded) < 2 else "more than fit beside one another",
            fix=f"give 2 to {MOST_MODELS}",
        )
    panel = gather(reloaded, protocol=protocol, anyway=anyway)
    models = {run.name: confusion_of(run) for run in panel.runs}
    pairs = {
        (first, second): confusion_distance(models[first], models[second])
        for first, second in combinations(models, 2)
    }
    drawn = drawn_names(list(models.values()))
    return Chart(
        name="confusion-difference",
        title=f"Differences of confusion on {panel.heading}",
        caption=panel.caption(
            "Confusion matrices, each row (true class) divided by its sum, classes in the data "
            "set's order; for each pair of models the absolute difference of every entry, and the "
            f"{_SHOWN} classes whose rows are farthest apart by L2 distance, with the points of "
            "accuracy that the second model has more or less. The title and the dotted line have "
            "the mean distance over the classes with a video in both.",
            *left_out(sum(name not in drawn for name in models[panel.runs[0].name].named)),
        ),
        header=_HEADER,
        rows=tuple(row for pair, found in pairs.items() for row in _rows(pair, found)),
        draw=partial(_draw, models, pairs),
        size=(2.75 * max(len(pairs), 3) + 0.9, 5.4 if len(pairs) == 1 else 7.7),
    )


def _rows(pair: tuple[str, str], found: ConfusionDistance) -> list[tuple[object, ...]]:
    either = (found.first > 0) | (found.second > 0)
    distances = found.per_class
    return [
        (
            *pair,
            found.classes[row],
            float(distances[row]),
            found.named[column],
            float(found.first[row, column]),
            float(found.second[row, column]),
            float(found.second[row, column] - found.first[row, column]),
        )
        for row, column in np.argwhere(either)
    ]


def _draw(
    models: dict[str, Confusion],
    pairs: dict[tuple[str, str], ConfusionDistance],
    figure: Figure,
) -> None:
    panels = _panels(figure, len(models), len(pairs))
    image = None
    order = drawn_names(list(models.values()))
    for axes, (name, one) in zip(panels.matrices, models.items(), strict=True):
        image = draw_matrix(axes, square(one.shares, one.classes, one.named, order))
        _bare(axes, shown(shortened(name, _TITLE)))
    panels.matrices[0].set_ylabel("true class")
    panels.matrices[0].set_xlabel("named as")
    for axes, ((first, second), found) in zip(panels.maps, pairs.items(), strict=True):
        apart = np.abs(found.second - found.first)
        image = draw_matrix(axes, square(apart, found.classes, found.named, order))
        _bare(axes, shown(f"{shortened(first, _TITLE)}\nand {shortened(second, _TITLE)}"))
    shade_bar(
        figure, image, [*panels.matrices, *panels.maps],
        "share, or difference (%)", (0, 0.01, 0.05, 0.1, 0.25, 0.5, 1),
    )  # fmt: skip
    for axes, found in zip(panels.lists, pairs.values(), strict=True):
        _draw_farthest(axes, found)


def _panels(figure: Figure, models: int, pairs: int) -> _Panels:
    """Lay out the panels: with one pair its map stands beside the two matrices."""
    if pairs == 1:
        grid = figure.add_gridspec(2, 3, height_ratios=(1, 0.85))
        top = [figure.add_subplot(grid[0, column]) for column in range(3)]
        wide = figure.add_subplot(grid[1, :])
        return _Panels(matrices=top[:2], maps=top[2:], lists=[wide])
    grid = figure.add_gridspec(3, max(models, pairs), height_ratios=(1, 1, 0.85))
    rows = [
        [figure.add_subplot(grid[row, column]) for column in range(number)]
        for row, number in enumerate((models, pairs, pairs))
    ]
    return _Panels(matrices=rows[0], maps=rows[1], lists=rows[2])


def _bare(axes: Axes, title: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, loc="left", fontsize=8)


def _draw_farthest(axes: Axes, found: ConfusionDistance) -> None:
    distances, gains = found.per_class, found.gains
    order = np.argsort(-distances, kind="stable")[:_SHOWN]
    places = np.arange(len(order))
    axes.barh(places, distances[order], color=look(0).colour, height=0.62)
    for place, row in enumerate(order):
        axes.text(
            distances[row], place, f" {points(float(gains[row]))}", va="center", fontsize=6.5,
            color=BLACK,
        )  # fmt: skip
    axes.axvline(found.mean, color=BLACK, linestyle=":", linewidth=1.2)
    labels = [shown(shortened(found.classes[row], _LONGEST)) for row in order]
    axes.set_yticks(places, labels, fontsize=6.5)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(max(len(order), 4) - 0.4, -0.6)
    axes.set_xlim(0, max(float(distances.max()), found.mean, 0.01) * 1.2)
    axes.set_xlabel("L2 distance")
    axes.set_title(f"mean L2 distance {found.mean:.3f}", loc="left", fontsize=8.5)
