from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.errors import ResultError
from zsl_bench.uncertainty import Outcomes, Settings, average_outcomes, compare_outcomes
from zsl_bench.uncertainty.outcomes import group_units
from zsl_bench.uncertainty.permutation import permutation_test

NAMES = [f"class {code}" for code in range(100)]
QUICK = Settings(replicates=199)
AVERAGES = ("videos", "classes")


def pair(seed, *, classes=10, groups=4, videos=3, trials=1, change=0.3):
    """Two models on the same videos; ``change`` of the answers of the first are drawn anew."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(classes), groups * videos)
    source = np.repeat(np.arange(classes * groups), videos)
    keep = rng.random(len(label)) < 0.9
    label, source = label[keep], source[keep]
    held = np.ones((classes, trials), dtype=bool)
    if trials > 1:
        held = np.stack([rng.permutation(classes) < classes // 2 for _ in range(trials)], axis=1)
    first = rng.random((len(label), trials)) < 0.5
    anew = rng.random((len(label), trials)) < change
    second = np.where(anew, rng.random((len(label), trials)) < 0.6, first)
    return tuple(
        Outcomes(values=v.astype(np.float64), present=held[label], classes=label, groups=source)
        for v in (first, second)
    )


def swapped(a, b, units, chosen):
    """Outcomes of the first model with the answers of the second in the chosen units."""
    values = np.where(np.isin(units, chosen)[:, None], b.values, a.values)
    return Outcomes(values=values, present=a.present, classes=a.classes, groups=a.groups)


def every_swap(a, b, units, average):
    """The p-value over all swaps by plain loops."""
    codes = np.unique(units).tolist()
    found = []
    for size in range(len(codes) + 1):
        for chosen in itertools.combinations(codes, size):
            left = average_outcomes(swapped(a, b, units, chosen), average=average)
            right = average_outcomes(swapped(b, a, units, chosen), average=average)
            found.append(abs(left - right))
    return np.mean(np.array(found) >= found[0] - 1e-9)


def differences(a, b):
    return group_units(a.values - b.values, a.present, a.classes, a.groups)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("swap", ["groups", "classes"])
@pytest.mark.parametrize("trials", [1, 4])
def test_exact_p_value_is_that_of_every_swap(average, swap, trials):
    a, b = pair(1, classes=4, groups=2, trials=trials)
    units = a.groups if swap == "groups" else a.classes
    found = permutation_test(differences(a, b), average=average, swap=swap, seed=0)
    assert found.method == "exact"
    assert found.p_value == pytest.approx(every_swap(a, b, units, average))


@pytest.mark.parametrize("average", AVERAGES)
def test_random_swaps_are_near_the_exact_p_value(average, monkeypatch):
    a, b = pair(3, classes=3, groups=4, change=0.5)
    exact = permutation_test(differences(a, b), average=average, swap="groups", seed=0)
    monkeypatch.setattr("zsl_bench.uncertainty.permutation.MAX_EXACT_UNITS", 0)
    drawn = permutation_test(differences(a, b), average=average, swap="groups", seed=0)
    assert (exact.method, drawn.method) == ("exact", "9999 random swaps")
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.02)


def test_p_values_under_no_difference_are_uniform():
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        a, b = pair(seed, classes=20, groups=3, change=1.0)
        turned = rng.random(60) < 0.5
        a, b = (swapped(x, y, a.groups, np.flatnonzero(turned)) for x, y in ((a, b), (b, a)))
        test = permutation_test(
            differences(a, b), average="videos", swap="groups", seed=seed, swaps=499
        )
        found.append(test.p_value)
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.05)
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(AVERAGES), st.sampled_from([1, 3]))
def test_comparing_the_other_way_round_is_the_negative(seed, average, trials):
    a, b = pair(seed, trials=trials)
    one = compare_outcomes(a, b, average=average, names=NAMES, settings=QUICK)
    two = compare_outcomes(b, a, average=average, names=NAMES, settings=QUICK)
    assert one.difference == -two.difference
    assert (one.wins, one.losses, one.ties) == (two.losses, two.wins, two.ties)
    for ours, theirs in ((one.groups, two.groups), (one.classes, two.classes)):
        assert ours.p_value == theirs.p_value
        assert ours.detectable == theirs.detectable
        ends = (-theirs.interval.high, -theirs.interval.low)
        assert (ours.interval.low, ours.interval.high) == pytest.approx(ends, abs=1e-12)
        assert -1.0 <= ours.interval.low <= one.difference + 1e-12
        assert one.difference - 1e-12 <= ours.interval.high <= 1.0


def test_estimates_and_classes_of_known_answers():
    classes = np.array([0, 0, 1, 1, 2, 2])
    fields = {"present": np.ones((6, 1), dtype=bool), "classes": classes, "groups": np.arange(6)}
    a = Outcomes(values=np.array([[1.0], [1.0], [0.0], [1.0], [0.0], [1.0]]), **fields)
    b = Outcomes(values=np.array([[1.0], [0.0], [1.0], [0.0], [1.0], [1.0]]), **fields)
    found = compare_outcomes(a, b, average="videos", names=["run", "jump", "swim"])
    assert (found.a, found.b, found.difference) == (4 / 6, 4 / 6, 0.0)
    assert [(c.name, c.num_videos, c.a, c.b) for c in found.per_class] == [
        ("run", 2, 1.0, 0.5),
        ("jump", 2, 0.5, 0.5),
        ("swim", 2, 0.5, 1.0),
    ]
    assert (found.wins, found.losses, found.ties) == (1, 1, 1)
    assert found.groups.p_value == 1.0


def test_class_accuracies_are_means_over_the_trials_that_hold_the_class():
    present = np.array([[True, False], [True, True]])
    fields = {"present": present, "classes": np.array([0, 1]), "groups": np.array([0, 0])}
    a = Outcomes(values=np.array([[1.0, 0.0], [1.0, 0.0]]), **fields)
    found = compare_outcomes(a, a, average="classes", names=["run", "jump"])
    assert [(entry.a, entry.num_videos) for entry in found.per_class] == [(1.0, 1), (0.5, 1)]


def test_equal_models_have_nothing_to_test():
    a, _ = pair(0, classes=30)
    found = compare_outcomes(a, a, average="videos", names=NAMES)
    assert found.identical
    assert (found.difference, found.wins, found.losses, found.ties) == (0.0, 0, 0, 30)
    for test in (found.groups, found.classes):
        assert test.interval is test.p_value is test.permutation is test.detectable is None


def test_answers_where_a_trial_has_no_such_video_make_no_difference():
    a, b = pair(0, trials=3)
    same = replace(a, values=np.where(a.present, a.values, 1.0 - a.values))
    assert compare_outcomes(a, same, average="videos", names=NAMES).identical
    assert not compare_outcomes(a, b, average="videos", names=NAMES).identical


def gain_of(share, *, units, videos=1):
    """Two models that differ in one video of each of the first sources, of one class each."""
    label = np.repeat(np.arange(units), videos)
    first = np.zeros((units * videos, 1))
    first[: round(share * units) * videos : videos] = 1.0
    fields = {
        "present": np.ones_like(first, dtype=bool),
        "classes": np.zeros_like(label),
        "groups": label,
    }
    return Outcomes(values=first, **fields), Outcomes(values=0.0 * first, **fields)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(1, 3), st.floats(0.05, 0.9))
def test_interval_p_value_and_detectable_difference_of_few_units_agree(seed, classes, each, change):
    a, b = pair(seed, classes=classes, groups=each, videos=2, change=change)
    found = compare_outcomes(a, b, average="videos", names=NAMES, settings=QUICK)
    for test in (found.groups, found.classes):
        if test.interval is None:
            continue
        low, high = test.interval.low, test.interval.high
        assert low <= 0.0 <= high or test.p_value <= 0.05
        if test.interval.method.startswith("Clopper") and test.detectable is not None:
            assert 0.4 * (high - low) < test.detectable < (high - low)


def test_student_of_three_like_units_is_drawn_out_to_0():
    a, b = gain_of(1.0, units=3, videos=10)
    right = np.zeros((30, 1))
    right[[0, 1, 2, 3, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24]] = 1.0
    found = compare_outcomes(replace(a, values=right), b, average="videos", names=NAMES).groups
    assert found.p_value == 0.25
    assert found.interval.low == 0.0
    assert found.interval.high == pytest.approx(14 / 30 + 4.302653 / 30, abs=1e-6)
    assert found.interval.method == (
        "Student's t, 2 degrees of freedom; drawn out to 0, which the permutation test does not "
        "rule out"
    )


def test_one_video_of_a_large_source_is_not_a_whole_source():
    few, whole = (
        compare_outcomes(*gain_of(1 / 15, units=15, videos=videos), average="videos", names=NAMES)
        for videos in (10, 1)
    )
    assert few.groups.interval.method == whole.groups.interval.method
    for end in ("low", "high"):
        part, full = (getattr(test.groups.interval, end) for test in (few, whole))
        assert 10 * part == pytest.approx(full)
    assert whole.groups.interval.low == pytest.approx(
        1 / 15 - np.hypot(1 / 15 - 0.0016864, 0.2180194), abs=1e-4
    )
    assert whole.groups.interval.high == pytest.approx(0.3194847, abs=1e-4)


def test_few_differences_are_covered_and_no_wilder_than_they_need_be():
    """Changed sources are rare and of one sign, where Student's interval is too narrow."""
    rng = np.random.default_rng(1)
    covered, by_student, ratios = [], [], []
    while len(covered) < 300:
        changed = np.repeat(rng.random(48) < 0.12, 2) & (rng.random(96) < 0.5)
        label, source = np.repeat(np.arange(12), 8), np.repeat(np.arange(48), 2)
        fields = {"present": np.ones((96, 1), dtype=bool), "classes": label, "groups": source}
        a = Outcomes(values=changed[:, None].astype(float), **fields)
        b = Outcomes(values=np.zeros((96, 1)), **fields)
        test = compare_outcomes(a, b, average="videos", names=NAMES, settings=QUICK).groups
        if test.interval is None or not test.interval.method.startswith("Clopper"):
            continue
        covered.append(test.interval.low <= 0.06 <= test.interval.high)
        middle = np.mean(a.values)
        by_student.append(abs(middle - 0.06) <= 2.028 * test.interval.std_error)
        ratios.append((test.interval.high - test.interval.low) / (4 * test.interval.std_error))
    assert np.mean(covered) > 0.93 > np.mean(by_student)
    assert 1.0 < np.median(ratios) < 2.0


