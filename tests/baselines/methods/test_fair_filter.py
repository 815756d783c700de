from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.baselines.methods.base import SeenVideos
from zsl_bench.baselines.methods.catalogue import load_method
from zsl_bench.baselines.methods.fair_filter import (
    FAIR_BASES,
    fair_filter,
    fair_training,
    fit_fair,
)
from zsl_bench.baselines.methods.inputs import ClipFeatures, unit_class_vectors
from zsl_bench.baselines.methods.storage import load_fitted, save_method
from zsl_bench.classes import load_class_set
from zsl_bench.errors import ClassSetError, DatasetError, ZslBenchError
from zsl_bench.wordvectors import class_vectors


def _cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def _seen(classes, seed, *, clips=3, dim=8, words=6, per=4):
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per)
    features = generator.normal(size=(len(labels), clips, dim))
    lengths = generator.integers(1, clips + 1, len(labels))
    return SeenVideos(
        videos=ClipFeatures.of(features, lengths),
        labels=labels,
        class_vectors=unit_class_vectors(generator.normal(size=(classes, words))),
        seed=7,
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(2, 6), dim=st.integers(2, 4))
def test_both_rules_equal_a_loop(seed, size, dim):
    generator = np.random.default_rng(seed)
    target, external = generator.normal(size=(size, dim)), generator.normal(size=(9, dim))
    unseen = sorted(generator.choice(size, size=generator.integers(1, size + 1), replace=False))
    theta = max(_cosine(target[i], target[j]) for i in range(size) for j in range(i))
    decided = fair_filter(external, target, unseen, threshold=0.2)
    assert decided.theta == pytest.approx(theta)
    for row in range(9):
        cosines = {u: _cosine(external[row], target[u]) for u in unseen}
        assert decided.similarity[row] == pytest.approx(max(cosines.values()))
        assert cosines[decided.nearest[row]] == pytest.approx(max(cosines.values()))
        assert decided.keep[row] == all(value <= theta for value in cosines.values())
        assert decided.keep_by_threshold[row] == all(1 - v >= 0.2 for v in cosines.values())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), added=st.integers(1, 70))
def test_another_external_class_changes_no_decision(seed, added):
    generator = np.random.default_rng(seed)
    target, external = generator.normal(size=(5, 4)), generator.normal(size=(6 + added, 4))
    few, many = (fair_filter(part, target, [0, 3]) for part in (external[:6], external))
    assert np.array_equal(few.keep, many.keep[:6])
    assert np.array_equal(few.keep_by_threshold, many.keep_by_threshold[:6])


@pytest.mark.parametrize("factor", [1.0, 7.0, 1e-3])
def test_a_copy_of_an_unseen_class_is_always_dropped(factor):
    target = np.random.default_rng(0).normal(size=(6, 300))
    target[5] = target[0] + 1e-3 * target[1]
    decided = fair_filter(factor * target, target, [0, 2])
    assert decided.theta > 0.99
    assert decided.keep.tolist() == [False, True, False, True, True, True]
    assert not decided.keep_by_threshold[[0, 2, 5]].any()


def test_equal_classes_inside_the_target_do_not_set_theta():
    target = np.array([[1.0, 0.0], [3.0, 0.0], [1.0, 1.0], [-1.0, 0.5]])
    decided = fair_filter(target, target, [3])
    assert decided.theta == pytest.approx(np.sqrt(0.5))
    assert decided.theta_pair == (0, 2)


def test_the_closest_pair_of_the_target_itself_is_kept():
    target = np.array([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.5]])
    assert fair_filter(target[:1], target, [1]).keep.all()


def test_unseen_classes_may_be_named_by_truth_values():
    target, external = np.eye(3) + 0.1, np.random.default_rng(1).normal(size=(5, 3))
    mask = fair_filter(external, target, np.array([True, False, True]))
    assert np.array_equal(mask.similarity, fair_filter(external, target, [0, 2]).similarity)


@pytest.mark.parametrize(
    ("target", "unseen", "found"),
    [
        (np.ones((1, 2)), [0], "no two target classes that differ"),
        (np.ones((3, 2)), [0], "no two target classes that differ"),
        (np.eye(2), [], "unseen classes of shape"),
        (np.eye(2), [2], "unseen classes from 2 to 2 of 2"),
        (np.eye(2), [True, False, True], "type bool"),
        (np.eye(3), [0], "external vectors of 2 numbers"),
    ],
)
def test_what_cannot_be_decided_is_refused(target, unseen, found):
    with pytest.raises(ClassSetError, match=found):
        fair_filter(np.ones((1, 2)), target, unseen)


