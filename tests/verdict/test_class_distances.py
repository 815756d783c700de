"""Distances of the test classes to the declared ones, and the distractors that follow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.classes import class_set_from_names, fold, load_class_set
from zsl_bench.verdict import (
    Declared,
    class_distances,
    declared_classes,
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


def test_a_class_declared_twice_is_one_neighbour():
    twice = Declared(trained_on=(KINETICS,), pretrained_on=(load_class_set("kinetics600"),))
    once = Declared(trained_on=(declared_classes(twice),))
    a, b = class_distances(twice, UCF), class_distances(once, UCF)
    np.testing.assert_array_equal(a.nearest_mean, b.nearest_mean)
    assert a.num_declared == b.num_declared < 400 + 600


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


@pytest.mark.parametrize("declared", [Declared(), Declared(trained_on="open", pretrained_on=())])
def test_nothing_to_measure(declared):
    assert class_distances(declared, UCF) is None
    assert distractor_classes(declared, UCF) is None


def test_distractors_are_the_declared_classes_that_are_no_test_class():
    found = distractor_classes(Declared(trained_on=(KINETICS,)), UCF)
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


def test_no_distractor_is_left():
    declared = Declared(trained_on=(KINETICS.select(["archery"]),))
    assert distractor_classes(declared, UCF) is None


@settings(max_examples=15, deadline=None)
@given(st.sets(st.sampled_from(KINETICS.names), min_size=1, max_size=25), st.floats(0.0, 1.0))
def test_more_declared_classes_are_never_farther(names, threshold):
    part = KINETICS.select(sorted(names))
    small, large = Declared(trained_on=(part,)), Declared(trained_on=(part, KINETICS))
    near, far = class_distances(large, UCF), class_distances(small, UCF)
    assert (near.nearest <= far.nearest + 1e-12).all()
    kept = distractor_classes(small, UCF, threshold=threshold)
    assert len(kept or ()) <= len(names)


def test_names_with_a_slash_keep_it():
    mine = class_set_from_names(["abbey/inside"], dataset="sun", source="test")
    found = distractor_classes(Declared(trained_on=(mine,)), UCF)
    assert found.names == ("sun/abbey/inside",)
