"""Accuracy far from the training classes: by hand, and by the paper's words at any distance."""

from __future__ import annotations

import numpy as np
import pytest

from zsl_bench.errors import ResultError
from zsl_bench.figures.far_classes import far_classes, far_classes_chart
from zsl_bench.figures.per_class import class_accuracies
from zsl_bench.figures.runs import gather
from zsl_bench.verdict.distances import ClassDistances

NAMED = {"a": ["a", "b"], "b": ["b", "b"], "c": ["a"], "d": ["d", "d", "c"]}


def apart(values, names="abcd", **more):
    return ClassDistances(
        nearest=np.array(values) / 2,
        nearest_mean=np.array(values),
        neighbours=10,
        classes=tuple(names),
        num_declared=40,
        **more,
    )


def test_closed_form(toy):
    chart = far_classes_chart([toy(NAMED, distances=apart([0.1, 0.3, 0.3, 0.2]))])
    columns = [chart.header.index(name) for name in ("from distance", "below distance", "classes")]
    assert [tuple(row[column] for column in columns) for row in chart.rows] == [
        (0.0, 0.1, 4),
        (0.1, 0.2, 3),
        (0.2, 0.3, 2),
    ]
    assert [row[chart.header.index("top1")] for row in chart.rows] == pytest.approx(
        [5 / 8, 4 / 6, 2 / 3]
    )
    assert {row[chart.header.index("chance")] for row in chart.rows} == {0.25}


@pytest.mark.parametrize("seed", range(3))
def test_at_any_distance_it_is_the_accuracy_on_the_classes_farther_away(toy, seed):
    rng = np.random.default_rng(seed)
    names = [f"c{number}" for number in range(8)]
    named = {
        one: [str(rng.choice(names)) for _ in range(1, int(rng.integers(1, 6)))] for one in names
    }
    values = rng.choice([0.0, 0.1, 0.2, 0.35, 0.5], size=8)
    (run,) = gather([toy(named, distances=apart(values, names))]).runs
    found = far_classes(run)
    edges = found.edges()
    for threshold in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.34, 0.4, 0.49):
        kept = [one for one, value in zip(names, values, strict=True) if value > threshold]
        right = sum(other == one for one in kept for other in named[one])
        videos = sum(len(named[one]) for one in kept)
        step = int(np.searchsorted(edges, threshold, side="right")) - 1
        if not videos:
            assert threshold >= edges[-1]
            continue
        assert found.heights("top1")[step] == pytest.approx(right / videos)
        assert found.heights("num_classes")[step] == len(kept)
        assert found.heights("with_videos")[step] == sum(bool(named[one]) for one in kept)
    accuracies = [
        one.accuracy for one in class_accuracies(run) if values[names.index(one.name)] > 0
    ]
    assert found.heights("mean_per_class")[0] == pytest.approx(np.mean(accuracies))


def test_a_model_that_declares_nothing_is_an_error_that_says_so(toy):
    with pytest.raises(
        ResultError, match=r"m: a model that declares no training class.*trained-on"
    ):
        far_classes_chart([toy(NAMED)])


def test_no_video_is_an_error(toy):
    with pytest.raises(ResultError, match="no video"):
        far_classes_chart(
            [toy({name: [] for name in "abcd"}, distances=apart([0.1, 0.2, 0.3, 0.4]))]
        )


def test_the_caption_tells_stand_ins_and_open_fields(toy):
    distances = apart([0.1, 0.2, 0.3, 0.4], approximate_classes=("b",))
    chart = far_classes_chart([toy(NAMED, distances=distances, silent=("pretrained_on: open",))])
    assert "rests on a stand-in for a word without a vector" in chart.caption
    assert "m: on a stand-in rest 1 (b)." in chart.caption
    assert "m: pretrained_on: open, so that classes may be nearer than drawn." in chart.caption
    assert "stand-in" not in far_classes_chart([toy(NAMED, distances=apart([0.1] * 4))]).caption


def test_classes_left_and_those_on_stand_ins_are_counted_where_they_have_a_video(toy):
    named = {**NAMED, "e": []}
    distances = apart([0.1, 0.2, 0.3, 0.4, 0.5], "abcde", approximate_classes=("b", "d", "e"))
    found = far_classes(gather([toy(named, distances=distances)]).runs[0])
    assert found.heights("num_classes").tolist() == [5, 4, 3, 2]
    assert found.heights("with_videos").tolist() == [4, 3, 2, 1]
    assert found.heights("on_stand_ins").tolist() == [2, 2, 1, 1]


@pytest.mark.parametrize("values", [[0.1, 0.3, 0.3, 0.2], [0.2, 0.2, 0.2, 0.2]])
def test_it_is_drawn_also_with_one_step(toy, values):
    models = [toy(NAMED, name=f"m{n}", distances=apart(values)) for n in range(3)]
    assert far_classes_chart(models).picture("png").startswith(b"\x89PNG")
