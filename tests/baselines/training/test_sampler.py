"""The order of samples: a function of seed and epoch, cut alike for any number of replicas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.baselines.training.sampler import EpochPlan, dropout_seed, sample_generator
from zsl_bench.errors import ModelError


@given(
    samples=st.integers(1, 200),
    batch=st.integers(1, 9),
    replicas=st.integers(1, 4),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 500),
)
def test_an_epoch_takes_every_sample_at_most_once(samples, batch, replicas, seed, epoch) -> None:
    if samples < batch * replicas:
        return
    plan = EpochPlan(samples=samples, seed=seed, epoch=epoch, batch_size=batch, replicas=replicas)
    taken = [
        int(position)
        for step in range(plan.steps)
        for replica in range(replicas)
        for position in plan.positions(step, replica=replica)
    ]
    assert len(taken) == len(set(taken)) == plan.steps * batch * replicas
    assert samples - len(taken) < batch * replicas
    assert set(taken) <= set(range(samples))


def test_replicas_share_the_steps_of_one_larger_batch() -> None:
    one = EpochPlan(samples=50, seed=4, epoch=2, batch_size=12)
    two = EpochPlan(samples=50, seed=4, epoch=2, batch_size=6, replicas=2)
    for step in range(one.steps):
        halves = [two.positions(step, replica=replica) for replica in (0, 1)]
        np.testing.assert_array_equal(one.positions(step), np.concatenate(halves))


def test_epochs_differ_and_repeat() -> None:
    first, second = (EpochPlan(samples=40, seed=1, epoch=e, batch_size=4).order for e in (0, 1))
    assert not np.array_equal(first, second)
    assert sorted(first) == sorted(second) == list(range(40))
    np.testing.assert_array_equal(first, EpochPlan(samples=40, seed=1, epoch=0, batch_size=4).order)


def test_an_epoch_ends_early_where_told() -> None:
    assert EpochPlan(samples=1000, seed=0, epoch=0, batch_size=22, max_clips=100).steps == 4


def test_too_few_samples_for_a_step_are_refused() -> None:
    with pytest.raises(ModelError, match="7 samples; lower"):
        EpochPlan(samples=7, seed=0, epoch=0, batch_size=4, replicas=2)


def test_random_numbers_depend_on_all_of_their_key() -> None:
    keys = [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]
    assert len({sample_generator(*key).random() for key in keys}) == len(keys)
    assert sample_generator(3, 4, 5).random() == sample_generator(3, 4, 5).random()
    seeds = {dropout_seed(s, t, r) for s in (0, 1) for t in (0, 1) for r in (0, 1)}
    assert len(seeds) == 8
