"""A loaded model with the settings of one evaluation: class vectors, then video vectors."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zsl_bench.assessment.scored import ClassColumns, array_digest
from zsl_bench.clip_cache import DIGESTS, ClipCache, FileDigests
from zsl_bench.device import arithmetic_of, device_description, exact_fp32, use_device
from zsl_bench.errors import ModelError
from zsl_bench.evaluation.accelerate import accelerate, batch_size_of, forward_of
from zsl_bench.evaluation.assemble import check_unreadable
from zsl_bench.evaluation.batching import Batching, ClipBatcher
from zsl_bench.evaluation.cached import CachedVideos, Kept
from zsl_bench.evaluation.identity import card_name, clip_parts, file_stamps, run_identity, run_key
from zsl_bench.evaluation.loading import VideoDataset
from zsl_bench.evaluation.processes import Processes
from zsl_bench.evaluation.run import run_videos
from zsl_bench.evaluation.shards import Shares, run_shared
from zsl_bench.evaluation.store import VectorStore, block_size
from zsl_bench.evaluation.whole_videos import score_whole_videos
from zsl_bench.model import (
    Model,
    UsesWordVectors,
    ZeroShotModel,
    check_policy,
    gives_scores,
    guarded,
    is_scoring,
    scores_videos,
)
from zsl_bench.model_digest import is_versioned, weights_identity
from zsl_bench.video import clip_policy
from zsl_bench.video.decoders import PYAV, TORCHCODEC_CUDA

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
    """A loaded model with the settings of one evaluation.

    Args:
        model: The model.
        settings: How it is run.
        device: Where it is run.
        out: Folder for results and kept vectors; None keeps nothing.
        processes: The place of this process among those that share the videos; None alone.

    Raises:
        ModelError: The model does not fit the clip policy, or several processes are to share the
            videos with no place where the vectors are kept.
        ZslBenchError: The device cannot be used.
    """

    def __init__(
        self,
        model: Model,
        settings: Settings,
        device: torch.device,
        out: Path | None,
        processes: Processes | None = None,
    ) -> None:
        self.model = model
        self.settings = settings
        self.device = device
        self.out = out
        self.processes = processes or Processes()
        self.policy = clip_policy(settings.policy or model.card.policy)
        check_policy(self.policy.name, model.card.clip, f"evaluate {model.card.name}")
        self.weights = weights_identity(model)
        self.digest = self.weights["weights"]
        self._dim: int | None = None
        self._told_uncached = False
        self._told_short = False
        if self.processes.size > 1 and (out is None or not is_versioned(self.digest)):
            raise ModelError(
                f"evaluate {model.card.name} in {self.processes.size} processes",
                found="no folder for results"
                if out is None
                else "neither weights nor a revision by which vectors are kept",
                fix="give a folder that all see"
                if out is None
                else "state a revision in the model's card, or run one process",
            )
        if settings.keep_clips and scores_videos(model):
            raise ModelError(
                f"keep the clips of {model.card.name}",
                found="a model that scores whole videos, so that no clip has a score",
                fix="leave --keep-clips out; zsl-bench extract writes its features",
            )
        use_device(device)
        for method, arguments in (("eval", ()), ("to", (device,))):
            call = getattr(model, method, None)
            if callable(call):
                guarded(partial(call, *arguments), f"{method}() of {model.card.name}")
        accelerate(model, settings, device)

    def embed_columns(self, classes: ClassSet, distractors: ClassSet | None) -> ClassColumns:
        """Embed the test classes, and the distractors behind them, if there are any.

        Raises:
            ModelError: The model gives no fitting vectors, or scores classes itself while
                distractors are wanted.
            WordVectorError: A word has no vector and that is not allowed.
        """
        if distractors is None:
            return self._embed(classes)
        if gives_scores(self.model):
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

        name, scores = self.model.card.name, gives_scores(self.model)
        kind = "the model scores classes itself" if scores else "the model's own"
        source: dict[str, Any] = {"kind": kind}
        if isinstance(self.model, UsesWordVectors):
            by_words = partial(self.model.class_vectors, classes)
            words = guarded(by_words, f"class_vectors of {name}")
            source = {
                "kind": f"{kind}, by word vectors" if scores else "word vectors",
                "source": words.source,
                "digest": words.digest,
                "approximate_words": list(words.approximate_words),
            }
        if scores:
            return ClassColumns(vectors=None, source=source)
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
    ) -> FinishedRun | None:
        """Run the videos of a manifest that are not done yet.

        Args:
            manifest: The videos.
            progress: Told how it goes.
            vectors_digest: Digest of the word vectors; a model may use them for its clips too.

        Returns:
            The finished run; None in a process that only takes its part in it.

        Raises:
            ModelError: The model gives an output of the wrong shape, or one that is not finite.
            VideoError: Videos are unreadable, and that is not allowed.
            ZslBenchError: A decoding process died, or vectors cannot be kept.
        """
        settings = self.settings
        identity = run_identity(
            self.model,
            self.weights,
            manifest,
            settings=settings,
            vectors_digest=vectors_digest,
        )
        batch_size = settings.batch_size or self._batch_size(manifest.classes)
        store = self._store(manifest, identity, batch_size)
        videos = VideoDataset(manifest, self.policy, self.model.card.clip, settings.decoder)
        workers = self._workers(videos, progress)
        started = time.perf_counter()
        batcher = self._batcher(manifest.classes, batch_size, progress)
        dataset = self._cached(videos, identity, progress)
        vectors = self._vectors(dataset, batcher, store, workers=workers, progress=progress)
        if vectors is None:
            return None
        if scores_videos(self.model):
            vectors = score_whole_videos(self.model, vectors, manifest.classes)
        seconds = time.perf_counter() - started
        if not settings.allow_unreadable:
            reasons = {manifest.videos[p].id: why for p, why in sorted(vectors.reasons.items())}
            check_unreadable(manifest, reasons)
        return FinishedRun(
            manifest=manifest,
            vectors=vectors,
            identity=identity,
            environment={
                **self._environment(batch_size, workers, seconds),
                **({"videos_from_cache": vectors.from_cache} if vectors.from_cache else {}),
                **_decoded(videos, progress),
            },
        )

    def _environment(self, batch_size: int, workers: int, seconds: float) -> dict[str, Any]:
        several = {"processes": self.processes.size} if self.processes.size > 1 else {}
        return {
            "weights_source": getattr(self.model, "source", None) or None,
            "device": device_description(self.device),
            "batch_size": batch_size,
            "workers": workers,
            **several,
            "seconds": round(seconds, 3),
            "settings": {
                name: str(value) if isinstance(value, Path) else value
                for name, value in asdict(self.settings).items()
            },
        }

    def _store(self, manifest: Manifest, identity: dict[str, Any], batch_size: int) -> VectorStore:
        key = run_key(
            identity,
            manifest.classes if is_scoring(self.model) else None,
            batches=f"{batch_size} clips on {arithmetic_of(self.device)}",
        )
        whole = scores_videos(self.model)
        unwritten = whole and self.out is None
        return VectorStore(
            Path() if unwritten else self.out,
            None if unwritten else key,
            stamps=file_stamps(manifest),
            block=block_size(batch_size, self.policy.clips),
            keep_clips=self.settings.keep_clips or whole,
            takes_cached=self.settings.cache is not None,
        )

    def _batch_size(self, classes: ClassSet) -> int:
        precision, device = self.settings.precision, self.device
        forward = forward_of(self.model, classes, precision=precision, device=device)
        alone = self.processes.size == 1
        return batch_size_of(
            forward, self.model.card.clip, precision=precision, device=device, measured=alone
        )

    def _batcher(self, classes: ClassSet, batch_size: int, progress: Progress) -> ClipBatcher:
        settings = self.settings
        forward = forward_of(
            self.model,
            classes,
            precision=settings.precision,
            device=self.device,
            compiled=settings.compile,
        )
        batching = Batching(
            batch_size=batch_size,
            device=self.device,
            padded=settings.compile,
            note=progress.note,
        )
        return ClipBatcher(
            forward,
            batching,
            pooling=self._pooling,
            width=self._width(classes),
            keep_clips=settings.keep_clips
            or settings.cache is not None
            or scores_videos(self.model),
        )

    def _workers(self, videos: VideoDataset, progress: Progress) -> int:
        """Return how many processes decode; a shortage of memory is told once."""
        asked = 0 if videos.decoder == TORCHCODEC_CUDA else self.settings.workers
        told: list[str] = []
        workers = self.processes.workers(
            asked, self.device.type, item_bytes=videos.most_bytes, note=told.append
        )
        if told and not self._told_short:
            progress.note(told[0])
        self._told_short = self._told_short or bool(told)
        return workers

    def _cached(
        self, dataset: VideoDataset, identity: dict[str, Any], progress: Progress
    ) -> VideoDataset | CachedVideos:
        root = self.settings.cache
        if root is None:
            return dataset
        manifest = dataset.manifest
        classes = manifest.classes if is_scoring(self.model) else None
        parts = clip_parts(
            identity, classes, arithmetic=arithmetic_of(self.device), card=card_name(self.device)
        )
        if parts is None:
            if not self._told_uncached:
                name = self.model.card.name
                progress.note(f"nothing of {name} is cached: it has neither weights nor a revision")
            self._told_uncached = True
            return dataset
        digests = FileDigests(root / DIGESTS)
        digests.tidy()
        kept = Kept(
            clips=ClipCache(root, parts, progress.note),
            digests=digests,
            pooling=self._pooling,
            note=progress.note,
        )
        return CachedVideos(dataset, kept)

    def _vectors(
        self,
        dataset: VideoDataset | CachedVideos,
        batcher: ClipBatcher,
        store: VectorStore,
        *,
        workers: int,
        progress: Progress,
    ) -> VideoVectors | None:
        with exact_fp32(self.settings.precision):
            if self.processes.size == 1 or store.folder is None:
                return run_videos(dataset, batcher, store, workers=workers, progress=progress)
            shares = Shares(processes=self.processes, folder=store.folder / "claims")
            return run_shared(dataset, batcher, store, shares, workers=workers, progress=progress)

    @property
    def _pooling(self) -> str:
        return "mean" if is_scoring(self.model) else self.model.card.pooling

    def _width(self, classes: ClassSet) -> int | None:
        return len(classes) if is_scoring(self.model) else self._dim


def _decoded(videos: VideoDataset, progress: Progress) -> dict[str, Any]:
    """Return what decoded the videos in this process, where it was asked to be another than PyAV.

    Videos that an earlier run, another process or the cache has done are not among them.
    """
    if videos.decoder == PYAV:
        return {}
    left = videos.decoded[PYAV]
    if left:
        total = videos.decoded.total()
        progress.note(f"{left} of {total} videos were decoded by {PYAV}, not {videos.decoder}")
    return {"decoded_by_this_process": dict(sorted(videos.decoded.items()))}


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
