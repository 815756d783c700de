"""Confusion matrices: counts by hand, in plain loops, and the laws of their distance."""

from __future__ import annotations

import csv
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.errors import ResultError
from zsl_bench.figures.confusion import (
    ELSEWHERE,
    Confusion,
    confused_order,
    confusion_chart,
    confusion_of,
    drawn_names,
    square,
)
from zsl_bench.figures.confusion_difference import (
    confusion_difference_chart,
    confusion_distance,
)
from zsl_bench.figures.per_class import class_accuracies
from zsl_bench.figures.runs import gather
from zsl_bench.protocols import Protocol, Trial, rank_trials

FIRST = {"a": ["a", "a", "b", "c"], "b": ["b", "a"], "c": [], "d": ["c"]}
SECOND = {"a": ["a", "a", "a", "a"], "b": ["a", "a"], "c": [], "d": ["c"]}


def of(reloaded, protocol=None):
    return confusion_of(gather([reloaded], protocol=protocol).runs[0])


def test_closed_form(toy):
    found = of(toy(FIRST))
    assert found.classes == ("a", "b", "d")
    assert found.named == ("a", "b", "c", "d")
    assert found.counts.tolist() == [[2, 1, 1, 0], [1, 1, 0, 0], [0, 0, 1, 0]]
    assert found.shares.tolist() == [[0.5, 0.25, 0.25, 0], [0.5, 0.5, 0, 0], [0, 0, 1, 0]]
    assert found.most_confused(9) == [
        ("d", "c", 1.0, 1, 1),
        ("b", "a", 0.5, 1, 2),
        ("a", "b", 0.25, 1, 4),
        ("a", "c", 0.25, 1, 4),
    ]
    assert found.most_confused(1) == [("d", "c", 1.0, 1, 1)]


def test_a_tie_with_the_truth_counts_as_the_other_class(toy):
    scores = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0], [0.0, 0.0, 1.0]])
    found = of(toy({"a": ["a"], "b": ["b"], "c": ["c"]}, scores=scores))
    assert found.counts.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 1]]


