"""Score features that anyone has made: no model, no video, no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.assessment.given_columns import given_columns
from zsl_bench.assessment.planning import (
    NOTHING_PLANNED,
    Planned,
    check_protocols,
    choose_protocols,
    plan_protocols,
)
from zsl_bench.assessment.presence import check_present
from zsl_bench.assessment.result import build_result
from zsl_bench.assessment.scored import Scored, SeenVideos
from zsl_bench.assessment.seen import seen_columns
from zsl_bench.assessment.sight import declare, look
from zsl_bench.classes import class_set, with_rules
from zsl_bench.errors import DatasetError, ResultError, listing
from zsl_bench.features import Features, MatchedFeatures, match_features, read_features
from zsl_bench.results import GIVEN
from zsl_bench.verdict import Declared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.assessment.scored import Sight
    from zsl_bench.results import EvaluationResult


@dataclass(frozen=True, kw_only=True)
class GivenSettings:
    """How features are read and scored.

    Attributes:
        name: Name of the model; None for that of the file.
        test_list: Which videos of the data set; None for all, or for the list that they are.
        annotations: The official JSON of ActivityNet.
        class_list: Class set, split or file that names the file's columns or the classes.
        layout: Which way round a square score matrix is.
        pooling: How several rows of one video are averaged; None to refuse them.
        words: Rule set that makes the classes' words; None for the data set's own.
        vectors: Word vectors; None for the bundled ones.
        trained_on: What the model was trained on; see ``zsl_bench.verdict.parse_declaration``.
        pretrained_on: The same for its pretraining data.
        train_manifest: Manifest of the training videos.
        seen: Features of held-out videos of training classes.
        allow_approximate: Score with stand-ins for words without a vector.
        allow_partial: Put up with videos that are missing.
        restrict_to_present: Score over the classes that have a video, under the id ``custom``.
    """

    name: str | None = None
    test_list: str | None = None
    annotations: Path | None = None
    class_list: str | None = None
    layout: str | None = None
    pooling: str | None = None
    words: str | None = None
    vectors: str | None = None
    trained_on: tuple[str, ...] = ()
    pretrained_on: tuple[str, ...] = ()
    train_manifest: Path | None = None
    seen: Path | None = None
    allow_approximate: bool = False
    allow_partial: bool = False
    restrict_to_present: bool = False


def score_features(
    features: str | Path,
    dataset: str,
    *,
    protocols: str | Sequence[str] | None = None,
    out: str | Path | None = None,
    **settings: Any,  # noqa: ANN401
) -> EvaluationResult:
    """Score video vectors, or a score matrix, under any protocol.

    Args:
        features: A ``.npz``, ``.safetensors``, ``.parquet``, ``.csv`` or ``.npy`` file; see
            ``zsl_bench.features.read_features``.
        dataset: The data set whose videos these are.
        protocols: Protocol ids; None for the paper's Evaluation Protocols ``1`` and ``2``, or for
            ``half`` and ``full`` where the videos are not those that these take.
        out: Folder for the result and its arrays; None writes nothing.
        **settings: Fields of :class:`GivenSettings`, such as ``trained_on`` or ``allow_partial``.

    Returns:
        The result, as ``evaluate`` gives it.

    Raises:
        ZslBenchError: The features are not what they should be, or videos are missing.

    Example:
        >>> score_features("features.npz", "ucf101", allow_partial=True)  # doctest: +SKIP
    """
    chosen = GivenSettings(**settings)
    matched = _matched(Path(features), dataset, chosen)
    manifest = matched.manifest
    restricted = chosen.restrict_to_present
    check_present(manifest, verb="score", allowed=chosen.allow_partial or restricted)
    name = chosen.name or Path(features).stem
    declared, by_user = declare(
        Declared(), trained_on=chosen.trained_on, pretrained_on=chosen.pretrained_on, of=name
    )
    references = choose_protocols(manifest, protocols, restricted=restricted)
    check_protocols(manifest, references, has_seen_videos=chosen.seen is not None)
    plan = NOTHING_PLANNED
    if not restricted:
        plan = plan_protocols(manifest, references, declared, vectors=chosen.vectors)
    _check_named(matched, plan)
    sight = look(
        declared,
        by_user,
        manifest,
        vectors=chosen.vectors,
        train_manifest=chosen.train_manifest,
        distractors=plan.declared,
    )
    scored = _scored(matched, plan, sight, chosen, name)
    place = None if out is None else Path(out)
    return build_result(scored, plan.protocols, out=place, restricted=restricted)


def _check_named(matched: MatchedFeatures, plan: Planned) -> None:
    """Refuse protocols over lists of videos where nothing tells which videos the rows are."""
    if matched.has_ids:
        return
    split = matched.manifest.split
    for protocol in plan.protocols:
        others = {t.videos for t in protocol.trials if t.videos not in (None, split)}
        if others:
            lists = listing(sorted(map(str, others)))
            raise DatasetError(
                f"protocol {protocol.id} for {matched.features.asked}",
                found=f"labels without ids, so that the videos of {lists} are not known",
                fix="add video_ids",
            )


def _matched(path: Path, dataset: str, settings: GivenSettings) -> MatchedFeatures:
    named = None if settings.class_list is None else class_set(settings.class_list)
    read = read_features(path, layout=settings.layout, pooling=settings.pooling)
    matched = match_features(
        read,
        dataset,
        test_list=settings.test_list,
        annotations=settings.annotations,
        class_list=named,
    )
    if settings.words is None:
        return matched
    classes = with_rules(matched.manifest.classes, settings.words)
    return replace(matched, manifest=replace(matched.manifest, classes=classes))


def _scored(
    matched: MatchedFeatures, plan: Planned, sight: Sight, settings: GivenSettings, name: str
) -> Scored:
    rows, columns = given_columns(
        matched, plan, vectors=settings.vectors, allow_approximate=settings.allow_approximate
    )
    manifest = matched.manifest
    return Scored(
        manifest=manifest,
        positions=np.arange(len(manifest.videos)),
        rows=rows,
        columns=columns,
        reasons={},
        sight=sight,
        run={
            "model": {
                "name": name,
                "weights": f"features-sha256:{matched.features.digest}",
                "code": GIVEN,
                "clip": GIVEN,
                "pooling": settings.pooling or GIVEN,
                "scores": GIVEN if columns.vectors is None else "cosine",
            },
            "manifest": {
                "dataset": manifest.dataset,
                "videos": manifest.split,
                "digest": manifest.digest,
            },
            "clip_policy": GIVEN,
            "decoder": GIVEN,
            "resizer": GIVEN,
            "precision": GIVEN,
            "options": {
                "vectors": sight.verdicts[0].vectors_digest,
                "allow_approximate": settings.allow_approximate,
                "weights": None,
            },
        },
        environment={"features": matched.features.source},
        named_videos=matched.has_ids,
        seen=_seen(matched, plan, sight, settings),
    )


def _seen(
    matched: MatchedFeatures, plan: Planned, sight: Sight, settings: GivenSettings
) -> SeenVideos | None:
    if settings.seen is None:
        return None
    features = read_features(settings.seen, pooling=settings.pooling)
    labels = _seen_labels(features)
    columns = seen_columns(
        list(dict.fromkeys(labels)),
        sight.declared,
        plan.declared,
        num_test_classes=len(matched.manifest.classes),
        asked=features.asked,
    )
    kept = [row for row, label in enumerate(labels) if label in columns]
    rows, width = features.video_vectors, matched.features.rows.shape[1]
    if rows is None or matched.features.scores is not None:
        raise DatasetError(
            features.asked,
            found="scores, which cannot be held against other candidates",
            fix="give video vectors and class vectors, in both files",
        )
    if rows.shape[1] != width:
        raise ResultError(
            features.asked,
            found=f"vectors of {rows.shape[1]} numbers, where the test videos have {width}",
            fix="give features of the same model",
        )
    ids = features.ids or tuple(f"row {row}" for row in range(len(features)))
    return SeenVideos(
        ids=tuple(ids[row] for row in kept),
        labels=np.array([columns[labels[row]] for row in kept], dtype=np.int64),
        vectors=rows[kept],
        dataset=features.source,
        digest=features.digest,
        merged=len(labels) - len(kept),
    )


def _seen_labels(features: Features) -> list[str]:
    labels = features.labels
    if labels is None or any(isinstance(label, int) for label in labels):
        raise DatasetError(
            features.asked,
            found="held-out videos without the names of their classes",
            fix="add labels, and classes where the labels are numbers",
        )
    return [str(label) for label in labels]
