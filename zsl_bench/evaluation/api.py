"""Evaluate a model: the one function that knows both models and videos."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np

from zsl_bench.datasets import open_dataset, summary_lines
from zsl_bench.device import (
    choose_batch_size,
    choose_device,
    device_description,
    exact_fp32,
)
from zsl_bench.errors import DatasetError, ModelError, listing
from zsl_bench.evaluation.assemble import RunOutcome, assemble, check_unreadable
from zsl_bench.evaluation.identity import array_digest, file_stamps, run_identity, run_key
from zsl_bench.evaluation.loading import VideoDataset
from zsl_bench.evaluation.run import ClipBatcher, forward_of, run_videos
from zsl_bench.evaluation.settings import Progress, Settings, SettingsArguments, Silent
from zsl_bench.evaluation.store import VectorStore, block_size
from zsl_bench.files import check_writable
from zsl_bench.model import (
    LoadOptions,
    Model,
    UsesWordVectors,
    ZeroShotModel,
    check_is_model,
    check_policy,
    guarded,
    is_scoring,
    weights_digest,
)
from zsl_bench.protocols import resolve_protocol
from zsl_bench.registry import load_model
from zsl_bench.verdict import zero_shot_verdict
from zsl_bench.video import clip_policy
from zsl_bench.videos import Manifest
from zsl_bench.workers import choose_workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from zsl_bench.classes import ClassSet
    from zsl_bench.protocols import Protocol
    from zsl_bench.results import EvaluationResult

DEFAULT_PROTOCOLS = ("1", "2")


def evaluate(
    model: str | Model,
    *,
    data: Mapping[str, str | Path | Manifest],
    protocols: str | Sequence[str] = DEFAULT_PROTOCOLS,
    out: str | Path | None = None,
    progress: Progress | None = None,
    **settings: Unpack[SettingsArguments],
) -> list[EvaluationResult]:
    """Run a model once over each data set and score it under every protocol.

    Args:
        model: A reference such as ``path:weights``, ``py:package.module:load`` or an installed
            name; or an object that meets the plug-in interface.
        data: For each data set its folder, or a manifest. ``ucf101`` and ``hmdb51`` are read as
            published; any other name is a folder with one sub-folder a class.
        protocols: Protocol ids; ``1`` and ``2`` are the paper's Evaluation Protocols.
        out: Folder for result files and resumable vectors; None writes nothing.
        progress: Told how the run is getting on.
        **settings: Fields of :class:`Settings`, such as ``policy`` or ``allow_partial``.

    Returns:
        One result a data set, in the order given.

    Raises:
        ZslBenchError: Something is missing or does not fit; nothing finished is lost.
    """
    chosen, watcher = Settings(**settings), progress or Silent()
    by_name: object = data
    if not isinstance(by_name, Mapping) or not data:
        raise DatasetError(
            "evaluate", found="no data set by name", fix="give data={'ucf101': PATH}"
        )
    manifests = [_manifest(name, source) for name, source in data.items()]
    names = [manifest.dataset for manifest in manifests]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DatasetError(
            f"evaluate on {', '.join(data)}", found=f"{twice[0]} twice", fix="name it once"
        )
    named = [protocols] if isinstance(protocols, str) else [str(p) for p in protocols]
    plans = [_plan(manifest, named, chosen) for manifest in manifests]
    device = choose_device(chosen.device)
    if not isinstance(model, str) and chosen.weights is not None:
        raise ModelError(
            f"evaluate {type(model).__name__}",
            found=f"a loaded model, and weights {chosen.weights}",
            fix="load it with them, or name it by its reference",
        )
    loaded = _load(model, chosen, device) if isinstance(model, str) else model
    check_is_model(loaded, type(loaded).__name__)
    folder = Path(out) if out is not None else None
    runner = _Runner(loaded, chosen, device, folder)
    for manifest in manifests:
        _check_present(manifest, chosen)
    if folder is not None:
        check_writable(folder)
    # Class vectors come first for every data set: what they lack must not show after hours.
    embedded = [runner.embed_classes(plan.manifest.classes) for plan in plans]
    for line in (line for manifest in manifests for line in summary_lines(manifest)):
        watcher.note(line)
    return [
        runner.run(plan, classes, watcher) for plan, classes in zip(plans, embedded, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class _Plan:
    manifest: Manifest
    protocols: tuple[Protocol, ...]


@dataclass(frozen=True, kw_only=True)
class _ClassEmbedding:
    matrix: np.ndarray | None
    source: dict[str, Any]


def _load(reference: str, settings: Settings, device: torch.device) -> Model:
    options = LoadOptions(
        weights=settings.weights,
        vectors=settings.vectors,
        allow_approximate=settings.allow_approximate,
        device=str(device),
    )
    return load_model(reference, options=options)


def _manifest(name: str, source: str | Path | Manifest) -> Manifest:
    return source if isinstance(source, Manifest) else open_dataset(name, Path(source))


def _check_present(manifest: Manifest, settings: Settings) -> None:
    if manifest.is_partial and not (settings.allow_partial or settings.restrict_to_present):
        raise DatasetError(
            f"evaluate on {manifest.dataset}",
            found=_what_is_missing(manifest),
            fix="add them, or give --allow-partial (bounds beside every number) "
            "or --restrict-to-present (other candidates, no published protocol)",
        )
    if manifest.unreadable and not settings.allow_unreadable:
        check_unreadable(manifest, dict(manifest.unreadable))


def _plan(manifest: Manifest, protocols: Sequence[str], settings: Settings) -> _Plan:
    if settings.restrict_to_present:
        return _Plan(manifest=manifest, protocols=())
    resolved = [resolve_protocol(p, manifest.classes, videos=manifest.split) for p in protocols]
    unique = {protocol.id: protocol for protocol in resolved}
    return _Plan(manifest=manifest, protocols=tuple(unique.values()))


def _what_is_missing(manifest: Manifest) -> str:
    if manifest.missing and manifest.expected:
        total = sum(manifest.expected.values())
        named = listing(manifest.missing, limit=3)
        return f"{len(manifest.missing)} of its {total} videos are missing: {named}"
    empty = [name for name, count in manifest.counts().items() if not count]
    named = listing(empty, limit=3)
    return f"{len(empty)} of its {len(manifest.classes)} classes have no video: {named}"


class _Runner:
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
        for method, arguments in (("eval", ()), ("to", (device,))):
            call = getattr(model, method, None)
            if callable(call):
                guarded(partial(call, *arguments), f"{method}() of {model.card.name}")

    def embed_classes(self, classes: ClassSet) -> _ClassEmbedding:
        """Embed a class list, and say where its vectors come from."""
        import torch

        if is_scoring(self.model):
            return _ClassEmbedding(matrix=None, source={"kind": "the model scores classes itself"})
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
        return _ClassEmbedding(matrix=matrix, source={**source, "sha256": array_digest(matrix)})

    def run(self, plan: _Plan, embedded: _ClassEmbedding, progress: Progress) -> EvaluationResult:
        """Run one data set and write its result."""
        manifest, classes = plan.manifest, plan.manifest.classes
        settings, card = self.settings, self.model.card
        verdict = zero_shot_verdict(card, classes, vectors=settings.vectors)
        identity = run_identity(
            self.model,
            self.digest,
            manifest,
            settings=settings,
            vectors_digest=verdict.vectors_digest,
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
        )
        dataset = VideoDataset(manifest, self.policy, card.clip)
        forward = forward_of(self.model, classes, precision=settings.precision, device=self.device)
        batcher = ClipBatcher(
            forward,
            batch_size=batch_size,
            pooling="mean" if is_scoring(self.model) else card.pooling,
            device=self.device,
            width=len(classes) if embedded.matrix is None else embedded.matrix.shape[1],
        )
        workers = choose_workers(settings.workers, self.device.type)
        started = time.perf_counter()
        with exact_fp32(settings.precision):
            vectors = run_videos(dataset, batcher, store, workers=workers, progress=progress)
        seconds = time.perf_counter() - started
        if not settings.allow_unreadable:
            reasons = {manifest.videos[p].id: why for p, why in sorted(vectors.reasons.items())}
            check_unreadable(manifest, reasons)
        outcome = RunOutcome(
            manifest=manifest,
            vectors=vectors,
            class_matrix=embedded.matrix,
            class_source=embedded.source,
            verdict=verdict,
            run=identity,
            environment={
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
        return assemble(
            outcome, plan.protocols, out=self.out, restricted=settings.restrict_to_present
        )


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
