"""The ablation chart: what each part of a model adds to its accuracy (paper Table 3)."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ResultError
from zsl_bench.figures.chart import BLACK, Chart, as_percent, look

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PARTS = ("e2e", "pretraining", "many clips")


@dataclass(frozen=True, kw_only=True)
class AblationPoint:
    """One trained model, evaluated in one way.

    Attributes:
        e2e: Whether every weight was trained, or only the linear layer.
        pretraining: Whether it had been pretrained on clips made from images.
        many_clips: Whether more than one clip of a video is looked at.
        test: Data set and protocol.
        top1: Top-1 accuracy, a fraction.
        top5: Top-5 accuracy, or None.
        claimed_top1: What the paper claims for it, a fraction, or None.
        claimed_top5: The same of top-5.
        seed: Seed of the training.
        verdict: Whether the test classes had been seen, in words.
        complete: Whether every video of the data set was scored.
        run: Id of the run.
    """

    e2e: bool
    pretraining: bool
    many_clips: bool
    test: str
    top1: float
    top5: float | None = None
    claimed_top1: float | None = None
    claimed_top5: float | None = None
    seed: int = 0
    verdict: str = ""
    complete: bool = True
    run: str = ""

    @property
    def setting(self) -> tuple[bool, bool, bool]:
        """The three parts."""
        return self.e2e, self.pretraining, self.many_clips

    @property
    def name(self) -> str:
        """The parts in words, such as ``e2e + many clips``."""
        have = [part for part, is_there in zip(_PARTS, self.setting, strict=True) if is_there]
        return " + ".join(have if self.e2e else ["frozen", *have])


def ablation_chart(points: Sequence[AblationPoint]) -> Chart:
    """Draw top-1 by setting, beside what the paper claims where it claims something.

    Args:
        points: One for each training, way of evaluating it, data set and protocol.

    Raises:
        ResultError: There is no point.
    """
    if not points:
        raise ResultError(
            "chart ablation", found="no finished run", fix="run some of the study first"
        )
    tests = list(dict.fromkeys(point.test for point in points))
    settings = {point.setting: point.name for point in sorted(points, key=_order)}

    def draw(figure: Figure) -> None:
        panels: Any = figure.subplots(1, len(tests), squeeze=False, sharey=True)
        for axes, test in zip(panels.flat, tests, strict=True):
            for place, setting in enumerate(settings):
                _draw_setting(axes, place, list(_of(points, test, setting)))
            axes.set_title(test)
            axes.set_xlabel("top-1 accuracy (%)")
            axes.set_xlim(0, 1.18 * _highest(points, test))
            as_percent(axes, "x")
        panels.flat[0].set_yticks(range(len(settings)), list(settings.values()))
        panels.flat[0].invert_yaxis()
        if any(point.claimed_top1 is not None for point in points):
            axes = panels.flat[0]
            axes.plot([], [], linestyle="", label="claimed by the paper", **_CLAIMED)
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center")

    partial = sum(not point.complete for point in points)
    return Chart(
        name="ablation",
        title="What each part of the model adds",
        caption="Top-1 accuracy on unseen classes with a frozen or an end-to-end network, with and "
        "without pretraining on clips made from images, from one clip or many clips of a video; "
        "the mean where there are several seeds, which are drawn as dots."
        + (f" {partial} numbers cover only a part of their test set's videos." if partial else ""),
        header=(
            "e2e", "pretraining", "many clips", "test", "seed", "top1", "top5", "claimed top1",
            "claimed top5", "verdict", "complete", "run",
        ),
        rows=tuple(
            (*p.setting, p.test, p.seed, p.top1, p.top5, p.claimed_top1, p.claimed_top5,
             p.verdict, p.complete, p.run)
            for p in sorted(points, key=_order)
        ),
        draw=draw,
        size=(2.0 + 3.0 * len(tests), 1.6 + 0.42 * len(settings)),
    )  # fmt: skip


_CLAIMED: dict[str, Any] = {
    "marker": "D", "markersize": 7, "markerfacecolor": "none", "markeredgecolor": BLACK,
}  # fmt: skip


def _order(point: AblationPoint) -> tuple[bool, bool, bool]:
    """Order settings as the paper's table does: one clip first."""
    return point.e2e, point.many_clips, point.pretraining


def _of(
    points: Sequence[AblationPoint], test: str, setting: tuple[bool, bool, bool]
) -> Iterator[AblationPoint]:
    return (point for point in points if (point.test, point.setting) == (test, setting))


def _highest(points: Sequence[AblationPoint], test: str) -> float:
    here = [point for point in points if point.test == test]
    return max(max(point.top1, point.claimed_top1 or 0.0) for point in here) or 1.0


def _draw_setting(axes: Axes, place: int, points: list[AblationPoint]) -> None:
    if not points:
        return
    mean, style = fmean(point.top1 for point in points), look(0)
    axes.barh(place, mean, height=0.62, color=style.colour, alpha=0.85)
    if len(points) > 1:
        values = [point.top1 for point in points]
        axes.plot(values, [place] * len(values), linestyle="", marker="|", color=BLACK)
    claimed = next((p.claimed_top1 for p in points if p.claimed_top1 is not None), None)
    if claimed is not None:
        axes.plot(claimed, place, linestyle="", **_CLAIMED)
    axes.annotate(
        f"{100 * mean:.1f}",
        (max(mean, claimed or 0.0), place),
        xytext=(7, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
    )
