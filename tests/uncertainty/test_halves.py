from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.errors import ProtocolError
from zsl_bench.uncertainty import (
    expected_mean_per_class,
    expected_over_draws,
    macro_over_draws,
    micro_over_draws,
    rivals_of_truth,
)


def problem(seed, *, classes=7, videos=30):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, videos - classes)])
    scores = rng.integers(0, 5, (videos, classes)).astype(np.float64)
    return scores, labels


def all_draws(scores, labels, size, k):
    """For every draw there is: accuracy over videos and mean per class, by plain loops."""
    micro, macro = [], []
    for draw in itertools.combinations(range(scores.shape[1]), size):
        right = {}
        for row, label in zip(scores, labels, strict=True):
            if label not in draw:
                continue
            rivals = sum(row[other] >= row[label] for other in draw if other != label)
            right.setdefault(label, []).append(rivals < k)
        every = [value for values in right.values() for value in values]
        micro.append(sum(every) / len(every))
        macro.append(sum(sum(v) / len(v) for v in right.values()) / len(right))
    return np.array(micro), np.array(macro)


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_expectation_is_the_mean_over_every_draw(size, k):
    scores, labels = problem(size)
    ranks = rivals_of_truth(scores, labels).sum(axis=1) - 1
    macro = all_draws(scores, labels, size, k)[1]
    found = expected_mean_per_class(ranks, labels, 7, size, k=k)
    assert found == pytest.approx(macro.mean(), abs=1e-12)


@pytest.mark.parametrize("k", [1, 3])
def test_monte_carlo_agrees_with_every_draw(k):
    scores, labels = problem(3, classes=10, videos=60)
    rivals = rivals_of_truth(scores, labels)
    micro, macro = all_draws(scores, labels, 5, k)
    for estimate, every in (
        (micro_over_draws(rivals, labels, size=5, k=k, draws=2000), micro),
        (macro_over_draws(rivals, labels, size=5, k=k, draws=2000), macro),
    ):
        assert abs(estimate.mean - every.mean()) < 4 * estimate.monte_carlo_error
        assert estimate.std == pytest.approx(every.std(), rel=0.1)
        assert estimate.monte_carlo_error == pytest.approx(every.std() / 2000**0.5, rel=0.1)
        assert estimate.draws == 2000


def test_monte_carlo_agrees_with_the_exact_expectation_on_many_classes():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(101), 12)
    scores = rng.normal(size=(len(labels), 101))
    scores[np.arange(len(labels)), labels] += 2.0
    rivals = rivals_of_truth(scores, labels)
    for k in (1, 5):
        exact = expected_mean_per_class(rivals.sum(axis=1) - 1, labels, 101, 50, k=k)
        estimate = macro_over_draws(rivals, labels, size=50, k=k)
        assert abs(estimate.mean - exact) < 4 * estimate.monte_carlo_error


@given(st.integers(1, 40), st.data())
def test_chances_are_the_hypergeometric_tail(num_classes, data):
    size = data.draw(st.integers(1, num_classes))
    k = data.draw(st.integers(1, size + 1))
    found = expected_over_draws(np.arange(num_classes), num_classes, size, k=k)
    whole = math.comb(num_classes - 1, size - 1)
    for rank, chance in enumerate(found):
        ways = sum(
            math.comb(rank, taken) * math.comb(num_classes - 1 - rank, size - 1 - taken)
            for taken in range(min(k, size))
        )
        assert chance == pytest.approx(ways / whole, abs=1e-13)


def test_the_formula_for_top_1():
    found = expected_over_draws(np.array([3]), 101, 50, k=1)
    assert found[0] == pytest.approx(math.comb(97, 49) / math.comb(100, 49), rel=1e-13)


def test_large_numbers_do_not_overflow():
    from scipy.stats import hypergeom

    ranks = np.array([0, 1, 7, 300, 4999])
    found = expected_over_draws(ranks, 5000, 2500, k=5)
    assert found == pytest.approx(hypergeom.cdf(4, 4999, ranks, 2499), abs=1e-12)


def test_limits():
    ranks = np.arange(10)
    assert expected_over_draws(ranks, 10, 10, k=1).tolist() == [1.0] + [0.0] * 9
    assert expected_over_draws(ranks, 10, 1, k=1).tolist() == [1.0] * 10
    assert expected_over_draws(ranks, 10, 5, k=5).tolist() == [1.0] * 10
    assert expected_over_draws(np.zeros(0, dtype=np.int64), 10, 5, k=1).shape == (0,)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 30), st.data())
def test_smaller_draws_and_larger_k_never_hurt(num_classes, data):
    size = data.draw(st.integers(2, num_classes))
    ranks = np.arange(num_classes)
    one, smaller, larger_k = (
        expected_over_draws(ranks, num_classes, s, k=k)
        for s, k in ((size, 1), (size - 1, 1), (size, 2))
    )
    assert (smaller >= one - 1e-12).all()
    assert (larger_k >= one - 1e-12).all()
    assert (np.diff(one) <= 1e-12).all()


def test_a_class_without_videos_has_no_exact_expectation():
    ranks, labels = np.array([0, 1]), np.array([0, 2])
    assert expected_mean_per_class(ranks, labels, 3, 2, k=1) is None


def test_a_draw_without_videos_does_not_count():
    scores = np.array([[2.0, 1.0, 0.0], [3.0, 1.0, 0.0]])
    labels = np.array([0, 0])
    found = micro_over_draws(rivals_of_truth(scores, labels), labels, size=1, k=1, draws=300)
    assert 60 < found.draws < 140
    assert (found.mean, found.std) == (1.0, 0.0)


def test_ties_count_as_rivals():
    rivals = rivals_of_truth(np.array([[1.0, 1.0, 0.0]]), np.array([0]))
    assert rivals.tolist() == [[True, True, False]]


def test_json():
    scores, labels = problem(0)
    found = micro_over_draws(rivals_of_truth(scores, labels), labels, size=3, k=1, draws=10)
    assert set(found.to_json()) == {"mean", "std", "monte_carlo_error", "draws"}


@pytest.mark.parametrize("size", [0, 8])
def test_no_such_draw(size):
    scores, labels = problem(0)
    rivals = rivals_of_truth(scores, labels)
    with pytest.raises(ProtocolError, match="no such draw"):
        micro_over_draws(rivals, labels, size=size, k=1)
    with pytest.raises(ProtocolError, match="no such draw"):
        expected_over_draws(np.array([0]), 7, size, k=1)


def test_bad_ranks_and_no_videos():
    with pytest.raises(ProtocolError, match="ranks from -1 to 3"):
        expected_over_draws(np.array([-1, 3]), 7, 3, k=1)
    none = np.zeros((0, 4), dtype=bool)
    with pytest.raises(ProtocolError, match="draws that hold a video"):
        micro_over_draws(none, np.zeros(0, dtype=np.int64), size=2, k=1)
