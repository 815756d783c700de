"""Density ratios with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.baselines.methods.kliep import kliep
from zsl_bench.errors import DatasetError


def test_the_known_ratio_of_two_gaussians() -> None:
    generator = np.random.default_rng(0)
    samples = generator.normal(0, 1, (800, 1))
    targets = generator.normal(0.7, 0.6, (500, 1))
    weights = kliep(samples, targets, seed=0).at(samples)
    known = np.exp(-((samples - 0.7) ** 2) / (2 * 0.36) + samples**2 / 2)[:, 0] / 0.6
    assert np.corrcoef(weights, known)[0, 1] > 0.95
    assert weights.mean() == pytest.approx(1.0)


def test_the_same_samples_weigh_about_alike() -> None:
    rows = np.random.default_rng(1).standard_normal((400, 3))
    weights = kliep(rows, rows, seed=0).at(rows)
    assert weights.mean() == pytest.approx(1.0)
    assert np.abs(weights - 1).mean() < 0.15


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 12), st.integers(1, 9), st.integers(1, 4), st.floats(-3, 3), st.integers(0, 99)
)
def test_weights_are_nonnegative_with_mean_one(
    samples: int, targets: int, dim: int, shift: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((samples, dim))
    ratio = kliep(rows, shift + generator.standard_normal((targets, dim)), seed=seed, centres=5)
    weights = ratio.at(rows)
    assert (weights >= 0).all()
    assert weights.mean() == pytest.approx(1.0)


def test_no_other_heights_within_the_constraint_are_likelier() -> None:
    generator = np.random.default_rng(2)
    samples, targets = generator.normal(0, 1, (60, 2)), generator.normal(0.5, 0.7, (40, 2))
    found = kliep(samples, targets, seed=0, centres=8, width=0.8)
    best = np.log(found.at(targets)).mean()

    def bumps(rows: np.ndarray) -> np.ndarray:
        apart = ((rows[:, None] - found.centres[None]) ** 2).sum(axis=2)
        return np.exp(-apart / (2 * found.width**2))

    for _ in range(200):
        heights = found.heights * generator.uniform(0.5, 2, 8) + generator.uniform(0, 0.05, 8)
        heights /= (bumps(samples) @ heights).mean()
        assert np.log(bumps(targets) @ heights).mean() <= best + 1e-5


def test_targets_out_of_reach_are_refused() -> None:
    with pytest.raises(DatasetError, match="larger width"):
        kliep(np.zeros((4, 2)), np.full((3, 2), 100.0), seed=0, width=0.1)
