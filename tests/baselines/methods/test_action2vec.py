"""Action2Vec beside a clip-by-clip forward pass, its loss beside a loop, and what it must learn."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from zsl_bench.baselines.methods.action2vec import Action2VecLearner, Reduction, ranking_loss
from zsl_bench.baselines.methods.action2vec_network import Action2VecConfig, Action2VecNetwork
from zsl_bench.baselines.methods.base import SeenVideos
from zsl_bench.baselines.methods.catalogue import load_method
from zsl_bench.baselines.methods.inputs import ClipFeatures, unit_class_vectors
from zsl_bench.baselines.methods.recurrent import Sequences, seeded
from zsl_bench.errors import ModelError
from zsl_bench.testing.method_world import (
    World,
    WorldSize,
    compositional_world,
    derangement,
    order_accuracy,
    order_world,
    unseen_accuracy,
)

ACTION2VEC = load_method("action2vec")
SIZE = WorldSize(verbs=4, objects=4, videos=4, clips=7, dim=6, words=5, ragged=True, noise=0.5)
SHORT = {"local_units": 4, "global_units": 3, "window": 3, "epochs": 2, "selection": "last"}


@pytest.fixture(autouse=True)
def _same_numbers_each_time():
    with seeded(0):
        yield


def fit(world, **changed):
    seen = world.seen
    return ACTION2VEC.fit(
        seen.features, seen.lengths, seen.labels, seen.class_vectors, config={**SHORT, **changed}
    )


def score(fitted, unseen):
    return fitted.score(unseen.features, unseen.lengths, unseen.class_vectors)


def videos_of(seen):
    return SeenVideos(
        videos=ClipFeatures.of(seen.features, seen.lengths),
        labels=seen.labels,
        class_vectors=unit_class_vectors(seen.class_vectors),
        seed=0,
    )


@pytest.fixture(scope="module")
def world():
    return compositional_world(SIZE)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(weights, name, steps, start=None):
    """An LSTM, a step at a time; returns its states and where it ended."""
    units = weights[f"{name}.weight_hh_l0"].shape[1]
    state, cell = start or (np.zeros(units), np.zeros(units))
    states = []
    for step in steps:
        gates = weights[f"{name}.weight_ih_l0"] @ step + weights[f"{name}.bias_ih_l0"]
        gates = gates + weights[f"{name}.weight_hh_l0"] @ state + weights[f"{name}.bias_hh_l0"]
        enter, forget, new, leave = np.split(gates, 4)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new)
        state = sigmoid(leave) * np.tanh(cell)
        states.append(state)
    return states, (state, cell)


def embedding_by_hand(weights, clips, config):
    summaries, carried = [], None
    for start in range(0, len(clips), config.window):
        states, end = lstm(weights, "local", clips[start : start + config.window], carried)
        carried = end if config.carry_state else None
        energies = np.array([float((weights["attend.weight"] @ np.tanh(h))[0]) for h in states])
        shares = np.exp(energies) / np.exp(energies).sum()
        if config.attention == "none":
            shares = np.full(len(states), 1 / len(states))
        summaries.append(sum(share * h for share, h in zip(shares, states, strict=True)))
    last = lstm(weights, "whole", summaries)[0][-1]
    return weights["to_words.weight"] @ last + weights["to_words.bias"]


@pytest.mark.parametrize("attention", ["soft", "none"])
@pytest.mark.parametrize("carry", [False, True])
def test_points_equal_a_forward_pass_clip_by_clip(world, attention, carry):
    fitted, unseen = fit(world, attention=attention, carry_state=carry), world.unseen
    arrays = fitted.arrays()
    weights = {name.removeprefix("network."): array.astype(float) for name, array in arrays.items()}
    found = fitted.embed(unseen.features, unseen.lengths)
    for video, length, point in zip(unseen.features, unseen.lengths, found, strict=True):
        clips = (video[:length].astype(float) - arrays["mean"]) @ arrays["basis"].astype(float)
        expected = embedding_by_hand(weights, clips, fitted.network.config)
        np.testing.assert_allclose(point, expected, atol=1e-5)
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    expected = unit @ fitted.class_points(unseen.class_vectors).T
    np.testing.assert_allclose(score(fitted, unseen), expected)


def test_with_windows_of_one_and_a_carried_state_it_is_two_stacked_lstms():
    config = Action2VecConfig(**{**SHORT, "window": 1, "carry_state": True, "attention": "none"})
    network = Action2VecNetwork(6, 5, 4, config).eval()
    clips = torch.randn(3, 5, 6)
    with torch.no_grad():
        states = network.whole(network.local(clips)[0])[0]
        expected = network.to_words(states[:, -1])
        found = network(Sequences(steps=clips, lengths=torch.full((3,), 5)))
    torch.testing.assert_close(found, expected)


def test_clips_behind_a_video_have_no_weight_and_the_others_share_one():
    network = Action2VecNetwork(6, 5, 4, Action2VecConfig(**SHORT))
    for attention in ("soft", "none"):
        network.config = Action2VecConfig(**{**SHORT, "attention": attention})
        lengths = torch.tensor([3, 1, 2])
        with torch.no_grad():
            weights = network.weights(Sequences(steps=torch.randn(3, 3, 4), lengths=lengths))
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))
        assert not weights[~(torch.arange(3) < lengths[:, None])].any()


def cosines_of(points, vectors):
    return torch.nn.functional.normalize(torch.as_tensor(points)) @ torch.as_tensor(vectors).T


def test_the_ranking_loss_equals_a_loop():
    generator, truth, margin = np.random.default_rng(0), [2, 0, 0, 3], 0.2
    points = generator.normal(size=(4, 6))
    vectors = unit_class_vectors(generator.normal(size=(5, 6)))
    total = 0.0
    for point, own in zip(points, truth, strict=True):
        cosines = [point @ vector / np.linalg.norm(point) for vector in vectors]
        for other, cosine in enumerate(cosines):
            if other != own:
                total += max(0.0, margin - cosines[own] + cosine)
    found = ranking_loss(cosines_of(points, vectors), torch.tensor(truth), margin=margin)
    assert float(found) == pytest.approx(total / 4)


def test_the_ranking_loss_has_the_gradients_of_small_steps():
    points = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    vectors = torch.nn.functional.normalize(torch.randn(5, 4, dtype=torch.float64))
    truth = torch.tensor([0, 4, 2])
    assert torch.autograd.gradcheck(
        lambda g: ranking_loss(cosines_of(g, vectors), truth, margin=0.2), points
    )


def clips_of(seen):
    there = np.arange(seen.features.shape[1]) < seen.lengths[:, None]
    return seen.features[there].astype(float)


@pytest.mark.parametrize("whiten", [False, True])
def test_components_are_those_of_a_singular_value_decomposition(world, whiten):
    clips = clips_of(world.seen)
    videos = ClipFeatures.of(world.seen.features, world.seen.lengths)
    found = Reduction.of(videos, 4, whiten=whiten)
    centred = clips - clips.mean(axis=0)
    _, values, right = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ right[:4].T
    expected /= expected.std(axis=0) if whiten else math.sqrt((values[:4] ** 2).mean() / len(clips))
    reduced = found.sequences(videos)
    rows = reduced.steps[reduced.inside].double().numpy()
    np.testing.assert_allclose(np.abs(rows), np.abs(expected), atol=1e-4)


def test_directions_without_variance_are_left_at_zero():
    clips = np.random.default_rng(0).normal(size=(20, 3, 2)) @ np.eye(2, 5)
    videos = ClipFeatures.of(clips, np.full(20, 3))
    steps = Reduction.of(videos, 5, whiten=True).sequences(videos).steps.reshape(60, 5).numpy()
    np.testing.assert_allclose(steps.std(axis=0), [1, 1, 0, 0, 0], atol=1e-4)
    still = ClipFeatures.of(np.ones((4, 2, 3)), np.full(4, 2))
    assert not Reduction.of(still, 3).sequences(still).steps.any()


def test_scoring_other_clips_leaves_the_model_as_it_was(world):
    fitted, unseen = fit(world), world.unseen
    before = {name: array.tobytes() for name, array in fitted.arrays().items()}
    expected = score(fitted, unseen)
    fitted.score(1e3 + unseen.features, unseen.lengths, unseen.class_vectors)
    assert before == {name: array.tobytes() for name, array in fitted.arrays().items()}
    np.testing.assert_array_equal(score(fitted, unseen), expected)


def test_without_cross_entropy_the_classifier_stays_at_its_start(world):
    config = Action2VecConfig(**SHORT, classification=0, later_classification=0)
    with seeded(0):
        learner = Action2VecLearner(videos_of(world.seen), config)
        start = {name: value.clone() for name, value in learner.network.state_dict().items()}
        learner.advance(0)
    moved = {
        name.partition(".")[0]
        for name, value in learner.network.state_dict().items()
        if not torch.equal(value, start[name])
    }
    assert moved == {"local", "attend", "whole", "to_words"}


def test_the_weight_of_the_cross_entropy_changes_half_way(world):
    config = Action2VecConfig(**{**SHORT, "epochs": 4}, classification=1, later_classification=0)
    moved = []
    with seeded(0):
        learner = Action2VecLearner(videos_of(world.seen), replace(config, learning_rate=1e-3))
        for done in range(4):
            before = learner.network.classify.bias.detach().clone()
            learner.advance(done)
            moved.append(not torch.equal(before, learner.network.classify.bias))
    assert moved == [True, True, False, False]


def test_negatives_of_the_batch_are_all_where_the_batch_holds_everything(world):
    everything = {"batch": 1000, "dropout": 0.0}
    one, other = fit(world, **everything), fit(world, **everything, negatives="batch")
    np.testing.assert_allclose(score(one, world.unseen), score(other, world.unseen), atol=1e-5)
    alone = fit(world, batch=1, negatives="batch", classification=0, later_classification=0)
    start = fit(world, batch=1, learning_rate=0)
    np.testing.assert_array_equal(score(alone, world.unseen), score(start, world.unseen))


LEARNED = {
    "local_units": 48,
    "global_units": 48,
    "window": 2,
    "epochs": 12,
    "dropout": 0.2,
    "selection": "keep",
    "learning_rate": 5e-3,
}
EASY = WorldSize(verbs=6, objects=6, videos=6, clips=4, dim=64, words=40, noise=0.5)


@pytest.mark.parametrize("negatives", ["all", "batch"])
def test_unseen_classes_of_an_easy_world_are_recognised(negatives):
    easy = compositional_world(EASY)
    assert unseen_accuracy(fit(easy, **LEARNED, negatives=negatives), easy.unseen) > 0.8


def test_shuffled_seen_vectors_fall_to_chance():
    easy = compositional_world(EASY)
    seen = easy.seen
    moved = seen.class_vectors[derangement(len(seen.class_vectors))]
    shuffled = fit(World(seen=replace(seen, class_vectors=moved), unseen=easy.unseen), **LEARNED)
    assert unseen_accuracy(shuffled, easy.unseen) < 0.35


def test_the_order_of_halves_is_told_apart():
    halves = order_world(WorldSize(objects=8, videos=6, clips=4, dim=32, words=30, noise=0.3))
    scores = score(fit(halves, **LEARNED), halves.unseen)
    assert order_accuracy(scores, halves.unseen.labels) > 0.9


def test_what_is_saved_scores_the_same(world):
    fitted = fit(world)
    again = ACTION2VEC.restored(fitted.arrays(), fitted.settings())
    np.testing.assert_array_equal(score(again, world.unseen), score(fitted, world.unseen))
    with pytest.raises(ValueError, match="another network"):
        ACTION2VEC.restored(fitted.arrays(), {**fitted.settings(), "local_units": 9})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("window", 0),
        ("attention", "hard"),
        ("negatives", "some"),
        ("dropout", -1),
        ("patience", -1),
    ],
)
def test_a_setting_that_cannot_be_is_refused(world, setting, value):
    with pytest.raises(ModelError, match=f"setting {setting} of method action2vec"):
        fit(world, **{setting: value})
