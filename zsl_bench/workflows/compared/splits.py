"""Splits of a comparison: what is learned from, what is tested, and what the audit finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.baselines.methods.fair_filter import fair_filter
from zsl_bench.errors import ClassSetError, ProtocolError
from zsl_bench.overlap import DEFAULT_THRESHOLD, distance_matrix
from zsl_bench.protocols.catalogue import resolve_protocol
from zsl_bench.protocols.protocol import ALL_VIDEOS
from zsl_bench.wordvectors import class_vectors, load_word_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zsl_bench.classes import ClassSet
    from zsl_bench.wordvectors import ClassVectors
    from zsl_bench.workflows.compared.config import ProtocolRow


@dataclass(frozen=True, kw_only=True)
class ClosePair:
    """A training class within the threshold of an unseen class.

    Attributes:
        dataset: Data set of the training class.
        name: The training class.
        nearest: The unseen class nearest to it.
        distance: Cosine distance of their word vectors.
    """

    dataset: str
    name: str
    nearest: str
    distance: float


@dataclass(frozen=True, kw_only=True)
class SplitAudit:
    """What the audit of a split found (paper Eq. 3), before any class was left out.

    Attributes:
        threshold: Cosine distance below which two classes count as one.
        pairs: Training classes within it, each with the unseen class nearest to it.
        close_tests: Unseen classes within it of a training class.
        removed: Training classes that were left out for it, ``(data set, class)``.
        fair: Both rules for the classes of other data sets with their counts, where there are any:
            the filter of FairZSL and the threshold.
        fair_removed: Training classes that the filter of FairZSL left out.
    """

    threshold: float
    pairs: tuple[ClosePair, ...]
    close_tests: tuple[str, ...]
    removed: tuple[tuple[str, str], ...] = ()
    fair: Mapping[str, Any] | None = None
    fair_removed: tuple[tuple[str, str], ...] = ()

    @property
    def left(self) -> int:
        """Training classes within the threshold that were learned from all the same."""
        gone = {*self.removed, *self.fair_removed}
        return sum((pair.dataset, pair.name) not in gone for pair in self.pairs)

    def to_json(self) -> dict[str, Any]:
        """Return the audit as JSON holds it."""
        return {**asdict(self), "left": self.left}


@dataclass(frozen=True, kw_only=True)
class ClassSplit:
    """One split of a protocol.

    Attributes:
        number: Its place among the protocol's, from 1.
        unseen: The test classes, which are all the candidates.
        seen: The classes to learn from, by data set, in the order of each set.
        audit: What the audit found.
    """

    number: int
    unseen: tuple[str, ...]
    seen: Mapping[str, tuple[str, ...]]
    audit: SplitAudit

    @property
    def num_seen(self) -> int:
        """Classes to learn from."""
        return sum(map(len, self.seen.values()))


def unseen_classes(row: ProtocolRow, classes: ClassSet) -> tuple[tuple[str, ...], ...]:
    """Return the unseen classes of each split of a protocol.

    Raises:
        ProtocolError: It is unknown, not defined for the classes, takes a part of their videos
            only, or has all classes where some must be left to learn from.
    """
    asked = f"protocol {row.protocol} of {row.name}"
    protocol = resolve_protocol(row.protocol, classes, distractors=())
    trials = protocol.trials[: row.splits]
    for trial in trials:
        if trial.videos not in (None, ALL_VIDEOS):
            raise ProtocolError(
                asked,
                found=f"the videos of {trial.videos} only, which a feature file cannot tell",
                fix="use a protocol over all videos, such as xu-50, 1 or half",
            )
        if trial.distractors:
            raise ProtocolError(
                asked, found="distractors among the candidates", fix="write generalised = true"
            )
        if row.train == (row.test,) and len(trial.classes) == len(classes):
            raise ProtocolError(
                asked,
                found="every class unseen and none to learn from",
                fix="learn from another data set, or take a protocol over a part of the classes",
            )
    return tuple(trial.classes for trial in trials)


class SplitMaker:
    """Makes splits of class sets; word vectors are read and distances measured once.

    Args:
        classes: Class sets by data set, all under one rule set.
        vectors: Word-vector file; None for the bundled vectors.
        allow_approximate: Let a hash stand in for a word without a vector.
        threshold: Cosine distance below which two classes count as one.

    Raises:
        WordVectorError: A word has no vector and that is not allowed.
        ClassSetError: The sets' words were made by different rule sets.
    """

    def __init__(
        self,
        classes: Mapping[str, ClassSet],
        *,
        vectors: str | None = None,
        allow_approximate: bool = False,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> None:
        rules = sorted({one.rules for one in classes.values()})
        if len(rules) > 1:
            raise ClassSetError(
                f"classes of {', '.join(classes)}",
                found=f"words by different rule sets: {', '.join(rules)}",
                fix="extract the features with the same rules",
            )
        words = {word for one in classes.values() for bag in one.words for word in bag}
        loaded = load_word_vectors(vectors, words=words)
        self.threshold = threshold
        self.vectors: dict[str, ClassVectors] = {
            name: class_vectors(one, loaded, allow_approximate=allow_approximate)
            for name, one in classes.items()
        }
        self._distances: dict[tuple[str, str], NDArray[np.float64]] = {}

    def rows_of(self, dataset: str, names: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of some classes, ``(C, E)``, in the order given."""
        vectors = self.vectors[dataset]
        rows: NDArray[np.float32] = vectors.matrix[[vectors.classes.index(n) for n in names]]
        return rows

    def splits(
        self,
        row: ProtocolRow,
        *,
        present: Mapping[str, Sequence[str]] | None = None,
        fair: bool = False,
    ) -> tuple[ClassSplit, ...]:
        """Return the splits of a protocol, audited.

        Args:
            row: The protocol.
            present: For each data set the classes that have a video; None for all.
            fair: Leave out classes of other data sets by the filter of FairZSL, too.

        Raises:
            ProtocolError: See :func:`unseen_classes`.
            ClassSetError: No class is left to learn from.
        """
        trials = unseen_classes(row, self.vectors[row.test].classes)
        return tuple(
            self._split(row, number, unseen, present or {}, fair=fair)
            for number, unseen in enumerate(trials, start=1)
        )

    def _split(
        self,
        row: ProtocolRow,
        number: int,
        unseen: tuple[str, ...],
        present: Mapping[str, Sequence[str]],
        *,
        fair: bool,
    ) -> ClassSplit:
        hidden = set(unseen)
        seen = {
            name: tuple(
                one
                for one in present.get(name, self.vectors[name].classes.names)
                if name != row.test or one not in hidden
            )
            for name in row.train
        }
        audit = self._audit(row, seen, unseen, fair=fair)
        gone = {*audit.removed, *audit.fair_removed}
        kept = {
            name: tuple(one for one in names if (name, one) not in gone)
            for name, names in seen.items()
        }
        if not any(kept.values()):
            raise ClassSetError(
                f"split {number} of {row.name}",
                found="no class left to learn from",
                fix="learn from more data sets, or lower the threshold",
            )
        return ClassSplit(number=number, unseen=unseen, seen=kept, audit=audit)

    def _audit(
        self,
        row: ProtocolRow,
        seen: Mapping[str, tuple[str, ...]],
        unseen: tuple[str, ...],
        *,
        fair: bool,
    ) -> SplitAudit:
        pairs: list[ClosePair] = []
        close = np.zeros(len(unseen), dtype=np.bool_)
        for name, names in seen.items():
            below = self._between(name, names, row.test, unseen)
            close |= (below < self.threshold).any(axis=0)
            for place in np.flatnonzero(below.min(axis=1) < self.threshold):
                nearest = int(below[place].argmin())
                pairs.append(
                    ClosePair(
                        dataset=name,
                        name=names[place],
                        nearest=unseen[nearest],
                        distance=float(below[place, nearest]),
                    )
                )
        found, dropped = self._fair(row, seen, unseen)
        return SplitAudit(
            threshold=self.threshold,
            pairs=tuple(sorted(pairs, key=lambda pair: pair.distance)),
            close_tests=tuple(np.array(unseen)[close].tolist()),
            removed=tuple((pair.dataset, pair.name) for pair in pairs) if row.filtered else (),
            fair=found,
            fair_removed=dropped if fair else (),
        )

    def _between(
        self, dataset: str, names: Sequence[str], test: str, unseen: Sequence[str]
    ) -> NDArray[np.float64]:
        """Return the distances of training classes to unseen ones."""
        key = (dataset, test)
        if key not in self._distances:
            self._distances[key] = distance_matrix(self.vectors[dataset], self.vectors[test])
        one, other = self.vectors[dataset].classes, self.vectors[test].classes
        rows, columns = [one.index(n) for n in names], [other.index(n) for n in unseen]
        between: NDArray[np.float64] = self._distances[key][np.ix_(rows, columns)]
        return between

    def _fair(
        self, row: ProtocolRow, seen: Mapping[str, tuple[str, ...]], unseen: Sequence[str]
    ) -> tuple[dict[str, Any] | None, tuple[tuple[str, str], ...]]:
        external = [(d, one) for d, names in seen.items() if d != row.test for one in names]
        if not external:
            return None, ()
        target = self.vectors[row.test]
        decided = fair_filter(
            np.concatenate([self.rows_of(d, [one]) for d, one in external]),
            target.matrix,
            [target.classes.index(one) for one in unseen],
            threshold=self.threshold,
        )
        counts = {
            "theta": decided.theta,
            "theta_distance": decided.distance,
            "external": len(external),
            "kept": decided.num_kept,
            "kept_by_threshold": decided.num_kept_by_threshold,
        }
        dropped = zip(external, decided.keep, strict=True)
        return counts, tuple(pair for pair, keep in dropped if not keep)
