"""A world whose right answer is known: methods find it, and their controls fall to chance."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.baselines.methods.catalogue import known_methods, load_method
from zsl_bench.testing import WorldTrial
from zsl_bench.testing.method_controls import NEAR_CHANCE
from zsl_bench.testing.method_trial import MethodTrial
from zsl_bench.testing.method_world import (
    SMALL,
    WorldSize,
    compositional_world,
    derangement,
    order_accuracy,
    order_world,
    unseen_accuracy,
)

FIXED = {"rr": {"regulariser": 1.0}, "eszsl": {"visual": 1.0, "semantic": 1.0}}
RECURRENT = {
    "tarn": {"episodes": 200, "hidden": 32, "check_every": 100, "learning_rate": 2e-3},
    "action2vec": {"epochs": 20},
}
SIZE = WorldSize(verbs=4, objects=8, videos=2, clips=4, dim=64, words=20, noise=0.3)


def test_the_default_world_has_the_counts_and_the_chance_that_it_says():
    world = compositional_world()
    assert (len(world.seen.class_vectors), len(world.unseen.class_vectors)) == (108, 36)
    assert world.seen.features.shape == (1620, 8, 512)
    assert np.bincount(world.unseen.labels).tolist() == [15] * 36
    assert set(world.seen.lengths) == {8}


def test_without_noise_a_linear_map_from_clips_to_class_vectors_exists():
    world = compositional_world(replace(SIZE, noise=0.0))
    seen, unseen = world.seen, world.unseen
    answer = np.linalg.lstsq(seen.features[:, 0], seen.class_vectors[seen.labels], rcond=None)[0]
    expected = unseen.class_vectors[unseen.labels]
    np.testing.assert_allclose(unseen.features[:, 0] @ answer, expected, atol=1e-5)


def test_no_verb_and_no_object_is_new_and_no_pair_is_in_both():
    world = compositional_world(SIZE)
    seen, unseen = world.seen.class_vectors, world.unseen.class_vectors
    together = np.linalg.matrix_rank(np.vstack([seen, unseen]))
    assert np.linalg.matrix_rank(seen) == together == 4 + 8 - 1
    assert np.linalg.norm(seen[:, None] - unseen[None], axis=2).min() > 0.1


def test_noise_has_the_size_that_it_says():
    size = WorldSize(verbs=4, objects=4, videos=20, clips=10, dim=50, words=5, noise=3.0)
    features = compositional_world(size).seen.features.reshape(12, 20, 10, 50)
    within_videos = features.std(axis=2, ddof=1).mean()
    between_videos = features.mean(axis=2).std(axis=1, ddof=1).mean()
    assert within_videos == pytest.approx(3.0, rel=0.05)
    assert between_videos == pytest.approx(3.0 * np.sqrt(1.1), rel=0.05)


def test_a_ragged_world_holds_zeros_behind_its_lengths():
    seen = compositional_world(SMALL).seen
    assert set(seen.lengths) == {1, 2, 3, 4}
    for video, length in zip(seen.features, seen.lengths, strict=True):
        assert video[:length].any(axis=1).all()
        assert not video[length:].any()


def test_a_seed_gives_one_world_and_another_seed_another():
    one, again, other = (compositional_world(SIZE, seed=seed) for seed in (1, 1, 2))
    assert one.unseen.features.tobytes() == again.unseen.features.tobytes()
    assert one.unseen.features.tobytes() != other.unseen.features.tobytes()


@settings(max_examples=50)
@given(count=st.integers(2, 60), seed=st.integers(0, 1000))
def test_a_derangement_leaves_nothing_in_its_place(count, seed):
    order = derangement(count, seed=seed)
    assert sorted(order) == list(range(count))
    assert (order != np.arange(count)).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", FIXED)
def test_closed_forms_recognise_unseen_classes(name, seed):
    world = compositional_world(seed=seed)
    fitted = MethodTrial(load_method(name), FIXED[name]).fit_to(world.seen)
    assert unseen_accuracy(fitted, world.unseen) >= 0.95


@pytest.mark.parametrize("name", FIXED)
def test_controls_fall_to_chance(name):
    for seed in (0, 1):
        trial = WorldTrial(load_method(name), FIXED[name], seed=seed)
        assert trial.accuracy_of_shuffled < NEAR_CHANCE
        assert trial.accuracy_of_deranged < NEAR_CHANCE


def test_closed_forms_that_choose_their_settings_do_so_too():
    size = WorldSize(dim=128, noise=1.0)
    for name in FIXED:
        trial = WorldTrial(load_method(name), size=size)
        assert trial.accuracy >= 0.95
        assert trial.accuracy_of_shuffled < NEAR_CHANCE


def test_the_orders_of_a_pair_hold_the_same_clips():
    unseen = order_world(SIZE).unseen
    half = len(unseen.labels) // 2
    np.testing.assert_array_equal(unseen.labels[:half] ^ 1, unseen.labels[half:])
    np.testing.assert_array_equal(unseen.features[:half, ::-1], unseen.features[half:])
    assert not np.array_equal(unseen.features[:half], unseen.features[half:])


def test_an_eye_for_the_halves_tells_the_orders_apart():
    world = order_world(SIZE)

    def halves(videos):
        middle = videos.features.shape[1] // 2
        first, second = videos.features[:, :middle], videos.features[:, middle:]
        return first.mean(axis=1) - second.mean(axis=1)

    direction = halves(world.seen)[world.seen.labels % 2 == 0].mean(axis=0)
    says_first = halves(world.unseen) @ direction > 0
    scores = np.stack([says_first, ~says_first] * 2, axis=1).astype(float)
    assert order_accuracy(scores, world.unseen.labels) == 1.0


def test_order_accuracy_is_a_plain_count():
    scores = np.array([[2.0, 1, 9, 9], [2, 1, 9, 9], [0, 0, 1, 2], [0, 0, 2, 2]])
    assert order_accuracy(scores, np.array([0, 1, 3, 2])) == 0.5


@pytest.mark.parametrize("size", [replace(SIZE, clips=5), replace(SIZE, ragged=True)])
def test_videos_without_halves_are_refused(size):
    with pytest.raises(ValueError, match="even number of clips"):
        order_world(size)


@pytest.mark.parametrize("name", known_methods())
def test_whoever_averages_clips_cannot_tell_orders_and_all_others_see_them(name):
    world, trial = order_world(SIZE), MethodTrial(load_method(name))
    unseen = world.unseen
    fitted = trial.fit_to(world.seen, quick=True)
    scores = fitted.score(unseen.features, unseen.lengths, unseen.class_vectors)
    half = len(scores) // 2
    scale = np.abs(scores).max()
    if np.abs(scores[:half] - scores[half:]).max() > 1e-9 * scale:
        assert np.abs(scores[:half] - scores[half:]).max() > 1e-4 * scale
    else:
        assert order_accuracy(scores, unseen.labels) == pytest.approx(0.5, abs=0.5 / half)


@pytest.mark.parametrize("name", [name for name in RECURRENT if name in known_methods()])
def test_recurrent_methods_tell_the_orders_of_unseen_objects_apart(name):
    world = order_world(WorldSize(objects=12, videos=10, clips=6, dim=64, noise=0.5))
    fitted = MethodTrial(load_method(name), RECURRENT[name]).fit_to(world.seen, quick=True)
    unseen = world.unseen
    scores = fitted.score(unseen.features, unseen.lengths, unseen.class_vectors)
    assert order_accuracy(scores, unseen.labels) > 0.9
