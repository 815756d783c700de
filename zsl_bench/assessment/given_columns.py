"""Columns for given features: the file's own class vectors or scores, or vectors of words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.assessment.scored import ClassColumns, array_digest
from zsl_bench.classes import fold
from zsl_bench.errors import ClassSetError, ResultError, listing
from zsl_bench.wordvectors import class_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zsl_bench.assessment.planning import Planned
    from zsl_bench.features import MatchedFeatures
    from zsl_bench.wordvectors import ClassVectors


def given_columns(
    matched: MatchedFeatures, plan: Planned, *, vectors: str | None, allow_approximate: bool
) -> tuple[NDArray[np.floating], ClassColumns]:
    """Return a row a video and what the columns are.

    Args:
        matched: The features, matched to a data set.
        plan: The candidates that are wanted beside the test classes.
        vectors: Word vectors for features without class vectors.
        allow_approximate: Let a hash stand in for a word without a vector.

    Raises:
        ClassSetError: A candidate has no column or vector.
        ResultError: There are no class vectors, and word vectors are of another size.
        WordVectorError: A word has no vector and that is not allowed.
    """
    others = () if plan.distractors is None else plan.distractors.names
    scores, rows = matched.candidate_scores, matched.video_vectors
    if scores is not None:
        chosen = scores[:, _places(matched, plan)]
        source = {"kind": "the scores given", "sha256": array_digest(chosen)}
        return chosen, ClassColumns(vectors=None, source=source, distractors=others)
    assert rows is not None  # noqa: S101
    given = matched.candidate_vectors
    if matched.features.class_vectors is None or given is None:
        return rows, _from_words(
            matched,
            plan,
            rows.shape[1],
            vectors=vectors,
            allow_approximate=allow_approximate,
        )
    matrix = given[_places(matched, plan)].astype(np.float64)
    first = len(matched.manifest.classes)
    return rows, ClassColumns(
        vectors=matrix,
        source=_sources("given with the features", matrix, first),
        distractors=others,
    )


def _places(matched: MatchedFeatures, plan: Planned) -> NDArray[np.int64]:
    """Return the places of the test classes and of the distractors wanted among the candidates."""
    first = len(matched.manifest.classes)
    others = () if plan.distractors is None else plan.distractors.names
    by_name = {name: first + i for i, name in enumerate(matched.distractors)}
    tails = {name: fold(name.rpartition("/")[2]) for name in by_name}
    counts = Counter(tails.values())
    by_tail = {tails[name]: place for name, place in by_name.items() if counts[tails[name]] == 1}
    places = [by_name.get(name, by_tail.get(fold(name.partition("/")[2]), -1)) for name in others]
    lacking = [name for name, place in zip(others, places, strict=True) if place < 0]
    if lacking:
        asking = [
            protocol.id
            for protocol in plan.protocols
            if any(not set(lacking).isdisjoint(trial.distractors) for trial in protocol.trials)
        ]
        raise ClassSetError(
            f"{listing(asking)} for {matched.features.asked}",
            found=f"no column or vector for {len(lacking)} of {len(others)} candidates beside the "
            f"test classes: {listing(lacking, limit=3)}",
            fix=f"add them to the classes as dataset/class, or leave {listing(asking)} out",
        )
    return np.array([*range(first), *places], dtype=np.int64)


def _from_words(
    matched: MatchedFeatures,
    plan: Planned,
    width: int,
    *,
    vectors: str | None,
    allow_approximate: bool,
) -> ClassColumns:
    parts: list[ClassVectors] = [
        class_vectors(classes, vectors, allow_approximate=allow_approximate)
        for classes in (matched.manifest.classes, plan.distractors)
        if classes is not None
    ]
    matrix = np.concatenate([part.matrix for part in parts]).astype(np.float64)
    if matrix.shape[1] != width:
        raise ResultError(
            matched.features.asked,
            found=f"video vectors of {width} numbers and no class vectors; word vectors have "
            f"{matrix.shape[1]}",
            fix="add class_vectors to the file",
        )
    source = {
        **_sources("word vectors", matrix, len(parts[0].matrix)),
        "source": parts[0].source,
        "digest": parts[0].digest,
        "approximate_words": sorted({word for part in parts for word in part.approximate_words}),
    }
    others = () if plan.distractors is None else plan.distractors.names
    return ClassColumns(vectors=matrix, source=source, distractors=others)


def _sources(kind: str, matrix: NDArray[np.float64], num_test: int) -> dict[str, object]:
    """Digest test classes and distractors apart, so that the first are known in every result."""
    source: dict[str, object] = {"kind": kind, "sha256": array_digest(matrix[:num_test])}
    if len(matrix) > num_test:
        source["distractors"] = {"sha256": array_digest(matrix[num_test:])}
    return source
