"""What can change a number: the identity of a run and of a result."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.device import is_accelerating
from zsl_bench.files import sha256_file, sha256_json
from zsl_bench.model import gives_scores
from zsl_bench.model_digest import is_versioned, source_digest
from zsl_bench.provenance import package_versions
from zsl_bench.video import clip_policy, decoder_id, resizer_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from zsl_bench.classes import ClassSet
    from zsl_bench.evaluation.settings import Settings
    from zsl_bench.model import Model
    from zsl_bench.videos import Manifest, Video

LOOKUPS_AT_ONCE = 16
"""How many files are looked up side by side before a run begins."""
_PACKAGE = Path(__file__).resolve().parents[1]


def run_identity(
    model: Model,
    weights: Mapping[str, str],
    manifest: Manifest,
    *,
    settings: Settings,
    vectors_digest: str | None,
) -> dict[str, Any]:
    """Return what the vectors of a run and its verdict depend on, apart from the class vectors.

    Args:
        model: The model.
        weights: What identifies its weights.
        manifest: The videos.
        settings: How it is run.
        vectors_digest: Digest of the word vectors; a model may use them for its clips as well.
    """
    card = model.card
    hashed = card.revision is None and weights["weights"].startswith("sha256:")
    return {
        "model": {
            "name": card.name,
            **weights,
            "code": source_digest(model),
            "clip": asdict(card.clip),
            "pooling": card.pooling,
            "scores": card.scores if gives_scores(model) else "cosine",
            **({"settings": dict(card.settings)} if card.settings else {}),
            **({"given": sorted(settings.model_settings)} if settings.model_settings else {}),
        },
        "manifest": _manifest_identity(manifest),
        "clip_policy": clip_policy(settings.policy or card.policy).name,
        "decoder": decoder_id(settings.decoder),
        "resizer": resizer_id(card.clip),
        "precision": settings.precision,
        **_inference(model, settings),
        "options": {
            "vectors": vectors_digest,
            "allow_approximate": settings.allow_approximate,
            "weights": None if hashed else given_weights(settings.weights),
        },
    }


def _inference(model: Model, settings: Settings) -> dict[str, Any]:
    """Return what else the arithmetic of a model depends on; nothing for the network as written."""
    fast = settings.inference == "fast" and is_accelerating(model)
    return {
        **({"inference": "fast"} if fast else {}),
        **({"compiled": True} if settings.compile else {}),
    }


def _manifest_identity(manifest: Manifest) -> dict[str, Any]:
    identity: dict[str, Any] = {
        "dataset": manifest.dataset,
        "videos": manifest.split,
        "digest": manifest.digest,
    }
    if manifest.preparation is not None:
        identity["preparation"] = dict(manifest.preparation)
    return identity


def run_key(run: dict[str, Any], classes: ClassSet | None, *, batches: str) -> str | None:
    """Return the digest under which a run's vectors are kept, or None for an unversioned model.

    Beside the identity it covers the versions of this package and of those it computes with, and
    ``batches`` (batch size and device), so that a resumed run computes the same bytes.
    """
    if not is_versioned(run["model"]["weights"]):
        return None
    parts = {
        "run": run,
        "versions": package_versions(),
        "classes": classes.fingerprint if classes is not None else None,
        "batches": batches,
    }
    return sha256_json(parts)


def clip_parts(
    run: dict[str, Any], classes: ClassSet | None, *, arithmetic: str, card: str | None = None
) -> dict[str, Any] | None:
    """Return what the outputs of a video's clips depend on apart from the video.

    That is the identity of the run without its videos and without how clips are pooled, and what
    :func:`run_key` adds, except for the size of a batch, which only changes how sums are rounded.
    Outputs outlive a version of this package, so that its code counts as well.

    Args:
        run: The identity of the run.
        classes: The classes, for a model that scores them itself; else None.
        arithmetic: Kind of device, and on a CPU its threads.
        card: Name of the graphics card, or None.

    Returns:
        None for an unversioned model.
    """
    if not is_versioned(run["model"]["weights"]):
        return None
    model = {name: value for name, value in run["model"].items() if name != "pooling"}
    return {
        "run": {**{name: run[name] for name in run if name != "manifest"}, "model": model},
        "versions": package_versions(),
        "classes": classes.fingerprint if classes is not None else None,
        "arithmetic": arithmetic,
        "package": package_digest(_PACKAGE),
        **({"card": card} if card else {}),
    }


@lru_cache(maxsize=4)
def package_digest(folder: Path) -> str:
    """Return the SHA-256 of the names and contents of a package's Python files."""
    files = sorted(path for path in folder.rglob("*.py") if path.is_file())
    return sha256_json([(path.relative_to(folder).as_posix(), sha256_file(path)) for path in files])


def card_name(device: torch.device) -> str | None:
    """Return the name of the graphics card, or None where the device is none or does not tell."""
    import torch

    if device.type != "cuda":
        return None
    try:
        return torch.cuda.get_device_name(device)
    except (RuntimeError, AssertionError):
        return None


def file_stamps(manifest: Manifest) -> list[tuple[str, int | None, int | None]]:
    """Return id, size and time of change of every video, so that a replaced one is run again.

    Files are looked up side by side: over a network each waits for an answer.
    """
    videos = manifest.videos
    share = -(-len(videos) // LOOKUPS_AT_ONCE) or 1
    shares = [videos[start : start + share] for start in range(0, len(videos), share)]
    with ThreadPoolExecutor(LOOKUPS_AT_ONCE) as threads:
        return list(chain.from_iterable(threads.map(partial(_stamps, manifest), shares)))


def _stamps(
    manifest: Manifest, videos: Sequence[Video]
) -> list[tuple[str, int | None, int | None]]:
    stamps: list[tuple[str, int | None, int | None]] = []
    for video in videos:
        try:
            status = manifest.resolve(video).stat()
        except OSError:
            stamps.append((video.id, None, None))
            continue
        stamps.append((video.id, status.st_size, status.st_mtime_ns))
    return stamps


def given_weights(place: Path | None) -> str | None:
    """Return the SHA-256 of a weights file, or of all files of a weights folder."""
    if place is None or not place.exists():
        return None
    if place.is_file():
        return sha256_file(place)
    files = sorted(path for path in place.rglob("*") if path.is_file())
    return sha256_json([(path.relative_to(place).as_posix(), sha256_file(path)) for path in files])
