"""Accuracy on the test classes that are far from everything a model has learned."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.assessment.curves import NEAREST, curves
from zsl_bench.errors import ResultError, listing
from zsl_bench.figures.chart import GREY, Chart, as_percent, look
from zsl_bench.figures.runs import KEY, gather, legend_above

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from zsl_bench.assessment.reload import Reloaded
    from zsl_bench.figures.runs import Panel, Run
    from zsl_bench.verdict import ClassDistances

FEW = 5
_HEADER = (
    *KEY, "from distance", "below distance", "trials", "classes", "classes with videos",
    "on stand-ins", "videos", "chance", "top1", "mean_per_class",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FarClasses:
    """One model's accuracy on the classes farther than a distance, as exact steps.

    Attributes:
        name: The model.
        metric: ``top1`` or ``mean_per_class``, as the protocol publishes.
        steps: Ascending; each with the figures of :func:`zsl_bench.assessment.curves.curves` and
            ``until``, the distance at which the next step begins or no class is left,
            ``with_videos``, the classes left that have a video, and ``on_stand_ins``, those of
            these whose nearest distance rests on a stand-in for a word.
        neighbours: How many declared classes the mean distance is over.
        approximate: Test classes whose nearest distance rests on a stand-in for a word.
        silent: Fields that are open or undeclared, so that classes may be nearer than measured.
    """

    name: str
    metric: str
    steps: tuple[dict[str, Any], ...]
    neighbours: int
    approximate: tuple[str, ...]
    silent: tuple[str, ...]

    def edges(self) -> NDArray[np.float64]:
        """Return where the steps begin, and where the last one ends."""
        return np.array([*(step["threshold"] for step in self.steps), self.steps[-1]["until"]])

    def heights(self, field: str) -> NDArray[np.float64]:
        """Return a figure at every step."""
        return np.array([step[field] for step in self.steps], dtype=np.float64)


def far_classes(run: Run) -> FarClasses:
    """Return a run's accuracy on the classes whose mean distance exceeds each threshold.

    Raises:
        ResultError: The model declares no training class, or no video of the protocol is scored.
    """
    distances = run.evidence.distances
    if distances is None:
        raise ResultError(
            f"accuracy by distance to the training classes of {run.name}",
            found="a model that declares no training class",
            fix="score it again with --trained-on or --pretrained-on",
        )
    found = curves(run.evidence.matrix, run.ranked, run.protocol, distances)
    (curve,) = [one for one in found["curves"] if one["kind"] == NEAREST]
    points = curve["points"]
    if not points:
        raise ResultError(
            f"accuracy by distance on {run.protocol.dataset} under {run.protocol.id}",
            found="no video of its classes",
            fix="name a protocol that these videos serve",
        )
    ends = [*(point["threshold"] for point in points[1:]), curve["end"]]
    thresholds = np.array([one["threshold"] for one in points])
    having = _classes_with_videos(run, distances, thresholds, distances.classes)
    resting = _classes_with_videos(run, distances, thresholds, distances.approximate_classes)
    return FarClasses(
        name=run.name,
        metric="top1" if run.protocol.metric == "top1" else "mean_per_class",
        steps=tuple(
            {**one, "until": end, "with_videos": number, "on_stand_ins": rest}
            for one, end, number, rest in zip(
                points, ends, having.tolist(), resting.tolist(), strict=True
            )
        ),
        neighbours=distances.neighbours,
        approximate=tuple(found["approximate_classes"]),
        silent=run.evidence.verdicts[0].silent,
    )


def far_classes_chart(
    reloaded: Sequence[Reloaded], *, protocol: str | None = None, anyway: bool = False
) -> Chart:
    """Chart the accuracy on test classes farther than a distance from training (paper Fig. 7).

    The distance of a test class is the mean cosine distance of its class vector to those of the
    ten nearest declared training and pretraining classes. All candidates stay at every threshold.
    The paper draws the error; this is the accuracy. A second panel has the classes left.

    Args:
        reloaded: One result or several, on one data set.
        protocol: Id of the protocol; None for the one with every class as a candidate.
        anyway: Put results side by side that are not comparable.

    Raises:
        ResultError: The results may not share a panel, or a model declares no training class.
        ProtocolError: The protocol does not fit.
    """
    panel = gather(reloaded, protocol=protocol, anyway=anyway)
    found = [far_classes(run) for run in panel.runs]
    return Chart(
        name="far-classes",
        title=f"Accuracy far from the training classes, {panel.heading}",
        caption=panel.caption(*_sentences(found)),
        header=_HEADER,
        rows=tuple(_rows(panel, found)),
        draw=partial(_draw, found),
        size=(6.4, 4.8),
    )


def _classes_with_videos(
    run: Run,
    distances: ClassDistances,
    thresholds: NDArray[np.float64],
    among: Collection[str],
) -> NDArray[np.float64]:
    """Return ``(J,)`` how many of some classes with a video are farther than each threshold.

    It is the mean over the trials that have any class with a video left.
    """
    of = dict(zip(distances.classes, distances.nearest_mean.tolist(), strict=True))
    counted = set(among)
    counts, left = np.zeros(len(thresholds)), np.zeros(len(thresholds))
    for trial in run.ranked:
        names = [trial.trial.classes[row] for row in np.unique(trial.labels)]
        far = np.array([of[name] for name in names])[:, None] > thresholds
        counts += far[[name in counted for name in names]].sum(axis=0)
        left += far.any(axis=0)
    return np.asarray(counts / left)


def _sentences(found: Sequence[FarClasses]) -> Iterator[str]:
    numbers = sorted({one.neighbours for one in found})
    yield (
        "Accuracy on the test classes whose mean distance to the "
        f"{' or '.join(map(str, numbers))} nearest declared training classes exceeds the distance "
        f"on the axis, with every candidate kept; pale where fewer than {FEW} classes are left. "
        "Dotted: chance. Below, the classes left that have a video"
        + (
            "; shaded, those of them whose nearest distance rests on a stand-in for a word without "
            "a vector, which usually puts a class too far to the right."
            if any(one.approximate for one in found)
            else "."
        )
    )
    for one in found:
        if one.approximate:
            yield (
                f"{one.name}: on a stand-in rest {len(one.approximate)} "
                f"({listing(one.approximate, limit=3)})."
            )
        if one.silent:
            yield (
                f"{one.name}: {'; '.join(one.silent)}, so that classes may be nearer than drawn."
            )


def _rows(panel: Panel, found: Sequence[FarClasses]) -> Iterator[tuple[object, ...]]:
    fields = (
        "threshold", "until", "num_trials", "num_classes", "with_videos", "on_stand_ins",
        "num_videos", "chance", "top1", "mean_per_class",
    )  # fmt: skip
    for run, one in zip(panel.runs, found, strict=True):
        for step in one.steps:
            yield (*run.key, *(step[field] for field in fields))


def _draw(found: Sequence[FarClasses], figure: Figure) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
    handles = [_draw_one(upper, lower, one, number) for number, one in enumerate(found)]
    chance = found[0].heights("chance")
    upper.stairs(chance, found[0].edges(), baseline=None, color=GREY, linestyle=":", linewidth=1.2)
    upper.set_ylim(bottom=0)
    upper.set_ylabel("top-1 (%)" if found[0].metric == "top1" else "mean accuracy per class (%)")
    as_percent(upper, "y")
    lower.set_ylim(bottom=0)
    lower.set_ylabel("classes left")
    lower.set_xlabel(
        f"mean distance to the {found[0].neighbours} nearest training classes is more than"
    )
    lower.set_xlim(*_span(found))
    legend_above(figure, handles, [one.name for one in found])


def _span(found: Sequence[FarClasses]) -> tuple[float, float]:
    """Return the part of the axis where anything happens: from the first class that is left out."""
    first = min(one.steps[1]["threshold"] if len(one.steps) > 1 else 0.0 for one in found)
    last = max(one.steps[-1]["until"] for one in found)
    room = 0.03 * (last - first)
    return max(first - 2 * room, 0.0), last + room


def _draw_one(upper: Axes, lower: Axes, one: FarClasses, number: int) -> Artist:
    style, edges = look(number), one.edges()
    accuracy, left = one.heights(one.metric), one.heights("with_videos")
    many = int((left >= FEW).sum())
    for part, alpha in ((slice(0, many), 1.0), (slice(many, None), 0.4)):
        if len(accuracy[part]):
            ends = edges[part.start : part.start + len(accuracy[part]) + 1]
            upper.stairs(
                accuracy[part], ends, baseline=None, color=style.colour, linewidth=1.7,
                alpha=alpha, linestyle=style.dash,
            )  # fmt: skip
    middles = (edges[:-1] + edges[1:]) / 2
    every = max(many // 9, 1)
    chosen = slice((number * every) // 3, max(many, 1), every)
    upper.plot(
        middles[chosen], accuracy[chosen], linestyle="none", color=style.colour,
        marker=style.marker, markersize=4.5,
    )  # fmt: skip
    lower.stairs(
        left, edges, baseline=None, color=style.colour, linewidth=1.2, linestyle=style.dash
    )
    lower.stairs(one.heights("on_stand_ins"), edges, fill=True, color=style.colour, alpha=0.3)
    (handle,) = upper.plot(
        [], [], color=style.colour, marker=style.marker, linestyle=style.dash, markersize=4.5
    )
    return handle
