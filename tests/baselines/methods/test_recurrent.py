"""Sequences, seeds and the training loop that the recurrent methods share."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from zsl_bench.baselines.methods.base import SeenVideos
from zsl_bench.baselines.methods.inputs import ClipFeatures
from zsl_bench.baselines.methods.recurrent import (
    Plan,
    Scaling,
    Sequences,
    masked_mean,
    run_recurrent,
    seeded,
    trained,
)
from zsl_bench.errors import ModelError

LENGTHS = [3, 1, 4, 2]


@pytest.fixture(autouse=True)
def _same_numbers_each_time():
    with seeded(0):
        yield


@pytest.fixture
def sequences():
    steps = torch.randn(4, 4, 5, generator=torch.Generator().manual_seed(1))
    return Sequences(steps=steps, lengths=torch.tensor(LENGTHS))


@pytest.mark.parametrize("kind", [torch.nn.GRU, torch.nn.LSTM])
@pytest.mark.parametrize("both", [False, True])
def test_a_layer_runs_on_each_video_as_if_it_were_alone(sequences, kind, both):
    layer = kind(5, 3, batch_first=True, bidirectional=both)
    with torch.no_grad():
        found = run_recurrent(layer, sequences)
        for video, length, states in zip(sequences.steps, LENGTHS, found, strict=True):
            torch.testing.assert_close(states[:length], layer(video[None, :length])[0][0])
            assert not states[length:].any()


def test_means_and_parts_leave_out_what_lies_behind(sequences):
    means = masked_mean(sequences.steps, sequences)
    for video, length, mean in zip(sequences.steps, LENGTHS, means, strict=True):
        torch.testing.assert_close(mean, video[:length].mean(dim=0))
    part = sequences.take(torch.tensor([1, 3]))
    assert part.steps.shape == (2, 2, 5)
    assert part.inside.tolist() == [[True, False], [True, True]]


def test_scaling_is_that_of_all_clips_that_are_there():
    clips = np.random.default_rng(0).normal(3, 2, size=(4, 5, 6))
    videos = ClipFeatures.of(clips, np.array(LENGTHS))
    there = clips[np.arange(5) < np.array(LENGTHS)[:, None]]
    scaling = Scaling.of(videos)
    np.testing.assert_allclose(scaling.mean, there.mean(axis=0), rtol=1e-6)
    assert scaling.deviation == pytest.approx((there - there.mean(axis=0)).std(), rel=1e-6)
    scaled = scaling.sequences(videos)
    assert scaled.steps.shape == (4, 4, 6)
    rows = scaled.steps[scaled.inside].numpy()
    expected = (there - there.mean(axis=0)) / scaling.deviation
    np.testing.assert_allclose(rows, expected, atol=1e-5)
    assert not scaled.steps[~scaled.inside].any()


def test_clips_that_are_all_alike_are_not_divided():
    videos = ClipFeatures.of(np.full((3, 2, 4), 0.1), np.full(3, 2))
    assert Scaling.of(videos).deviation == 1.0


def test_a_seed_gives_the_same_numbers_and_the_global_state_stays():
    before = torch.get_rng_state()
    drawn = []
    for seed in (5, 5, 6):
        with seeded(seed):
            drawn.append(torch.randn(3).tolist())
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(before, torch.get_rng_state())


def seen_of(classes, seed=0):
    labels = np.repeat(np.arange(classes), 2)
    features = np.random.default_rng(0).normal(size=(len(labels), 2, 3))
    return SeenVideos(
        videos=ClipFeatures.of(features, np.full(len(labels), 2)),
        labels=labels,
        class_vectors=np.eye(classes, 12),
        seed=seed,
    )


class Told:
    """A learner whose accuracy after each step is written down beforehand."""

    made: list

    def __init__(self, seen, rights, losses=()):
        self.network = torch.nn.Linear(1, 1)
        self.start = self.network.weight.item()
        self.seen, self.rights, self.losses, self.steps = seen, rights, losses, 0
        self.made.append(self)

    def advance(self, done):
        assert done == self.steps
        self.steps += 1
        with torch.no_grad():
            self.network.weight.fill_(self.steps)
        return self.losses[done] if self.losses else 0.0

    def fitted(self, steps):
        def scored(videos, class_vectors):
            scores = np.zeros((len(videos), len(class_vectors)))
            right = self.rights[steps - 1]
            labels = np.repeat(np.arange(len(class_vectors)), 2)
            scores[np.arange(right), labels[:right]] = 1
            return scores

        return SimpleNamespace(scored=scored, spec=SimpleNamespace(name="told"))


def train(plan, rights, *, classes=10, losses=()):
    Told.made = []
    learner, steps = trained(seen_of(classes), lambda seen: Told(seen, rights, losses), plan)
    return learner, steps, learner.network.weight.item()


def plan(**changed):
    return Plan(**{"steps": 6, "check_every": 1, "selection": "keep", **changed})


def test_the_first_of_the_best_checks_is_kept():
    learner, steps, weight = train(plan(), [0, 2, 3, 1, 3, 2])
    assert (steps, weight, learner.steps) == (3, 3.0, 6)
    assert len(learner.seen.class_vectors) == 8


def test_the_last_step_is_checked_too():
    assert train(plan(check_every=4), [4, 4, 4, 1, 4, 2])[1] == 6


def test_a_refit_takes_as_many_steps_on_all_classes_from_the_same_start():
    learner, steps, weight = train(plan(selection="refit"), [0, 2, 3, 1, 3, 2])
    assert (steps, weight, learner.steps) == (3, 3.0, 3)
    assert [len(one.seen.class_vectors) for one in Told.made] == [8, 10]
    assert Told.made[0].start == Told.made[1].start


@pytest.mark.parametrize(("patience", "taken"), [(1, 2), (2, 5), (0, 6)])
def test_patience_ends_the_training(patience, taken):
    assert train(plan(patience=patience), [1, 0, 2, 2, 0, 4])[0].steps == taken


@pytest.mark.parametrize("selection", ["keep", "refit"])
@pytest.mark.parametrize("classes", [1, 2, 3])
def test_where_no_two_classes_are_left_on_a_side_none_is_held_out(selection, classes):
    learner, steps, _ = train(plan(selection=selection), [], classes=classes)
    assert steps == learner.steps == 6
    assert len(learner.seen.class_vectors) == classes


def test_the_last_network_is_taken_without_a_check():
    learner, steps, _ = train(plan(selection="last"), [])
    assert (steps, len(learner.seen.class_vectors)) == (6, 10)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_an_error(loss):
    with pytest.raises(ModelError, match="not finite after 2 steps; lower learning_rate"):
        train(plan(), [0] * 6, losses=[0.1, loss])
