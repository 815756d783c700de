"""A chart: a table of numbers, what it shows in words, and how it is drawn.

Whatever is drawn can be had as numbers: a chart is saved as a picture in several formats with a CSV
file beside it. Colours are those of Okabe and Ito, which people with any colour vision tell apart;
each goes with a marker, a dash and a hatching of its own, so that nothing rests on colour alone.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ZslBenchError
from zsl_bench.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")
GREY, BLACK = "#8A8F98", "#1A1A1A"
WITHOUT_PLOTS = "matplotlib is missing"
INSTALL_PLOTS = "pip install 'zsl-bench[plots]'"
_DPI = 150
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "path",
    "svg.hashsalt": "zsl-bench",
    "pdf.fonttype": 42,
}


@dataclass(frozen=True, kw_only=True)
class Look:
    """How one of several series looks.

    Attributes:
        colour: As ``#RRGGBB``.
        marker: matplotlib's marker.
        dash: matplotlib's line style.
        hatch: matplotlib's hatching of areas.
    """

    colour: str
    marker: str
    dash: str
    hatch: str


LOOKS = (
    Look(colour="#0072B2", marker="o", dash="-", hatch=""),
    Look(colour="#E69F00", marker="s", dash="--", hatch="///"),
    Look(colour="#009E73", marker="^", dash="-.", hatch="..."),
    Look(colour="#CC79A7", marker="D", dash=":", hatch="xxx"),
    Look(colour="#56B4E9", marker="v", dash=(0, (5, 1, 1, 1)), hatch="\\\\\\"),  # type: ignore[arg-type]
    Look(colour="#D55E00", marker="P", dash=(0, (1, 3)), hatch="+++"),  # type: ignore[arg-type]
)
"""Dark blue, orange, green, purple, light blue, vermilion; after the last they begin again."""


def look(number: int) -> Look:
    """Return the look of the series of a number, from 0."""
    return LOOKS[number % len(LOOKS)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Chart:
    """A figure that is not drawn yet.

    Attributes:
        name: What its files are called, such as ``per-class``.
        title: A heading of a few words.
        caption: What it shows, in sentences that stand below it in a page or a paper.
        header: Names of the columns of its numbers, with units where they have some.
        rows: Its numbers; accuracies are fractions from 0 to 1.
        draw: Draws it into an empty figure.
        size: Width and height in inches.
    """

    name: str
    title: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    draw: Callable[[Figure], None]
    size: tuple[float, float] = (6.4, 4.0)
    _drawn: dict[str, bytes] = field(default_factory=dict, init=False, repr=False)

    def picture(self, kind: str) -> bytes:
        """Draw it; the same numbers give the same bytes under one version of matplotlib.

        Args:
            kind: One of ``FORMATS``.

        Raises:
            ZslBenchError: matplotlib is missing.
        """
        if kind not in self._drawn:
            self._drawn[kind] = self._picture(kind)
        return self._drawn[kind]

    def _picture(self, kind: str) -> bytes:
        require_plots(f"chart {self.name}")
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}
        stream = io.BytesIO()
        with rc_context(_STYLE):
            figure = Figure(figsize=self.size, layout="constrained")
            self.draw(figure)
            figure.savefig(stream, format=kind, dpi=_DPI, metadata=dates[kind])
        return stream.getvalue()

    def save(self, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
        """Write the numbers as ``name.csv`` and the pictures beside it.

        Without matplotlib only the numbers are written.

        Args:
            folder: Where to; it is made where it is not there.
            formats: Some of ``FORMATS``.

        Returns:
            The files, the CSV first.

        Raises:
            ResultError: The folder cannot be written.
        """
        written = [write_csv(folder / f"{self.name}.csv", self.header, self.rows)]
        for kind in formats if can_plot() else ():
            path = folder / f"{self.name}.{kind}"
            content = self.picture(kind)
            with atomic_write(path) as stream:
                stream.write(content)
            written.append(path)
        return written


def can_plot() -> bool:
    """Tell whether matplotlib is installed, without importing it."""
    return find_spec("matplotlib") is not None


def require_plots(asked: str) -> None:
    """Refuse to draw without matplotlib.

    Raises:
        ZslBenchError: It is missing.
    """
    if not can_plot():
        raise ZslBenchError(asked, found=WITHOUT_PLOTS, fix=INSTALL_PLOTS)


def as_percent(axes: Axes, which: str) -> None:
    """Label an axis of fractions as percent.

    Args:
        axes: The axes.
        which: ``x`` or ``y``.
    """
    from matplotlib.ticker import FuncFormatter

    axis: Any = getattr(axes, f"{which}axis")
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a table atomically and return its path.

    Raises:
        ResultError: It cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    with atomic_write(path) as stream:
        stream.write(text.getvalue().encode())
    return path
