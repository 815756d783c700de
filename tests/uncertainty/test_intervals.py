from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.errors import ResultError
from zsl_bench.uncertainty import Outcomes, average_outcomes, interval
from zsl_bench.uncertainty.intervals import clopper_pearson
from zsl_bench.uncertainty.outcomes import group_units
from zsl_bench.uncertainty.resampling import build_design, replicate, statistic

AVERAGES = ("videos", "classes")
RESAMPLES = ("groups", "classes")
BOTH = pytest.mark.parametrize(
    ("average", "resample"), list(itertools.product(AVERAGES, RESAMPLES))
)


def make(values, classes, groups, present=None):
    values = np.array(values, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    return Outcomes(
        values=values,
        present=np.ones(values.shape, dtype=bool) if present is None else np.array(present),
        classes=np.array(classes, dtype=np.int64),
        groups=np.array(groups, dtype=np.int64),
    )


def random_outcomes(seed, *, classes=12, groups=4, videos=3, trials=1, accuracy=0.5):
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(classes), groups * videos)
    source = np.tile(np.repeat(np.arange(groups), videos), classes)
    keep = rng.random(len(label)) < 0.8
    label, source = label[keep], source[keep]
    chance = rng.beta(4 * accuracy, 4 * (1 - accuracy), (classes, groups))[label, source]
    values = rng.random((len(label), trials)) < chance[:, None]
    held = np.ones((classes, trials), dtype=bool)
    if trials > 1:
        held = np.stack([rng.permutation(classes) < classes // 2 for _ in range(trials)], axis=1)
    return make(values, label, source, held[label])


def plain_average(outcomes, average, rows=None):
    """Loop over trials and classes; rows may repeat."""
    rows = range(len(outcomes.classes)) if rows is None else rows
    trials = []
    for trial in range(outcomes.values.shape[1]):
        counted = [row for row in rows if outcomes.present[row, trial]]
        if not counted:
            continue
        if average == "videos":
            trials.append(sum(outcomes.values[row, trial] for row in counted) / len(counted))
            continue
        by_class = {}
        for row in counted:
            by_class.setdefault(int(outcomes.classes[row]), []).append(outcomes.values[row, trial])
        trials.append(sum(sum(v) / len(v) for v in by_class.values()) / len(by_class))
    return sum(trials) / len(trials) if trials else None


def rows_by_unit(outcomes, resample):
    """Lists of rows: for each stratum its units."""
    strata = {}
    for row, (label, group) in enumerate(zip(outcomes.classes, outcomes.groups, strict=True)):
        if resample == "groups":
            strata.setdefault(int(label), {}).setdefault(int(group), []).append(row)
        else:
            strata.setdefault(0, {}).setdefault(int(label), []).append(row)
    return [list(units.values()) for units in strata.values()]


def design_of(outcomes, average, resample):
    units = group_units(outcomes.values, outcomes.present, outcomes.classes, outcomes.groups)
    return build_design(units, average=average, resample=resample)


@BOTH
@pytest.mark.parametrize("trials", [1, 6])
def test_the_statistic_is_that_of_plain_loops(average, resample, trials):
    outcomes = random_outcomes(3, trials=trials)
    want = plain_average(outcomes, average)
    assert average_outcomes(outcomes, average=average) == pytest.approx(want, abs=1e-12)
    estimate, error = statistic(design_of(outcomes, average, resample))
    assert estimate == pytest.approx(want, abs=1e-12)
    assert error > 0.0


@BOTH
@pytest.mark.parametrize("trials", [1, 4])
def test_standard_error_is_that_of_the_jackknife(average, resample, trials):
    outcomes = random_outcomes(5, classes=15, groups=6, trials=trials)
    strata = rows_by_unit(outcomes, resample)
    variance = 0.0
    for place, units in enumerate(strata):
        others = [row for s, us in enumerate(strata) if s != place for unit in us for row in unit]
        left_out = np.array(
            [
                plain_average(
                    outcomes,
                    average,
                    others * (len(units) - 1)
                    + [row for unit in units if unit is not gone for row in unit * len(units)],
                )
                for gone in units
            ]
        )
        share = (len(units) - 1) / len(units)
        variance += share * ((left_out - left_out.mean()) ** 2).sum()
    error = statistic(design_of(outcomes, average, resample))[1]
    one_ratio_a_stratum = trials == 1 and (average, resample) != ("videos", "groups")
    assert error == pytest.approx(variance**0.5, rel=1e-9 if one_ratio_a_stratum else 0.06)


@BOTH
def test_resamples_spread_as_those_of_plain_loops(average, resample):
    outcomes = random_outcomes(8, classes=8, groups=4, trials=3)
    strata, rng = rows_by_unit(outcomes, resample), np.random.default_rng(1)
    found = []
    for _ in range(1500):
        rows = []
        for units in strata:
            for pick in rng.integers(0, len(units), len(units)):
                rows += units[pick]
        found.append(plain_average(outcomes, average, rows))
    ours = replicate(design_of(outcomes, average, resample), replicates=4000, seed=0)[0]
    assert ours.mean() == pytest.approx(np.mean(found), abs=4 * np.std(found) / 1500**0.5)
    assert ours.std() == pytest.approx(np.std(found), rel=0.1)


def test_resamples_are_those_of_full_enumeration():
    outcomes = make([1, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1], [0, 0, 1, 0, 1, 1])
    strata = rows_by_unit(outcomes, "groups")
    picks = itertools.product(*[itertools.product(range(2), repeat=2) for _ in strata])
    exact = []
    for pick in picks:
        chosen = zip(strata, pick, strict=True)
        rows = [row for units, places in chosen for place in places for row in units[place]]
        exact.append(round(plain_average(outcomes, "classes", rows), 9))
    ours = replicate(design_of(outcomes, "classes", "groups"), replicates=16000, seed=0)[0]
    values, counts = np.unique(ours.round(9), return_counts=True)
    assert values.tolist() == sorted(set(exact))
    shares = [exact.count(value) / len(exact) for value in values]
    assert counts / 16000 == pytest.approx(np.array(shares), abs=0.015)


def test_two_classes_with_known_accuracies():
    outcomes = make([1, 1, 1, 0] * 25 + [1, 0, 0, 0] * 25, [0] * 100 + [1] * 100, range(200))
    assert average_outcomes(outcomes, average="classes") == 0.5
    assert average_outcomes(outcomes, average="videos") == 0.5
    error = interval(outcomes, average="classes", resample="groups").std_error
    assert error == pytest.approx(0.5 * (2 * 0.75 * 0.25 / 99) ** 0.5)


def test_independent_videos_give_the_binomial_interval():
    rng = np.random.default_rng(0)
    outcomes = make(rng.random(4000) < 0.3, [0] * 4000, range(4000))
    found = interval(outcomes, average="videos", resample="groups", replicates=1999)
    share = average_outcomes(outcomes, average="videos")
    wanted = 1.96 * (share * (1 - share) / 4000) ** 0.5
    assert (found.high - found.low) / 2 == pytest.approx(wanted, rel=0.08)


def test_clips_of_one_source_do_not_count_as_many():
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(200) < 0.5, 20)
    apart = make(right, np.arange(4000) // 400, range(4000))
    together = make(right, np.arange(4000) // 400, np.arange(4000) // 20)
    wide = interval(together, average="videos", resample="groups")
    narrow = interval(apart, average="videos", resample="groups")
    assert wide.high - wide.low > 3.5 * (narrow.high - narrow.low)


def test_same_group_code_in_two_classes_is_two_groups():
    apart = random_outcomes(2)
    codes = apart.classes * 100 + apart.groups
    renamed = make(apart.values, apart.classes, codes)
    assert interval(apart, average="videos", resample="groups") == interval(
        renamed, average="videos", resample="groups"
    )


@pytest.mark.parametrize("right", [0.0, 1.0])
@BOTH
def test_all_right_or_all_wrong_is_exact(average, resample, right):
    outcomes = make([right] * 60, np.arange(60) // 6, np.arange(60) // 2)
    found = interval(outcomes, average=average, resample=resample)
    units = 30 if resample == "groups" else 10
    bound = 0.025 ** (1 / units)
    low, high = (bound, 1.0) if right else (0.0, 1.0 - bound)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.method == f"Clopper-Pearson over {units}.0 effective units"
    assert (found.num_units, found.std_error) == (units, 0.0)


def test_rights_of_few_units_are_exact():
    values = np.zeros(400)
    values[:8] = 1.0
    outcomes = make(values, np.arange(400) // 8, np.arange(400) // 2)
    found = interval(outcomes, average="videos", resample="classes")
    assert found.method.startswith("Clopper-Pearson over 50.0")
    assert (found.low, found.high) == pytest.approx(clopper_pearson(1, 50, 0.95))


def test_clopper_pearson_meets_its_definition():
    from scipy.stats import binom

    low, high = clopper_pearson(7, 20, 0.95)
    assert binom.sf(6, 20, low) == pytest.approx(0.025)
    assert binom.cdf(7, 20, high) == pytest.approx(0.025)


@pytest.mark.parametrize("average", AVERAGES)
def test_one_class_has_no_interval_over_classes(average):
    outcomes = random_outcomes(1, classes=1, groups=20)
    assert interval(outcomes, average=average, resample="classes") is None
    assert interval(outcomes, average=average, resample="groups") is not None


@BOTH
def test_nothing_to_resample_is_none(average, resample):
    none = make(np.zeros((0, 1)), [], [])
    absent = make([[1.0], [0.0]], [0, 1], [0, 0], [[False], [False]])
    for outcomes in (none, absent, make([1.0, 0.0], [4, 4], [1, 1])):
        assert interval(outcomes, average=average, resample=resample) is None
    assert average_outcomes(none, average=average) is None
    assert average_outcomes(absent, average=average) is None


@BOTH
def test_a_trial_without_videos_does_not_count(average, resample):
    outcomes = random_outcomes(4, classes=20)
    empty = Outcomes(
        values=np.hstack([outcomes.values, np.zeros_like(outcomes.values)]),
        present=np.hstack([outcomes.present, np.zeros_like(outcomes.present)]),
        classes=outcomes.classes,
        groups=outcomes.groups,
    )
    one, two = (interval(o, average=average, resample=resample) for o in (outcomes, empty))
    assert one == two


@pytest.mark.parametrize("average", AVERAGES)
def test_one_group_a_class_is_resampled_as_whole_classes(average):
    outcomes = random_outcomes(6, classes=30, groups=1, videos=8)
    fixed = interval(outcomes, average=average, resample="groups")
    free = interval(outcomes, average=average, resample="classes")
    assert fixed.std_error == pytest.approx(free.std_error)
    assert fixed.method.endswith("; 30 classes as one stratum")


@pytest.mark.parametrize("average", AVERAGES)
def test_a_lone_class_with_one_group_adds_variance(average):
    outcomes = random_outcomes(7, classes=10, groups=5, videos=4)
    single = outcomes.groups.copy()
    single[outcomes.classes == 0] = 0
    found = interval(
        make(outcomes.values, outcomes.classes, single), average=average, resample="groups"
    )
    rest = outcomes.classes > 0
    without = make(outcomes.values[rest], outcomes.classes[rest], outcomes.groups[rest])
    scale = rest.mean() if average == "videos" else 0.9
    design = design_of(without, average, "groups")
    assert found.method.endswith("; 2 classes as one stratum")
    assert found.std_error > 0.9 * scale * statistic(design)[1]


def test_few_units_take_student():
    outcomes = random_outcomes(9, classes=6, groups=8)
    found = interval(outcomes, average="classes", resample="classes")
    assert set(found.to_json()) == {"low", "high", "level", "method", "num_units", "std_error"}
    assert found.method == "Student's t, logit scale, 5 degrees of freedom"


def test_no_resamples_take_student():
    outcomes = random_outcomes(9, classes=30, groups=8)
    found = interval(outcomes, average="classes", resample="classes", replicates=0)
    usual = interval(outcomes, average="classes", resample="classes")
    assert found.method == "Student's t, logit scale, 29 degrees of freedom"
    assert (found.low, found.high) == pytest.approx((usual.low, usual.high), abs=0.01)


def test_a_class_present_in_part_of_its_videos():
    outcomes = random_outcomes(11, classes=10, groups=6)
    rng = np.random.default_rng(0)
    present = rng.random((len(outcomes.classes), 5)) < 0.6
    values = np.repeat(outcomes.values, 5, axis=1)
    partly = make(values, outcomes.classes, outcomes.groups, present)
    for average, resample in itertools.product(AVERAGES, RESAMPLES):
        estimate, error = statistic(design_of(partly, average, resample))
        assert estimate == pytest.approx(plain_average(partly, average), abs=1e-12)
        assert 0.0 < error < 0.2
        assert interval(partly, average=average, resample=resample) is not None


def test_same_seed_same_interval_other_seed_another():
    drawn = random_outcomes(12, classes=20)
    first, again, other = (
        interval(drawn, average="videos", resample="groups", seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert first.high == pytest.approx(other.high, abs=0.03)


def test_wider_level_wider_interval():
    outcomes = random_outcomes(13, classes=20)
    widths = []
    for level in (0.8, 0.95, 0.99):
        found = interval(outcomes, average="classes", resample="groups", level=level)
        widths.append(found.high - found.low)
    assert widths == sorted(widths)


@pytest.mark.parametrize("arguments", [{"level": 1.0}, {"level": 0.0}, {"replicates": -1}])
def test_impossible_settings(arguments):
    with pytest.raises(ResultError, match="no such interval"):
        interval(random_outcomes(1), average="videos", resample="groups", **arguments)


def test_bad_outcomes():
    with pytest.raises(ResultError, match="one row a video"):
        make([[1.0], [0.0]], [0], [0, 0])
    with pytest.raises(ResultError, match="outside 0 to 1"):
        make([2.0, 0.0], [0, 0], [0, 0])
    with pytest.raises(ResultError, match="outside 0 to 1"):
        make([np.nan, 0.0], [0, 0], [0, 0])
    make([[np.nan], [0.0]], [0, 0], [0, 0], [[False], [True]])


small = st.builds(
    random_outcomes,
    st.integers(0, 10_000),
    classes=st.integers(2, 9),
    groups=st.integers(1, 4),
    videos=st.integers(1, 4),
    trials=st.sampled_from([1, 3]),
    accuracy=st.sampled_from([0.02, 0.3, 0.5, 0.97]),
)


@settings(max_examples=40, deadline=None)
@given(small, st.sampled_from(AVERAGES), st.sampled_from(RESAMPLES))
def test_an_interval_holds_its_estimate_and_stays_in_range(outcomes, average, resample):
    found = interval(outcomes, average=average, resample=resample, replicates=99)
    if found is None:
        return
    estimate = average_outcomes(outcomes, average=average)
    assert 0.0 <= found.low <= estimate + 1e-12
    assert estimate - 1e-12 <= found.high <= 1.0
    assert np.isfinite(found.std_error)


@settings(max_examples=25, deadline=None)
@given(small, st.sampled_from(AVERAGES), st.sampled_from(RESAMPLES), st.integers(0, 1000))
def test_order_of_videos_and_names_of_classes_do_not_matter(outcomes, average, resample, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(outcomes.classes))
    shuffled = make(
        outcomes.values[order],
        outcomes.classes[order] * 7 + 5,
        outcomes.groups[order],
        outcomes.present[order],
    )
    one, two = (
        interval(o, average=average, resample=resample, replicates=99) for o in (outcomes, shuffled)
    )
    if one is None:
        assert two is None
        return
    assert (one.low, one.high) == pytest.approx((two.low, two.high), abs=1e-9)
    names = rng.permutation(int(outcomes.classes.max()) + 1)
    renamed = make(outcomes.values, names[outcomes.classes], outcomes.groups, outcomes.present)
    left = design_of(outcomes, average, resample)
    right = design_of(renamed, average, resample)
    assert left.num_units == right.num_units
    assert statistic(left)[0] == pytest.approx(statistic(right)[0], abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(small, st.sampled_from(AVERAGES), st.sampled_from(RESAMPLES))
def test_swapping_right_and_wrong_mirrors_the_interval(outcomes, average, resample):
    wrong = make(
        np.where(outcomes.present, 1.0 - outcomes.values, 0.0),
        outcomes.classes,
        outcomes.groups,
        outcomes.present,
    )
    one, two = (
        interval(o, average=average, resample=resample, replicates=99) for o in (outcomes, wrong)
    )
    if one is None:
        assert two is None
        return
    assert (one.low, one.high) == pytest.approx((1.0 - two.high, 1.0 - two.low), abs=1e-9)
