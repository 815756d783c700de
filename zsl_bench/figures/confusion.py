"""Confusion matrices: which class a model names for the videos of which class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zsl_bench.errors import ResultError
from zsl_bench.figures.chart import Chart
from zsl_bench.figures.runs import KEY, file_part, gather, shortened, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from zsl_bench.assessment.reload import Reloaded
    from zsl_bench.figures.runs import Run
    from zsl_bench.protocols import TrialRanks
    from zsl_bench.scoring import ScoreMatrix

Order = Literal["official", "confused"]
ORDERS: tuple[Order, ...] = ("official", "confused")
MOST_NAMES = 120
ELSEWHERE = "(a declared training class)"
PAIRS = ("model", "class", "named", "share of the class's videos", "videos", "of")
_HEADER = ("class", "named", "videos", "share of the class's videos")
_GAMMA = 0.5
_LONGEST = 26
_CHUNK_ENTRIES = 4_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Confusion:
    """How often which class is named for the videos of which.

    Under several trials a video counts once in each that holds its class.

    Attributes:
        classes: The classes with a video, in the data set's order: the rows.
        named: What may be named: the test classes in order, then, where the protocol has declared
            training classes among its candidates, one entry for all of them.
        counts: ``(C, N)`` int64, videos.
    """

    classes: tuple[str, ...]
    named: tuple[str, ...]
    counts: NDArray[np.int64]

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """``(C, N)`` float64, each row divided by its sum."""
        return np.asarray(self.counts / self.counts.sum(axis=1, keepdims=True))

    @cached_property
    def own(self) -> NDArray[np.int64]:
        """``(C,)`` int64, the column of each row's own class."""
        column = {name: number for number, name in enumerate(self.named)}
        return np.array([column[name] for name in self.classes], dtype=np.int64)

    def most_confused(self, number: int) -> list[tuple[str, str, float, int, int]]:
        """Return the pairs that are confused most, by share of the class's videos.

        Returns:
            Class, what was named instead, share, videos, and of how many; none of no video.
        """
        wrong = self.counts.copy()
        wrong[np.arange(len(self.classes)), self.own] = 0
        found = [
            (self.classes[row], self.named[column], float(self.shares[row, column]),
             int(wrong[row, column]), int(self.counts[row].sum()))
            for row, column in np.argwhere(wrong > 0)
        ]  # fmt: skip
        return sorted(found, key=lambda pair: (-pair[2], -pair[3], pair[:2]))[:number]


def confusion_of(run: Run) -> Confusion:
    """Count what a run names for every video.

    The class named is the one with the highest score among the trial's candidates, the first of
    several. A tie with the truth counts against it, as in the accuracy, so that the diagonal is
    that of the accuracy by class.

    Raises:
        ResultError: No video counts under the protocol.
    """
    matrix, names = run.evidence.matrix, run.evidence.classes.names
    counts = np.zeros((len(names), len(names) + 1), dtype=np.int64)
    for trial in run.ranked:
        truths = matrix.labels[trial.rows]
        np.add.at(counts, (truths, np.minimum(_named(matrix, trial), len(names))), 1)
    having = np.flatnonzero(counts.any(axis=1))
    if not len(having):
        raise ResultError(
            f"confusion of classes on {run.protocol.dataset} under {run.protocol.id}",
            found="no video of its classes",
            fix="name a protocol that these videos serve",
        )
    extra = (ELSEWHERE,) if any(trial.trial.distractors for trial in run.ranked) else ()
    return Confusion(
        classes=tuple(names[row] for row in having),
        named=(*names, *extra),
        counts=counts[having, : len(names) + len(extra)],
    )