def test_a_zero_vector_and_a_wrong_threshold_are_refused():
    with pytest.raises(DatasetError, match="zero vector for class 0"):
        fair_filter(np.zeros((1, 2)), np.eye(2), [0])
    with pytest.raises(ZslBenchError, match="threshold 3"):
        fair_filter(np.eye(2), np.eye(2), [0], threshold=3.0)


def _vectors(name):
    return class_vectors(load_class_set(name), allow_approximate=True).matrix


def test_theta_of_hmdb51_is_stricter_and_of_ucf101_about_as_loose_as_the_threshold():
    names = load_class_set("hmdb51").names
    hmdb = fair_filter(_vectors("kinetics400"), _vectors("hmdb51"), np.arange(51))
    assert round(hmdb.theta, 3) == 0.834
    assert {names[place] for place in hmdb.theta_pair} == {"kick", "kick_ball"}
    ucf = fair_filter(_vectors("kinetics400"), _vectors("ucf101"), np.arange(101))
    assert hmdb.distance > 3 * hmdb.threshold
    assert ucf.distance == pytest.approx(ucf.threshold, abs=0.01)
    assert hmdb.num_kept < hmdb.num_kept_by_threshold
    report = hmdb.to_json(load_class_set("kinetics400").names, names)
    assert report["num_kept"] == 400 - sum(one["by_theta"] for one in report["dropped"])
    assert all(one["by_theta"] for one in report["dropped"] if one["by_threshold"])


def test_the_three_comparisons_learn_from_what_they_say():
    inner, external = _seen(3, 0), _seen(5, 1, clips=6)
    target = np.concatenate([inner.class_vectors, external.class_vectors[2:3]])
    decided = fair_filter(external.class_vectors, target, [3])
    kept = np.flatnonzero(decided.keep)
    assert 2 not in kept
    assert fair_training(inner, external, decided, source="inner") is inner
    alone = fair_training(inner, external, decided, source="external")
    assert np.array_equal(alone.class_vectors, external.class_vectors[kept])
    both = fair_training(inner, external, decided)
    assert len(both.class_vectors) == 3 + len(kept)
    assert np.array_equal(both.labels[:12], inner.labels)
    assert np.array_equal(both.labels[12:], alone.labels + 3)
    assert np.allclose(both.videos.means()[12:], alone.videos.means())
    assert np.allclose(both.videos.means()[:12], inner.videos.means())
    by_tau = fair_training(inner, external, decided, source="external", rule="threshold")
    assert len(by_tau.class_vectors) == decided.num_kept_by_threshold


def test_training_data_that_do_not_fit_are_refused():
    inner, external = _seen(3, 0), _seen(2, 1)
    decided = fair_filter(external.class_vectors, external.class_vectors, [0, 1])
    with pytest.raises(ClassSetError, match="no external video left"):
        fair_training(inner, external, decided)
    with pytest.raises(ClassSetError, match="a filter of 2 classes for 3"):
        fair_training(inner, inner, decided)
    wide = _seen(2, 1, dim=9)
    free = fair_filter(wide.class_vectors, inner.class_vectors, [0], threshold=0.0)
    with pytest.raises(ClassSetError, match=r"\(8, 6\) and of \(9, 6\)"):
        fair_training(inner, wide, free, rule="threshold")


@pytest.mark.parametrize("name", FAIR_BASES)
def test_a_row_says_that_a_filter_stands_before_the_method_also_when_saved(name, tmp_path):
    quick = {"devise": {"epochs": 1, "choose_epochs": False}}.get(name)
    training = _seen(4, 0)
    row = fit_fair(load_method(name), training, quick)
    assert row.spec.name == f"fair-filter+{name}"
    assert row.spec.fidelity == "close"
    assert row.spec.setting == "inductive"
    kept = load_fitted(save_method(row.fitted, tmp_path))
    assert kept.spec == row.spec == row.fitted.spec
    given = training.videos.clips, training.videos.lengths, training.class_vectors[:2]
    alone = load_method(name).fitted(training, load_method(name).configured(quick))
    for fitted in (row.fitted, kept):
        np.testing.assert_array_equal(fitted.score(*given), alone.score(*given))
        np.testing.assert_array_equal(fitted.embed(*given[:2]), alone.embed(*given[:2]))
        np.testing.assert_array_equal(fitted.class_points(given[2]), alone.class_points(given[2]))
