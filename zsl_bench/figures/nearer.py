"""What a further training set brings nearer, and what that gains (supplement Fig. 1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import ResultError, listing
from zsl_bench.figures.chart import BLACK, GREY, Chart, as_percent, look
from zsl_bench.figures.per_class import class_accuracies
from zsl_bench.figures.runs import gather, points, shortened, shown
from zsl_bench.verdict import Declared, class_distances

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsl_bench.assessment.reload import Reloaded
    from zsl_bench.classes import ClassSet
    from zsl_bench.figures.runs import Panel, Run
    from zsl_bench.verdict import ClassDistances

NEARER = 0.1
_MOST_NAMED = 14
_LONGEST = 24


@dataclass(frozen=True, kw_only=True)
class NearerClass:
    """One test class before and after.

    Attributes:
        name: The class.
        distance_before: Cosine distance to the nearest training class.
        distance_after: The same with the set added.
        accuracy_before: Top-1 on the class, a fraction.
        accuracy_after: The same of the other model.
        is_approximate: Whether one of the distances rests on a stand-in for a word without a
            vector.
    """

    name: str
    distance_before: float
    distance_after: float
    accuracy_before: float
    accuracy_after: float
    is_approximate: bool = False

    @property
    def fall(self) -> float:
        """By what share of itself the distance falls; 0 where it was 0."""
        before = self.distance_before
        return (before - self.distance_after) / before if before else 0.0

    @property
    def is_nearer(self) -> bool:
        """Whether the distance falls by more than a tenth."""
        return self.fall > NEARER

    @property
    def gain(self) -> float:
        """What the accuracy gains."""
        return self.accuracy_after - self.accuracy_before


@dataclass(frozen=True, kw_only=True)
class TrainingSets:
    """What two models have learned from, where it is not what their results declare.

    Attributes:
        before: Class sets of the first model.
        added: Class sets that the second has beside them.
        vectors: Word-vector file; None for the bundled vectors.
    """

    before: tuple[ClassSet, ...]
    added: tuple[ClassSet, ...]
    vectors: str | Path | None = None


def nearer_classes_chart(
    before: Reloaded,
    after: Reloaded,
    *,
    sets: TrainingSets | None = None,
    protocol: str | None = None,
    anyway: bool = False,
) -> Chart:
    """Chart each test class's distance to training and its accuracy, before and after.

    Supplement Fig. 1, where SUN397 is added to Kinetics. The distance is Eq. 4's: to the nearest
    class that a model declares to have been trained or pretrained on. A class whose distance falls
    by more than a tenth is marked.

    Args:
        before: Result of the model without the added set.
        after: Result of the model with it, on the same test classes.
        sets: The training classes; None for the distances stored in the results.
        protocol: Id of the protocol; None for the one with every class as a candidate.
        anyway: Put results side by side that are not comparable.

    Raises:
        ResultError: The results may not share a panel, a model declares no training class, or the
            stored distances rest on different word vectors.
        ProtocolError: The protocol does not fit.
        ZslBenchError: The vectors cannot be read, or words follow other rules.
    """
    panel = gather((before, after), protocol=protocol, anyway=anyway)
    classes = nearer_classes(panel, *(_given(panel, sets) if sets else _stored(panel)))
    told = list(_sentences(panel, classes))
    if not sets:
        told += _undeclared(panel)
    return Chart(
        name="nearer-classes",
        title=f"Classes that training comes nearer to, {panel.heading}",
        caption=panel.caption(*told),
        header=(
            "class", "distance before", "distance after", "fall", "nearer", "top1 before",
            "top1 after", "gain", "stand-in",
        ),
        rows=tuple(
            (one.name, one.distance_before, one.distance_after, one.fall, one.is_nearer,
             one.accuracy_before, one.accuracy_after, one.gain, one.is_approximate)
            for one in classes
        ),
        draw=partial(_draw, panel, classes),
        size=(9.6, 3.9),
    )  # fmt: skip


def nearer_classes(
    panel: Panel, before: ClassDistances, after: ClassDistances
) -> tuple[NearerClass, ...]:
    """Return the test classes that both models have a video of, in the data set's order.

    Args:
        panel: The models, before and after.
        before: Distances of the test classes to the training classes before.
        after: The same with the set added.
    """
    resting = {*before.approximate_classes, *after.approximate_classes}
    accuracy = [{one.name: one.accuracy for one in class_accuracies(run)} for run in panel.runs]
    names = panel.runs[0].evidence.classes.names
    return tuple(
        NearerClass(
            name=name,
            distance_before=float(old),
            distance_after=float(new),
            accuracy_before=accuracy[0][name],
            accuracy_after=accuracy[1][name],
            is_approximate=name in resting,
        )
        for name, old, new in zip(names, before.nearest, after.nearest, strict=True)
        if name in accuracy[0] and name in accuracy[1]
    )


def mean_gain(classes: Sequence[NearerClass], *, nearer: bool) -> float | None:
    """Return the mean gain of the classes that came nearer, or of the others; None without any."""
    gains = [one.gain for one in classes if one.is_nearer == nearer]
    return float(np.mean(gains)) if gains else None


def _stored(panel: Panel) -> tuple[ClassDistances, ClassDistances]:
    before, after = (_stored_one(run) for run in panel.runs)
    digests = {run.evidence.verdicts[0].vectors_digest for run in panel.runs}
    if len(digests) > 1:
        raise ResultError(
            "distances before and after",
            found="results that measured them by different word vectors",
            fix="name the training sets (--before and --added), or score one again",
        )
    return before, after


def _stored_one(run: Run) -> ClassDistances:
    if run.evidence.distances is None:
        raise ResultError(
            f"distances to the training classes of {run.name}",
            found="a model that declares no training class",
            fix="name the training sets with --before and --added, or score it again with "
            "--trained-on",
        )
    return run.evidence.distances


def _given(panel: Panel, sets: TrainingSets) -> tuple[ClassDistances, ClassDistances]:
    classes = panel.runs[0].evidence.classes
    found = []
    for trained_on in (sets.before, (*sets.before, *sets.added)):
        made = class_distances(Declared(trained_on=trained_on), classes, vectors=sets.vectors)
        if made is None or not sets.added:
            raise ResultError(
                "distances before and after",
                found="no training class before, or none added",
                fix="name both with --before and --added",
            )
        found.append(made)
    return found[0], found[1]


def _sentences(panel: Panel, classes: Sequence[NearerClass]) -> Iterator[str]:
    nearer = [one for one in classes if one.is_nearer]
    yield (
        f"Each dot is a test class; before: {panel.runs[0].name}, after: {panel.runs[1].name}. "
        "Left the cosine distance to the nearest training class, right top-1 on the class. "
        f"Triangles: the {len(nearer)} of {len(classes)} classes whose distance falls by more than "
        f"{NEARER:.0%}."
    )
    gains = [mean_gain(classes, nearer=which) for which in (True, False)]
    told = [
        f"{100 * gain:+.1f} points on {which}"
        for gain, which in zip(gains, ("those", "the others"), strict=True)
        if gain is not None
    ]
    yield f"Mean gain: {', '.join(told)}."
    resting = [one.name for one in classes if one.is_approximate]
    if resting:
        yield (
            f"~: of {len(resting)} classes a distance rests on a stand-in for a word without a "
            f"vector ({listing(resting, limit=3)})."
        )


def _undeclared(panel: Panel) -> Iterator[str]:
    for run in panel.runs:
        silent = run.evidence.verdicts[0].silent
        if silent:
            yield f"{run.name}: {'; '.join(silent)}, so that classes may be nearer than drawn."


def _draw(panel: Panel, classes: Sequence[NearerClass], figure: Figure) -> None:
    left, right, side = figure.subplots(1, 3, width_ratios=(1, 1, 0.78))
    numbered = sorted((one for one in classes if one.is_nearer), key=lambda one: -one.fall)
    numbers = {one.name: number for number, one in enumerate(numbered[:_MOST_NAMED], start=1)}
    _draw_pairs(left, [(one, one.distance_before, one.distance_after) for one in classes], numbers)
    _draw_pairs(right, [(one, one.accuracy_before, one.accuracy_after) for one in classes], numbers)
    left.set_title("distance to training")
    right.set_title("top-1 (%)")
    for which in ("x", "y"):
        as_percent(right, which)
    for axes in (left, right):
        axes.set_xlabel(f"before: {shown(panel.runs[0].name)}")
        axes.set_ylabel(f"after: {shown(panel.runs[1].name)}")
        axes.set_aspect("equal")
    _draw_key(side, numbered)


def _draw_pairs(
    axes: Axes, pairs: Sequence[tuple[NearerClass, float, float]], numbers: dict[str, int]
) -> None:
    highest = max((max(pair[1:]) for pair in pairs), default=0.0) or 1.0
    axes.plot([0, highest], [0, highest], color=GREY, linewidth=0.9, linestyle="--", zorder=1)
    styles: tuple[tuple[bool, dict[str, Any]], ...] = (
        (False, {"marker": "o", "color": GREY, "markersize": 4, "alpha": 0.6}),
        (True, {"marker": "v", "color": look(5).colour, "markersize": 6,
                "markeredgecolor": BLACK, "markeredgewidth": 0.5}),
    )  # fmt: skip
    for nearer, style in styles:
        chosen = [(x, y) for one, x, y in pairs if one.is_nearer == nearer]
        if chosen:
            axes.plot(*zip(*chosen, strict=True), linestyle="", zorder=2 + nearer, **style)
    for one, x, y in pairs:
        if one.name in numbers:
            axes.annotate(
                str(numbers[one.name]), (x, y), xytext=(4, 3), textcoords="offset points",
                fontsize=7, zorder=4,
            )  # fmt: skip
    room = 0.03 * highest
    axes.set_xlim(-room, highest + room)
    axes.set_ylim(-room, highest + room)


def _draw_key(axes: Axes, numbered: Sequence[NearerClass]) -> None:
    axes.set_axis_off()
    named = numbered[:_MOST_NAMED]
    lines = [
        f"{number:>2}  {shown(shortened(one.name, _LONGEST))}"
        f"{' ~' if one.is_approximate else ''}  ({points(one.gain)})"
        for number, one in enumerate(named, start=1)
    ]
    if len(numbered) > len(named):
        lines.append(f"and {len(numbered) - len(named)} more, in the numbers")
    heading = f"nearer by more than {NEARER:.0%}\n(points gained)" if lines else "none comes nearer"
    axes.text(0, 0.93, heading, va="top", fontsize=8, fontweight="bold", transform=axes.transAxes)
    axes.text(
        0, 0.81, "\n".join(lines), va="top", fontsize=7.5, linespacing=1.45,
        transform=axes.transAxes,
    )  # fmt: skip
