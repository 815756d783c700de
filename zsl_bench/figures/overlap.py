"""The overlap chart: how close the training classes are to the test classes (paper Fig. 3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import ZslBenchError
from zsl_bench.figures.chart import BLACK, GREY, Chart, look
from zsl_bench.figures.runs import shortened, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsl_bench.overlap import Neighbour, OverlapAudit

CLOSEST = 40
_FARTHEST = 0.3
_LONGEST = 30
_ROW_INCHES, _CURVE_INCHES, _REST_INCHES = 0.165, 1.5, 1.3
_REMOVED, _KEPT = look(5).colour, look(0).colour


@dataclass(frozen=True, kw_only=True)
class _Line:
    """One line of the list: a training class, or all those with the words of a test class.

    Attributes:
        text: What stands beside it.
        distance: Cosine distance to the nearest test class.
        is_removed: Whether the audit removes it.
    """

    text: str
    distance: float
    is_removed: bool


def removed_at(distances: Iterable[float]) -> tuple[tuple[float, int], ...]:
    """Return how many classes a threshold removes, as steps.

    Args:
        distances: Of every training class to its nearest test class.

    Returns:
        Pairs of a distance and the number of classes at or below it, ascending: the number that
        any threshold above that distance, and not above the next, removes.
    """
    values, counts = np.unique(np.fromiter(distances, dtype=np.float64), return_counts=True)
    return tuple(zip(values.tolist(), np.cumsum(counts).tolist(), strict=True))


def overlap_chart(audit: OverlapAudit, *, closest: int = CLOSEST) -> Chart:
    """Chart the training classes by distance to their nearest test class (paper Fig. 3, Eq. 4).

    All training classes stand in the numbers. Drawn are those closest to the test sets; classes
    with exactly the words of a test class share the first line. Below, how many classes each
    threshold removes.

    Args:
        audit: The audit.
        closest: How many classes to name, beside those of equal words.

    Raises:
        ZslBenchError: ``closest`` is below 1.
    """
    if closest < 1:
        raise ZslBenchError(
            f"the {closest} closest classes", found="no class to draw", fix="ask for 1 or more"
        )
    ordered = sorted(audit.neighbours, key=lambda one: one.distance)
    lines = _lines(audit, ordered, closest)
    tests = ", ".join(test.dataset for test in audit.tests)
    return Chart(
        name=f"overlap-{audit.train.dataset}",
        title=f"{audit.train.dataset} classes closest to {tests}",
        caption=_caption(audit, lines),
        header=(
            "place", "training class", "nearest test class", "test set", "distance", "removed",
            "equal words", "words without vector",
        ),
        rows=tuple(
            (place, one.name, one.nearest, one.nearest_set, one.distance,
             one.distance < audit.threshold, one.distance == 0.0, " ".join(one.approximate))
            for place, one in enumerate(ordered, start=1)
        ),
        draw=partial(_draw, audit, lines),
        size=(6.8, _REST_INCHES + _CURVE_INCHES + _ROW_INCHES * len(lines)),
    )  # fmt: skip


def _lines(audit: OverlapAudit, ordered: Sequence[Neighbour], closest: int) -> list[_Line]:
    equal = [one for one in ordered if one.distance == 0.0]
    others = [one for one in ordered if one.distance > 0.0][:closest]
    group = (
        [_Line(text=f"{len(equal)} classes with equal words", distance=0.0,
               is_removed=audit.threshold > 0.0)]
        if len(equal) > 1
        else [_line(audit, one) for one in equal]
    )  # fmt: skip
    return [*group, *(_line(audit, one) for one in others)]


def _line(audit: OverlapAudit, one: Neighbour) -> _Line:
    text = f"{shortened(one.name, _LONGEST)} | {shortened(one.nearest, _LONGEST)}"
    return _Line(
        text=f"{text} ~" if one.approximate else text,
        distance=one.distance,
        is_removed=one.distance < audit.threshold,
    )


def _caption(audit: OverlapAudit, lines: Sequence[_Line]) -> str:
    told = (
        "Cosine distance of training classes (before the bar) to the nearest test class (after "
        f"it). The threshold {audit.threshold:g} removes {len(audit.removed)} of "
        f"{len(audit.train)} classes, {len(audit.identical)} of them with the words of a test "
        f"class, and keeps {len(audit.kept)}. Words by the rules {audit.train.rules}, vectors from "
        f"{audit.vectors}."
    )
    resting = sum(bool(one.approximate) for one in audit.neighbours)
    if resting:
        told += (
            " ~: the distance rests on a stand-in for a word without a vector, as it does for "
            f"{resting} of all training classes; apart from equal words, they may be nearer."
        )
    named = sum(line.is_removed and line.distance > 0.0 for line in lines)
    hidden = len(audit.removed) - len(audit.identical) - named
    if hidden:
        told += f" Removed classes that stand in the numbers only: {hidden}."
    return told


def _draw(audit: OverlapAudit, lines: Sequence[_Line], figure: Figure) -> None:
    upper, lower = figure.subplots(
        2, 1, height_ratios=(_ROW_INCHES * len(lines) + 0.3, _CURVE_INCHES), sharex=True
    )
    reach = max([audit.threshold, *(line.distance for line in lines)])
    _draw_lines(upper, lines)
    _draw_curve(lower, audit, max(_FARTHEST, reach))
    for axes in (upper, lower):
        axes.axvline(audit.threshold, color=_REMOVED, linewidth=1.2)
    upper.annotate(
        f"threshold {audit.threshold:g}", (audit.threshold, 1.0), xytext=(3, 2), fontsize=8,
        xycoords=("data", "axes fraction"), textcoords="offset points", color=_REMOVED,
    )  # fmt: skip
    lower.set_xlim(-0.006, max(_FARTHEST, reach) * 1.01)
    lower.set_xlabel("cosine distance to the nearest test class")


def _draw_lines(axes: Axes, lines: Sequence[_Line]) -> None:
    styles: tuple[tuple[bool, str, dict[str, Any]], ...] = (
        (True, "removed", {"marker": "X", "color": _REMOVED, "markersize": 5.5}),
        (False, "kept", {"marker": "o", "color": _KEPT, "markersize": 5,
                         "markerfacecolor": "white"}),
    )  # fmt: skip
    for is_removed, label, style in styles:
        chosen = [(y, one) for y, one in enumerate(lines) if one.is_removed == is_removed]
        if not chosen:
            continue
        places, values = [y for y, _ in chosen], [one.distance for _, one in chosen]
        axes.hlines(places, 0, values, color=style["color"], linewidth=1, alpha=0.5)
        axes.plot(values, places, linestyle="", label=label, **style)
    axes.set_yticks(range(len(lines)), [shown(one.text) for one in lines], fontsize=7.5)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelbottom=False)
    axes.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)
    axes.legend(loc="lower left", bbox_to_anchor=(0.55, 1.0), ncols=2, borderaxespad=0.1)


def _draw_curve(axes: Axes, audit: OverlapAudit, farthest: float) -> None:
    steps = [(0.0, 0), *removed_at(one.distance for one in audit.neighbours)]
    last = max(number for at, number in steps if at <= farthest)
    places = [at for at, _ in steps if at <= farthest] + [farthest]
    heights = [number for at, number in steps if at <= farthest] + [last]
    axes.step(places, heights, where="post", color=BLACK, linewidth=1.4)
    axes.set_ylim(0, last * 1.12)
    axes.set_ylabel("classes removed", fontsize=8)
    axes.annotate(
        f"{len(audit.removed)}", (audit.threshold, len(audit.removed)), xytext=(4, 4),
        textcoords="offset points", fontsize=8, color=_REMOVED,
    )  # fmt: skip
