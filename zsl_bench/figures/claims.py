"""The chart of a reproduction: what was measured beside what was claimed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ResultError
from zsl_bench.figures.chart import BLACK, GREY, Chart, as_percent, look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLAIMED: dict[str, Any] = {
    "marker": "D", "markersize": 7, "markerfacecolor": "none", "markeredgecolor": BLACK,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ClaimPoint:
    """A number that somebody claims and the number that was measured for it.

    Attributes:
        name: The model, and how it was evaluated.
        test: Data set and protocol.
        claimed: Top-1 as published, a fraction from 0 to 1.
        measured: Top-1 as measured.
        complete: Whether every video of the data set was scored.
        verdict: Whether the test classes had been seen, in words.
        row: Id of the published row.
    """

    name: str
    test: str
    claimed: float
    measured: float
    complete: bool = True
    verdict: str = ""
    row: str = ""

    @property
    def difference(self) -> float:
        """The measured number less the claimed one."""
        return self.measured - self.claimed


def claims_chart(points: Sequence[ClaimPoint]) -> Chart:
    """Draw measured and claimed top-1 of each model, one panel a data set and protocol.

    Args:
        points: One for each model, data set and protocol.

    Raises:
        ResultError: There is no point.
    """
    if not points:
        raise ResultError(
            "chart paper-tables",
            found="no measured number that the paper claims something for",
            fix="run some of the study first",
        )
    tests = list(dict.fromkeys(point.test for point in points))
    names = list(dict.fromkeys(point.name for point in points))

    def draw(figure: Figure) -> None:
        panels: Any = figure.subplots(1, len(tests), squeeze=False, sharey=True)
        for axes, test in zip(panels.flat, tests, strict=True):
            _draw_panel(axes, [point for point in points if point.test == test], names)
            axes.set_title(test.replace(", ", "\n"))
        first = panels.flat[0]
        first.set_yticks(range(len(names)), names)
        first.set_ylim(len(names) - 0.5, -0.5)
        style = look(0)
        first.plot([], [], linestyle="", marker="o", color=style.colour, label="measured")
        first.plot([], [], linestyle="", label="claimed", **_CLAIMED)
        figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=2)

    partial = sum(not point.complete for point in points)
    return Chart(
        name="paper-tables",
        title="Measured beside claimed",
        caption="Top-1 accuracy as measured here and as the paper claims it; the line between them "
        "is the difference. Hollow circles cover only a part of their test set's videos."
        if partial
        else "Top-1 accuracy as measured here and as the paper claims it; the line between them "
        "is the difference.",
        header=(
            "model", "test", "claimed", "measured", "difference", "complete", "verdict",
            "published row",
        ),
        rows=tuple(
            (p.name, p.test, p.claimed, p.measured, p.difference, p.complete, p.verdict, p.row)
            for p in points
        ),
        draw=draw,
        size=(1.8 + 2.3 * len(tests), 1.7 + 0.36 * len(names)),
    )  # fmt: skip


def _draw_panel(axes: Axes, points: Sequence[ClaimPoint], names: Sequence[str]) -> None:
    style = look(0)
    for point in points:
        place = names.index(point.name)
        axes.plot([point.claimed, point.measured], [place, place], color=GREY, linewidth=1.2)
        face = style.colour if point.complete else "none"
        axes.plot(point.measured, place, "o", markerfacecolor=face, markeredgecolor=style.colour)
        axes.plot(point.claimed, place, linestyle="", **_CLAIMED)
    axes.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.6)
    axes.set_xlabel("top-1 accuracy (%)")
    axes.set_xlim(0, 1.1 * max(max(point.claimed, point.measured) for point in points))
    as_percent(axes, "x")
