"""What can change a number: the identity of a run and of a result."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.files import sha256_bytes, sha256_json
from zsl_bench.model import is_scoring, is_versioned
from zsl_bench.video import decoder_id, resizer_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zsl_bench.classes import ClassSet
    from zsl_bench.model import Model
    from zsl_bench.protocols import Protocol
    from zsl_bench.videos import Manifest


def run_identity(
    model: Model, digest: str, manifest: Manifest, *, policy: str, precision: str
) -> dict[str, Any]:
    """Return what the vectors of a run depend on, apart from the class vectors.

    Args:
        model: The model.
        digest: Its weights digest.
        manifest: The videos.
        policy: Clip policy.
        precision: ``fp32`` or ``bf16``.
    """
    card = model.card
    return {
        "model": {
            "name": card.name,
            "weights": digest,
            "clip": asdict(card.clip),
            "pooling": card.pooling,
            "scores": card.scores if is_scoring(model) else "cosine",
            "declared": card.declared(),
        },
        "manifest": {
            "dataset": manifest.dataset,
            "videos": manifest.split,
            "digest": manifest.digest,
        },
        "clip_policy": policy,
        "decoder": decoder_id(),
        "resizer": resizer_id(card.clip),
        "precision": precision,
    }


def run_key(
    run: dict[str, Any], manifest: Manifest, classes: ClassSet | None, batch_size: int
) -> str | None:
    """Return the digest under which a run's vectors are kept, or None for an unversioned model.

    Beside the identity it covers each file's size and time of change, so that a replaced video
    is decoded again, and the batch size, so that a resumed run cuts the same batches.
    """
    if not is_versioned(run["model"]["weights"]):
        return None
    stamps: list[tuple[str, int | None, int | None]] = []
    for video in manifest.videos:
        try:
            status = manifest.resolve(video).stat()
        except OSError:
            stamps.append((video.id, None, None))
            continue
        stamps.append((video.id, status.st_size, status.st_mtime_ns))
    parts = {
        "run": run,
        "files": stamps,
        "classes": classes.fingerprint if classes is not None else None,
        "batch_size": batch_size,
    }
    return sha256_json(parts)


def result_identity(
    run: dict[str, Any],
    classes: ClassSet,
    class_source: dict[str, Any],
    protocols: Sequence[Protocol],
    scored: Sequence[str],
) -> dict[str, Any]:
    """Return everything that can change a number of a result."""
    return {
        **run,
        "classes": {
            "dataset": classes.dataset,
            "version": classes.version,
            "fingerprint": classes.fingerprint,
            "rules": classes.rules,
        },
        "class_vectors": class_source,
        "protocols": [{"id": p.id, "version": p.version, "sha256": p.sha256} for p in protocols],
        "scored": sha256_json(list(scored)),
    }


def array_digest(array: NDArray[np.floating]) -> str:
    """Return the SHA-256 of an array's shape and little-endian float64 values."""
    values = np.ascontiguousarray(array, dtype="<f8")
    return sha256_bytes(repr(values.shape).encode() + values.tobytes())
