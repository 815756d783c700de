"""Generalised zero-shot scores against a sweep that tries every offset."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.errors import ResultError
from zsl_bench.protocols import harmonic_mean, score_generalised
from zsl_bench.scoring import ScoreMatrix

UNSEEN, SEEN = 3, 4
NAMES = ("a", "b", "c", "k/d", "k/e", "k/f", "k/g")


def matrix_of(labels, scores) -> ScoreMatrix:
    return ScoreMatrix(
        classes=NAMES,
        video_ids=tuple(f"v{i}" for i in range(len(labels))),
        labels=np.array(labels, dtype=np.int64),
        scores=np.array(scores, dtype=np.float64),
    )


def macro(matrix: ScoreMatrix, offset: Fraction) -> Fraction:
    """Mean over classes of the share of videos whose truth is the single best."""
    hits: dict[int, list[int]] = {}
    for label, row in zip(matrix.labels.tolist(), matrix.scores.tolist(), strict=True):
        shifted = [Fraction(s) - (offset if i >= UNSEEN else 0) for i, s in enumerate(row)]
        wins = all(shifted[label] > s for i, s in enumerate(shifted) if i != label)
        hits.setdefault(label, []).append(int(wins))
    return sum((Fraction(sum(h), len(h)) for h in hits.values()), Fraction()) / len(hits)


def sweep(unseen: ScoreMatrix, seen: ScoreMatrix) -> list[tuple[Fraction, Fraction, Fraction]]:
    """Both accuracies between any two differences of scores, where alone something can change."""
    stops = {
        Fraction(right) - Fraction(left)
        for matrix in (unseen, seen)
        for row in matrix.scores.tolist()
        for left, right in itertools.product(row[:UNSEEN], row[UNSEEN:])
    }
    ordered = sorted(stops)
    middles = [(a + b) / 2 for a, b in itertools.pairwise(ordered)]
    offsets = [ordered[0] - 1, *middles, ordered[-1] + 1]
    return [(offset, macro(seen, offset), macro(unseen, offset)) for offset in offsets]


def staircase(points) -> float:
    """Area below the steps; where both change at once, the lower one."""
    return float(sum((b[2] - a[2]) * b[1] for a, b in itertools.pairwise(points)))


@st.composite
def pairs(draw) -> tuple[ScoreMatrix, ScoreMatrix]:
    def one(low: int, high: int) -> ScoreMatrix:
        count = draw(st.integers(1, 8))
        labels = draw(st.lists(st.integers(low, high), min_size=count, max_size=count))
        row = st.lists(st.integers(-4, 4), min_size=len(NAMES), max_size=len(NAMES))
        return matrix_of(labels, draw(st.lists(row, min_size=count, max_size=count)))

    return one(0, UNSEEN - 1), one(UNSEEN, UNSEEN + SEEN - 1)


@settings(max_examples=200, deadline=None)
@given(pairs())
def test_everything_equals_the_sweep(case):
    unseen, seen = case
    found = score_generalised(unseen, seen)
    assert found.unseen_accuracy == pytest.approx(float(macro(unseen, Fraction())), abs=1e-12)
    assert found.seen_accuracy == pytest.approx(float(macro(seen, Fraction())), abs=1e-12)
    points = sweep(unseen, seen)
    assert found.area == pytest.approx(staircase(points), abs=1e-12)
    assert staircase(found.curve) == pytest.approx(found.area, abs=1e-12)
    for offset, seen_accuracy, unseen_accuracy in found.curve:
        assert seen_accuracy == pytest.approx(float(macro(seen, Fraction(offset))), abs=1e-12)
        assert unseen_accuracy == pytest.approx(float(macro(unseen, Fraction(offset))), abs=1e-12)
    corners = {(round(float(s), 9), round(float(u), 9)) for _, s, u in found.curve}
    for _, s, u in points:
        on_line = any(
            min(p[1], q[1]) - 1e-9 <= s <= max(p[1], q[1]) + 1e-9
            and min(p[2], q[2]) - 1e-9 <= u <= max(p[2], q[2]) + 1e-9
            for p, q in itertools.pairwise(found.curve)
        )
        assert on_line or (round(float(s), 9), round(float(u), 9)) in corners


@settings(max_examples=50, deadline=None)
@given(pairs())
def test_the_curve_runs_from_all_seen_to_all_unseen(case):
    curve = score_generalised(*case).curve
    assert curve[0][2] == pytest.approx(0.0, abs=1e-12)
    assert curve[-1][1] == pytest.approx(0.0, abs=1e-12)
    for one, two in itertools.pairwise(curve):
        assert one[0] < two[0]
        assert one[1] >= two[1]
        assert one[2] <= two[2]


@settings(max_examples=50, deadline=None)
@given(pairs())
def test_swapping_the_two_sides_keeps_the_harmonic_mean(case):
    unseen, seen = case
    order = [*range(UNSEEN, UNSEEN + SEEN), *range(UNSEEN)]
    place = np.argsort(order)

    def turned(matrix: ScoreMatrix) -> ScoreMatrix:
        return ScoreMatrix(
            classes=tuple(matrix.classes[i] for i in order),
            video_ids=matrix.video_ids,
            labels=place[matrix.labels],
            scores=matrix.scores[:, order],
        )

    found = score_generalised(unseen, seen)
    other = score_generalised(turned(seen), turned(unseen), num_test_classes=SEEN)
    assert other.harmonic_mean == pytest.approx(found.harmonic_mean, abs=1e-12)
    assert (other.seen_accuracy, other.unseen_accuracy) == (
        found.unseen_accuracy,
        found.seen_accuracy,
    )
    assert other.area == pytest.approx(found.area, abs=1e-12)


@given(st.floats(0, 1), st.floats(0, 1))
def test_harmonic_mean_is_symmetric_and_between(first, second):
    value = harmonic_mean(first, second)
    assert value == harmonic_mean(second, first)
    assert min(first, second) - 1e-12 <= value <= max(first, second) + 1e-12
    assert value <= (first + second) / 2 + 1e-12


def test_harmonic_mean_limits():
    assert harmonic_mean(0.0, 0.0) == 0.0
    assert harmonic_mean(1.0, 0.0) == harmonic_mean(0.0, 1.0) == 0.0
    assert harmonic_mean(1.0, 1.0) == 1.0
    assert harmonic_mean(0.4, 0.4) == pytest.approx(0.4)
    assert harmonic_mean(1.0, 0.5) == pytest.approx(2 / 3)


def test_two_classes_by_hand():
    """One test class, one training class: at no offset both of the first rows are right."""

    def make(labels, scores):
        return ScoreMatrix(
            classes=("a", "k/b"),
            video_ids=tuple(map(str, range(len(labels)))),
            labels=np.array(labels),
            scores=np.array(scores, dtype=np.float64),
        )

    unseen, seen = make([0, 0], [[0.0, 1.0], [0.0, 3.0]]), make([1, 1], [[0.0, 2.0], [0.0, 4.0]])
    found = score_generalised(unseen, seen)
    assert (found.unseen_accuracy, found.seen_accuracy, found.harmonic_mean) == (0.0, 1.0, 0.0)
    assert found.curve == (
        (0.0, 1.0, 0.0), (1.5, 1.0, 0.5), (2.5, 0.5, 0.5), (3.5, 0.5, 1.0), (5.0, 0.0, 1.0)
    )  # fmt: skip
    assert found.area == 0.75
    assert found.unseen_per_class == {"a": (2, 0.0)}
    assert found.seen_per_class == {"k/b": (2, 1.0)}
    tied = score_generalised(make([0], [[0.0, 1.0]]), make([1], [[0.0, 1.0]]))
    assert tied.area == 0.0, "at the offset 1 both tie, so neither is ever right with the other"


def test_classes_without_a_video_are_candidates_and_not_averaged():
    unseen = matrix_of([0], [[5, 0, 0, 0, 0, 0, 0]])
    seen = matrix_of([4, 4], [[0, 0, 0, 0, 5, 0, 0], [0, 0, 0, 5, 4, 0, 0]])
    found = score_generalised(unseen, seen)
    assert (found.num_unseen_classes, found.num_seen_classes) == (UNSEEN, SEEN)
    assert (found.num_unseen_videos, found.num_seen_videos) == (1, 2)
    assert (found.unseen_accuracy, found.seen_accuracy) == (1.0, 0.5)
    assert found.harmonic_mean == pytest.approx(2 / 3)
    assert json.loads(json.dumps(found.to_json()))["area"] == found.area


def test_nothing_ever_right_is_one_point_and_no_area():
    flat = [[1] * len(NAMES)]
    found = score_generalised(matrix_of([0], flat), matrix_of([4], flat))
    assert found.curve == ((0.0, 0.0, 0.0),)
    assert (found.area, found.harmonic_mean) == (0.0, 0.0)


def test_bad_pairs_are_refused():
    row = [0, 1, 2, 3, 4, 5, 6]
    unseen, seen = matrix_of([1], [row]), matrix_of([5], [row])
    none = matrix_of([], np.zeros((0, len(NAMES))))
    with pytest.raises(ResultError, match="no video of a training class"):
        score_generalised(unseen, none)
    with pytest.raises(ResultError, match="no video of a test class"):
        score_generalised(none, seen)
    with pytest.raises(ResultError, match="on the other side"):
        score_generalised(seen, seen)
    with pytest.raises(ResultError, match="on the other side"):
        score_generalised(unseen, unseen)
    with pytest.raises(ResultError, match="no border"):
        score_generalised(unseen, seen, num_test_classes=len(NAMES))
    plain = ScoreMatrix(
        classes=tuple("abcdefg"), video_ids=("v",), labels=unseen.labels, scores=unseen.scores
    )
    with pytest.raises(ResultError, match="no border"):
        score_generalised(plain, plain)
    with pytest.raises(ResultError, match="other candidates"):
        score_generalised(unseen, plain)
