from __future__ import annotations

import numpy as np
import pytest
import torch

from zsl_bench.baselines.methods.devise import Devise, DeviseConfig, ranking_loss
from zsl_bench.baselines.methods.storage import load_fitted, save_method
from zsl_bench.errors import ModelError

FAST = {"learning_rate": 1e-3, "epochs": 15, "batch_size": 16}


def _pairs(seed=0, verbs=5, dim=60, words=30, noise=0.5):
    """Return seen and unseen (clips, lengths, labels, vectors) of verb-object classes."""
    generator = np.random.default_rng(seed)
    shown, written = (generator.normal(size=(2, verbs, size)) for size in (dim, words))
    pairs = [(v, o) for v in range(verbs) for o in range(verbs)]
    sides = []
    for unseen in (False, True):
        chosen = np.array([p for p in pairs if (sum(p) % verbs == 0) is unseen])
        labels = np.repeat(np.arange(len(chosen)), 8)
        centres = (shown[0][chosen[:, 0]] + shown[1][chosen[:, 1]])[labels]
        clips = centres[:, None] + noise * generator.normal(size=(len(labels), 2, dim))
        vectors = written[0][chosen[:, 0]] + written[1][chosen[:, 1]]
        sides.append((clips, np.full(len(labels), 2), labels, vectors))
    return sides


def test_the_loss_equals_a_double_loop():
    generator = np.random.default_rng(1)
    scores, labels = 0.1 * generator.normal(size=(7, 5)), generator.integers(0, 5, 7)
    expected = 0.0
    for b in range(7):
        for j in range(5):
            if j != labels[b]:
                expected += max(0.0, 0.1 - scores[b, labels[b]] + scores[b, j])
    given = ranking_loss(torch.from_numpy(scores), torch.from_numpy(labels), margin=0.1)
    assert float(given) == pytest.approx(expected / 7)


def test_no_loss_and_no_gradient_where_all_margins_hold():
    scores = torch.tensor([[1.0, 0.85, 0.2], [0.0, 0.5, 0.3]], requires_grad=True)
    loss = ranking_loss(scores, torch.tensor([0, 1]), margin=0.1)
    loss.backward()
    assert loss.item() == 0.0
    assert not scores.grad.any()


def test_the_gradient_agrees_with_finite_differences():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    vectors = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    weights = torch.randn(3, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 4, 2, 2])

    def loss(values):
        return ranking_loss(rows @ values @ vectors.T, labels, margin=0.1)

    assert torch.autograd.gradcheck(loss, (weights,))


def test_unseen_combinations_are_found_and_shuffled_classes_are_not():
    (clips, lengths, labels, vectors), unseen = _pairs()
    fitted = Devise().fit(clips, lengths, labels, vectors, config=FAST)
    right = fitted.score(*unseen[:2], unseen[3]).argmax(axis=1) == unseen[2]
    # Every class takes the vector of one that shares neither part with it.
    wrong = np.roll(vectors, 7, axis=0)
    shuffled = Devise().fit(clips, lengths, labels, wrong, config=FAST)
    chance = shuffled.score(*unseen[:2], unseen[3]).argmax(axis=1) == unseen[2]
    assert right.mean() > 0.9
    assert chance.mean() < 0.5


def test_scores_are_the_bilinear_form_and_survive_saving(tmp_path):
    (clips, lengths, labels, vectors), unseen = _pairs()
    fitted = Devise().fit(clips, lengths, labels, vectors, config={**FAST, "choose_epochs": False})
    centre = clips.astype(np.float32).mean(axis=1, dtype=np.float64)
    row = unseen[0][3].astype(np.float32).mean(axis=0, dtype=np.float64) - centre.mean(axis=0)
    word = unseen[3][2] / np.linalg.norm(unseen[3][2])
    expected = row / np.linalg.norm(row) @ fitted.weights @ word
    scores = fitted.score(*unseen[:2], unseen[3])
    assert scores[3, 2] == pytest.approx(expected)
    restored = load_fitted(save_method(fitted, tmp_path / "saved"))
    assert np.array_equal(restored.score(*unseen[:2], unseen[3]), scores)
    assert restored.settings() == {"epochs": 15}


def test_fewer_epochs_are_a_prefix_of_more(monkeypatch):
    (clips, lengths, labels, vectors), _ = _pairs()
    chosen = []

    def second(seen, choices, score, *, fallback):
        chosen.append((tuple(choices), fallback))
        return 2

    monkeypatch.setattr("zsl_bench.baselines.methods.devise.choose", second)
    stopped = Devise().fit(clips, lengths, labels, vectors, config={"epochs": 4})
    other = Devise().fit(clips, lengths, labels, vectors, config={"epochs": 4}, seed=1)
    again = Devise().fit(clips, lengths, labels, vectors, config={"epochs": 4})
    assert chosen[0] == ((4, 3, 2, 1), 4)
    assert stopped.epochs == 2
    assert np.array_equal(stopped.weights, again.weights)
    assert not np.array_equal(stopped.weights, other.weights)


def test_small_data_sets_warm_up_for_a_twentieth_of_the_steps():
    config = DeviseConfig()
    small, large = config.plan(6700), config.plan(100_000)
    assert (small.steps, small.warm_up) == (30 * 53, 80)
    assert (large.steps, large.warm_up, large.decay) == (30 * 782, 2000, 50_000)


@pytest.mark.parametrize("broken", [{"epochs": 0}, {"dropout": 1.0}])
def test_settings_that_leave_nothing_to_learn_are_refused(broken):
    with pytest.raises(ModelError, match=r"setting .* of method devise"):
        Devise().configured(broken)
