"""Results with their intervals, one block for each data set and protocol."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ProtocolError, ResultError, listing
from zsl_bench.figures.chart import BLACK, GREY, Chart, as_percent, look
from zsl_bench.figures.runs import differing, names, not_comparable, refuse, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsl_bench.results import EvaluationResult

_FIGURES = {
    "top1": "top-1",
    "mean_per_class": "mean per class",
    "harmonic_mean": "harmonic mean",
}
_FINDINGS = {"disjoint": ("o", 0), "overlapping": ("X", 5), "undeclared": ("D", 1),
             "unjudged": ("s", 3)}  # fmt: skip
_HARMONIC = "harmonic_mean"
_WHAT_IS_SHOWN = (
    "Accuracy with 95% intervals: box, over other videos of the same classes; line, over other "
    "classes of the same kind. Blocks are different tasks: compare within one only. A marker's "
    "shape and the word beside it are the verdict on the block's classes; ± is the standard "
    "deviation over trials. Dotted, where the axis reaches it: chance."
)
_BOX: dict[str, Any] = {"height": 0.5, "alpha": 0.35, "linewidth": 0}
_MOST_COLUMNS = 5
_LINE, _HEAD, _FOOT = 0.27, 0.42, 1.15


@dataclass(frozen=True, kw_only=True)
class ForestRow:
    """One result under one protocol: a line of the figure and of its CSV.

    Attributes:
        dataset: The data set.
        protocol: Id of the protocol.
        version: Its version.
        lists: Twelve digits of the digest of its class lists.
        model: The model.
        identity: Twelve digits of the result's identity.
        metric: ``top1``, ``mean_per_class`` or ``harmonic_mean``, as the protocol publishes.
        value: The figure, a fraction; None where no video counts.
        std: Its population standard deviation over the trials; None for one trial.
        videos_low: Lower end of the 95% interval over other videos of these classes, or None.
        videos_high: Its upper end.
        classes_low: Lower end of the 95% interval over other classes, or None.
        classes_high: Its upper end.
        chance: Accuracy of guessing, the mean over the trials; None for a harmonic mean.
        verdict: What the headline rule finds for the protocol's classes.
        rule: The headline rule.
        seen: How many of the protocol's classes it finds to be seen.
        complete: Whether every video of the data set was scored.
    """

    dataset: str
    protocol: str
    version: int
    lists: str
    model: str
    identity: str
    metric: str
    value: float | None
    std: float | None
    videos_low: float | None
    videos_high: float | None
    classes_low: float | None
    classes_high: float | None
    chance: float | None
    verdict: str
    rule: str
    seen: int
    complete: bool


@dataclass(frozen=True, kw_only=True)
class ForestBlock:
    """The results under one protocol on one data set, which alone may be compared.

    Attributes:
        rows: In the order given.
        differs: The fields in which they are not comparable.
    """

    rows: tuple[ForestRow, ...]
    differs: tuple[str, ...]

    @property
    def title(self) -> str:
        """Data set, protocol and figure."""
        first = self.rows[0]
        return f"{first.dataset}, {first.protocol} v{first.version}, {_FIGURES[first.metric]}"


def forest_blocks(
    results: Sequence[EvaluationResult], *, protocols: Sequence[str] = (), anyway: bool = False
) -> tuple[ForestBlock, ...]:
    """Sort results into blocks by data set and protocol, each with intervals and verdict.

    Args:
        results: The results, of any data sets.
        protocols: Ids of the protocols to take; none for all that the results have.
        anyway: Keep results in one block that are not comparable.

    Raises:
        ResultError: There is no result or one is given twice, or results of one block are not
            comparable.
        ProtocolError: A result was not scored under any of the protocols.
    """
    if not results:
        raise ResultError("a forest plot", found="no result", fix="give at least one")
    called = _names(results)
    blocks: dict[tuple[str, str, str], list[tuple[EvaluationResult, ForestRow]]] = {}
    for name, result in zip(called, results, strict=True):
        for protocol in _chosen(result, protocols):
            row = _row(name, result, protocol)
            blocks.setdefault((row.dataset, protocol, row.lists), []).append((result, row))
    return tuple(_block(members, anyway=anyway) for members in blocks.values())


def forest_chart(
    results: Sequence[EvaluationResult], *, protocols: Sequence[str] = (), anyway: bool = False
) -> Chart:
    """Chart results with both intervals and their verdicts, one block a protocol and data set.

    Args:
        results: The results, of any data sets; they need no arrays.
        protocols: Ids of the protocols to take; none for all that the results have.
        anyway: Keep results in one block that are not comparable.

    Raises:
        ResultError: There is no result or one is given twice, or results of one block are not
            comparable.
        ProtocolError: A result was not scored under any of the protocols.
    """
    blocks = forest_blocks(results, protocols=protocols, anyway=anyway)
    rows = [row for block in blocks for row in block.rows]
    told = [_WHAT_IS_SHOWN]
    if any(not row.complete for row in rows):
        told.append("Hollow: incomplete, of the videos at hand only, and not to be ranked.")
    told += [f"{block.title}. {not_comparable(block.differs)}" for block in blocks if block.differs]
    return Chart(
        name="forest",
        title="Results with their intervals",
        caption=" ".join(told),
        header=tuple(field.name for field in fields(ForestRow)),
        rows=tuple(map(astuple, rows)),
        draw=partial(_draw, blocks),
        size=(7.6, _FOOT + _HEAD * len(blocks) + _LINE * len(rows)),
    )


def _names(results: Sequence[EvaluationResult]) -> list[str]:
    """Return a name for each result; two on different data sets may share one."""
    found = []
    for result in results:
        beside = [one for one in results if one.dataset == result.dataset]
        place = next(number for number, one in enumerate(beside) if one is result)
        found.append(names(beside)[place])
    return found


def _chosen(result: EvaluationResult, protocols: Sequence[str]) -> list[str]:
    if not protocols:
        return list(result.scores)
    wanted = {name.partition("@")[0] for name in protocols}
    found = [name for name in result.scores if name.partition("@")[0] in wanted]
    if not found:
        raise ProtocolError(
            f"{listing(sorted(wanted))} of {result.model} on {result.dataset}",
            found=f"scores under {listing(result.scores)}",
            fix="score the result again with --protocol",
        )
    return found


def _block(members: Sequence[tuple[EvaluationResult, ForestRow]], *, anyway: bool) -> ForestBlock:
    results = [result for result, _ in members]
    differs = differing(results)
    refuse(differs, results, anyway=anyway)
    return ForestBlock(rows=tuple(row for _, row in members), differs=differs)


def _row(name: str, result: EvaluationResult, protocol: str) -> ForestRow:
    scores: dict[str, Any] = result.scores[protocol]
    metric: str = scores["metric"]
    harmonic = metric == _HARMONIC
    several = len(scores["trials"]) > 1
    spans = {} if harmonic else scores["uncertainty"][metric]
    videos, classes = (spans.get(kind) or {} for kind in ("groups", "classes"))
    verdict = scores["verdicts"][0]
    chances = [trial["chance"] for trial in scores["trials"]]
    return ForestRow(
        dataset=result.dataset,
        protocol=protocol,
        version=scores["version"],
        lists=scores["sha256"][:12],
        model=name,
        identity=result.sha256[:12],
        metric=metric,
        value=scores["generalised"][_HARMONIC] if harmonic else scores["mean"][metric],
        std=scores["std"][metric] if several and not harmonic else None,
        videos_low=videos.get("low"),
        videos_high=videos.get("high"),
        classes_low=classes.get("low"),
        classes_high=classes.get("high"),
        chance=None if harmonic else sum(chances) / len(chances),
        verdict=verdict["finding"],
        rule=verdict["rule"],
        seen=verdict["num_seen"],
        complete=result.complete,
    )


def _draw(blocks: Sequence[ForestBlock], figure: Figure) -> None:
    heights = [_HEAD + _LINE * len(block.rows) for block in blocks]
    panels = figure.subplots(len(blocks), 1, sharex=True, squeeze=False, height_ratios=heights)[
        :, 0
    ]
    for axes, block in zip(panels, blocks, strict=True):
        for place, row in enumerate(block.rows):
            _draw_row(axes, place, row)
        _frame(axes, block)
    panels[-1].tick_params(axis="x", length=3, labelbottom=True)
    panels[-1].set_xlabel("accuracy (%)")
    ends = [
        end
        for block in blocks
        for row in block.rows
        for end in (row.value, row.videos_low, row.videos_high, row.classes_low, row.classes_high)
        if end is not None
    ]
    room = 0.04 * (max(ends, default=1.0) - min(ends, default=0.0)) + 0.005
    low = min(ends, default=0.0) - room
    panels[0].set_xlim(0 if low < 0.12 else low, min(max(ends, default=1.0) + room, 1.0 + room))
    found = [row for block in blocks for row in block.rows]
    _explain(figure, found)


def _frame(axes: Axes, block: ForestBlock) -> None:
    chances = {row.chance for row in block.rows if row.chance is not None}
    for chance in chances:
        axes.axvline(chance, color=GREY, linestyle=":", linewidth=1)
    axes.set_title(shown(block.title), loc="left", fontweight="bold", fontsize=9)
    axes.set_yticks(range(len(block.rows)), [shown(row.model) for row in block.rows], fontsize=8)
    axes.set_ylim(len(block.rows) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    as_percent(axes, "x")


def _draw_row(axes: Axes, place: int, row: ForestRow) -> None:
    marker, number = _FINDINGS[row.verdict]
    colour = look(number).colour
    if row.classes_low is not None and row.classes_high is not None:
        axes.hlines(place, row.classes_low, row.classes_high, color=colour, linewidth=1.3)
    if row.videos_low is not None and row.videos_high is not None:
        width = row.videos_high - row.videos_low
        axes.barh(place, width, left=row.videos_low, color=colour, **_BOX)
    if row.value is not None:
        axes.plot(
            [row.value], [place], marker=marker, color=colour, markersize=6, zorder=3,
            markeredgewidth=1.2, markeredgecolor=colour,
            markerfacecolor=colour if row.complete else "white", linestyle="none", clip_on=False,
        )  # fmt: skip
    axes.text(
        1.015, place, _words(row), transform=axes.get_yaxis_transform(), va="center_baseline",
        fontsize=7.5, color=BLACK,
    )  # fmt: skip


def _words(row: ForestRow) -> str:
    value = "-" if row.value is None else f"{100 * row.value:.1f}"
    spread = "" if row.std is None else f" ± {100 * row.std:.1f}"
    seen = f" ({row.seen} seen)" if row.seen else ""
    return f"{value}{spread}  {row.verdict}{seen}{'' if row.complete else ', INCOMPLETE'}"


def _explain(figure: Figure, rows: Sequence[ForestRow]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = [
        Patch(color=BLACK, alpha=_BOX["alpha"], linewidth=0),
        Line2D([], [], color=BLACK, linewidth=1.3),
    ]
    labels = ["95%, other videos", "95%, other classes"]
    for finding, (marker, number) in _FINDINGS.items():
        if any(row.verdict == finding for row in rows):
            handles.append(_mark(marker, look(number).colour))
            labels.append(finding)
    if any(not row.complete for row in rows):
        handles.append(_mark("o", "white"))
        labels.append("incomplete")
    columns = len(labels) if len(labels) <= _MOST_COLUMNS else -(-len(labels) // 2)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def _mark(marker: str, face: str) -> Artist:
    from matplotlib.lines import Line2D

    edge = BLACK if face == "white" else face
    return Line2D(
        [], [], marker=marker, linestyle="none", markersize=6, markerfacecolor=face,
        markeredgecolor=edge,
    )  # fmt: skip
