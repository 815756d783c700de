"""Validation on seen classes: who is held out, what is chosen, how it is counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.baselines.methods import ClipFeatures
from zsl_bench.baselines.methods.base import SeenVideos
from zsl_bench.baselines.methods.validation import choose, class_folds, mean_class_accuracy


def seen_of(classes, *, videos=3, seed=0, empty=()):
    labels = np.repeat([c for c in range(classes) if c not in empty], videos)
    features = np.repeat(np.arange(float(len(labels))), 2).reshape(-1, 1, 2)
    return SeenVideos(
        videos=ClipFeatures.of(features, np.ones(len(labels), int)),
        labels=labels.astype(np.int64),
        class_vectors=np.eye(classes),
        seed=seed,
    )


@settings(max_examples=40, deadline=None)
@given(classes=st.integers(4, 30), seed=st.integers(0, 99))
def test_every_fold_parts_the_classes_and_their_videos(classes, seed):
    seen = seen_of(classes, seed=seed)
    folds = list(class_folds(seen))
    assert len(folds) == 3
    for fold in folds:
        sides = (fold.learned, fold.held_out)
        names = [set(np.flatnonzero(side.class_vectors.any(axis=0))) for side in sides]
        assert not names[0] & names[1]
        assert names[0] | names[1] == set(range(classes))
        assert len(names[1]) == min(max(round(0.2 * classes), 2), classes - 2)
        assert sum(len(side.videos) for side in sides) == len(seen.videos)
        for side in sides:
            was = seen.labels[side.videos.clips[:, 0, 0].astype(int)]
            np.testing.assert_array_equal(side.class_vectors[side.labels], np.eye(classes)[was])


def test_a_seed_holds_out_the_same_classes_and_another_seed_others():
    def held(seed):
        folds = class_folds(seen_of(30, seed=seed))
        return [fold.held_out.class_vectors.tobytes() for fold in folds]

    assert held(1) == held(1)
    assert held(1) != held(2)
    assert len(set(held(1))) == 3


def test_a_class_without_a_video_is_never_held_out_and_stays_known():
    for fold in class_folds(seen_of(6, empty=(2, 4)), held_out=0.5, rounds=20):
        assert not fold.held_out.class_vectors[:, [2, 4]].any()
        assert fold.learned.class_vectors[:, [2, 4]].sum() == 2


def test_with_one_class_on_a_side_there_is_no_parting():
    assert list(class_folds(seen_of(1))) == []
    assert list(class_folds(seen_of(3, empty=(0, 1)))) == []
    for classes in (2, 3):
        assert list(class_folds(seen_of(classes))) == []
    assert choose(seen_of(3), "ab", lambda _: pytest.fail("was scored"), fallback="z") == "z"


def test_the_best_mean_wins_and_of_equals_the_first():
    told = iter([[0.0, 0.9, 0.6, 0.7], [0.9, 0.1, 0.6, 0.5], [0.3, 0.2, 0.6, 0.6]])
    assert choose(seen_of(5), "abcd", lambda _: next(told), fallback="z") == "c"


def test_nothing_but_seen_classes_reaches_the_choice():
    seen, kept = seen_of(10), []
    choose(seen, (1, 2), lambda fold: kept.append(fold) or [0, 0], fallback=1)
    for fold in kept:
        for side in (fold.learned, fold.held_out):
            assert set(side.videos.clips.ravel()) <= set(seen.videos.clips.ravel())


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    seed=st.integers(0, 99),
)
def test_mean_class_accuracy_is_a_plain_loop_in_which_a_tie_is_wrong(labels, seed):
    scores = np.random.default_rng(seed).integers(0, 3, (len(labels), 4)).astype(float)
    by_class = {}
    for row, label in zip(scores, labels, strict=True):
        others = [score for column, score in enumerate(row) if column != label]
        by_class.setdefault(label, []).append(row[label] > max(others))
    expected = np.mean([np.mean(right) for right in by_class.values()])
    assert mean_class_accuracy(scores, np.array(labels)) == pytest.approx(expected)
