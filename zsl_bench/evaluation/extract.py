"""Extract clip features: run a model over the videos of a data set and keep every clip's vector."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast

import numpy as np

from zsl_bench.assessment.presence import check_present
from zsl_bench.assessment.sight import declare
from zsl_bench.baselines.extracted import (
    BackboneRecord,
    ClipEncoder,
    ClipFile,
    read_clip_file,
    write_clip_file,
)
from zsl_bench.datasets import open_dataset, summary_lines
from zsl_bench.device import choose_device
from zsl_bench.errors import DatasetError, ModelError, near_matches
from zsl_bench.evaluation.assemble import check_unreadable
from zsl_bench.evaluation.runner import Runner
from zsl_bench.evaluation.settings import Progress, Settings, SettingsArguments, Silent
from zsl_bench.evaluation.whole_videos import clips_of_videos, video_lengths
from zsl_bench.files import check_writable
from zsl_bench.model import LoadOptions, Model, check_is_model, parse_settings
from zsl_bench.provenance import package_versions
from zsl_bench.registry import load_model
from zsl_bench.videos import Manifest

if TYPE_CHECKING:
    from zsl_bench.evaluation.runner import FinishedRun

TYPES = ("float32", "float16")


def extract(
    model: str | Model,
    *,
    data: tuple[str, str | Path] | Manifest,
    out: str | Path,
    dtype: str = TYPES[0],
    progress: Progress | None = None,
    **settings: Unpack[SettingsArguments],
) -> ClipFile:
    """Write the features of all clips of a data set's videos, with what their backbone has seen.

    The features are those of the model's ``features(clips)`` where it has that method, else of
    ``embed_clips``. What a stopped run has finished stands beside ``out`` until the file is there,
    and the same call goes on from it.

    Args:
        model: A reference, or an object that meets the plug-in interface.
        data: The data set's name and folder, or a manifest.
        out: The file, which must not be there yet.
        dtype: ``float32``, or ``float16`` for half the size.
        progress: Told how the run is getting on.
        **settings: Fields of :class:`Settings`, such as ``policy`` or ``allow_partial``.

    Returns:
        The file as it was read back, its features mapped from the disk.

    Raises:
        ZslBenchError: Something is missing or does not fit; nothing finished is lost.
    """
    watcher, path = progress or Silent(), Path(out)
    chosen = replace(Settings(**settings), keep_clips=True)
    _check_place(path, dtype, chosen)
    manifest = data if isinstance(data, Manifest) else open_dataset(data[0], Path(data[1]))
    encoder, record = _encoder(model, chosen)
    check_present(manifest, verb="extract features of", allowed=chosen.allow_partial)
    if manifest.unreadable and not chosen.allow_unreadable:
        check_unreadable(manifest, dict(manifest.unreadable))
    work = path.with_name(f".{path.name}.work")
    check_writable(work)
    for line in summary_lines(manifest):
        watcher.note(line)
    watcher.note(f"features are the output of {encoder.output} of {encoder.card.name}")
    device = choose_device(chosen.device)
    runner = Runner(cast("Model", encoder), chosen, device, work)
    run = runner.run(manifest, watcher, vectors_digest=None)
    assert run is not None  # noqa: S101
    _write(path, run, record, dtype)
    shutil.rmtree(work, ignore_errors=True)
    return read_clip_file(path)


def _check_place(path: Path, dtype: str, settings: Settings) -> None:
    if dtype not in TYPES:
        raise DatasetError(
            f"features as {dtype!r}", found="no such type", fix=near_matches(dtype, TYPES)
        )
    if path.exists():
        raise DatasetError(
            f"extract features to {path}",
            found="a file or folder of that name",
            fix="choose another --out, or remove it",
        )
    if settings.share:
        raise DatasetError(
            f"extract features to {path}",
            found="several processes",
            fix="run one process; its workers decode side by side",
        )


def _encoder(model: str | Model, settings: Settings) -> tuple[ClipEncoder, BackboneRecord]:
    if not isinstance(model, str) and (settings.weights or settings.model_settings):
        raise ModelError(
            f"extract features of {type(model).__name__}",
            found="a loaded model, and weights or settings for it",
            fix="load it with them, or name it by its reference",
        )
    loaded = _load(model, settings) if isinstance(model, str) else model
    check_is_model(loaded, type(loaded).__name__)
    encoder, card = ClipEncoder(loaded), loaded.card
    declared, by_user = declare(
        card, trained_on=settings.trained_on, pretrained_on=settings.pretrained_on, of=card.name
    )
    weights = None if settings.weights is None else str(settings.weights)
    record = BackboneRecord(
        card=replace(
            card,
            policy=settings.policy or card.policy,
            trained_on=declared.trained_on,
            pretrained_on=declared.pretrained_on,
        ),
        weights=encoder.weights,
        output=encoder.output,
        reference=model if isinstance(model, str) else None,
        given={"weights": weights, "settings": list(settings.model_settings)},
        declared_by_user=by_user,
    )
    return encoder, record


def _load(reference: str, settings: Settings) -> Model:
    options = LoadOptions(
        weights=settings.weights,
        vectors=settings.vectors,
        allow_approximate=settings.allow_approximate,
        device=str(choose_device(settings.device)),
        settings=parse_settings(settings.model_settings),
        trust_remote_code=settings.trust_remote_code,
    )
    return load_model(reference, options=options)


def _write(path: Path, run: FinishedRun, record: BackboneRecord, dtype: str) -> None:
    manifest, vectors = run.manifest, run.vectors
    if vectors.clips is None:
        raise DatasetError(
            f"extract features of {manifest.dataset}",
            found="no readable video",
            fix="give videos that can be read",
        )
    videos = [manifest.videos[i] for i in np.flatnonzero(vectors.readable).tolist()]
    lengths = video_lengths(vectors.clips)
    shape = (len(videos), int(lengths.max()), vectors.clips.vectors.shape[1])
    content = ClipFile(
        source=path.name,
        features=np.broadcast_to(np.zeros((), dtype=dtype), shape),
        lengths=lengths,
        labels=np.array([manifest.classes.index(video.label) for video in videos], dtype=np.int64),
        classes=manifest.classes,
        ids=tuple(video.id for video in videos),
        groups=tuple(video.group for video in videos),
        backbone=record,
        run=run.identity,
        unreadable=tuple(
            (manifest.videos[p].id, why) for p, why in sorted(vectors.reasons.items())
        ),
        versions=package_versions(),
    )
    write_clip_file(path, content, clips_of_videos(vectors.clips))
