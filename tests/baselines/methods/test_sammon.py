"""Sammon's stress against loops and finite differences, and points found again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from zsl_bench.baselines.methods.sammon import FLOOR, Layout, place, stress


def layout(*, landmarks: int = 6, free: int = 4, dim: int = 3, seed: int = 0) -> Layout:
    generator = np.random.default_rng(seed)
    among = generator.uniform(0.5, 2, (free, free))
    return Layout(
        landmarks=generator.standard_normal((landmarks, dim)),
        to_landmarks=generator.uniform(0.5, 2, (free, landmarks)),
        among=(among + among.T) / 2,
    )


def looped(points: np.ndarray, wanted: Layout) -> float:
    total, sums = 0.0, [0.0, 0.0]
    pairs: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    for place_, point in enumerate(points):
        for other, landmark in enumerate(wanted.landmarks):
            apart = float(np.sqrt(((point - landmark) ** 2).sum()))
            pairs[0].append((apart, max(wanted.to_landmarks[place_, other], FLOOR)))
        for other in range(place_):
            apart = float(np.sqrt(((point - points[other]) ** 2).sum()))
            pairs[1].append((apart, max(wanted.among[place_, other], FLOOR)))
    for kind, values in enumerate(pairs):
        for _, asked in values:
            sums[kind] += asked
        for apart, asked in values:
            total += (apart - asked) ** 2 / asked / sums[kind]
    return total


@pytest.mark.parametrize("free", [1, 2, 5])
def test_stress_equals_a_double_loop(free: int) -> None:
    wanted = layout(free=free)
    points = np.random.default_rng(1).standard_normal((free, 3))
    assert stress(points, wanted)[0] == pytest.approx(looped(points, wanted))


def test_gradient_equals_finite_differences() -> None:
    wanted, points = layout(), np.random.default_rng(2).standard_normal((4, 3))
    gradient = stress(points, wanted)[1]
    for place_ in np.ndindex(points.shape):
        step = np.zeros_like(points)
        step[place_] = 1e-6
        slope = (stress(points + step, wanted)[0] - stress(points - step, wanted)[0]) / 2e-6
        assert gradient[place_] == pytest.approx(slope, abs=1e-7)


def test_stress_never_rises() -> None:
    wanted = layout(landmarks=12, free=8, dim=5)
    start = np.random.default_rng(3).standard_normal((8, 5))
    placed = place(wanted, start)
    assert len(placed.stresses) > 5
    assert (np.diff(placed.stresses) <= 0).all()
    assert stress(placed.points, wanted)[0] == pytest.approx(placed.stresses[-1])


def test_points_of_a_shared_space_are_found_again() -> None:
    generator = np.random.default_rng(4)
    landmarks, hidden = generator.standard_normal((7, 4)), generator.standard_normal((5, 4))
    wanted = Layout(
        landmarks=landmarks, to_landmarks=cdist(hidden, landmarks), among=cdist(hidden, hidden)
    )
    start = hidden + 0.3 * generator.standard_normal(hidden.shape)
    assert place(wanted, start, steps=500).points == pytest.approx(hidden, abs=1e-3)


def test_two_points_that_should_be_one_divide_nothing_by_zero() -> None:
    wanted = layout(free=2)
    same = Layout(
        landmarks=wanted.landmarks,
        to_landmarks=np.repeat(wanted.to_landmarks[:1], 2, axis=0),
        among=np.zeros((2, 2)),
    )
    placed = place(same, np.zeros((2, 3)))
    assert np.isfinite(placed.points).all()
    assert placed.points[0] == pytest.approx(placed.points[1])
