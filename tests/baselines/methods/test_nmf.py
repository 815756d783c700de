"""Nonnegative factors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.baselines.methods.nmf import nonnegative_factors


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.integers(1, 9), st.integers(1, 5), st.integers(0, 999))
def test_errors_never_rise_and_factors_are_not_negative(
    rows: int, columns: int, rank: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    matrix = generator.uniform(0, 1, (rows, columns)) * (generator.uniform(size=columns) > 0.3)
    found = nonnegative_factors(matrix, rank=rank, rounds=40, generator=generator)
    assert (np.diff(found.errors) <= 1e-9).all()
    assert found.left.min() >= 0
    assert found.right.min() >= 0
    error = ((matrix - found.left @ found.right) ** 2).sum()
    assert found.errors[-1] == pytest.approx(error)


def test_a_planted_product_is_recovered() -> None:
    generator = np.random.default_rng(0)
    matrix = generator.uniform(0, 1, (12, 2)) @ generator.uniform(0, 1, (2, 15))
    found = nonnegative_factors(matrix, rank=2, rounds=3000, generator=generator)
    assert found.left @ found.right == pytest.approx(matrix, abs=1e-2)
