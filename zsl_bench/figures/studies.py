"""Charts of the paper's studies: amount of data (Fig. 4), diversity (Fig. 5), pretraining (Fig. 6).

Each takes the accuracies of single trainings and draws them with their means. What stands in one
panel was measured on one data set under one protocol.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from zsl_bench.figures.chart import BLACK, GREY, Chart, as_percent, look
from zsl_bench.figures.study_panels import (
    ACCURACY,
    PANEL,
    POINT_HEADER,
    draw_lines,
    draw_mean,
    finish_panel,
    how_partial,
    how_to_read,
    means_of,
    panels,
    panels_size,
    point_rows,
    series_of,
    shared_legend,
    tests_of,
)
from zsl_bench.figures.study_points import check_points, paired_gains, study_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsl_bench.figures.study_points import Gain, MeasuredRow, StudyPoint

WITHOUT, WITH = "without pretraining", "with pretraining"


def amount_chart(
    points: Sequence[StudyPoint], *, name: str = "amount", axis: str = "training classes"
) -> Chart:
    """Draw accuracy against how much is trained on (paper Fig. 4, which shows the error).

    Args:
        points: One for each training; ``at`` is the number of classes or of videos.
        name: What the files are called.
        axis: What ``at`` counts.

    Raises:
        ResultError: There is no point.
    """
    check_points(points, name)

    def draw(figure: Figure) -> None:
        for axes, test in panels(figure, points):
            draw_lines(axes, points, test)
            axes.set_xlabel(axis)
        shared_legend(figure)

    return Chart(
        name=name,
        title=f"Accuracy and the number of {axis}",
        caption=f"Top-1 accuracy on unseen classes against the number of {axis}, on a logarithmic "
        f"scale. {how_to_read(points)}",
        header=POINT_HEADER,
        rows=point_rows(points),
        draw=draw,
        size=panels_size(points),
    )


def size_charts(rows: Sequence[MeasuredRow]) -> list[Chart]:
    """Draw accuracy against the number of training classes and of training videos (paper Fig. 4).

    Rows with a label ``classes`` come from trainings on fewer classes, rows with a label ``videos``
    from trainings on fewer videos of all classes. The second chart shows both against the number
    of videos, the former with their number of classes; trainings on equally many classes stand at
    the mean of their numbers of videos.

    Args:
        rows: Rows of finished runs of either study, or of both.

    Raises:
        ResultError: There is no row.
    """
    by_class = [row for row in rows if "classes" in row.labels]
    charts = []
    if by_class:
        points = study_points(by_class, at=lambda row: row.classes_trained, series=_model)
        charts.append(amount_chart(points, name="classes"))
    videos: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for row in rows:
        if row.samples_trained is not None:
            videos[_size_of(row)].append(row.samples_trained)
    noted = [row for row in by_class if _model(row) == _model(by_class[0])]
    points = study_points(
        rows,
        at=lambda row: fmean(videos[_size_of(row)]) if _size_of(row) in videos else None,
        series=lambda row: f"{_model(row)}, fewer {_varied(row)}",
        note=lambda row: f"{row.classes_trained or ''}" if row in noted else "",
    )
    chart = amount_chart(points, name="videos", axis="training videos")
    read = " Small numbers beside marks are numbers of classes." if noted else ""
    return [*charts, replace(chart, caption=chart.caption + read)]


def _model(row: MeasuredRow) -> str:
    return str(row.labels.get("model") or "model")


def _varied(row: MeasuredRow) -> str:
    return "classes" if "classes" in row.labels else "videos"


def _size_of(row: MeasuredRow) -> tuple[object, ...]:
    """Return what the trainings of one place share."""
    return (_model(row), _varied(row), row.labels.get(_varied(row)))


def diversity_chart(points: Sequence[StudyPoint], *, classes: str) -> Chart:
    """Draw accuracy against the number of clusters that training classes come from (paper Fig. 5).

    Args:
        points: One for each training; ``at`` is the number of clusters, of which one was chosen.
        classes: How many classes each training had, such as ``50``.

    Raises:
        ResultError: There is no point.
    """
    check_points(points, "diversity")
    clusters = sorted({point.at for point in points})
    places = {at: float(place) for place, at in enumerate(clusters)}
    labels = ["all classes" if at == 1 else f"one of {at:g}" for at in clusters]

    def draw(figure: Figure) -> None:
        for axes, test in panels(figure, points):
            series = series_of(points)
            for number, one in enumerate(series):
                shift = (number - (len(series) - 1) / 2) * 0.16
                for mean in means_of(points, test, one):
                    draw_mean(axes, places[mean.at] + shift, mean, number)
                axes.plot([], [], color=look(number).colour, marker=look(number).marker, label=one)
            axes.set_xticks(list(places.values()), labels)
            axes.set_xlim(-0.5, len(places) - 0.5)
            axes.set_xlabel("clusters that the training classes come from")
            finish_panel(axes, points, test)
        shared_legend(figure)

    return Chart(
        name="diversity",
        title="Accuracy and the diversity of the training classes",
        caption=f"Top-1 accuracy on unseen classes after training on {classes} classes drawn from "
        "all training classes or from one of several k-means clusters of their class vectors: the "
        f"more clusters, the more alike the classes. {how_to_read(points)}",
        header=POINT_HEADER,
        rows=point_rows(points),
        draw=draw,
        size=panels_size(points),
    )


def density_chart(points: Sequence[StudyPoint]) -> Chart:
    """Draw accuracy against the mean distance between training classes (supplement Fig. 2).

    The paper leaves open how it measures density; here it is the mean cosine distance between the
    class vectors of two training classes, averaged over the repeats of a number of clusters.

    Args:
        points: One for each training, with its diversity; ``at`` is the number of clusters.

    Raises:
        ResultError: There is no point with a diversity.
    """
    known = [point for point in points if point.diversity is not None]
    check_points(known, "diversity-density")
    tests = list(dict.fromkeys(point.test for point in known))

    def draw(figure: Figure) -> None:
        series = series_of(known)
        drawn: Any = figure.subplots(1, len(series), squeeze=False, sharey=True)
        for axes, one in zip(drawn.flat, series, strict=True):
            for number, test in enumerate(tests):
                means = sorted(means_of(known, test, one), key=lambda mean: mean.diversity or 0.0)
                style = look(number)
                axes.errorbar(
                    [mean.diversity for mean in means],
                    [mean.mean for mean in means],
                    yerr=[mean.deviation or 0.0 for mean in means],
                    color=style.colour,
                    marker=style.marker,
                    linestyle=style.dash,
                    capsize=3,
                    label=test,
                )
            axes.set_title(one)
            axes.set_xlabel("mean distance between two training classes")
            axes.margins(x=0.08)
            as_percent(axes, "y")
            axes.set_ylim(bottom=0)
        drawn.flat[0].set_ylabel(ACCURACY)
        shared_legend(figure)

    return Chart(
        name="diversity-density",
        title="Accuracy and the distance between training classes",
        caption="Top-1 accuracy on unseen classes against the mean cosine distance between the "
        "class vectors of two training classes. Bars: standard deviation over repeats."
        + how_partial(known),
        header=POINT_HEADER,
        rows=point_rows(known),
        draw=draw,
        size=(max(PANEL[0] * len(series_of(known)), 4.6), 3.8),
    )


def pretraining_chart(points: Sequence[StudyPoint], *, name: str = "pretraining") -> Chart:
    """Draw accuracy with and without pretraining, and the gain below it (paper Fig. 6).

    Args:
        points: One for each training, in the series :data:`WITHOUT` and :data:`WITH`; ``at`` is the
            number of training classes.
        name: What the files are called.

    Raises:
        ResultError: There is no point, or two for one test, place, series and repeat.
    """
    check_points(points, name)
    gains = paired_gains(points, without=WITHOUT, gained=WITH)
    of_place = {(gain.test, gain.at, gain.repeat): gain.gain for gain in gains}

    def draw(figure: Figure) -> None:
        tests = tests_of(points)
        drawn: Any = figure.subplots(
            2, len(tests), squeeze=False, sharex="col", sharey="row", height_ratios=(2, 1)
        )
        for axes, below, test in zip(drawn[0], drawn[1], tests, strict=True):
            draw_lines(axes, points, test)
            axes.tick_params(labelbottom=False)
            _draw_gains(below, [gain for gain in gains if gain.test == test])
            below.set_xlabel("training classes")
        drawn[0][0].set_ylabel(ACCURACY)
        drawn[1][0].set_ylabel("gain (points)")
        shared_legend(figure)

    return Chart(
        name=name,
        title="What pretraining gains",
        caption="Top-1 accuracy on unseen classes with and without pretraining on clips made from "
        "images, against the number of training classes; below, the difference of runs with the "
        f"same classes and repeat. {how_to_read(points)}",
        header=(*POINT_HEADER, "gain"),
        rows=tuple(
            (*row, of_place.get((p.test, p.at, p.repeat)) if p.series == WITH else None)
            for row, p in zip(point_rows(points), points, strict=True)
        ),
        draw=draw,
        size=(max(PANEL[0] * len(tests_of(points)), 4.6), 4.8),
    )


def _draw_gains(axes: Axes, gains: Sequence[Gain]) -> None:
    places = sorted({gain.at for gain in gains})
    means = [[gain.gain for gain in gains if gain.at == at] for at in places]
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.plot(
        [gain.at for gain in gains],
        [gain.gain for gain in gains],
        linestyle="",
        marker="o",
        markersize=3,
        color=BLACK,
        alpha=0.35,
    )
    axes.plot(
        places, [sum(one) / len(one) for one in means], color=BLACK, marker="_", markersize=10
    )
    as_percent(axes, "y")
