"""The panels that charts of studies are made of: lines of means, bars of deviations, ticks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zsl_bench.figures.chart import GREY, as_percent, look
from zsl_bench.figures.study_points import summarise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsl_bench.figures.study_points import StudyMean, StudyPoint

ACCURACY = "top-1 accuracy (%)"
_COLUMNS, PANEL = 3, (3.7, 3.3)
_GAP, _LETTER = 0.03, 0.021
POINT_HEADER = (
    "test", "series", "at", "repeat", "accuracy", "diversity", "chance", "mean of the repeats",
    "standard deviation of the repeats", "verdict", "complete", "run",
)  # fmt: skip


def how_to_read(points: Sequence[StudyPoint]) -> str:
    """Say how to read the marks."""
    text = "The dotted grey line is chance."
    if any(point.repeat for point in points):
        text = (
            "Faint marks are single runs; large marks are means, bars the standard deviation over "
            f"repeats. {text}"
        )
    return text + how_partial(points)


def how_partial(points: Sequence[StudyPoint]) -> str:
    """Say how many numbers cover a part of their test set only; empty for none."""
    partial = sum(not point.complete for point in points)
    if not partial:
        return ""
    return f" {partial} of {len(points)} numbers cover only a part of their test set's videos."


def point_rows(points: Sequence[StudyPoint]) -> tuple[tuple[object, ...], ...]:
    """Return the numbers of a chart, one row a point, its mean beside it."""
    means = {(mean.test, mean.series, mean.at): mean for mean in summarise(points)}
    rows = []
    for p in points:
        mean = means[p.test, p.series, p.at]
        rows.append(
            (p.test, p.series, p.at, p.repeat, p.accuracy, p.diversity, p.chance, mean.mean,
             mean.deviation, p.verdict, p.complete, p.run)
        )  # fmt: skip
    return tuple(rows)


def tests_of(points: Iterable[StudyPoint]) -> list[str]:
    """Return the panels' names in their order."""
    return list(dict.fromkeys(point.test for point in points))


def series_of(points: Iterable[StudyPoint]) -> list[str]:
    """Return the lines' names in their order."""
    return list(dict.fromkeys(point.series for point in points))


def means_of(points: Sequence[StudyPoint], test: str, series: str) -> list[StudyMean]:
    """Return the means of one line of one panel."""
    return [m for m in summarise(points) if (m.test, m.series) == (test, series)]


def _grid(points: Sequence[StudyPoint]) -> tuple[int, int]:
    number = len(tests_of(points))
    return math.ceil(number / _COLUMNS), min(number, _COLUMNS)


def panels_size(points: Sequence[StudyPoint]) -> tuple[float, float]:
    """Return width and height of a figure with a panel for each test, in inches."""
    rows, columns = _grid(points)
    return max(PANEL[0] * columns, 4.6), PANEL[1] * rows + 0.4


def panels(figure: Figure, points: Sequence[StudyPoint]) -> list[tuple[Axes, str]]:
    """Lay a panel out for each test, and return both."""
    rows, columns = _grid(points)
    grid: Any = figure.subplots(rows, columns, squeeze=False)
    tests = tests_of(points)
    for number, axes in enumerate(grid.flat):
        axes.set_visible(number < len(tests))
        if number % columns == 0:
            axes.set_ylabel(ACCURACY)
    return list(zip(grid.flat, tests, strict=False))


def draw_lines(axes: Axes, points: Sequence[StudyPoint], test: str) -> None:
    """Draw every series of a test over a logarithmic axis."""
    axes.set_xscale("log")
    for number, one in enumerate(series_of(points)):
        means, style = means_of(points, test, one), look(number)
        axes.plot(
            [mean.at for mean in means],
            [mean.mean for mean in means],
            color=style.colour,
            linestyle=style.dash,
            marker=style.marker,
            label=one,
        )
        for mean in means:
            draw_mean(axes, mean.at, mean, number)
    _number_ticks(axes, [point.at for point in points if point.test == test])
    finish_panel(axes, points, test)


def draw_mean(axes: Axes, place: float, mean: StudyMean, number: int) -> None:
    """Draw a mean with its deviation, its repeats and its note, in the look of a number."""
    style = look(number)
    if len(mean.accuracies) > 1:
        axes.plot(
            [place] * len(mean.accuracies),
            mean.accuracies,
            linestyle="",
            marker=style.marker,
            markersize=3,
            color=style.colour,
            alpha=0.35,
        )
    axes.errorbar(
        place,
        mean.mean,
        yerr=mean.deviation,
        color=style.colour,
        marker=style.marker,
        capsize=3,
        linestyle="",
    )
    if mean.note:
        axes.annotate(
            mean.note,
            (place, mean.mean),
            xytext=(6, -10),
            textcoords="offset points",
            ha="left",
            fontsize=7,
            color=style.colour,
        )


def _number_ticks(axes: Axes, numbers: Iterable[float]) -> None:
    """Put ticks at the numbers themselves; label those that leave room for one another."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    places = sorted(set(numbers))
    width = math.log10(places[-1] / places[0]) or 1.0
    labels: list[str] = []
    free = math.inf
    for place in reversed(places):
        text = short_number(place)
        position = math.log10(place / places[0]) / width
        fits = position + _GAP + _LETTER * len(text) <= free
        labels.insert(0, text if fits else "")
        free = position if fits else free
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_major_formatter(FixedFormatter(labels))
    axes.xaxis.set_minor_locator(NullLocator())


def short_number(number: float) -> str:
    """Return a number in a few letters: ``664``, ``1.7k``, ``40k``, ``1.2M``."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            text = f"{number / size:.{0 if number >= 10 * size else 1}f}"
            return text.removesuffix(".0") + letter
    return f"{number:g}"


def finish_panel(axes: Axes, points: Sequence[StudyPoint], test: str) -> None:
    """Add the line of chance, the title and an axis of percent from 0."""
    chances = {point.chance for point in points if point.test == test and point.chance is not None}
    for chance in chances:
        axes.axhline(chance, color=GREY, linestyle=":", linewidth=1)
    axes.set_title(test)
    axes.set_ylim(bottom=0)
    as_percent(axes, "y")


def shared_legend(figure: Figure) -> None:
    """Put one legend for all panels below them."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 3))