def test_declared_training_classes_share_one_column(toy):
    (run,) = gather([toy({"a": ["a", "a"], "b": ["b"]})]).runs
    matrix = replace(
        run.evidence.matrix,
        classes=("a", "b", "k/x", "k/y"),
        scores=np.array([[3.0, 2, 1, 0], [1, 0, 2, 3], [0, 1, 0, 0]]),
    )
    protocol = Protocol(
        id="open", version=1, dataset="toy", title="", metric="top1", averaging="", source="",
        trials=(Trial(classes=("a", "b"), videos=None, distractors=("k/x", "k/y")),),
    )  # fmt: skip
    found = confusion_of(
        replace(
            run,
            protocol=protocol,
            evidence=replace(run.evidence, matrix=matrix),
            ranked=rank_trials(matrix, protocol),
        )
    )
    assert found.named == ("a", "b", ELSEWHERE)
    assert found.counts.tolist() == [[1, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("protocol", ["full", "half"])
def test_equal_to_plain_loops_and_to_the_accuracy_by_class(toy, seed, protocol):
    rng = np.random.default_rng(seed)
    names = [f"c{number}" for number in range(6)]
    named = {name: ["c0"] * int(rng.integers(0, 5)) for name in names}
    named["c1"] = ["c0"] * 3
    scores = rng.integers(0, 4, size=(sum(map(len, named.values())), 6)).astype(float)
    (run,) = gather([toy(named, scores=scores)], protocol=protocol).runs
    labels = run.evidence.matrix.labels
    expected = np.zeros((6, 6), dtype=int)
    for trial in run.protocol.trials:
        for row, label in enumerate(labels):
            if names[label] in trial.classes:
                others = [names.index(name) for name in trial.candidates if name != names[label]]
                best = max(others, key=lambda other: scores[row][other])
                expected[label, best if scores[row][best] >= scores[row][label] else label] += 1
    found = confusion_of(run)
    kept = [names.index(name) for name in found.classes]
    assert found.counts.tolist() == expected[kept].tolist()
    diagonal = found.shares[np.arange(len(kept)), found.own]
    accuracy = [one.accuracy for one in class_accuracies(run)]
    assert diagonal.tolist() == pytest.approx(accuracy)


def test_names_of_too_many_classes_are_left_out_and_the_caption_says_so(toy):
    chart = confusion_chart(toy({f"c{n}": [f"c{n // 2}"] for n in range(121)}))
    assert "Names of 121 classes do not fit" in chart.caption
    assert chart.picture("png").startswith(b"\x89PNG")


def test_no_video_is_an_error(toy):
    with pytest.raises(ResultError, match="no video"):
        of(toy({"a": [], "b": []}))


def test_confused_classes_come_side_by_side(toy):
    named = {
        "a": ["a", "d"], "b": ["b", "e"], "c": ["c", "f"],
        "d": ["d", "a"], "e": ["e", "b"], "f": ["f", "c"], "g": [],
    }  # fmt: skip
    order = confused_order(of(toy(named)))
    assert sorted(order) == list(named)
    assert order[-1] == "g"
    for pair in ("ad", "be", "cf"):
        assert abs(order.index(pair[0]) - order.index(pair[1])) == 1
    assert confused_order(of(toy({"a": ["b"], "b": [], "c": []}))) == ["a", "b", "c"]


def test_the_square_has_rows_and_columns_in_one_order(toy):
    found = of(toy(FIRST))
    shares = square(found.shares, found.classes, found.named, ["d", "c", "b", "a"])
    assert np.isnan(shares[1]).all()
    assert shares[3].tolist() == [0, 0.25, 0.25, 0.5]
    assert shares[2].tolist() == [0, 0, 0.5, 0.5]


def test_classes_without_a_video_that_are_never_named_are_not_drawn(toy):
    more = {**FIRST, "e": [], "f": []}
    first, second = of(toy(more)), of(toy({**more, "a": ["e"]}))
    assert drawn_names([first]) == ["a", "b", "c", "d"]
    assert drawn_names([first, second]) == ["a", "b", "c", "d", "e"]
    chart = confusion_chart(toy(more), order="confused")
    assert len(chart.rows) == 3 * 6
    assert "Not drawn: 2 classes without a video" in chart.caption
    assert "Not drawn" not in confusion_chart(toy(FIRST)).caption
    both = [toy(more, name="one"), toy({**more, "a": ["e"], "b": []}, name="two")]
    chart = confusion_difference_chart(both)
    assert "Not drawn: 1 classes without a video" in chart.caption
    assert chart.picture("png")


@pytest.mark.parametrize("order", ["official", "confused"])
def test_the_chart_has_every_entry(toy, order, tmp_path):
    chart = confusion_chart(toy(FIRST, name="x/y"), order=order)
    assert chart.name == "confusion-x_y"
    assert len(chart.rows) == 3 * 4
    assert chart.rows[1][3:] == ("a", "b", 1, 0.25)
    with chart.save(tmp_path, ("png",))[0].open(newline="") as stream:
        assert sum(float(row["videos"]) for row in csv.DictReader(stream)) == 7


def confusion(shares):
    counts = np.array(shares)
    names = tuple("abcdefgh"[: counts.shape[1]])
    return Confusion(classes=names[: len(counts)], named=names, counts=counts)


def test_distance_in_closed_form():
    found = confusion_distance(
        confusion([[4, 0, 0], [0, 1, 1], [0, 0, 3]]), confusion([[0, 8, 0], [0, 2, 2], [1, 0, 1]])
    )
    assert found.per_class.tolist() == pytest.approx([sqrt(2), 0, sqrt(0.5)])
    assert found.mean == pytest.approx((sqrt(2) + sqrt(0.5)) / 3)
    assert found.gains.tolist() == pytest.approx([-1, 0, -0.5])


COUNTS = st.lists(
    st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any), min_size=3, max_size=3
)


@settings(max_examples=60, deadline=None)
@given(COUNTS, COUNTS, COUNTS)
def test_distance_is_a_metric_of_the_rows(first, second, third):
    a, b, c = map(confusion, (first, second, third))
    ab, bc, ac = (confusion_distance(*pair).per_class for pair in ((a, b), (b, c), (a, c)))
    assert confusion_distance(a, a).mean == 0
    assert confusion_distance(b, a).per_class.tolist() == ab.tolist()
    assert (ac <= ab + bc + 1e-12).all()
    assert (ab <= sqrt(2) + 1e-12).all()


def test_classes_with_a_video_in_one_only_do_not_count(toy):
    first, second = of(toy(FIRST)), of(toy({**SECOND, "b": [], "c": ["c"]}))
    assert confusion_distance(first, second).classes == ("a", "d")
    with pytest.raises(ResultError, match="no class with a video in both"):
        confusion_distance(of(toy({"a": ["a"], "b": []})), of(toy({"a": [], "b": ["b"]})))
    with pytest.raises(ResultError, match="other classes to name"):
        confusion_distance(first, of(toy({"a": ["a"], "b": []})))


@pytest.mark.parametrize("number", [2, 3, 4])
def test_the_difference_chart_has_every_entry_of_every_pair(toy, number):
    models = [toy({**FIRST, "a": ["b"] * n + ["a"]}, name=f"m{n}") for n in range(number)]
    chart = confusion_difference_chart(models)
    pairs = {row[:2] for row in chart.rows}
    assert len(pairs) == number * (number - 1) // 2
    row = next(row for row in chart.rows if row[:3] == ("m0", "m1", "a") and row[4] == "b")
    assert row[3:] == pytest.approx((sqrt(0.5), "b", 0.0, 0.5, 0.5))
    assert chart.picture("png").startswith(b"\x89PNG")


@pytest.mark.parametrize("number", [1, 5])
def test_too_few_and_too_many_models_are_refused(toy, number):
    with pytest.raises(ResultError, match="give 2 to 4"):
        confusion_difference_chart([toy(FIRST, name=str(n)) for n in range(number)])
