"""One cell of a comparison: fit, score, and measure."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.baselines.methods.base import AdaptableMethod
from zsl_bench.baselines.methods.catalogue import load_method
from zsl_bench.baselines.methods.fair_filter import fair_spec
from zsl_bench.baselines.methods.inputs import ClipFeatures
from zsl_bench.errors import ModelError, ZslBenchError
from zsl_bench.protocols.generalised import score_generalised
from zsl_bench.provenance import package_versions
from zsl_bench.scoring import (
    ScoreMatrix,
    accuracy,
    mean_per_class,
    per_class_accuracy,
    ranks_of_truth,
)
from zsl_bench.workflows.compared.data import SplitVideos, Videos, split_videos
from zsl_bench.workflows.compared.plan import SCHEMA, Cell, given_settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zsl_bench.baselines.methods.base import FeatureMethod, FittedMethod
    from zsl_bench.baselines.methods.spec import MethodSpec
    from zsl_bench.workflows.compared.config import MethodRow


@dataclass(frozen=True, kw_only=True)
class _Seconds:
    fit: float
    score: float


def measure(cell: Cell) -> dict[str, Any]:
    """Fit the method of a cell to its seen videos and score it on its test videos.

    The candidates are always handed over together. Nothing of a test video or test class reaches
    ``fit``, but the vectors of the test classes where the row says so.

    Returns:
        The result as JSON holds it; accuracies from 0 to 1.

    Raises:
        ZslBenchError: Features, method or settings do not fit.
    """
    row, protocol = cell.combination.method, cell.combination.protocol
    maker = cell.combination.maker
    if maker is None:
        raise ZslBenchError(f"cell {cell.id}", found="no splits", fix=cell.combination.problem)
    videos = split_videos(
        cell.combination.features,
        cell.split,
        maker,
        test=protocol.test,
        generalised=protocol.generalised,
    )
    begun = time.perf_counter()
    fitted = _fitted(row, videos, protocol.test, cell.seed)
    done = time.perf_counter()
    if protocol.generalised:
        fitted, scores = _generalised(row, fitted, videos, cell)
    else:
        fitted, scores = _plain(row, fitted, videos, cell)
    seconds = _Seconds(fit=done - begun, score=time.perf_counter() - done)
    return {
        "schema": SCHEMA,
        "id": cell.id,
        "digest": cell.digest,
        "method": row.name,
        "features": cell.combination.features.name,
        "protocol": protocol.name,
        "split": cell.split.number,
        "seed": cell.seed,
        "spec": spec_json(fitted.spec, row),
        "settings": _brief(fitted.settings()),
        "seen_classes": len(videos.seen),
        "seen_videos": len(videos.training),
        "unseen_classes": len(cell.split.unseen),
        "unseen_classes_with_videos": len(np.unique(videos.unseen.labels)),
        "unseen_videos": len(videos.unseen),
        "scores": scores,
        "audit": cell.split.audit.to_json(),
        "fit_s": seconds.fit,
        "score_s": seconds.score,
        "versions": package_versions(),
    }


def spec_json(spec: MethodSpec, row: MethodRow) -> dict[str, Any]:
    """Return what a row prints of its method; the setting is what was done, not what is claimed."""
    told = "unseen_vectors" in row.fill or spec.needs_unseen_names
    printed = fair_spec(spec) if row.fair else spec
    return {
        "name": printed.name,
        "title": printed.title,
        "fidelity": printed.fidelity,
        "setting": printed.setting + (", told the test classes' names" if told else ""),
        "side_data": list(printed.side_data),
        "assumed": list(printed.assumed),
        "sources": list(printed.sources),
    }


def _fitted(row: MethodRow, videos: SplitVideos, test: str, seed: int) -> FittedMethod:
    method = load_method(row.method)
    training = videos.training
    return method.fit(
        training.features,
        training.lengths,
        training.labels,
        videos.seen_vectors,
        seed=seed,
        config=_settings(row, method, videos, test),
    )


def _settings(
    row: MethodRow, method: FeatureMethod, videos: SplitVideos, test: str
) -> dict[str, Any]:
    known = {one.name for one in fields(method.config)}
    made = {
        "auxiliary_classes": tuple(
            place for place, (dataset, _) in enumerate(videos.seen) if dataset != test
        ),
        "unseen_vectors": tuple(map(tuple, videos.unseen_vectors.astype(float).tolist())),
    }
    lacking = [name for name in row.fill if name not in known]
    if lacking:
        raise ModelError(
            f"method {row.method}",
            found=f"no setting {lacking[0]!r} to fill in",
            fix="leave it out of fill",
        )
    return {**given_settings(row, method), **{name: made[name] for name in row.fill}}


def _adapted(
    row: MethodRow, fitted: FittedMethod, videos: Videos, vectors: NDArray[np.float32]
) -> FittedMethod:
    if not row.adapt:
        return fitted
    if not isinstance(fitted, AdaptableMethod):
        raise ModelError(
            f"adapt {fitted.spec.name} to test videos",
            found="a method that has no such step",
            fix="leave out adapt = true",
        )
    return fitted.adapt(videos.features, videos.lengths, vectors)


def _plain(
    row: MethodRow, fitted: FittedMethod, videos: SplitVideos, cell: Cell
) -> tuple[FittedMethod, dict[str, Any]]:
    test = videos.unseen
    used = _adapted(row, fitted, test, videos.unseen_vectors)
    matrix = ScoreMatrix(
        classes=cell.split.unseen,
        video_ids=test.ids,
        labels=test.labels,
        scores=used.score(test.features, test.lengths, videos.unseen_vectors),
    )
    ranks = ranks_of_truth(matrix)
    per_class = per_class_accuracy(ranks, matrix.labels, len(matrix.classes))
    known = zip(matrix.classes, per_class, strict=True)
    return used, {
        "per_class": mean_per_class(per_class),
        "per_video": accuracy(ranks, 1),
        "chance": 1 / len(matrix.classes),
        "classes": {name: value for name, value in known if value is not None},
    }


def _generalised(
    row: MethodRow, fitted: FittedMethod, videos: SplitVideos, cell: Cell
) -> tuple[FittedMethod, dict[str, Any]]:
    test, unseen, held = cell.combination.protocol.test, videos.unseen, videos.held_out
    if held is None:
        raise ZslBenchError(
            f"cell {cell.id}", found="no held-out seen videos", fix="learn from the test set's too"
        )
    own = [place for place, (dataset, _) in enumerate(videos.seen) if dataset == test]
    count = len(cell.split.unseen)
    column = {place: count + number for number, place in enumerate(own)}
    candidates = np.concatenate([videos.unseen_vectors, videos.seen_vectors[own]])
    names = (*cell.split.unseen, *(f"{test}/{videos.seen[place][1]}" for place in own))
    used = _adapted(row, fitted, _joined(unseen, held), candidates)
    matrices = [
        ScoreMatrix(
            classes=names,
            video_ids=part.ids,
            labels=labels,
            scores=used.score(part.features, part.lengths, candidates),
        )
        for part, labels in (
            (unseen, unseen.labels),
            (held, np.array([column[place] for place in held.labels.tolist()])),
        )
    ]
    found = score_generalised(*matrices, num_test_classes=count)
    return used, {
        "unseen_accuracy": found.unseen_accuracy,
        "seen_accuracy": found.seen_accuracy,
        "harmonic_mean": found.harmonic_mean,
        "area": found.area,
        "chance": 1 / len(names),
        "gates": _gates(fitted, unseen, held),
    }


def _gates(fitted: FittedMethod, unseen: Videos, held: Videos) -> list[dict[str, Any]]:
    """Return how well a method's own gate parts seen from unseen videos, where it has one."""
    from zsl_bench.baselines.methods.infdem import FittedInfDem

    if not isinstance(fitted, FittedInfDem):
        return []
    parts = [ClipFeatures.of(one.features, one.lengths) for one in (held, unseen)]
    return [
        {"rule": one.rule, "auroc": one.auroc, "false_alarms": one.false_alarms,
         "caught": one.caught}
        for one in fitted.gate.quality(*parts)
    ]  # fmt: skip


def _joined(first: Videos, second: Videos) -> Videos:
    most = max(first.features.shape[1], second.features.shape[1])
    return Videos(
        features=np.concatenate(
            [
                np.pad(one.features, ((0, 0), (0, most - one.features.shape[1]), (0, 0)))
                for one in (first, second)
            ]
        ),
        lengths=np.concatenate([first.lengths, second.lengths]),
        labels=np.concatenate([first.labels, second.labels]),
        ids=first.ids + second.ids,
    )


def _brief(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings without long lists, such as the vectors that were filled in."""
    return {
        name: f"{len(value)} entries" if isinstance(value, (list, tuple)) else value
        for name, value in settings.items()
    }
