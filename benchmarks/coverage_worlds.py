"""Truths to simulate from, for ``coverage.py``: classes, groups, videos."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.uncertainty import Outcomes

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

NUM_DRAWS, MORE_RIVALS = 10, 1.0
POPULATION = 400_000


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A truth to draw from.

    Attributes:
        name: What it stands for.
        accuracy: Mean accuracy over all classes there could be.
        class_spread: Correlation of two videos of one class, 0 to 1.
        group_spread: The same within a group, given the class.
        groups: Fewest and most groups of a class.
        videos: Fewest and most videos of a group.
        linked: Whether easier classes have more groups.
    """

    name: str
    accuracy: float
    class_spread: float
    group_spread: float
    groups: tuple[int, int]
    videos: tuple[int, int]
    linked: bool = False


def _scenario(name: str, truth: tuple[float, float, float], *sizes: tuple[int, int]) -> Scenario:
    accuracy, class_spread, group_spread = truth
    return Scenario(
        name=name,
        accuracy=accuracy,
        class_spread=class_spread,
        group_spread=group_spread,
        groups=sizes[0],
        videos=sizes[1],
        linked="tied" in name,
    )


SCENARIOS = (
    _scenario("as UCF101", (0.5, 0.3, 0.3), (20, 25), (3, 8)),
    _scenario("three uneven groups", (0.4, 0.2, 0.3), (3, 3), (1, 12)),
    _scenario("one to five groups", (0.4, 0.2, 0.3), (1, 5), (1, 12)),
    _scenario("a video a group", (0.35, 0.15, 0.0), (10, 25), (1, 1)),
    _scenario("low accuracy", (0.06, 0.15, 0.2), (5, 25), (1, 8)),
    _scenario("high accuracy", (0.95, 0.1, 0.3), (5, 25), (1, 8)),
    _scenario("all-or-none groups", (0.7, 0.2, 0.9), (3, 25), (1, 20)),
    _scenario("all-or-none classes", (0.3, 0.8, 0.2), (3, 12), (2, 6)),
    _scenario("size tied to accuracy", (0.45, 0.3, 0.3), (3, 40), (1, 8)),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """One draw of classes and groups.

    Attributes:
        accuracies: ``(C,)``, accuracy of each class among all candidates.
        sizes: ``(C,)``, groups of each class.
        group_classes: ``(G,)``, class of each group.
        group_accuracies: ``(G,)``.
        groups: ``(V,)``, group of each video.
        draws: ``(C, T)`` bool, the classes of each trial.
        kept_wrong: Probability that a wrong video stays wrong in a trial.
    """

    accuracies: NDArray[np.float64]
    sizes: NDArray[np.int64]
    group_classes: NDArray[np.int64]
    group_accuracies: NDArray[np.float64]
    groups: NDArray[np.int64]
    draws: NDArray[np.bool_]
    kept_wrong: float

    def target(self, average: str) -> float:
        """Return the accuracy of these classes over all groups there could be."""
        in_trial = 1.0 - self.kept_wrong * (1.0 - self.accuracies)
        weights = self.draws * (self.sizes[:, None] if average == "videos" else 1.0)
        return float(((in_trial @ weights) / weights.sum(axis=0)).mean())


def draw_world(scenario: Scenario, num_classes: int, rng: Generator, *, halves: bool) -> World:
    """Draw classes, groups and how many videos each group has."""
    accuracies, sizes = _classes(scenario, num_classes, rng)
    group_classes = np.repeat(np.arange(num_classes), sizes)
    videos = rng.integers(scenario.videos[0], scenario.videos[1] + 1, len(group_classes))
    draws, kept_wrong = np.ones((num_classes, 1), dtype=bool), 1.0
    if halves:
        draws, kept_wrong = _half_draws(num_classes), _chance_of_rival(num_classes)
    return World(
        accuracies=accuracies,
        sizes=sizes,
        group_classes=group_classes,
        group_accuracies=_beta(accuracies[group_classes], scenario.group_spread, rng),
        groups=np.repeat(np.arange(len(group_classes)), videos),
        draws=draws,
        kept_wrong=kept_wrong,
    )


def second_world(world: World, scenario: Scenario, rng: Generator) -> World:
    """Return the truth of a second model on the same videos, as good on all classes there are."""
    fresh = _beta(np.full(len(world.accuracies), scenario.accuracy), scenario.class_spread, rng)
    shared = rng.random(len(fresh)) < 0.5
    accuracies = np.where(shared, world.accuracies, fresh)
    drawn = _beta(accuracies[world.group_classes], scenario.group_spread, rng)
    alike = shared[world.group_classes] & (rng.random(len(drawn)) < 0.5)
    return replace(
        world,
        accuracies=accuracies,
        group_accuracies=np.where(alike, world.group_accuracies, drawn),
    )


def draw_outcomes(world: World, rng: Generator) -> Outcomes:
    """Draw which videos are right in which trial."""
    right = rng.random(len(world.groups)) < world.group_accuracies[world.groups]
    values = np.repeat(right[:, None], world.draws.shape[1], axis=1)
    if world.kept_wrong < 1.0:
        values |= ~_meets_rival(world, rng)
    classes = world.group_classes[world.groups]
    return Outcomes(
        values=values.astype(np.float64),
        present=world.draws[classes],
        classes=classes,
        groups=world.groups,
    )


@lru_cache(maxsize=64)
def population_target(scenario: Scenario, kept_wrong: float, average: str) -> float:
    """Return the accuracy of all classes there could be, weighted by groups for ``videos``."""
    accuracy = scenario.accuracy
    if average == "videos" and scenario.linked:
        drawn, sizes = _classes(scenario, POPULATION, np.random.default_rng(0))
        accuracy = float(np.average(drawn, weights=sizes))
    return 1.0 - kept_wrong * (1.0 - accuracy)


def _classes(
    scenario: Scenario, count: int, rng: Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    accuracies = _beta(np.full(count, scenario.accuracy), scenario.class_spread, rng)
    fewest, most = scenario.groups
    lean = rng.random(count)
    if scenario.linked:
        lean = 0.7 * accuracies + 0.3 * lean
    steps = np.minimum((lean * (most - fewest + 1)).astype(np.int64), most - fewest)
    return accuracies, fewest + steps


def _beta(means: NDArray[np.float64], spread: float, rng: Generator) -> NDArray[np.float64]:
    if spread == 0.0:
        return means
    total, inside = (1.0 - spread) / spread, np.clip(means, 1e-9, 1.0 - 1e-9)
    return rng.beta(inside * total, (1.0 - inside) * total)


def _half_draws(num_classes: int) -> NDArray[np.bool_]:
    draws = np.zeros((num_classes, NUM_DRAWS), dtype=bool)
    for trial in range(NUM_DRAWS):
        order = np.random.default_rng(trial).permutation(num_classes)
        draws[order[: num_classes // 2], trial] = True
    return draws


@lru_cache(maxsize=16)
def _chance_of_rival(num_classes: int) -> float:
    """Return how often a draw with the truth holds one of a wrong video's rivals or more."""
    others, absent = num_classes - 1, num_classes - num_classes // 2
    more = MORE_RIVALS / (1.0 + MORE_RIVALS)
    chances = [(1.0 - more) * more ** (r - 1) for r in range(1, others)]
    chances.append(1.0 - sum(chances))
    none = (math.comb(absent, r) / math.comb(others, r) for r in range(1, others + 1))
    return 1.0 - sum(chance * share for chance, share in zip(chances, none, strict=True))


def _meets_rival(world: World, rng: Generator) -> NDArray[np.bool_]:
    num_classes = len(world.draws)
    keys = rng.random((len(world.group_classes), num_classes))
    keys[np.arange(len(keys)), world.group_classes] = 2.0
    order = keys.argsort(axis=1).argsort(axis=1)[world.groups]
    rivals = rng.geometric(1.0 / (1.0 + MORE_RIVALS), len(order))
    taken = order < np.minimum(rivals, num_classes - 1)[:, None]
    return taken.astype(np.float32) @ world.draws.astype(np.float32) > 0.5
