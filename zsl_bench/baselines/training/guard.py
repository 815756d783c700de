"""The audit before the first step: training and pretraining classes against the test sets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ClassSetError, listing
from zsl_bench.overlap import audit_overlap
from zsl_bench.splits import class_list, split_from_audit

if TYPE_CHECKING:
    from zsl_bench.baselines.training.config import AuditSettings, TrainConfig
    from zsl_bench.classes import ClassSet
    from zsl_bench.model import TrainingData
    from zsl_bench.overlap import Neighbour, OverlapAudit
    from zsl_bench.splits import Split
    from zsl_bench.wordvectors import WordVectors

_SHOWN = 3
_EQUAL = 1e-6
"""Equal classes overlap under any threshold."""


@dataclass(frozen=True, kw_only=True)
class ClassAudit:
    """What the audit found, and what was done about it.

    Attributes:
        training: The candidate training classes against the test sets.
        pretraining: The classes that the starting weights have seen, one audit a data set.
        silent: Why the pretraining data cannot be audited, or None.
        removed: The training classes left out.
    """

    training: OverlapAudit
    pretraining: tuple[OverlapAudit, ...]
    silent: str | None
    removed: tuple[str, ...]

    @property
    def kept(self) -> ClassSet:
        """The classes that may be trained on."""
        removed = set(self.removed)
        whole = self.training.train
        return whole.select([name for name in whole.names if name not in removed])

    @property
    def overlap(self) -> tuple[tuple[str, Neighbour], ...]:
        """The overlapping classes that stay, each with its data set, nearest first."""
        found = [
            (audit.train.dataset, neighbour)
            for audit in (self.training, *self.pretraining)
            for neighbour in audit.removed
            if audit is not self.training or neighbour.name not in self.removed
        ]
        return tuple(sorted(found, key=lambda pair: pair[1].distance))

    def split(self, trained: ClassSet, *, split_id: str) -> Split | None:
        """Freeze the classes of a run.

        Args:
            trained: The classes that are trained on or held out.
            split_id: Name of the split.

        Returns:
            The split; None where overlapping classes are trained on, which is no split.
        """
        if not set(trained.names) <= {n.name for n in self.training.kept}:
            return None
        made = split_from_audit(self.training, split_id=split_id)
        own = made.own and tuple(zip(trained.words, trained.labels, strict=True))
        return replace(made, kept=trained.names, own=own)

    def to_json(self) -> dict[str, Any]:
        """Return the audit as JSON holds it."""
        return {
            "threshold": self.training.threshold,
            "rules": self.training.train.rules,
            "vectors": self.training.vectors,
            "vectors_digest": self.training.vectors_digest,
            "against": [
                {"dataset": test.dataset, "fingerprint": test.fingerprint}
                for test in self.training.tests
            ],
            "num_candidates": len(self.training.train),
            "removed": list(self.removed),
            "overlap": [{"dataset": name, **n.to_json()} for name, n in self.overlap],
            "pretraining": [audit.train.dataset for audit in self.pretraining],
            "pretraining_silent": self.silent,
            "closest_call": self.training.closest_call.to_json(),
            "approximate_words": list(self.training.approximate_words),
        }


def audit_classes(
    classes: ClassSet,
    pretrained_on: TrainingData,
    config: TrainConfig,
    *,
    vectors: WordVectors,
    known: tuple[ClassSet, ...] = (),
) -> ClassAudit:
    """Compare the training and the pretraining classes with the test sets (paper Eqs. 3 and 4).

    Args:
        classes: The candidate training classes, with the words of ``config.model.words``, as all
            that follow.
        pretrained_on: What the starting weights have seen.
        config: Names the test sets and says what to do about an overlap.
        vectors: Word vectors.
        known: Classes that the starting weights have seen beside open or undeclared data.

    Raises:
        ClassSetError: A class overlaps, or the pretraining data cannot be audited, and the
            configuration does not allow it; or no class is left.
    """
    settings = config.audit
    tests = [class_list(reference, config.model.words) for reference in settings.against]
    sets = (*(pretrained_on if isinstance(pretrained_on, tuple) else ()), *known)
    threshold = max(settings.threshold, _EQUAL)
    audits = [
        audit_overlap(one, tests, vectors=vectors, threshold=threshold) for one in (classes, *sets)
    ]
    silent = None
    if not isinstance(pretrained_on, tuple):
        silent = "undeclared" if pretrained_on is None else "open"
    removed = tuple(n.name for n in audits[0].removed) if settings.remove_overlap else ()
    if len(removed) == len(classes):
        raise ClassSetError(
            f"train on {classes.dataset}",
            found=f"every one of {len(classes)} classes overlaps with a test class",
            fix="train on other classes",
        )
    audit = ClassAudit(
        training=audits[0], pretraining=tuple(audits[1:]), silent=silent, removed=removed
    )
    if not settings.allow_overlap:
        _refuse(audit, config.audit, classes.dataset)
    return audit


def _refuse(audit: ClassAudit, settings: AuditSettings, dataset: str) -> None:
    against = ", ".join(test.dataset for test in audit.training.tests)
    if audit.silent:
        raise ClassSetError(
            f"audit the starting weights against {against}",
            found=f"their training data is {audit.silent}",
            fix="set model.pretrained_on to a class list, or audit.allow_overlap = true "
            "(the weights' card says so)",
        )
    if not audit.overlap:
        return
    pairs = [
        f"{n.name} ({dataset}) = {n.nearest} ({n.nearest_set})" for dataset, n in audit.overlap
    ]
    trained = any(name == dataset for name, _ in audit.overlap)
    remedy = "audit.remove_overlap = true, or " if trained and not audit.removed else ""
    raise ClassSetError(
        f"audit the training and pretraining classes against {against}",
        found=f"{len(pairs)} at a distance below {settings.threshold:g}: "
        f"{listing(pairs, limit=_SHOWN)}",
        fix=f"set {remedy}audit.allow_overlap = true (the weights' card says so)",
    )
