"""From scored videos to a result: identity, coverage, verdicts, files."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.assessment.array_file import write_arrays
from zsl_bench.assessment.assess import assess
from zsl_bench.errors import DatasetError
from zsl_bench.files import sha256_json
from zsl_bench.model import declaration_json
from zsl_bench.protocols import custom_protocol
from zsl_bench.provenance import environment
from zsl_bench.results import EvaluationResult
from zsl_bench.scoring import equal_columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zsl_bench.assessment.array_file import Rows
    from zsl_bench.assessment.scored import Scored, Sight
    from zsl_bench.protocols import Protocol


def build_result(
    scored: Scored, protocols: Sequence[Protocol], *, out: Path | None, restricted: bool = False
) -> EvaluationResult:
    """Score under every protocol and write the result and its arrays.

    Args:
        scored: The videos with their vectors.
        protocols: What to score under.
        out: Folder for the files; None writes nothing.
        restricted: Score over the classes that have a video, under the id ``custom``, instead.

    Raises:
        ResultError: The scores are not finite, or the folder cannot be written.
    """
    evidence = scored.evidence()
    if restricted:
        protocols = (custom_protocol(scored.classes, _present(scored)),)
    coverage = _coverage(scored)
    manifest = scored.manifest
    result = EvaluationResult(
        identity=_identity(scored, protocols, evidence.matrix.video_ids),
        zero_shot=_zero_shot(scored),
        coverage=coverage,
        complete=not (restricted or manifest.is_partial or _any_unreadable(coverage)),
        scores=assess(evidence, protocols),
        environment={**environment(), **scored.environment},
        class_table=class_table(scored),
    )
    if out is None:
        return result
    name = f"{result.stem}.npz"
    digest = write_arrays(out / name, _arrays(scored, evidence.matrix.labels))
    result = replace(result, arrays={"file": name, "sha256": digest})
    result.save(out)
    return result


def class_table(scored: Scored) -> dict[str, Any]:
    """Return words and labels of the test classes, so that a reader needs no table of its own."""
    classes = scored.classes
    return {
        "words": [list(words) for words in classes.words],
        "labels": list(classes.labels),
        "source": classes.source,
    }


def _identity(
    scored: Scored, protocols: Sequence[Protocol], scored_ids: Sequence[str]
) -> dict[str, Any]:
    classes, declared = scored.classes, scored.sight.declared
    identity = {
        **scored.run,
        "model": {
            **scored.run["model"],
            "declared": {
                "trained_on": declaration_json(declared.trained_on),
                "pretrained_on": declaration_json(declared.pretrained_on),
            },
        },
        "classes": {
            "dataset": classes.dataset,
            "version": classes.version,
            "fingerprint": classes.fingerprint,
            "rules": classes.rules,
        },
        "class_vectors": scored.columns.source,
        "protocols": {p.id: {"version": p.version, "sha256": p.sha256} for p in protocols},
        "scored": sha256_json(list(scored_ids)),
    }
    if scored.seen is not None:
        identity["seen_videos"] = {
            "dataset": scored.seen.dataset,
            "digest": scored.seen.digest,
            "scored": sha256_json(list(scored.seen.ids)),
        }
    return identity


def _present(scored: Scored) -> list[str]:
    present = {scored.manifest.videos[i].label for i in scored.positions.tolist()}
    if not present:
        raise DatasetError(
            f"scores on {scored.manifest.dataset}",
            found="no class with a readable video",
            fix="give videos that can be read",
        )
    return [name for name in scored.classes.names if name in present]


def _coverage(scored: Scored) -> dict[str, Any]:
    manifest, expected = scored.manifest, scored.expected
    found = Counter(manifest.videos[i].label for i in scored.positions.tolist())
    return {
        "expected": sum(expected.values()),
        "listed": len(manifest.videos),
        "scored": len(scored.positions),
        "unreadable": [
            {"id": manifest.videos[p].id, "reason": why}
            for p, why in sorted(scored.reasons.items())
        ],
        "missing": list(manifest.missing),
        "extra": list(manifest.extra),
        "notes": list(manifest.notes),
        "classes_with_videos": len(found),
        "overlapping_segments": len(scored.manifest.overlapping),
        "per_class": {
            name: {"expected": expected[name], "scored": found[name]}
            for name in scored.classes.names
        },
        "named_videos": scored.named_videos,
        "seen_videos": None
        if scored.seen is None
        else {
            "scored": len(scored.seen.ids),
            "merged": scored.seen.merged,
            "unreadable": [{"id": i, "reason": why} for i, why in scored.seen.unreadable],
        },
    }


def _any_unreadable(coverage: dict[str, Any]) -> bool:
    seen = coverage["seen_videos"]
    return bool(coverage["unreadable"] or (seen and seen["unreadable"]))


def _zero_shot(scored: Scored) -> dict[str, Any]:
    sight, vectors = scored.sight, scored.columns.vectors
    return {
        "headline": str(sight.verdicts[0]),
        "rules": [verdict.to_json() for verdict in sight.verdicts],
        "declared_by_user": list(sight.by_user),
        "distances": _distances(sight),
        "declared_distractors": None if sight.distractors is None else list(sight.distractors),
        "shared_videos": None if sight.shared is None else sight.shared.to_json(),
        "equal_class_vectors": [] if vectors is None else equal_columns(vectors, scored.names),
        "approximate_words": scored.columns.source.get("approximate_words", []),
    }


def _distances(sight: Sight) -> dict[str, Any] | None:
    if sight.distances is None:
        return None
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in asdict(sight.distances).items()
    }


def _arrays(scored: Scored, labels: np.ndarray) -> dict[str, np.ndarray | Rows]:
    videos = [scored.manifest.videos[i] for i in scored.positions.tolist()]
    arrays: dict[str, np.ndarray | Rows] = {
        "video_ids": _text([video.id for video in videos]),
        "groups": _text([video.group for video in videos]),
        "labels": labels,
        "classes": _text(scored.classes.names),
        "distractors": _text(scored.columns.distractors),
    }
    if scored.columns.vectors is None:
        arrays["scores"] = scored.rows
    else:
        arrays["video_vectors"] = scored.rows
        arrays["class_vectors"] = scored.columns.vectors
    if scored.clips is not None:
        arrays["clip_vectors"] = scored.clips.vectors
        arrays["clip_weights"] = scored.clips.weights
        arrays["clip_counts"] = scored.clips.counts
    if scored.manifest.overlapping:
        arrays["overlapping"] = _text(scored.manifest.overlapping)
    if scored.seen is not None:
        arrays["seen_ids"] = _text(scored.seen.ids)
        arrays["seen_labels"] = scored.seen.labels
        arrays["seen_vectors"] = scored.seen.vectors
    return arrays


def _text(items: Sequence[str]) -> np.ndarray:
    return np.array(items, dtype=str)
