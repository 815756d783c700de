"""Distances of the test classes to the declared ones, and the distractors that follow."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.classes import class_set_from_names, fold, load_class_set
from zsl_bench.verdict import (
    Declared,
    class_distances,
    distractor_classes,
    zero_shot_verdict,
)
from zsl_bench.wordvectors import class_vectors

UCF = load_class_set("ucf101")
KINETICS = load_class_set("kinetics400")


def brute(declared_set, classes):
    test = class_vectors(classes, allow_approximate=True).matrix.astype(float)
    train = class_vectors(declared_set, allow_approximate=True).matrix.astype(float)
    table = np.empty((len(test), len(train)))
    for i, a in enumerate(test):
        for j, b in enumerate(train):
            same = sorted(classes.words[i]) == sorted(declared_set.words[j])
            table[i, j] = 0.0 if same else 1.0 - float(a @ b)
    return table


def test_against_plain_loops():
    few = KINETICS.select(KINETICS.names[:30])
    found = class_distances(Declared(trained_on=(few,)), UCF)
    table = brute(few, UCF)
    np.testing.assert_allclose(found.nearest, table.min(axis=1), atol=1e-12)
    ten = [np.mean(sorted(row)[:10]) for row in table]
    np.testing.assert_allclose(found.nearest_mean, ten, atol=1e-12)
    assert (found.neighbours, found.num_declared) == (10, 30)
    assert found.classes == UCF.names
    assert set(found.approximate_classes) <= set(UCF.names)


def test_only_equal_names_with_equal_words_are_one_neighbour():
    sets = (KINETICS, load_class_set("kinetics600"))
    found = class_distances(Declared(trained_on=sets[:1], pretrained_on=sets[1:]), UCF)
    tables = [brute(one, UCF) for one in sets]
    columns = {}
    for one, table in zip(sets, tables, strict=True):
        for j, name in enumerate(one.names):
            columns.setdefault((fold(name), frozenset(Counter(one.words[j]).items())), table[:, j])
    table = np.stack(list(columns.values()), axis=1)
    np.testing.assert_allclose(found.nearest_mean, np.sort(table)[:, :10].mean(axis=1), atol=1e-12)
    assert found.num_declared == len(columns) < 400 + 600


def seen_and_near(declared, classes, threshold):
    found = class_distances(declared, classes)
    near = [n for n, d in zip(found.classes, found.nearest, strict=True) if d < threshold]
    return [s.name for s in zero_shot_verdict(declared, classes, threshold=threshold).seen], near


@pytest.mark.parametrize(
    ("trained", "pretrained"),
    [("activitynet200", "kinetics400"), ("kinetics400", "activitynet200")],
)
def test_a_name_with_other_words_in_a_second_set_is_not_passed_over(trained, pretrained):
    declared = Declared(
        trained_on=(load_class_set(trained),), pretrained_on=(load_class_set(pretrained),)
    )
    seen, near = seen_and_near(declared, UCF, 0.05)
    assert "CleanAndJerk" in near
    assert near == seen


ALL = [load_class_set(f"kinetics{n}") for n in (400, 600, 700)]
ALL += [load_class_set(name) for name in ("activitynet200", "hmdb51", "sun397")]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=4), st.data(), st.floats(0.0, 1.0))
def test_below_the_threshold_is_what_the_headline_sees(sets, data, threshold):
    parts = [
        one.select(data.draw(st.lists(st.sampled_from(one.names), min_size=1, unique=True)))
        for one in sets
    ]
    order = data.draw(st.permutations(parts))
    for some in (parts, order):
        cut = data.draw(st.integers(0, len(some)))
        declared = Declared(trained_on=tuple(some[:cut]), pretrained_on=tuple(some[cut:]))
        seen, near = seen_and_near(declared, UCF, threshold)
        assert near == seen
    np.testing.assert_array_equal(
        class_distances(Declared(trained_on=tuple(parts)), UCF).nearest,
        class_distances(Declared(pretrained_on=tuple(order)), UCF).nearest,
    )


def test_stand_ins_on_either_side_are_told():
    def named(*names):
        return class_set_from_names(names, dataset="mine", source="test")

    test = named("archery", "drumming", "zzqx")
    far = class_distances(Declared(trained_on=(named("archery", "drumming"),)), test)
    assert far.approximate_classes == ("zzqx",)
    near = class_distances(Declared(trained_on=(named("archery", "qqzv drumming"),)), test)
    assert near.approximate_classes == ("drumming", "zzqx")


def test_fewer_than_ten_declared():
    two = KINETICS.select(["archery", "zumba"])
    found = class_distances(Declared(pretrained_on=(two,)), UCF)
    assert found.neighbours == 2
    np.testing.assert_allclose(found.nearest_mean, brute(two, UCF).mean(axis=1), atol=1e-12)


def test_the_nearest_distance_is_that_of_the_headline():
    declared = Declared(trained_on=(KINETICS,))
    below = class_distances(declared, UCF).nearest < 0.05
    seen = {entry.name for entry in zero_shot_verdict(declared, UCF).seen}
    assert {name for name, is_below in zip(UCF.names, below, strict=True) if is_below} == seen


@pytest.mark.parametrize(
    "declared",
    [Declared(), Declared(trained_on="open", pretrained_on=()), Declared(trained_on=())],
)
def test_nothing_to_measure(declared):
    assert class_distances(declared, UCF) is None
    assert distractor_classes(declared, UCF) is None


def test_distractors_are_the_declared_classes_that_are_no_test_class():
    found = distractor_classes(Declared(trained_on=(KINETICS,)), UCF).classes
    table = brute(KINETICS, UCF)
    names = {fold(name) for name in UCF.names}
    expected = [
        f"kinetics400/{name}"
        for name, column in zip(KINETICS.names, table.T, strict=True)
        if column.min() >= 0.05 and fold(name) not in names
    ]
    assert list(found.names) == expected
    assert "kinetics400/archery" not in found.names
    assert found.words[0] == KINETICS.words[0]
    assert found.rules == UCF.rules


def test_a_class_of_equal_name_and_other_words_is_merged():
    declared = Declared(trained_on=(KINETICS.select(["skateboarding", "zumba"]),))
    assert distractor_classes(declared, UCF).names == ("kinetics400/zumba",)


@pytest.mark.parametrize(
    ("declared", "candidates"),
    [
        (Declared(trained_on=(KINETICS.select(["archery"]),)), {"kinetics400/archery": None}),
        (Declared(trained_on=(), pretrained_on=()), {}),
    ],
)
def test_no_distractor_is_left(declared, candidates):
    found = distractor_classes(declared, UCF)
    assert (found.classes, found.names, found.candidates) == (None, (), candidates)


def test_every_declared_class_is_a_candidate_has_a_twin_or_is_a_test_class():
    sets = (load_class_set("kinetics700"), KINETICS)
    found = distractor_classes(Declared(trained_on=sets[:1], pretrained_on=sets[1:]), UCF)
    alone = [distractor_classes(Declared(trained_on=(one,)), UCF) for one in sets]
    assert len(found.candidates) == 1100
    for one, own in zip(sets, alone, strict=True):
        for name in own.names:
            twin = found.candidates[name]
            assert twin in found.names, name
            theirs = sets[0] if twin.startswith("kinetics700/") else KINETICS
            i, j = one.index(name.partition("/")[2]), theirs.index(twin.partition("/")[2])
            assert fold(one.names[i]) == fold(theirs.names[j]) or sorted(one.words[i]) == sorted(
                theirs.words[j]
            )
    assert found.candidates["kinetics400/hugging"] == "kinetics700/hugging (not baby)"
    assert found.candidates["kinetics400/archery"] is None


def test_a_name_is_merged_whichever_of_its_words_are_near():
    anet, kinetics = load_class_set("activitynet200"), KINETICS
    test = class_set_from_names(["jerking clean"], dataset="mine", source="test")
    names = ("activitynet200/Clean and jerk", "kinetics400/clean and jerk")
    for order in ((anet, kinetics), (kinetics, anet)):
        found = distractor_classes(Declared(trained_on=order), test)
        assert not set(names) & set(found.names)
        assert [found.candidates[name] for name in names] == [None, None]


@settings(max_examples=15, deadline=None)
@given(st.sets(st.sampled_from(KINETICS.names), min_size=1, max_size=25), st.floats(0.0, 1.0))
def test_more_declared_classes_are_never_farther(names, threshold):
    part = KINETICS.select(sorted(names))
    small, large = Declared(trained_on=(part,)), Declared(trained_on=(part, KINETICS))
    near, far = class_distances(large, UCF), class_distances(small, UCF)
    assert (near.nearest <= far.nearest + 1e-12).all()
    kept = distractor_classes(small, UCF, threshold=threshold)
    assert len(kept.names) <= len(names)


def test_names_with_a_slash_keep_it():
    mine = class_set_from_names(["abbey/inside"], dataset="sun", source="test")
    found = distractor_classes(Declared(trained_on=(mine,)), UCF)
    assert found.names == ("sun/abbey/inside",)
