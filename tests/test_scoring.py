"""Scores, ranks and accuracies against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zsl_bench.errors import ResultError
from zsl_bench.scoring import (
    ScoreMatrix,
    accuracy,
    cosine_scores,
    equal_columns,
    mean_per_class,
    per_class_accuracy,
    ranks_of_truth,
    unit_rows,
)


def matrix_of(scores, labels) -> ScoreMatrix:
    scores = np.asarray(scores, dtype=np.float64)
    return ScoreMatrix(
        classes=tuple(f"c{i}" for i in range(scores.shape[1])),
        video_ids=tuple(f"v{i}" for i in range(scores.shape[0])),
        labels=np.asarray(labels, dtype=np.int64),
        scores=scores,
    )


def brute_rank(row: list[float], truth: int) -> int:
    rivals = 0
    for c, score in enumerate(row):
        if c != truth and score >= row[truth]:
            rivals += 1
    return rivals


def brute_cosine(a: list[float], b: list[float]) -> float:
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(math.fsum(x * x for x in a)) / math.sqrt(math.fsum(y * y for y in b))


@st.composite
def tied_matrices(draw) -> ScoreMatrix:
    videos, classes = draw(st.integers(1, 12)), draw(st.integers(1, 8))
    scores = draw(
        hnp.arrays(np.float64, (videos, classes), elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0]))
    )
    labels = draw(hnp.arrays(np.int64, videos, elements=st.integers(0, classes - 1)))
    return matrix_of(scores, labels)


@given(tied_matrices(), st.integers(1, 6))
def test_ranks_and_accuracies_equal_plain_loops(matrix, k):
    ranks = [brute_rank(list(r), t) for r, t in zip(matrix.scores, matrix.labels, strict=True)]
    assert ranks_of_truth(matrix).tolist() == ranks
    right = [rank < k for rank in ranks]
    assert accuracy(ranks_of_truth(matrix), k) == sum(right) / len(right)
    for c, value in enumerate(
        per_class_accuracy(ranks_of_truth(matrix), matrix.labels, len(matrix.classes), k)
    ):
        mine = [r for r, t in zip(right, matrix.labels, strict=True) if t == c]
        assert value == (sum(mine) / len(mine) if mine else None)


@given(tied_matrices())
def test_fewer_candidates_never_lower_the_top1_of_the_rows_kept(matrix):
    kept = matrix.classes[: max(1, len(matrix.classes) // 2)]
    part = matrix.restrict(kept)
    before = dict(zip(matrix.video_ids, ranks_of_truth(matrix), strict=True))
    for video, rank in zip(part.video_ids, ranks_of_truth(part), strict=True):
        assert rank <= before[video]


@given(tied_matrices(), st.randoms(use_true_random=False))
def test_the_order_of_classes_and_videos_does_not_matter(matrix, random):
    columns = list(range(len(matrix.classes)))
    rows = list(range(len(matrix.video_ids)))
    random.shuffle(columns)
    random.shuffle(rows)
    place = {c: i for i, c in enumerate(columns)}
    shuffled = matrix_of(
        matrix.scores[np.ix_(rows, columns)], [place[matrix.labels[r]] for r in rows]
    )
    assert ranks_of_truth(shuffled).tolist() == ranks_of_truth(matrix)[rows].tolist()


def test_restricting_keeps_the_rows_whose_class_is_a_candidate():
    matrix = matrix_of([[3, 2, 1], [1, 2, 3], [0, 5, 1]], [0, 0, 1])
    part = matrix.restrict(["c1", "c0"])
    assert part.classes == ("c1", "c0")
    assert part.video_ids == ("v0", "v1", "v2")
    assert part.labels.tolist() == [1, 1, 0]
    assert part.scores.tolist() == [[2, 3], [2, 1], [5, 0]]
    assert matrix.restrict(["c2"]).video_ids == ()


def test_cosine_scores_equal_plain_loops():
    rng = np.random.default_rng(1)
    videos, classes = rng.normal(size=(20, 7)) * 100, rng.normal(size=(9, 7))
    scores = cosine_scores(videos, classes)
    for v in range(20):
        for c in range(9):
            assert scores[v, c] == pytest.approx(brute_cosine(videos[v], classes[c]), abs=1e-14)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 300))
def test_equal_class_vectors_tie_exactly_wherever_they_stand(seed, num_classes, size):
    rng = np.random.default_rng(seed)
    classes = rng.normal(size=(num_classes, size)).astype(np.float32)
    classes[rng.integers(num_classes)] = classes[0]
    classes[-1] = classes[0]
    scores = cosine_scores(rng.normal(size=(5, size)).astype(np.float32), classes)
    assert (scores[:, 0] == scores[:, -1]).all()
    truth_tied = matrix_of(scores, [0] * 5)
    assert (ranks_of_truth(truth_tied) >= 1).all(), "a tie must never count as right"


def test_a_zero_vector_ties_with_everything_and_is_wrong():
    scores = cosine_scores(np.zeros((1, 3)), np.eye(3))
    assert ranks_of_truth(matrix_of(scores, [1])).tolist() == [2]


def test_equal_columns_are_named():
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -0.0]])
    assert equal_columns(vectors, ["a", "b", "c"]) == [["a", "c"]]


def test_means_leave_out_classes_without_a_video():
    assert mean_per_class([1.0, None, 0.5]) == 0.75
    assert mean_per_class([None]) is None
    assert accuracy(np.array([], dtype=np.int64), 1) is None


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        ([[0.0, np.nan]], [0], "not finite"),
        ([[0.0, np.inf]], [0], "v0"),
        ([[0.0, 1.0]], [2], "outside the classes"),
        ([[0.0, 1.0]], [-1], "outside the classes"),
        ([[0.0, 1.0]], [0, 1], "labels"),
    ],
)
def test_a_matrix_that_cannot_be_scored_is_refused(scores, labels, words):
    with pytest.raises(ResultError, match=words):
        matrix_of(scores, labels)


def test_restricting_to_an_unknown_class_is_refused():
    with pytest.raises(ResultError, match="'c9'"):
        matrix_of([[0.0, 1.0]], [0]).restrict(["c0", "c9"])


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-160, 1.0, 1e160, 1e200, 1e307])
def test_vectors_of_any_size_have_their_cosine(scale):
    videos = np.array([[3.0, 4.0], [0.0, 0.0]]) * scale
    classes = np.array([[1.0, 0.0], [0.0, 2.0], [4.0, 3.0]]) * scale
    expected = [[0.6, 0.8, 0.96], [0.0, 0.0, 0.0]]
    assert cosine_scores(videos, classes) == pytest.approx(np.array(expected), abs=2e-3)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(-60, 60))
def test_unit_rows_are_rows_by_their_length_to_the_last_digit(seed, power):
    rows = np.random.default_rng(seed).normal(size=(4, 33)) * 10.0**power
    assert np.array_equal(unit_rows(rows), rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.mark.parametrize("scale", [1.0, 1e200, 1e-200])
def test_rows_taken_a_few_at_a_time_are_those_taken_one_by_one(scale):
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(700, 300)) * np.where(rng.random((700, 1)) < 0.3, scale, 1.0)
    alone = [unit_rows(rows[i : i + 1])[0] for i in range(len(rows))]
    assert np.array_equal(unit_rows(rows), alone)
    single = rows[:300].astype(np.float32) if scale == 1.0 else rows[:300]
    assert np.array_equal(unit_rows(single), unit_rows(single.astype(np.float64)))


@given(tied_matrices())
def test_rivals_are_the_classes_that_score_as_high(matrix):
    for row, label, rivals in zip(matrix.scores, matrix.labels, matrix.rivals, strict=True):
        assert rivals.tolist() == [score >= row[label] for score in row]
    assert matrix.rivals is matrix.rivals
