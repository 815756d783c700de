"""The share of test classes that training sets have shown, at any threshold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import ClassSetError
from zsl_bench.figures.chart import GREY, Chart, as_percent, look
from zsl_bench.figures.overlap import removed_at
from zsl_bench.figures.runs import shortened, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FARTHEST = 0.3


@dataclass(frozen=True, kw_only=True)
class SeenSeries:
    """One training set against one test set.

    Attributes:
        train: Name of the training set.
        test: Name of the test set.
        distances: Of every test class to its nearest training class.
    """

    train: str
    test: str
    distances: tuple[float, ...]

    def steps(self) -> tuple[tuple[float, int], ...]:
        """Return each distance with the number of test classes at or below it, ascending."""
        return removed_at(self.distances)


def overlap_share_chart(series: Sequence[SeenSeries], *, threshold: float) -> Chart:
    """Chart how many test classes count as seen at each threshold, one panel a test set.

    Args:
        series: Training sets against test sets.
        threshold: Where a line is drawn.

    Raises:
        ClassSetError: There is no series.
    """
    if not series:
        raise ClassSetError("overlap at each threshold", found="no set", fix="name two sets")
    tests = list(dict.fromkeys(one.test for one in series))
    return Chart(
        name="overlap-share",
        title="Test classes seen at each threshold",
        caption="Share of the test classes whose nearest training class is closer than the "
        f"distance on the axis. Upright: {threshold:g}. At the left end: classes whose words equal "
        "those of a training class.",
        header=("training set", "test set", "above distance", "test classes seen", "share"),
        rows=tuple(
            (one.train, one.test, at, number, number / len(one.distances))
            for one in series
            for at, number in one.steps()
        ),
        draw=partial(_draw, series, tests, threshold),
        size=(1.0 + 2.9 * len(tests), 3.6),
    )


def _draw(
    series: Sequence[SeenSeries], tests: Sequence[str], threshold: float, figure: Figure
) -> None:
    panels: Any = figure.subplots(1, len(tests), squeeze=False, sharey=True, sharex=True)
    trains = list(dict.fromkeys(one.train for one in series))
    farthest = max(_FARTHEST, threshold)
    for axes, test in zip(panels.flat, tests, strict=True):
        for one in series:
            if one.test == test:
                _draw_one(axes, one, trains.index(one.train), farthest)
        axes.axvline(threshold, color=GREY, linewidth=1.1, zorder=1)
        number = next(len(one.distances) for one in series if one.test == test)
        axes.set_title(f"{shown(shortened(test))} ({number} classes)")
        axes.set_xlabel("cosine distance")
    first = panels.flat[0]
    first.set_ylabel("test classes seen (%)")
    first.set_ylim(bottom=0)
    first.set_xlim(0, farthest)
    as_percent(first, "y")
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _draw_one(axes: Axes, one: SeenSeries, number: int, farthest: float) -> None:
    steps = [(0.0, 0), *one.steps()]
    within = [(at, count) for at, count in steps if at <= farthest]
    places = np.array([*(at for at, _ in within), farthest])
    heights = np.array([*(count for _, count in within), within[-1][1]]) / len(one.distances)
    style = look(number)
    axes.step(
        places, heights, where="post", color=style.colour, linestyle=style.dash, linewidth=1.7,
        label=shown(shortened(one.train)),
    )  # fmt: skip
