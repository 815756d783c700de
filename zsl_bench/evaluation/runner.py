"""A loaded model with the settings of one evaluation: class vectors, then video vectors."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zsl_bench.assessment.scored import ClassColumns, array_digest
from zsl_bench.device import choose_batch_size, device_description, exact_fp32
from zsl_bench.errors import ModelError
from zsl_bench.evaluation.assemble import check_unreadable
from zsl_bench.evaluation.identity import file_stamps, run_identity, run_key
from zsl_bench.evaluation.loading import VideoDataset
from zsl_bench.evaluation.run import ClipBatcher, forward_of, run_videos
from zsl_bench.evaluation.store import VectorStore, block_size
from zsl_bench.model import (
    Model,
    UsesWordVectors,
    ZeroShotModel,
    check_policy,
    guarded,
    is_scoring,
    weights_digest,
)
from zsl_bench.video import clip_policy
from zsl_bench.workers import choose_workers

if TYPE_CHECKING:
    import torch

    from zsl_bench.classes import ClassSet
    from zsl_bench.evaluation.settings import Progress, Settings
    from zsl_bench.evaluation.store import VideoVectors
    from zsl_bench.videos import Manifest


@dataclass(frozen=True, kw_only=True, eq=False)
class FinishedRun:
    """Vectors of all readable videos of a manifest.

    Attributes:
        manifest: The videos.
        vectors: A vector for each readable video, and the reason for each other.
        identity: What the vectors depend on.
        environment: Device, seconds and settings.
    """

    manifest: Manifest
    vectors: VideoVectors
    identity: dict[str, Any]
    environment: dict[str, Any]


class Runner:
    """A loaded model with the settings of one evaluation."""

    def __init__(
        self, model: Model, settings: Settings, device: torch.device, out: Path | None
    ) -> None:
        self.model = model
        self.settings = settings
        self.device = device
        self.out = out
        self.policy = clip_policy(settings.policy or model.card.policy)
        check_policy(self.policy.name, model.card.clip, f"evaluate {model.card.name}")
        self.digest = weights_digest(model)
        self._dim: int | None = None
        for method, arguments in (("eval", ()), ("to", (device,))):
            call = getattr(model, method, None)
            if callable(call):
                guarded(partial(call, *arguments), f"{method}() of {model.card.name}")

    def embed_columns(self, classes: ClassSet, distractors: ClassSet | None) -> ClassColumns:
        """Embed the test classes, and the distractors behind them, if there are any.

        Raises:
            ModelError: The model gives no fitting vectors, or scores classes itself while
                distractors are wanted.
            WordVectorError: A word has no vector and that is not allowed.
        """
        if distractors is None:
            return self._embed(classes)
        if is_scoring(self.model):
            raise ModelError(
                f"distractors for {self.model.card.name}",
                found="a model that scores the test classes itself",
                fix="leave open-label and gzsl out, or offer embed_classes and embed_clips",
            )
        test, others = self._embed(classes), self._embed(distractors)
        assert test.vectors is not None  # noqa: S101
        assert others.vectors is not None  # noqa: S101
        return ClassColumns(
            vectors=np.concatenate([test.vectors, others.vectors]),
            source={**test.source, "distractors": others.source},
            distractors=distractors.names,
        )

    def _embed(self, classes: ClassSet) -> ClassColumns:
        import torch

        if is_scoring(self.model):
            return ClassColumns(vectors=None, source={"kind": "the model scores classes itself"})
        name = self.model.card.name
        source: dict[str, Any] = {"kind": "the model's own"}
        if isinstance(self.model, UsesWordVectors):
            by_words = partial(self.model.class_vectors, classes)
            words = guarded(by_words, f"class_vectors of {name}")
            source = {
                "kind": "word vectors",
                "source": words.source,
                "digest": words.digest,
                "approximate_words": list(words.approximate_words),
            }
        embed = partial(cast("ZeroShotModel", self.model).embed_classes, classes)
        with torch.no_grad():
            output: object = guarded(embed, f"embed_classes of {name}")
        if not isinstance(output, torch.Tensor):
            found = f"a {type(output).__name__}"
            raise ModelError(f"embed_classes of {name}", found=found, fix="return a torch tensor")
        matrix = output.detach().float().cpu().numpy().astype(np.float64)
        _check_class_matrix(matrix, classes, name)
        self._dim = matrix.shape[1]
        return ClassColumns(vectors=matrix, source={**source, "sha256": array_digest(matrix)})

    def run(
        self, manifest: Manifest, progress: Progress, *, vectors_digest: str | None
    ) -> FinishedRun:
        """Run the videos of a manifest that are not done yet.

        Args:
            manifest: The videos.
            progress: Told how it goes.
            vectors_digest: Digest of the word vectors; a model may use them for its clips too.
        """
        settings, card, classes = self.settings, self.model.card, manifest.classes
        identity = run_identity(
            self.model,
            self.digest,
            manifest,
            settings=settings,
            vectors_digest=vectors_digest,
        )
        batch_size = settings.batch_size or choose_batch_size(self.device.type)
        store = VectorStore(
            self.out,
            run_key(
                identity,
                classes if is_scoring(self.model) else None,
                batches=f"{batch_size} clips on {self.device.type}",
            ),
            stamps=file_stamps(manifest),
            block=block_size(batch_size, self.policy.clips),
            keep_clips=settings.keep_clips,
        )
        batcher = ClipBatcher(
            forward_of(self.model, classes, precision=settings.precision, device=self.device),
            batch_size=batch_size,
            pooling="mean" if is_scoring(self.model) else card.pooling,
            device=self.device,
            width=self._width(classes),
            keep_clips=settings.keep_clips,
        )
        workers = choose_workers(settings.workers, self.device.type)
        started = time.perf_counter()
        with exact_fp32(settings.precision):
            vectors = run_videos(
                VideoDataset(manifest, self.policy, card.clip),
                batcher,
                store,
                workers=workers,
                progress=progress,
            )
        seconds = time.perf_counter() - started
        if not settings.allow_unreadable:
            reasons = {manifest.videos[p].id: why for p, why in sorted(vectors.reasons.items())}
            check_unreadable(manifest, reasons)
        return FinishedRun(
            manifest=manifest,
            vectors=vectors,
            identity=identity,
            environment={
                "weights_source": getattr(self.model, "source", None) or None,
                "device": device_description(self.device),
                "batch_size": batch_size,
                "workers": workers,
                "seconds": round(seconds, 3),
                "settings": {
                    name: str(value) if isinstance(value, Path) else value
                    for name, value in asdict(settings).items()
                },
            },
        )

    def _width(self, classes: ClassSet) -> int | None:
        return len(classes) if is_scoring(self.model) else self._dim


def _check_class_matrix(matrix: np.ndarray, classes: ClassSet, model: str) -> None:
    asked = f"class vectors of {model} for {classes.dataset}"
    if matrix.ndim != 2 or len(matrix) != len(classes):
        raise ModelError(
            asked,
            found=f"an array of {matrix.shape} for {len(classes)} classes",
            fix="return one row a class from embed_classes",
        )
    if not np.isfinite(matrix).all():
        raise ModelError(asked, found="values that are not finite", fix="mend embed_classes")
