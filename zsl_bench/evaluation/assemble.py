"""From video vectors to a result: scores, coverage, verdict, files."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import DatasetError, VideoError, listing
from zsl_bench.evaluation.identity import result_identity
from zsl_bench.files import atomic_write, sha256_bytes
from zsl_bench.protocols import custom_protocol, score_protocol
from zsl_bench.provenance import environment
from zsl_bench.results import EvaluationResult
from zsl_bench.scoring import ScoreMatrix, cosine_scores, equal_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zsl_bench.evaluation.store import VideoVectors
    from zsl_bench.protocols import Protocol
    from zsl_bench.verdict import Verdict
    from zsl_bench.videos import Manifest


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """A finished run over one manifest.

    Attributes:
        manifest: The videos.
        vectors: A vector for each readable video, and the reason for each other.
        class_matrix: ``(C, D)`` class vectors; None where ``vectors`` are scores already.
        class_source: Where the class vectors come from.
        verdict: The headline zero-shot verdict.
        run: Identity of the run.
        environment: Device, seconds and settings.
    """

    manifest: Manifest
    vectors: VideoVectors
    class_matrix: NDArray[np.float64] | None
    class_source: dict[str, Any]
    verdict: Verdict
    run: dict[str, Any]
    environment: dict[str, Any]


def check_unreadable(manifest: Manifest, reasons: Mapping[str, str]) -> None:
    """Refuse to go on when videos cannot be read.

    Args:
        manifest: The videos.
        reasons: For each unreadable one, by id, why.

    Raises:
        VideoError: There are some; they are named.
    """
    if not reasons:
        return
    places = {video.id: video.path for video in manifest.videos}
    named = [f"{places[video]} ({why})" for video, why in reasons.items()]
    raise VideoError(
        f"evaluate on {manifest.dataset}",
        found=f"{len(named)} of {len(manifest.videos)} videos are unreadable: "
        f"{listing(named, limit=3)}",
        fix="replace them, or give --allow-unreadable (bounds beside every number); "
        "the others are not run again",
    )


def assemble(
    outcome: RunOutcome, protocols: Sequence[Protocol], *, out: Path | None, restricted: bool
) -> EvaluationResult:
    """Score a run under every protocol and write the result and its arrays.

    Raises:
        ResultError: The scores are not finite, or the folder cannot be written.
    """
    manifest = outcome.manifest
    matrix = _score_matrix(outcome)
    expected = _expected(manifest)
    if restricted:
        protocols = (custom_protocol(manifest.classes, _present(manifest, matrix)),)
    scores = {
        protocol.id: {
            "source": protocol.source,
            "classes": [list(trial) for trial in protocol.trials],
            **score_protocol(matrix, protocol, expected=expected).to_json(),
        }
        for protocol in protocols
    }
    coverage = _coverage(outcome, matrix, expected)
    result = EvaluationResult(
        identity=result_identity(
            outcome.run, manifest.classes, outcome.class_source, protocols, matrix.video_ids
        ),
        zero_shot=_zero_shot(outcome),
        coverage=coverage,
        complete=not (restricted or manifest.is_partial or coverage["unreadable"]),
        scores=scores,
        environment={**environment(), **outcome.environment},
    )
    if out is None:
        return result
    arrays = _arrays(outcome, matrix)
    name = f"{result.stem}.npz"
    with atomic_write(out / name) as stream:
        stream.write(arrays)
    result = replace(result, arrays={"file": name, "sha256": sha256_bytes(arrays)})
    result.save(out)
    return result


def _present(manifest: Manifest, matrix: ScoreMatrix) -> list[str]:
    present = {matrix.classes[label] for label in matrix.labels}
    if not present:
        raise DatasetError(
            f"evaluate on {manifest.dataset}",
            found="no class with a readable video",
            fix="give videos that can be read",
        )
    return [name for name in manifest.classes.names if name in present]


def _score_matrix(outcome: RunOutcome) -> ScoreMatrix:
    manifest, vectors = outcome.manifest, outcome.vectors.vectors
    readable = np.flatnonzero(outcome.vectors.readable)
    videos = [manifest.videos[i] for i in readable]
    labels = [manifest.classes.index(video.label) for video in videos]
    if not videos:
        scores = np.zeros((0, len(manifest.classes)))
    elif outcome.class_matrix is None:
        scores = vectors.astype(np.float64)
    else:
        scores = cosine_scores(vectors, outcome.class_matrix)
    return ScoreMatrix(
        classes=manifest.classes.names,
        video_ids=tuple(video.id for video in videos),
        labels=np.array(labels, dtype=np.int64),
        scores=scores,
    )


def _expected(manifest: Manifest) -> dict[str, int]:
    if manifest.expected is not None:
        return dict(manifest.expected)
    counts = Counter(video.label for video in manifest.videos)
    return {name: counts[name] for name in manifest.classes.names}


def _coverage(outcome: RunOutcome, matrix: ScoreMatrix, expected: dict[str, int]) -> dict[str, Any]:
    manifest, reasons = outcome.manifest, outcome.vectors.reasons
    scored = Counter(matrix.classes[label] for label in matrix.labels)
    return {
        "expected": sum(expected.values()),
        "listed": len(manifest.videos),
        "scored": len(matrix.video_ids),
        "unreadable": [
            {"id": manifest.videos[p].id, "reason": why} for p, why in sorted(reasons.items())
        ],
        "missing": list(manifest.missing),
        "extra": list(manifest.extra),
        "notes": list(manifest.notes),
        "classes_with_videos": len(scored),
        "per_class": {
            name: {"expected": expected[name], "scored": scored[name]}
            for name in manifest.classes.names
        },
    }


def _zero_shot(outcome: RunOutcome) -> dict[str, Any]:
    verdict = outcome.verdict
    equal = (
        equal_columns(outcome.class_matrix, outcome.manifest.classes.names)
        if outcome.class_matrix is not None
        else []
    )
    return {
        "headline": str(verdict),
        "rules": [asdict(verdict)],
        "equal_class_vectors": equal,
        "approximate_words": outcome.class_source.get("approximate_words", []),
    }


def _arrays(outcome: RunOutcome, matrix: ScoreMatrix) -> bytes:
    stream = io.BytesIO()
    arrays: dict[str, Any] = {
        "video_ids": np.array(matrix.video_ids, dtype=str),
        "labels": matrix.labels,
        "classes": np.array(matrix.classes, dtype=str),
    }
    if outcome.class_matrix is None:
        arrays["scores"] = matrix.scores
    else:
        arrays["video_vectors"] = outcome.vectors.vectors
        arrays["class_vectors"] = outcome.class_matrix
    np.savez(stream, **arrays)
    return stream.getvalue()
