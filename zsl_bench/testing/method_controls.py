"""Rules that a method keeps where it learns: a world with a known answer, and its controls."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from zsl_bench.testing.method_trial import MethodTrial
from zsl_bench.testing.method_world import (
    World,
    WorldSize,
    compositional_world,
    derangement,
    unseen_accuracy,
)
from zsl_bench.testing.ruling import Seen, rule_maker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from zsl_bench.baselines.methods import FittedMethod

    ControlRule: TypeAlias = Callable[["WorldTrial"], None]

RECOGNISED = 0.5
"""Share of the unseen videos that a method must recognise; chance is 1 of 36."""
NEAR_CHANCE = 0.12
"""Share that is near chance, in a control."""


class WorldTrial:
    """A method fitted to a compositional world by its default settings.

    Args:
        method: The method.
        settings: Settings that replace its defaults.
        size: Of the world; 108 seen and 36 unseen classes by default.
        seed: Of the world.
    """

    def __init__(
        self,
        method: Any,  # noqa: ANN401
        settings: Mapping[str, Any] | None = None,
        *,
        size: WorldSize | None = None,
        seed: int = 0,
    ) -> None:
        self._trial = MethodTrial(method, settings)
        self._size = size
        self._seed = seed

    @property
    def name(self) -> str:
        """Return what the method calls itself."""
        return self._trial.name

    @cached_property
    def world(self) -> World:
        """The world."""
        return compositional_world(self._size, seed=self._seed)

    @cached_property
    def fitted(self) -> FittedMethod:
        """The method fitted to the seen classes."""
        return self._trial.fit_to(self.world.seen)

    @cached_property
    def accuracy(self) -> float:
        """Share of the unseen videos that it recognises."""
        return unseen_accuracy(self.fitted, self.world.unseen)

    @cached_property
    def accuracy_of_shuffled(self) -> float:
        """The same, fitted to seen classes each with the class vector of another."""
        seen = self.world.seen
        shuffled = seen.class_vectors[derangement(len(seen.class_vectors), seed=self._seed)]
        fitted = self._trial.fit_to(replace(seen, class_vectors=shuffled))
        return unseen_accuracy(fitted, self.world.unseen)

    @cached_property
    def accuracy_of_deranged(self) -> float:
        """The same, scored with each unseen class under the class vector of another."""
        unseen = self.world.unseen
        deranged = unseen.class_vectors[derangement(len(unseen.class_vectors), seed=self._seed)]
        return unseen_accuracy(self.fitted, replace(unseen, class_vectors=deranged))


def _name(trial: WorldTrial) -> str:
    return f"method {trial.name!r}"


_rule = rule_maker(_name)


@_rule
def unseen_classes_are_recognised(trial: WorldTrial) -> None:
    """At least half of the unseen videos of a world with a linear answer are recognised."""
    if trial.accuracy < RECOGNISED:
        raise Seen(f"{trial.accuracy:.3f} of them", "look for a mistake, or set it to learn longer")


@_rule
def shuffled_seen_vectors_fall_to_chance(trial: WorldTrial) -> None:
    """Fitted to seen classes that go by each other's vectors, it knows nothing of unseen ones."""
    if trial.accuracy_of_shuffled >= NEAR_CHANCE:
        raise Seen(f"{trial.accuracy_of_shuffled:.3f} are right", "look for where the answer leaks")


@_rule
def deranged_unseen_vectors_fall_to_chance(trial: WorldTrial) -> None:
    """Scored against unseen classes that go by each other's vectors, nothing is right."""
    if trial.accuracy_of_deranged >= NEAR_CHANCE:
        raise Seen(f"{trial.accuracy_of_deranged:.3f} are right", "look for where the answer leaks")


CONTROL_RULES: tuple[ControlRule, ...] = (
    unseen_classes_are_recognised,
    shuffled_seen_vectors_fall_to_chance,
    deranged_unseen_vectors_fall_to_chance,
)
"""The rules of the world, in the order in which they are checked."""
