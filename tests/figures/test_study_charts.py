"""Charts of studies: their numbers on cases that can be worked out by hand, and that they draw."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.errors import ResultError
from zsl_bench.figures.ablation import AblationPoint, ablation_chart
from zsl_bench.figures.claims import ClaimPoint, claims_chart
from zsl_bench.figures.studies import (
    WITH,
    WITHOUT,
    amount_chart,
    density_chart,
    diversity_chart,
    pretraining_chart,
    size_charts,
)
from zsl_bench.figures.study_panels import short_number
from zsl_bench.figures.study_points import StudyPoint, paired_gains, study_points, summarise


@dataclass(frozen=True)
class Row:
    """A row as a study collects it."""

    run: str = "r"
    labels: dict = field(default_factory=dict)
    evaluation: str = "test"
    dataset: str = "ucf101"
    protocol: str = "brattoli-full@1"
    top1: float = 0.5
    chance: float = 0.01
    complete: bool = True
    verdict: str = "disjoint"
    classes_trained: int | None = 4
    samples_trained: int | None = 40


def point(at, accuracy, **fields):
    return StudyPoint(**{"test": "t", "series": "e2e", "at": at, "accuracy": accuracy, **fields})


def drawn(chart):
    pytest.importorskip("matplotlib")
    assert chart.picture("png").startswith(b"\x89PNG")


def model(row):
    return str(row.labels.get("model"))


def column(chart, name):
    return [row[chart.header.index(name)] for row in chart.rows]


def test_repeats_are_averaged_apart_by_test_series_and_place():
    points = [point(2, 0.1), point(2, 0.3, repeat=1), point(4, 0.5), point(2, 0.9, series="frozen")]
    first, second, third = summarise([*points])
    assert (first.at, first.accuracies, first.mean) == (2, (0.1, 0.3), pytest.approx(0.2))
    assert first.deviation == pytest.approx(np.std([0.1, 0.3], ddof=1))
    assert (second.at, second.mean, second.deviation) == (4, 0.5, None)
    assert third.series == "frozen"


@given(st.permutations(range(6)))
def test_the_order_of_repeats_does_not_matter(order):
    points = [point(2, 0.1 * n, repeat=n) for n in range(6)]
    assert summarise([points[n] for n in order]) == summarise(points)


def test_a_diversity_is_averaged_only_where_all_repeats_have_one():
    both = [point(2, 0.1, diversity=0.4), point(2, 0.1, repeat=1, diversity=0.6)]
    assert summarise(both)[0].diversity == pytest.approx(0.5)
    assert summarise([both[0], replace(both[1], diversity=None)])[0].diversity is None


def test_gains_pair_the_same_place_and_repeat():
    points = [
        point(2, 0.1, series="a"), point(2, 0.2, series="a", repeat=1), point(4, 0.3, series="a"),
        point(2, 0.15, series="b"), point(2, 0.1, series="b", repeat=1), point(8, 1.0, series="b"),
    ]  # fmt: skip
    gains = paired_gains(points, without="a", gained="b")
    found = [(gain.at, gain.repeat, round(gain.gain, 9)) for gain in gains]
    assert found == [(2, 0, 0.05), (2, 1, -0.1)]


def test_a_run_that_is_given_twice_has_no_gain():
    points = [point(2, 0.1, series="a"), point(2, 0.2, series="a")]
    with pytest.raises(ResultError, match="two accuracies on t at 2, repeat 0"):
        paired_gains(points, without="a", gained="b")


def test_two_protocols_or_two_evaluations_never_share_a_panel():
    rows = [Row(), Row(protocol="brattoli-half@1"), Row(evaluation="one-clip")]
    points = study_points(rows, at=lambda row: row.top1, series=model)
    assert len({one.test for one in points}) == 3
    alone = study_points(rows[:1], at=lambda row: row.top1, series=model)
    assert alone[0].test == "ucf101, brattoli-full@1"


def test_seeds_and_repeats_number_the_repeats_and_rows_without_a_place_are_left_out():
    rows = [Row(labels={"seed": 3}), Row(labels={"repeat": 2}), Row(classes_trained=None)]
    points = study_points(rows, at=lambda row: row.classes_trained, series=model)
    assert [one.repeat for one in points] == [2, 3]


def test_the_amount_chart_has_a_row_a_run_with_its_mean():
    points = [point(2, 0.1, run="a"), point(2, 0.3, repeat=1, run="b"), point(664, 0.5, run="c")]
    chart = amount_chart(points)
    assert column(chart, "run") == ["a", "b", "c"]
    assert column(chart, "mean of the repeats") == pytest.approx([0.2, 0.2, 0.5])
    assert "Faint marks" in chart.caption
    assert "Faint marks" not in amount_chart([point(2, 0.1)]).caption
    drawn(chart)


def test_numbers_on_a_part_of_the_videos_are_told():
    chart = amount_chart([point(2, 0.1, complete=False), point(4, 0.2)])
    assert "1 of 2 numbers cover only a part" in chart.caption
    assert column(chart, "complete") == [False, True]


@pytest.mark.parametrize(
    "make",
    [
        amount_chart,
        pretraining_chart,
        ablation_chart,
        claims_chart,
        density_chart,
        lambda points: diversity_chart(points, classes="50"),
    ],
)
def test_nothing_is_no_chart(make):
    with pytest.raises(ResultError, match=r"no finished run|no measured number"):
        make([])


def test_trainings_of_one_size_stand_at_the_mean_of_their_numbers_of_videos():
    rows = [
        Row(labels={"model": "e2e", "classes": 4, "seed": 0}, samples_trained=30),
        Row(labels={"model": "e2e", "classes": 4, "seed": 1}, samples_trained=50),
        Row(
            labels={"model": "e2e", "videos": 20, "seed": 0}, classes_trained=9, samples_trained=20
        ),
    ]
    classes, videos = size_charts(rows)
    assert (classes.name, column(classes, "at")) == ("classes", [4, 4])
    assert column(videos, "at") == [20, 40, 40]
    assert column(videos, "series") == ["e2e, fewer videos", *["e2e, fewer classes"] * 2]
    drawn(classes)
    drawn(videos)


def test_fewer_videos_alone_give_one_chart():
    (chart,) = size_charts([Row(labels={"model": "e2e", "videos": 20, "seed": 0})])
    assert chart.name == "videos"
    assert "numbers of classes" not in chart.caption


def test_diversity_is_drawn_by_clusters_and_by_distance():
    points = [
        point(clusters, 0.4 - 0.03 * clusters + 0.01 * n, repeat=n, diversity=0.9 - 0.1 * clusters)
        for clusters in (1, 2, 6)
        for n in range(3)
    ]
    chart, density = diversity_chart(points, classes="50"), density_chart(points)
    assert column(chart, "at") == [1, 1, 1, 2, 2, 2, 6, 6, 6]
    assert "50 classes" in chart.caption
    assert column(density, "diversity") == pytest.approx([0.8] * 3 + [0.7] * 3 + [0.3] * 3)
    drawn(chart)
    drawn(density)


def test_the_gain_stands_beside_the_run_that_gained():
    points = [
        point(50, 0.2, series=WITHOUT), point(50, 0.26, series=WITH), point(100, 0.3, series=WITH)
    ]  # fmt: skip
    chart = pretraining_chart(points)
    assert column(chart, "gain") == [None, pytest.approx(0.06), None]
    drawn(chart)


def test_the_ablation_orders_its_rows_as_the_paper_does():
    settings = [(1, 1, 1), (0, 0, 0), (1, 0, 1), (1, 1, 0), (1, 0, 0), (0, 0, 1)]
    points = [
        AblationPoint(
            e2e=bool(e), pretraining=bool(p), many_clips=bool(m), test="t", top1=0.2, claimed_top1=c
        )
        for (e, p, m), c in zip(settings, [0.4, None, None, None, None, None], strict=True)
    ]
    chart = ablation_chart(points)
    assert [row[:3] for row in chart.rows] == [
        (False, False, False), (False, False, True), (True, False, False), (True, True, False),
        (True, False, True), (True, True, True),
    ]  # fmt: skip
    assert [p.name for p in points[:2]] == ["e2e + pretraining + many clips", "frozen"]
    drawn(chart)


def test_measured_less_claimed():
    points = [
        ClaimPoint(name="a", test="ucf101, half", claimed=0.48, measured=0.47),
        ClaimPoint(name="a", test="hmdb51, half", claimed=0.3, measured=0.4, complete=False),
    ]
    chart = claims_chart(points)
    assert column(chart, "difference") == pytest.approx([-0.01, 0.1])
    assert "Hollow" in chart.caption
    assert "Hollow" not in claims_chart(points[:1]).caption
    drawn(chart)


def test_a_chart_is_saved_with_its_numbers(tmp_path):
    written = amount_chart([point(2, 0.1), point(4, 0.2)]).save(tmp_path, ("png",))
    with written[0].open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["accuracy"] for row in rows] == ["0.1", "0.2"]


@pytest.mark.parametrize(
    ("number", "text"),
    [(2, "2"), (664, "664"), (1000, "1k"), (1719, "1.7k"), (40122, "40k"), (1.25e6, "1.2M")],
)
def test_short_numbers(number, text):
    assert short_number(number) == text
