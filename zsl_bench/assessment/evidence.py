"""All that a score rests on, whether a model was run, features were given or a result was read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.datasets import LISTED, official_list
from zsl_bench.protocols import ListedVideos

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zsl_bench.classes import ClassSet
    from zsl_bench.scoring import ScoreMatrix
    from zsl_bench.verdict import ClassDistances, Verdict


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """A score matrix with what its rows and columns are.

    Attributes:
        matrix: Scores of the readable videos; columns are the test classes in order, then the
            distractors, if there are any.
        groups: For each row the source that its clip was cut from.
        classes: The test classes.
        split: Name of the list of videos that was scored, such as ``all``.
        expected: How many videos each class has under that list.
        verdicts: What each rule says of the model, the headline first.
        distances: Distances of the test classes to the declared classes; None where no class is
            declared.
        declared_distractors: The distractors that are declared classes; None where none were
            embedded.
        overlapping: Ids of segments that share time with a segment of another label.
        named_videos: Whether the ids are the videos' names, and not made up from labels.
        seen: Scores of held-out videos of training classes, with the same columns; None where
            none were given.
    """

    matrix: ScoreMatrix
    groups: tuple[str, ...]
    classes: ClassSet
    split: str
    expected: Mapping[str, int]
    verdicts: tuple[Verdict, ...]
    distances: ClassDistances | None = None
    declared_distractors: tuple[str, ...] | None = None
    overlapping: frozenset[str] = frozenset()
    named_videos: bool = True
    seen: ScoreMatrix | None = None

    @cached_property
    def group_codes(self) -> NDArray[np.int64]:
        """``(V,)`` int64: one number for each source within a class."""
        labels = self.matrix.labels.tolist()
        codes: dict[tuple[int, str], int] = {}
        pairs = zip(labels, self.groups, strict=True)
        return np.array([codes.setdefault(pair, len(codes)) for pair in pairs], dtype=np.int64)

    @property
    def distractors(self) -> tuple[str, ...]:
        """The columns that are no test class."""
        return self.matrix.classes[len(self.classes) :]

    @cached_property
    def lists(self) -> dict[str, ListedVideos]:
        """The official lists of videos that these rows can serve, by name."""
        known = self.named_videos and self.classes.dataset in LISTED
        if self.split != "all" or not known:
            return {}
        official = official_list(self.classes.dataset)
        return {
            name: ListedVideos(ids=ids, expected=official.counts(ids, self.classes.names))
            for name, ids in official.splits.items()
            if name != "all"
        }