def test_a_large_difference_is_found_and_a_detectable_one_is_said():
    rng = np.random.default_rng(0)
    a, b = pair(0, classes=40)
    better = Outcomes(
        values=np.maximum(a.values, rng.random(a.values.shape) < 0.5),
        present=a.present,
        classes=a.classes,
        groups=a.groups,
    )
    found = compare_outcomes(better, b, average="videos", names=NAMES)
    for test, units in ((found.groups, 160), (found.classes, 40)):
        assert test.p_value == pytest.approx(1e-4)
        assert test.interval.low > 0.0
        assert test.interval.num_units == units
        assert test.detectable == pytest.approx(2.8 * test.interval.std_error, rel=0.05)
        assert found.difference > test.detectable


def test_interval_of_independent_pairs_is_the_textbook_one():
    rng = np.random.default_rng(0)
    classes, groups = np.zeros(5000, dtype=np.int64), np.arange(5000)
    fields = {"present": np.ones((5000, 1), dtype=bool), "classes": classes, "groups": groups}
    a, b = (
        Outcomes(values=(rng.random((5000, 1)) < p).astype(float), **fields) for p in (0.5, 0.4)
    )
    found = compare_outcomes(a, b, average="videos", names=NAMES).groups.interval
    error = (a.values - b.values).std(ddof=1) / 5000**0.5
    assert found.std_error == pytest.approx(error)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_one_class_has_no_test_over_classes():
    a, b = pair(0, classes=1, groups=20)
    found = compare_outcomes(a, b, average="classes", names=NAMES)
    assert found.classes.interval is None
    assert found.classes.p_value is None
    assert found.groups.interval is not None


def test_no_video_is_none():
    nothing = Outcomes(
        values=np.zeros((0, 1)),
        present=np.zeros((0, 1), dtype=bool),
        classes=np.zeros(0, dtype=np.int64),
        groups=np.zeros(0, dtype=np.int64),
    )
    assert compare_outcomes(nothing, nothing, average="videos", names=NAMES) is None


def test_other_videos_are_refused():
    a, b = pair(0)
    other = Outcomes(
        values=b.values, present=b.present, classes=b.classes[::-1].copy(), groups=b.groups
    )
    with pytest.raises(ResultError, match="compare them on the videos that both have"):
        compare_outcomes(a, other, average="videos", names=NAMES)


def test_json():
    a, b = pair(0)
    found = compare_outcomes(a, b, average="videos", names=NAMES).to_json()
    assert found["difference"] == found["a"] - found["b"]
    assert found["groups"]["interval"]["level"] == 0.95
    assert found["wins"] + found["losses"] + found["ties"] == len(found["per_class"]) == 10
