"""The figures of a report, and why one could not be made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from zsl_bench.errors import ZslBenchError
from zsl_bench.figures.chart import INSTALL_PLOTS, WITHOUT_PLOTS, can_plot
from zsl_bench.figures.confusion import confusion_chart
from zsl_bench.figures.confusion_difference import confusion_difference_chart
from zsl_bench.figures.far_classes import far_classes_chart
from zsl_bench.figures.forest import forest_chart
from zsl_bench.figures.per_class import best_worst_chart, per_class_chart
from zsl_bench.pages import picture_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from zsl_bench.figures.chart import Chart
    from zsl_bench.report.sources import Source

MOST_SVG_BYTES = 400_000
"""A larger drawing stands in a page as PNG."""
_OF_ALL = (
    ("per-class", per_class_chart),
    ("best-worst", best_worst_chart),
    ("far-classes", far_classes_chart),
)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure of a page, or why there is none.

    Attributes:
        name: Its id in the page, and the name of its files.
        title: A heading of a few words.
        chart: The figure; None where it could not be made.
        why: The reason for that, in a line; else empty.
    """

    name: str
    title: str
    chart: Chart | None = None
    why: str = ""

    def save(self, folder: Path) -> list[Path]:
        """Write the picture in every format with its numbers beside it; see :meth:`Chart.save`."""
        return [] if self.chart is None else self.chart.save(folder)

    def source(self) -> str:
        """Return the figure as the source of an image: SVG, or PNG where that is too large."""
        if self.chart is None:
            return ""
        drawn = self.chart.picture("svg")
        if len(drawn) <= MOST_SVG_BYTES:
            return picture_source(drawn, "svg")
        return picture_source(self.chart.picture("png"), "png")


def drawings(
    groups: Sequence[Sequence[Source]], *, protocol: str | None = None, anyway: bool = False
) -> tuple[Drawing, ...]:
    """Make the figures of each group of results on one data set that may be compared.

    Args:
        groups: The groups.
        protocol: Id of the protocol; None for each figure's own choice.
        anyway: Put results into one figure that are not comparable.
    """
    if not can_plot():
        missing = f"{WITHOUT_PLOTS}: {INSTALL_PLOTS}"
        return (Drawing(name="figures-missing", title="Figures", why=missing),)
    found: list[Drawing] = []
    for number, group in enumerate(groups, start=1):
        prefix = f"group{number}-" if len(groups) > 1 else ""
        found += _of_group(group, prefix, protocol=protocol, anyway=anyway)
    return tuple(found)


def _of_group(
    sources: Sequence[Source], prefix: str, *, protocol: str | None, anyway: bool
) -> Iterator[Drawing]:
    results = [one.result for one in sources]
    chosen = () if protocol is None else (protocol,)
    yield _try(f"{prefix}forest", partial(forest_chart, results, protocols=chosen, anyway=anyway))
    group = [one.reloaded for one in sources if one.reloaded is not None]
    of_all = [*_OF_ALL] if group else []
    if len(group) > 1:
        of_all.append(("confusion-difference", confusion_difference_chart))
    for name, make in of_all:
        yield _try(f"{prefix}{name}", partial(make, group, protocol=protocol, anyway=anyway))
    for one in group:
        mark = f"-{one.result.sha256[:8]}" if len(group) > 1 else ""
        yield _try(f"{prefix}confusion{mark}", partial(confusion_chart, one, protocol=protocol))


def _try(name: str, make: Callable[[], Chart]) -> Drawing:
    try:
        chart = make()
    except ZslBenchError as error:
        return Drawing(name=name, title=name, why=str(error))
    return Drawing(name=name, title=chart.title, chart=replace(chart, name=name))
