"""Whether features have seen test classes: their backbone's declarations held against a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import listing
from zsl_bench.overlap import DEFAULT_THRESHOLD
from zsl_bench.verdict import FIELDS, zero_shot_verdict

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.baselines.extracted.clip_file import ClipFile
    from zsl_bench.classes import ClassSet
    from zsl_bench.verdict import Declared, Verdict


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """What the features' backbone has seen of some test classes (paper Eq. 3).

    Attributes:
        declared: What the backbone was trained and pretrained on.
        verdict: That held against the test classes by word-vector distance.
        num_tests: Number of test classes.
    """

    declared: Declared
    verdict: Verdict
    num_tests: int

    @property
    def leak_free(self) -> bool:
        """Whether both declarations are known and no test class is within the threshold."""
        return self.verdict.finding == "disjoint"

    def __str__(self) -> str:
        """Return one line, such as ``pretraining: kinetics400, 47 of 101 test classes within``."""
        sets = [
            one.dataset
            for name in FIELDS
            if isinstance(data := getattr(self.declared, name), tuple)
            for one in data
        ]
        parts = [*dict.fromkeys(sets), *self.verdict.silent]
        seen = f"{len(self.verdict.seen)} of {self.num_tests} test classes"
        within = f"{seen} within {self.verdict.threshold:g}"
        if self.verdict.silent:
            within += " as far as anybody says; not leak-free"
        return f"pretraining: {listing(parts) or 'none'}, {within}"

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON holds it."""
        return {"line": str(self), "leak_free": self.leak_free, **self.verdict.to_json()}


def leakage(
    file: ClipFile,
    classes: ClassSet,
    *,
    vectors: str | Path | None = None,
    threshold: float = DEFAULT_THRESHOLD,
) -> Leakage:
    """Hold what a file's backbone has seen against test classes.

    A file that does not name its backbone is undeclared, and never leak-free.

    Args:
        file: The clip features.
        classes: The test classes.
        vectors: Word-vector file; None for the bundled vectors.
        threshold: Cosine distance below which two classes count as one.

    Raises:
        WordVectorError: The vectors cannot be read.
        ClassSetError: A declared set has words that the test set's rules do not make.
    """
    declared = file.declared
    verdict = zero_shot_verdict(declared, classes, vectors=vectors, threshold=threshold)
    return Leakage(declared=declared, verdict=verdict, num_tests=len(classes))
