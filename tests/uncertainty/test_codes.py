"""Distinct values and places without sorting, against numpy's."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.uncertainty.outcomes import codes_of, group_units

NUMBERS = st.one_of(st.integers(-20, 20), st.integers(-(2**40), 2**40))


@given(st.lists(NUMBERS, max_size=60))
def test_codes_are_those_of_numpy(numbers):
    values = np.array(numbers, dtype=np.int64)
    unique, places = codes_of(values)
    expected, inverse = np.unique(values, return_inverse=True)
    assert unique.tolist() == expected.tolist()
    assert places.tolist() == inverse.reshape(-1).tolist()
    assert unique.dtype == np.int64


@given(st.data())
def test_units_are_those_of_a_dictionary(data):
    number = data.draw(st.integers(1, 40))
    code = st.lists(st.integers(0, 4) | st.integers(10**6, 10**6 + 3), min_size=number)
    classes, groups = (np.array(data.draw(code)[:number], dtype=np.int64) for _ in range(2))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    values = rng.integers(2, size=(number, 3)).astype(np.float64)
    present = rng.random((number, 3)) < 0.6
    units = group_units(values, present, classes, groups)
    sums: dict[tuple[int, int], np.ndarray] = {}
    for row in range(number):
        if present[row].any():
            pair = (int(classes[row]), int(groups[row]))
            sums[pair] = sums.get(pair, 0) + np.where(present[row], values[row], 0.0)
    trials = present.any(axis=0)
    assert units.classes.tolist() == [pair[0] for pair in sorted(sums)]
    assert units.sums.tolist() == [sums[pair][trials].tolist() for pair in sorted(sums)]
    assert units.counts.sum() == present.sum()
