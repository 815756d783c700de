"""A result under verification, with what it can be held against."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zsl_bench.datasets import LISTED, official_list
from zsl_bench.protocols import CUSTOM
from zsl_bench.wordvectors import load_word_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zsl_bench.assessment.evidence import Evidence
    from zsl_bench.assessment.reload import Reloaded
    from zsl_bench.results import EvaluationResult
    from zsl_bench.videos import Manifest


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The videos that a data set has under one list.

    Attributes:
        source: Where this comes from, for sentences.
        videos: Class and source of the videos whose class is known, by id.
        ids: All of them.
        expected: How many videos each class has.
    """

    source: str
    videos: Mapping[str, tuple[str, str]]
    ids: frozenset[str]
    expected: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A result with its arrays, and what the user has beside it.

    Attributes:
        reloaded: The result with its vectors.
        known_vectors: The word vectors at hand by their digest; None stands for the bundled ones.
        manifest: The data set as the user has it; None where it was not given.
    """

    reloaded: Reloaded
    known_vectors: Mapping[str, str | None]
    manifest: Manifest | None

    @property
    def result(self) -> EvaluationResult:
        """The result."""
        return self.reloaded.result

    @property
    def evidence(self) -> Evidence:
        """What its scores rest on."""
        return self.reloaded.evidence

    @property
    def coverage(self) -> dict[str, Any]:
        """What it says of its videos."""
        return self.result.coverage

    @property
    def is_restricted(self) -> bool:
        """Whether it was scored over the classes that have a video, by no published protocol."""
        return CUSTOM in self.result.scores

    @cached_property
    def listed(self) -> Listed | None:
        """The official list where the package has it, else the user's data set, else None."""
        dataset, split = self.result.dataset, self.evidence.split
        if dataset in LISTED and split in official_list(dataset).splits:
            official = official_list(dataset)
            ids = official.splits[split]
            return Listed(
                source="the official list",
                videos={i: (official.videos[i].label, official.videos[i].group) for i in ids},
                ids=ids,
                expected=official.counts(ids, self.evidence.classes.names),
            )
        return None if self.manifest is None else _listed_by(self.manifest)


def vectors_at_hand(given: str | None) -> dict[str, str | None]:
    """Return the word vectors at hand by their digest: the bundled ones, as None, and the user's.

    Raises:
        WordVectorError: The user's cannot be read.
    """
    known: dict[str, str | None] = {}
    if given is not None:
        known[load_word_vectors(given, words=()).digest] = given
    known[load_word_vectors(words=()).digest] = None
    return known


def _listed_by(manifest: Manifest) -> Listed:
    return Listed(
        source="the videos of --data",
        videos={video.id: (video.label, video.group) for video in manifest.videos},
        ids=frozenset((*(video.id for video in manifest.videos), *manifest.missing)),
        expected=manifest.counts() if manifest.expected is None else manifest.expected,
    )
