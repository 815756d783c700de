"""Which samples are in which step: arithmetic on the seed, so that a run can go on anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zsl_bench.errors import ModelError

_ORDER, _SAMPLE, _DROPOUT = range(3)


@dataclass(frozen=True, kw_only=True)
class EpochPlan:
    """The order of one epoch, cut into steps and replicas.

    The samples are permuted by seed and epoch. A step takes the next ``replicas * batch_size`` of
    them and replica ``r`` the ``r``-th ``batch_size`` of those; what is left over at the end and
    fills no step is left out of this epoch.

    Attributes:
        samples: Number of samples N.
        seed: Seed of the run.
        epoch: Epoch, counted from 0.
        batch_size: Samples of one replica in one step.
        replicas: Number of replicas.
        max_clips: Where the epoch ends early; None for all samples.
    """

    samples: int
    seed: int
    epoch: int
    batch_size: int
    replicas: int = 1
    max_clips: int | None = None

    def __post_init__(self) -> None:
        """Refuse an epoch without a step.

        Raises:
            ModelError: There are fewer samples than one step takes.
        """
        if not self.steps:
            each = f" on each of {self.replicas} replicas" if self.replicas > 1 else ""
            raise ModelError(
                f"an epoch in batches of {self.batch_size}{each}",
                found=f"{min(self.samples, self.max_clips or self.samples)} samples",
                fix="lower optimiser.batch_size or train on more samples",
            )

    @property
    def steps(self) -> int:
        """Number of steps."""
        clips = min(self.samples, self.max_clips or self.samples)
        return clips // (self.batch_size * self.replicas)

    @cached_property
    def order(self) -> np.ndarray:
        """The samples of the epoch in order, shape (steps * replicas * batch_size,), int64."""
        permuted = _generator(self.seed, _ORDER, self.epoch).permutation(self.samples)
        used: np.ndarray = permuted[: self.steps * self.replicas * self.batch_size]
        return used.astype(np.int64)

    def positions(self, step: int, *, replica: int = 0) -> np.ndarray:
        """Return the samples of one replica in one step, shape (batch_size,), int64."""
        first = (step * self.replicas + replica) * self.batch_size
        return self.order[first : first + self.batch_size]


def sample_generator(seed: int, epoch: int, position: int, attempt: int = 0) -> np.random.Generator:
    """Return the random numbers of one sample in one epoch, whichever process draws them."""
    return _generator(seed, _SAMPLE, epoch, position, attempt)


def dropout_seed(seed: int, step: int, replica: int) -> int:
    """Return what torch is seeded with before a step of a replica."""
    return int(_generator(seed, _DROPOUT, step, replica).integers(2**63))


def _generator(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)