def confused_order(confusion: Confusion) -> list[str]:
    """Return the class names so that those confused with one another lie beside one another.

    Average linkage over 1 minus the mean of both shares of confusion, leaves in the order with the
    least distance between neighbours. Classes without a video come last.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    rest = [name for name in confusion.named if name not in set(confusion.classes)]
    if len(confusion.classes) <= 2:
        return [*confusion.classes, *rest]
    among = confusion.shares[:, confusion.own]
    apart = 1.0 - (among + among.T) / 2
    np.fill_diagonal(apart, 0.0)
    tree = linkage(squareform(apart, checks=False), method="average", optimal_ordering=True)
    return [*(confusion.classes[i] for i in leaves_list(tree)), *rest]


def confusion_chart(
    reloaded: Reloaded,
    *,
    protocol: str | None = None,
    order: Order = "official",
    name: str | None = None,
) -> Chart:
    """Chart one model's confusion matrix, each row divided by its sum (supplement Figs. 6-8).

    Args:
        reloaded: A result with its arrays.
        protocol: Id of the protocol; None for the one with every class as a candidate.
        order: The data set's order of the classes, or that of :func:`confused_order`.
        name: What the model is called; None for its own name.

    Raises:
        ResultError: No video counts under the protocol.
        ProtocolError: The protocol does not fit.
    """
    panel = gather([reloaded], protocol=protocol)
    (run,) = panel.runs
    called = name or run.name
    confusion = confusion_of(run)
    drawn = drawn_names([confusion])
    named = drawn if order == "official" else _within(confused_order(confusion), drawn)
    sorting = "the data set's order" if order == "official" else "an order by confusion"
    inches = _inches(len(named))
    return Chart(
        name=f"confusion-{file_part(called)}",
        title=f"{called}: confusion on {panel.heading}",
        caption=panel.caption(
            f"For the videos of each class (row) the share that the model names as each class "
            f"(column), in {sorting}. A row adds up to 100%; the diagonal is the accuracy.",
            *left_out(len(confusion.named) - len(drawn)),
            *(
                [f"Names of {len(named)} classes do not fit; they stand in the CSV."]
                if len(named) > MOST_NAMES
                else []
            ),
        ),
        header=(*KEY, *_HEADER),
        rows=tuple(
            (called, *run.key[1:], truth, other, int(count), float(share))
            for truth, counts, shares in zip(
                confusion.classes, confusion.counts, confusion.shares, strict=True
            )
            for other, count, share in zip(confusion.named, counts, shares, strict=True)
        ),
        draw=partial(_draw, confusion, named, shown(f"{called} on {panel.heading}")),
        size=(inches + 0.9, inches + 0.3),
    )


def draw_matrix(axes: Axes, shares: NDArray[np.float64], *, highest: float = 1.0) -> Any:  # noqa: ANN401
    """Draw shares from 0 to 1 as shades on a square-root scale, light to dark in grey as well."""
    from matplotlib.colors import PowerNorm

    image = axes.imshow(
        shares, cmap="Blues", norm=PowerNorm(_GAMMA, vmin=0, vmax=highest),
        interpolation="none", aspect="equal",
    )  # fmt: skip
    axes.spines[:].set_visible(True)
    axes.spines[:].set_linewidth(0.5)
    return image


def shade_bar(figure: Any, image: Any, axes: Any, label: str, ticks: Sequence[float]) -> None:  # noqa: ANN401
    """Put the scale of the shades beside the panels."""
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=35, pad=0.015)
    bar.set_ticks(ticks, labels=[f"{100 * tick:g}" for tick in ticks])
    bar.set_label(label)


def square(
    shares: NDArray[np.float64],
    classes: Sequence[str],
    named: Sequence[str],
    order: Sequence[str],
) -> NDArray[np.float64]:
    """Bring shares into one order of rows and columns.

    Args:
        shares: ``(C, N)``.
        classes: Names of its rows.
        named: Names of its columns.
        order: M of the names.

    Returns:
        ``(M, M)``; rows of names that are no row of the shares are not a number.
    """
    rows = {name: row for row, name in enumerate(classes)}
    columns = {name: column for column, name in enumerate(named)}
    chosen = [columns[name] for name in order]
    found = np.full((len(order), len(order)), np.nan)
    for place, name in enumerate(order):
        if name in rows:
            found[place] = shares[rows[name], chosen]
    return found


def drawn_names(confusions: Sequence[Confusion]) -> list[str]:
    """Return what may be named, without the classes that have no video and are never named."""
    kept = set()
    for one in confusions:
        kept |= set(one.classes)
        kept |= {one.named[column] for column in np.flatnonzero(one.counts.any(axis=0))}
    return [name for name in confusions[0].named if name in kept]


def left_out(number: int) -> list[str]:
    """Return what a caption says of classes that are not drawn, if there are any."""
    return [f"Not drawn: {number} classes without a video that are never named."] if number else []


def _within(order: Sequence[str], kept: Collection[str]) -> list[str]:
    return [name for name in order if name in set(kept)]


def _inches(number: int) -> float:
    if number > MOST_NAMES:
        return 7.2
    return max(4.6, 1.4 + number * 0.083)


def _draw(confusion: Confusion, named: Sequence[str], title: str, figure: Figure) -> None:
    axes = figure.subplots()
    image = draw_matrix(axes, square(confusion.shares, confusion.classes, confusion.named, named))
    if len(named) <= MOST_NAMES:
        labels = [shown(shortened(name, _LONGEST)) for name in named]
        size = 5.2 if len(named) > 60 else 6.5
        axes.set_xticks(range(len(named)), labels, rotation=90, fontsize=size)
        axes.set_yticks(range(len(named)), labels, fontsize=size)
        axes.tick_params(length=1.5, pad=1)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    axes.set_xlabel("named as")
    axes.set_ylabel("true class")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    shade_bar(
        figure, image, axes, "share of the class's videos (%), square-root scale",
        (0, 0.01, 0.05, 0.1, 0.25, 0.5, 1),
    )  # fmt: skip


def _named(matrix: ScoreMatrix, trial: TrialRanks) -> NDArray[np.int64]:
    """Return the column of the matrix that is named for each of a trial's videos."""
    position = {name: column for column, name in enumerate(matrix.classes)}
    columns = np.array([position[name] for name in trial.trial.candidates], dtype=np.int64)
    named = np.empty(len(trial.rows), dtype=np.int64)
    step = max(_CHUNK_ENTRIES // len(columns), 1)
    for start in range(0, len(trial.rows), step):
        part = slice(start, start + step)
        scores = matrix.scores[np.ix_(trial.rows[part], columns)]
        truths = trial.labels[part]
        scores[np.arange(len(truths)), truths] = -np.inf
        best = np.where(trial.ranks[part] == 0, truths, scores.argmax(axis=1))
        named[part] = columns[best]
    return named
