from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.baselines.methods.base import SeenVideos
from zsl_bench.baselines.methods.conse import Conse, combined
from zsl_bench.baselines.methods.inputs import ClipFeatures, unit_class_vectors
from zsl_bench.baselines.methods.seen_classifier import (
    Descent,
    Examples,
    SeenClassifier,
    descend,
    held_out_videos,
    softmax,
    train_to_best,
)
from zsl_bench.baselines.methods.storage import load_fitted, save_method
from zsl_bench.errors import ModelError


def _videos(classes=6, per=10, dim=20, noise=0.3, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per)
    centres = generator.normal(size=(classes, dim))
    clips = centres[labels][:, None] + noise * generator.normal(size=(len(labels), 3, dim))
    return clips, np.full(len(labels), 3), labels, generator.normal(size=(classes, 12))


def _softmax_rows(generator, rows, classes):
    return softmax(3 * generator.normal(size=(rows, classes)))


@pytest.mark.parametrize("top", [1, 3, 7, 50])
def test_combination_equals_a_loop(top):
    generator = np.random.default_rng(top)
    probabilities, vectors = _softmax_rows(generator, 9, 7), generator.normal(size=(7, 5))
    expected = np.zeros((9, 5))
    for n in range(9):
        ranked = sorted(range(7), key=lambda c: -probabilities[n, c])[:top]
        total = sum(probabilities[n, c] for c in ranked)
        for c in ranked:
            expected[n] += probabilities[n, c] / total * vectors[c]
    assert np.allclose(combined(probabilities, vectors, top=top), expected)


def test_one_class_gives_its_word_vector_exactly():
    clips, lengths, labels, vectors = _videos()
    fitted = Conse().fit(clips, lengths, labels, vectors, config={"top": 1})
    rows = fitted.classifier.centring.rows(ClipFeatures.of(clips, lengths))
    predicted = fitted.classifier.probabilities(rows).argmax(axis=1)
    assert (predicted == labels).mean() > 0.9
    assert np.array_equal(fitted.embed(clips, lengths), unit_class_vectors(vectors)[predicted])


def test_equal_probabilities_of_all_classes_give_the_mean_vector():
    vectors = np.random.default_rng(0).normal(size=(6, 4))
    assert np.allclose(combined(np.full((2, 6), 1 / 6), vectors, top=6), vectors.mean(axis=0))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), top=st.integers(1, 8))
def test_a_combination_lies_in_the_hull_of_the_seen_vectors(seed, top):
    generator = np.random.default_rng(seed)
    probabilities, vectors = _softmax_rows(generator, 4, 6), generator.normal(size=(6, 3))
    mixed, direction = combined(probabilities, vectors, top=top), generator.normal(size=3)
    along = vectors @ direction
    assert (mixed @ direction <= along.max() + 1e-9).all()
    assert (mixed @ direction >= along.min() - 1e-9).all()


def test_no_class_to_combine_is_refused():
    with pytest.raises(ModelError, match="setting top of method conse: 0; give a whole"):
        Conse().configured({"top": 0})


def test_scores_are_cosines_and_survive_saving(tmp_path):
    clips, lengths, labels, vectors = _videos()
    fitted = Conse().fit(clips, lengths, labels, vectors)
    candidates = np.random.default_rng(5).normal(size=(4, 12))
    scores, points = fitted.score(clips, lengths, candidates), fitted.embed(clips, lengths)
    for n in (0, 17):
        for c in range(4):
            cosine = points[n] @ candidates[c]
            cosine /= np.linalg.norm(points[n]) * np.linalg.norm(candidates[c])
            assert scores[n, c] == pytest.approx(cosine)
    restored = load_fitted(save_method(fitted, tmp_path / "saved"))
    assert np.array_equal(restored.score(clips, lengths, candidates), scores)
    assert restored.settings() == fitted.settings() == {"top": 10, "scale": 10.0}


