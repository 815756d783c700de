"""Read a result and the arrays beside it, so that every number can be had again without a video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.assessment.array_file import Rows
from zsl_bench.assessment.assess import assess
from zsl_bench.assessment.evidence import Evidence
from zsl_bench.assessment.scored import Clips, SeenVideos, score_matrix, seen_matrix
from zsl_bench.assessment.stored import open_arrays
from zsl_bench.assessment.stored_fields import (
    completed,
    stored_classes,
    stored_counts,
    stored_distances,
    stored_distractors,
    stored_verdicts,
    texts,
    typed,
)
from zsl_bench.errors import ClassSetError, ProtocolError, ResultError, listing
from zsl_bench.files import atomic_write
from zsl_bench.protocols import (
    CUSTOM,
    Protocol,
    custom_protocol,
    needs_distractors,
    resolve_protocol,
)
from zsl_bench.provenance import environment
from zsl_bench.results import AGAIN, EvaluationResult, check_fields, load_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zsl_bench.assessment.stored import StoredArrays

_ODD = (AttributeError, ClassSetError, IndexError, KeyError, TypeError, ValueError)
_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("identity.manifest", "identity.class_vectors", "coverage.per_class"), dict),
    **dict.fromkeys(("identity.manifest.videos", "identity.classes.fingerprint"), str),
    "identity.classes.rules": str,
    "zero_shot.rules": list,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Reloaded:
    """A result with the vectors that it was scored from.

    Attributes:
        result: The result.
        evidence: The score matrix and what its rows and columns are.
        video_vectors: ``(V, D)``, or None where the model scored the classes itself.
        class_vectors: ``(C, D)``, distractors last, or None likewise.
        clips: The clips' vectors, where the run kept them; they are read when they are asked for.
    """

    result: EvaluationResult
    evidence: Evidence
    video_vectors: NDArray[np.floating] | None
    class_vectors: NDArray[np.float64] | None
    clips: Clips | None


def load_evidence(path: str | Path) -> tuple[EvaluationResult, Evidence]:
    """Return a result and its score matrix with all that its scores rest on.

    Raises:
        ResultError: The result or its array file is missing, damaged, edited, or of a newer schema.
    """
    reloaded = reload_result(path)
    return reloaded.result, reloaded.evidence


def reload_result(path: str | Path) -> Reloaded:
    """Return a result with the vectors beside it.

    Raises:
        ResultError: The result or its array file is missing, damaged, edited, or of a newer schema.
    """
    result = load_result(path)
    asked = f"arrays of {path}"
    arrays = open_arrays(result, Path(path).parent, asked)
    try:
        return _reloaded(result, arrays)
    except _ODD as error:
        raise ResultError(asked, found=f"a field is absent or odd ({error})", fix=AGAIN) from error


def protocols_of(result: EvaluationResult, evidence: Evidence) -> tuple[Protocol, ...]:
    """Return the protocols that a result was scored under, resolved anew and checked by hash.

    Raises:
        ResultError: A protocol of that id has other class lists today.
    """
    return tuple(_same_protocol(result, evidence, name) for name in result.scores)


def resolve_for(evidence: Evidence, references: Sequence[str]) -> tuple[Protocol, ...]:
    """Resolve protocols for evidence, each once.

    Raises:
        ProtocolError: A protocol is unknown, or does not fit the classes, the videos or the
            candidates that were embedded.
    """
    resolved = [_resolve(evidence, reference) for reference in references]
    return tuple({protocol.id: protocol for protocol in resolved}.values())


def _resolve(evidence: Evidence, reference: str) -> Protocol:
    known, asked = evidence.declared_distractors, f"protocol {reference} for a result"
    if needs_distractors(reference) and known is None:
        raise ProtocolError(
            asked,
            found="no vectors of the declared training classes beside it",
            fix="name the protocol when the model or the features are scored first",
        )
    protocol = resolve_protocol(
        reference, evidence.classes, videos=evidence.split, distractors=known
    )
    lists = {trial.videos for trial in protocol.trials} - {None, evidence.split}
    if lists and not evidence.named_videos:
        raise ProtocolError(
            asked,
            found=f"videos known by their labels alone, so that those of "
            f"{listing(sorted(map(str, lists)))} are not known",
            fix="score features with video_ids",
        )
    return protocol


def rescore(
    path: str | Path, references: Sequence[str] = (), *, out: Path | None = None
) -> EvaluationResult:
    """Score a result's vectors once more.

    Args:
        path: The result file; its arrays lie beside it.
        references: Protocols to score under; none for the result's own.
        out: Folder for the new result and a copy of the arrays; None writes nothing.

    Returns:
        The result with scores made anew; its identity is the old one but for the protocols.

    Raises:
        ResultError: The files are damaged, or a protocol of the result has changed since.
        ProtocolError: A protocol does not fit the classes or the videos.
    """
    reloaded = reload_result(path)
    old, evidence = reloaded.result, reloaded.evidence
    protocols = resolve_for(evidence, references) if references else protocols_of(old, evidence)
    named = {p.id: {"version": p.version, "sha256": p.sha256} for p in protocols}
    new = replace(
        old,
        identity={**old.identity, "protocols": named},
        complete=old.complete and CUSTOM not in named,
        scores=assess(evidence, protocols),
        environment={
            **old.environment,
            "scored_again": {**environment(), "from": Path(path).name},
        },
    )
    if out is None or old.arrays is None:
        return new
    data = (Path(path).parent / old.arrays["file"]).read_bytes()
    with atomic_write(out / f"{new.stem}.npz") as stream:
        stream.write(data)
    new = replace(new, arrays={**old.arrays, "file": f"{new.stem}.npz"})
    new.save(out)
    return new


def _same_protocol(result: EvaluationResult, evidence: Evidence, name: str) -> Protocol:
    if name == CUSTOM:
        protocol = custom_protocol(evidence.classes, result.scores[name]["classes"][0])
    else:
        (protocol,) = resolve_for(evidence, [name.partition("@")[0]])
    recorded = result.identity["protocols"][name]["sha256"]
    if protocol.sha256 != recorded:
        raise ResultError(
            f"protocol {name} of a result on {result.dataset}",
            found=f"class lists {recorded[:12]}, where this version has {protocol.sha256[:12]}",
            fix="score it under the protocols of this version with zsl-bench score RESULT "
            "--protocol ID",
        )
    return protocol


def _reloaded(result: EvaluationResult, arrays: StoredArrays) -> Reloaded:
    check_fields(vars(result), _KINDS, asked=arrays.asked)
    ids, test_classes = arrays.texts("video_ids"), arrays.texts("classes")
    names = (*test_classes, *arrays.optional_texts("distractors"))
    _check_single(ids, "video_ids")
    _check_single(names, "classes")
    video_vectors, class_vectors = _vectors(arrays, len(ids), len(names))
    rows = arrays.matrix("scores") if video_vectors is None else video_vectors
    labels = _labels(arrays, "labels", ids, range(len(test_classes)))
    seen = _seen(result, arrays, names, class_vectors)
    evidence = Evidence(
        matrix=score_matrix(names, ids, labels, rows, class_vectors),
        groups=arrays.texts("groups", rows=len(ids)) if "groups" in arrays else ids,
        classes=stored_classes(result, test_classes),
        split=result.identity["manifest"]["videos"],
        expected=stored_counts(result, test_classes),
        verdicts=stored_verdicts(result),
        distances=stored_distances(result.zero_shot.get("distances"), test_classes),
        declared_distractors=stored_distractors(result),
        named_videos=typed(result.coverage, {"named_videos": bool}).get("named_videos", True),
        overlapping=frozenset(arrays.optional_texts("overlapping")),
        seen=seen_matrix(names, seen, class_vectors),
    )
    if CUSTOM in result.scores:
        texts(result.scores[CUSTOM]["classes"][0])
    return Reloaded(
        result=completed(result, evidence.verdicts),
        evidence=evidence,
        video_vectors=video_vectors,
        class_vectors=class_vectors,
        clips=_clips(arrays, len(ids)),
    )


def _check_single(names: Sequence[str], what: str) -> None:
    if len(set(names)) < len(names):
        raise ValueError(f"an entry of {what} twice")


def _vectors(
    arrays: StoredArrays, num_videos: int, num_columns: int
) -> tuple[NDArray[np.floating] | None, NDArray[np.float64] | None]:
    if "video_vectors" not in arrays:
        return None, None
    class_vectors = arrays.matrix("class_vectors", rows=num_columns).astype(np.float64)
    width = class_vectors.shape[1] if num_videos else None
    return arrays.matrix("video_vectors", rows=num_videos, columns=width), class_vectors


def _labels(
    arrays: StoredArrays, name: str, ids: Sequence[str], columns: range
) -> NDArray[np.int64]:
    labels = arrays.integers(name, rows=len(ids))
    if len(labels) and not (labels.min() in columns and labels.max() in columns):
        raise ValueError(f"{name} from {labels.min()} to {labels.max()}")
    return labels


def _clips(arrays: StoredArrays, num_videos: int) -> Clips | None:
    if "clip_vectors" not in arrays:
        return None
    shape = arrays.shape("clip_vectors")
    counts = arrays.integers("clip_counts", rows=num_videos)
    if len(shape) != 2 or counts.sum() != shape[0]:
        raise ValueError(f"clip_vectors of shape {shape} for {counts.sum()} clips")
    return Clips(
        vectors=Rows(shape=shape, parts=(partial(arrays.matrix, "clip_vectors"),)),
        weights=arrays.integers("clip_weights", rows=shape[0]),
        counts=counts,
    )


def _seen(
    result: EvaluationResult,
    arrays: StoredArrays,
    names: Sequence[str],
    class_vectors: NDArray[np.float64] | None,
) -> SeenVideos | None:
    if "seen_vectors" not in arrays:
        return None
    ids = arrays.texts("seen_ids")
    about = typed(result.identity["seen_videos"], {"dataset": str, "digest": str})
    width = len(names) if class_vectors is None else class_vectors.shape[1]
    return SeenVideos(
        ids=ids,
        labels=_labels(arrays, "seen_labels", ids, range(len(names))),
        vectors=arrays.matrix("seen_vectors", rows=len(ids), columns=width),
        merged=typed(result.coverage["seen_videos"], {"merged": int})["merged"],
        dataset=about["dataset"],
        digest=about["digest"],
    )
