"""The demonstration's classes: a substance that gives the colour, a shape and a motion."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.classes import class_set_from_names

if TYPE_CHECKING:
    from zsl_bench.classes import ClassSet

COLOURS = {
    "fire": (222, 48, 30),
    "gold": (248, 200, 38),
    "green": (44, 150, 62),
    "ocean": (32, 92, 214),
    "snow": (246, 248, 252),
    "wine": (128, 26, 104),
}
"""Words for colours and the RGB levels that they stand for."""

SHAPES = ("fish", "house", "moon", "ring", "star", "tree")
MOTIONS = ("falling", "flying", "rocking", "shaking", "spinning", "stretching")
_UNSEEN_OF_EACH_PAIR = 2
TRAIN_SET = "demo-seen"
TEST_SET = "demo-unseen"


@dataclass(frozen=True, kw_only=True)
class DemoClass:
    """One class: three words, each of which other classes share.

    Attributes:
        colour: A key of ``COLOURS``.
        shape: One of ``SHAPES``.
        motion: One of ``MOTIONS``.
    """

    colour: str
    shape: str
    motion: str

    @property
    def name(self) -> str:
        """The class name, such as ``gold star falling``."""
        return f"{self.colour} {self.shape} {self.motion}"


@dataclass(frozen=True, kw_only=True)
class DemoClasses:
    """All combinations of the words, divided into seen and unseen ones.

    Attributes:
        seen: The training classes.
        unseen: The test classes: a third of all. Every word occurs equally often in them, as does
            every pair of words of two kinds, and none of them is a training class.
    """

    seen: tuple[DemoClass, ...]
    unseen: tuple[DemoClass, ...]

    @property
    def train(self) -> ClassSet:
        """The training classes as a class set."""
        names = [one.name for one in self.seen]
        return class_set_from_names(names, dataset=TRAIN_SET, source="zsl-bench demo")

    @property
    def test(self) -> ClassSet:
        """The test classes as a class set."""
        names = [one.name for one in self.unseen]
        return class_set_from_names(names, dataset=TEST_SET, source="zsl-bench demo")


def demo_classes(seed: int) -> DemoClasses:
    """Divide all combinations of the words into seen and unseen classes.

    With the words of each kind in an order that the seed draws, a combination of the i-th colour,
    the j-th shape and the k-th motion is unseen where i + j + k leaves 0 or 1 when divided by
    the number of words of a kind.

    Args:
        seed: Seed of the orders.

    Returns:
        Both lists in alphabetical order.
    """
    rng = np.random.default_rng([seed, 0])
    number = len(SHAPES)
    ranks = [rng.permutation(number) for _ in range(3)]
    seen: list[DemoClass] = []
    unseen: list[DemoClass] = []
    for positions in product(range(number), repeat=3):
        total = sum(int(rank[p]) for rank, p in zip(ranks, positions, strict=True))
        colour, shape, motion = positions
        one = DemoClass(colour=tuple(COLOURS)[colour], shape=SHAPES[shape], motion=MOTIONS[motion])
        (unseen if total % number < _UNSEEN_OF_EACH_PAIR else seen).append(one)
    return DemoClasses(seen=tuple(seen), unseen=tuple(unseen))