def test_unseen_combinations_are_found_and_shuffled_classes_are_not():
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 6, 100)), generator.normal(size=(2, 6, 60))
    pairs = [(v, o) for v in range(6) for o in range(6)]
    sides = [[p for p in pairs if ((p[0] + p[1]) % 6 == 0) is unseen] for unseen in (False, True)]

    def made(chosen):
        labels = np.repeat(np.arange(len(chosen)), 8)
        centres = np.array([first[0][v] + first[1][o] for v, o in chosen])[labels]
        clips = centres[:, None] + generator.normal(size=(len(labels), 4, 100))
        words = np.array([second[0][v] + second[1][o] for v, o in chosen])
        return clips, np.full(len(labels), 4), labels, words

    clips, lengths, labels, vectors = made(sides[0])
    unseen = made(sides[1])
    fitted = Conse().fit(clips, lengths, labels, vectors)
    right = fitted.score(unseen[0], unseen[1], unseen[3]).argmax(axis=1) == unseen[2]
    shuffled = Conse().fit(clips, lengths, labels, generator.permutation(vectors))
    chance = shuffled.score(unseen[0], unseen[1], unseen[3]).argmax(axis=1) == unseen[2]
    assert right.mean() > 0.9
    assert chance.mean() < 0.5


def test_every_class_keeps_a_video_when_some_are_held_out():
    labels = np.array([0, 0, 0, 0, 1, 2, 2, 3, 3, 3, 3, 3])
    for seed in range(20):
        held_out = held_out_videos(labels, share=0.5, seed=seed)
        assert held_out.sum() == 6
        assert set(labels[~held_out]) == {0, 1, 2, 3}
    assert held_out_videos(labels, share=1.0, seed=0).sum() == len(labels) - 4
    assert not held_out_videos(np.arange(5), share=0.5, seed=0).any()


def test_the_classifier_gives_what_another_implementation_gives():
    from sklearn.linear_model import LogisticRegression

    clips, lengths, labels, vectors = _videos(noise=3.0)
    seen = SeenVideos(
        videos=ClipFeatures.of(clips, lengths),
        labels=labels,
        class_vectors=unit_class_vectors(vectors),
        seed=0,
    )
    decay = 1e-2
    plan = Descent(learning_rate=0.05, weight_decay=decay, batch_size=len(labels), steps=600)
    ours = SeenClassifier.of(seen, scale=1.0, held_out=0.0, plan=plan)
    rows = ours.centring.rows(seen.videos)
    # The bias decays too: as one more column of ones.
    padded = np.hstack([rows, np.ones((len(rows), 1))])
    theirs = LogisticRegression(C=1 / (decay * len(rows)), fit_intercept=False, tol=1e-8)
    theirs.fit(padded, labels)
    assert np.allclose(ours.probabilities(rows), theirs.predict_proba(padded), atol=2e-3)


def test_training_stops_at_the_lowest_held_out_loss():
    weights = torch.zeros(1, 2, requires_grad=True)
    learned = Examples.of(np.ones((4, 1)), np.zeros(4, dtype=np.int64))
    held_out = Examples.of(np.ones((2, 1)), np.array([0, 1]))
    plan = Descent(
        learning_rate=0.1, weight_decay=0.0, batch_size=4, steps=100, check_every=1, patience=2
    )
    seen = []

    def logits(rows):
        if torch.is_grad_enabled():
            seen.append(len(rows))
        return rows @ weights

    train_to_best((weights,), logits, (learned, held_out), plan, torch.Generator())
    # Held-out loss only grows: the first step is the best, and two more are made.
    assert len(seen) == 3
    assert torch.allclose(weights, torch.tensor([[0.1, -0.1]]), atol=1e-6)


def test_each_video_is_seen_once_before_one_is_seen_again():
    weight, seen = torch.zeros(1, requires_grad=True), []

    def loss(rows):
        seen.append(rows.tolist())
        return weight.sum()

    plan = Descent(learning_rate=0.1, weight_decay=0.0, batch_size=4, steps=6)
    assert list(descend((weight,), loss, 10, plan, torch.Generator())) == [1, 2, 3, 4, 5, 6]
    assert [len(rows) for rows in seen] == [4, 4, 2, 4, 4, 2]
    for round_ in (seen[:3], seen[3:]):
        assert sorted(row for rows in round_ for row in rows) == list(range(10))


def test_the_rate_rises_and_falls_as_planned():
    plan = Descent(learning_rate=1.0, weight_decay=0.0, batch_size=1, steps=30, warm_up=4, decay=10)
    assert [plan.rate(step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert plan.rate(4) == 1.0
    assert plan.rate(9) == pytest.approx(0.5)
    assert plan.rate(14) == plan.rate(25) == pytest.approx(0.0)


def test_the_global_random_state_is_left_alone():
    clips, lengths, labels, vectors = _videos()
    before = torch.random.get_rng_state()
    first = Conse().fit(clips, lengths, labels, vectors, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    again = Conse().fit(clips, lengths, labels, vectors, seed=3)
    assert np.array_equal(first.arrays()["weights"], again.arrays()["weights"])
