"""TARN beside a loop over pairs and segments, its switches, and worlds that it must learn."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.baselines.methods import tarn
from zsl_bench.baselines.methods.base import SeenVideos
from zsl_bench.baselines.methods.catalogue import load_method
from zsl_bench.baselines.methods.inputs import ClipFeatures, unit_class_vectors
from zsl_bench.baselines.methods.recurrent import Sequences, seeded
from zsl_bench.baselines.methods.tarn import pair_loss, sample_episode
from zsl_bench.baselines.methods.tarn_network import TarnConfig, TarnNetwork
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

TARN = load_method("tarn")
SIZE = WorldSize(verbs=4, objects=4, videos=4, clips=3, dim=6, words=5, ragged=True, noise=0.5)
SHORT = {"hidden": 3, "compare_units": 4, "episodes": 3, "selection": "last"}


@pytest.fixture(autouse=True)
def _same_numbers_each_time():
    with seeded(0):
        yield


def fit(world, **changed):
    seen = world.seen
    return TARN.fit(
        seen.features, seen.lengths, seen.labels, seen.class_vectors, config={**SHORT, **changed}
    )


def score(fitted, unseen):
    return fitted.score(unseen.features, unseen.lengths, unseen.class_vectors)


@pytest.fixture(scope="module")
def world():
    return compositional_world(SIZE)


def weights_of(fitted):
    return {
        name.removeprefix("network."): array.astype(float)
        for name, array in fitted.arrays().items()
    }


def linear(weights, name, x):
    return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru(weights, steps, suffix):
    """One direction of a GRU, a step at a time."""
    state, states = np.zeros(weights[f"encoder.weight_hh_{suffix}"].shape[1]), []
    for step in steps:
        ours = weights[f"encoder.weight_ih_{suffix}"] @ step + weights[f"encoder.bias_ih_{suffix}"]
        last = weights[f"encoder.weight_hh_{suffix}"] @ state + weights[f"encoder.bias_hh_{suffix}"]
        (reset, update, new), (reset_h, update_h, new_h) = np.split(ours, 3), np.split(last, 3)
        reset, update = sigmoid(reset + reset_h), sigmoid(update + update_h)
        state = (1 - update) * np.tanh(new + reset * new_h) + update * state
        states.append(state)
    return states


def segments_by_hand(weights, clips, encoder):
    if encoder == "none":
        return list(clips)
    forwards, backwards = gru(weights, clips, "l0"), gru(weights, clips[::-1], "l0_reverse")[::-1]
    return [np.concatenate(pair) for pair in zip(forwards, backwards, strict=True)]


def logit_by_hand(weights, segments, vector, *, attention, rescale):
    """One video, one class, one segment at a time, with h_m = M a_m s spelled out."""
    described = linear(weights, "describe.2", np.maximum(linear(weights, "describe.0", vector), 0))
    energies = [linear(weights, "key", described) @ segment for segment in segments]
    powers = np.exp(np.array(energies) - max(energies))
    total = 0.0
    for power, segment in zip(powers, segments, strict=True):
        weight = power / powers.sum() * (len(segments) if rescale else 1)
        attended = (1.0 if attention == "none" else weight) * described
        cosine = segment @ attended / (np.linalg.norm(segment) * np.linalg.norm(attended))
        distance = np.linalg.norm(segment - attended) / math.sqrt(len(segment))
        hidden = np.maximum(linear(weights, "compare.0", np.array([cosine, distance])), 0)
        total += float(linear(weights, "compare.2", hidden)[0])
    return total / len(segments)


@pytest.mark.parametrize("encoder", ["bigru", "none"])
@pytest.mark.parametrize(
    ("attention", "rescale"), [("segments", True), ("segments", False), ("none", True)]
)
def test_scores_equal_a_loop_over_pairs_and_segments(world, encoder, attention, rescale):
    fitted = fit(world, encoder=encoder, attention=attention, rescale=rescale)
    weights, unseen, seen = weights_of(fitted), world.unseen, world.seen
    there = np.arange(SIZE.clips) < seen.lengths[:, None]
    clips = seen.features[there].astype(float)
    mean, deviation = clips.mean(axis=0), (clips - clips.mean(axis=0)).std()
    vectors = unseen.class_vectors / np.linalg.norm(unseen.class_vectors, axis=1, keepdims=True)
    expected = np.empty((len(unseen.features), len(vectors)))
    for row, (video, length) in enumerate(zip(unseen.features, unseen.lengths, strict=True)):
        scaled = (video[:length].astype(float) - mean) / deviation
        segments = segments_by_hand(weights, scaled, encoder)
        for column, vector in enumerate(vectors):
            expected[row, column] = logit_by_hand(
                weights, segments, vector, attention=attention, rescale=rescale
            )
    np.testing.assert_allclose(score(fitted, unseen), expected, atol=1e-5)


def test_a_score_is_the_same_where_few_videos_are_compared_at_once(world, monkeypatch):
    fitted = fit(world)
    expected = score(fitted, world.unseen)
    monkeypatch.setattr(tarn, "_COMPARED", 1)
    np.testing.assert_allclose(score(fitted, world.unseen), expected, atol=1e-6)


def network_of(**changed):
    with seeded(4):
        return TarnNetwork(6, 5, TarnConfig(**{**SHORT, **changed})).eval()


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_padding_gets_no_attention_and_the_rest_has_mean_one(lengths, seed):
    network, generator = network_of(), torch.Generator().manual_seed(seed)
    segments = Sequences(
        steps=torch.randn(len(lengths), 5, network.width, generator=generator),
        lengths=torch.tensor(lengths),
    )
    described = torch.randn(3, network.width, generator=generator)
    with torch.no_grad():
        weights = network.attended(segments, described)
    for video, length in zip(weights, lengths, strict=True):
        assert not video[length:].any()
        torch.testing.assert_close(video[:length].mean(dim=0), torch.ones(3))


def test_uniform_attention_is_none():
    segments = Sequences(steps=torch.randn(2, 4, 6), lengths=torch.tensor([4, 2]))
    described, soft = torch.randn(3, 6), network_of()
    plain = network_of(attention="none")
    with torch.no_grad():
        for parameter in soft.key.parameters():
            parameter.zero_()
        torch.testing.assert_close(
            soft.relations(segments, described), plain.relations(segments, described)
        )


def test_the_order_of_clips_counts_only_with_the_recurrent_encoder(world):
    unseen = compositional_world(WorldSize(**{**vars(SIZE), "ragged": False})).unseen
    turned = unseen.features[:, ::-1]
    for encoder, alike in (("bigru", False), ("none", True)):
        fitted = fit(world, encoder=encoder)
        one, other = (
            fitted.score(clips, unseen.lengths, unseen.class_vectors)
            for clips in (unseen.features, turned)
        )
        assert np.allclose(one, other, atol=1e-6) == alike


def test_a_candidate_that_is_there_twice_scores_the_same_twice(world):
    fitted, unseen = fit(world), world.unseen
    scores = fitted.score(unseen.features, unseen.lengths, unseen.class_vectors[[0, 1, 0]])
    np.testing.assert_array_equal(scores[:, 0], scores[:, 2])


@settings(max_examples=50)
@given(
    counts=st.dictionaries(st.integers(0, 30), st.integers(1, 6), min_size=1, max_size=12),
    classes=st.integers(1, 10),
    videos=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_an_episode_holds_no_class_and_no_video_twice(counts, classes, videos, seed):
    labels = np.repeat(list(counts), list(counts.values()))
    rows_of = {one: np.flatnonzero(labels == one) for one in counts}
    episode = sample_episode(np.random.default_rng(seed), rows_of, classes=classes, videos=videos)
    assert len(set(episode.classes)) == len(episode.classes) == min(classes, len(counts))
    assert set(episode.classes) <= set(counts)
    assert len(set(episode.rows)) == len(episode.rows)
    np.testing.assert_array_equal(labels[episode.rows], episode.classes[episode.truth])
    for place, one in enumerate(episode.classes):
        assert (episode.truth == place).sum() == min(videos, counts[int(one)])


@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_the_loss_equals_a_loop_over_pairs(kind):
    logits, truth = np.random.default_rng(0).normal(size=(4, 3)), [2, 0, 0, 1]
    losses = []
    for row, own in zip(logits, truth, strict=True):
        for column, logit in enumerate(row):
            chance = sigmoid(logit) if kind == "sigmoid" else np.exp(logit) / np.exp(row).sum()
            losses.append(-math.log(chance if column == own else 1 - chance))
    found = pair_loss(torch.from_numpy(logits), torch.tensor(truth), kind)
    assert float(found) == pytest.approx(np.mean(losses))


def test_gradients_are_those_of_small_steps():
    network = network_of(encoder="none").double()
    described = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    steps = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([3, 1])

    def relations(steps, described):
        return network.relations(Sequences(steps=steps, lengths=lengths), described)

    assert torch.autograd.gradcheck(relations, (steps, described))


def test_a_video_of_zeros_has_finite_gradients():
    network = network_of(encoder="none")
    segments = Sequences(steps=torch.zeros(1, 2, 6), lengths=torch.tensor([2]))
    network.relations(segments, network.describe(torch.ones(1, 5))).sum().backward()
    assert all(
        torch.isfinite(one.grad).all() for one in network.parameters() if one.grad is not None
    )


LEARNED = {
    "hidden": 32,
    "compare_units": 64,
    "episodes": 150,
    "check_every": 50,
    "selection": "keep",
    "learning_rate": 2e-3,
}
EASY = WorldSize(verbs=6, objects=6, videos=6, clips=4, dim=64, words=40, noise=0.5)


@pytest.mark.parametrize("changed", [{}, {"loss": "softmax"}, {"form": "regression"}])
def test_unseen_classes_of_an_easy_world_are_recognised(changed):
    easy = compositional_world(EASY)
    assert unseen_accuracy(fit(easy, **LEARNED, **changed), easy.unseen) > 0.8


def test_shuffled_seen_vectors_fall_to_chance():
    easy = compositional_world(EASY)
    seen = easy.seen
    moved = seen.class_vectors[derangement(len(seen.class_vectors))]
    shuffled = fit(World(seen=replace(seen, class_vectors=moved), unseen=easy.unseen), **LEARNED)
    assert unseen_accuracy(shuffled, easy.unseen) < 0.35


def test_the_loss_falls():
    seen = compositional_world(EASY).seen
    videos = SeenVideos(
        videos=ClipFeatures.of(seen.features, seen.lengths),
        labels=seen.labels,
        class_vectors=unit_class_vectors(seen.class_vectors),
        seed=0,
    )
    with seeded(0):
        learner = tarn.TarnLearner(videos, TarnConfig(hidden=32, learning_rate=2e-3))
        losses = [learner.advance(done) for done in range(80)]
    assert np.mean(losses[-20:]) < 0.7 * np.mean(losses[:20])


def test_the_order_of_halves_is_told_apart_and_not_without_the_recurrent_encoder():
    halves = order_world(WorldSize(objects=8, videos=6, clips=4, dim=32, words=30, noise=0.3))
    accuracies = []
    for encoder in ("bigru", "none"):
        fitted = fit(halves, **{**LEARNED, "episodes": 300, "selection": "last"}, encoder=encoder)
        accuracies.append(order_accuracy(score(fitted, halves.unseen), halves.unseen.labels))
    assert accuracies[0] > 0.9
    assert accuracies[1] == pytest.approx(0.5, abs=0.1)


def test_a_regression_has_points_and_a_relation_has_none(world):
    unseen, relation, regression = world.unseen, fit(world), fit(world, form="regression")
    assert relation.embed(unseen.features, unseen.lengths) is None
    assert relation.class_points(unseen.class_vectors) is None
    points = regression.embed(unseen.features, unseen.lengths)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    expected = points @ regression.class_points(unseen.class_vectors).T
    np.testing.assert_allclose(score(regression, unseen), expected)


@pytest.mark.parametrize("changed", [{}, {"form": "regression"}, {"encoder": "none"}])
def test_what_is_saved_scores_the_same(world, changed):
    fitted = fit(world, **changed)
    again = TARN.restored(fitted.arrays(), fitted.settings())
    np.testing.assert_array_equal(score(again, world.unseen), score(fitted, world.unseen))


def test_weights_of_another_network_are_refused(world):
    fitted = fit(world)
    with pytest.raises(ValueError, match="another network"):
        TARN.restored(fitted.arrays(), {**fitted.settings(), "hidden": 7})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("form", "relations"),
        ("attention", "rows"),
        ("loss", "mse"),
        ("encoder", "lstm"),
        ("hidden", 0),
        ("episodes", 2.5),
        ("dropout", 1.0),
        ("learning_rate", math.nan),
        ("weight_decay", "much"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(world, setting, value):
    with pytest.raises(ModelError, match=f"setting {setting} of method tarn"):
        fit(world, **{setting: value})
