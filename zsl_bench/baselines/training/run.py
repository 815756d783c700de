"""A training run from its configuration to a weights folder."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from zsl_bench.baselines.training.checkpoints import CheckpointStore
from zsl_bench.baselines.training.frozen import FeatureSource, feature_bank
from zsl_bench.baselines.training.loading import ClipSource, load_clip
from zsl_bench.baselines.training.logs import MetricsLog, save_sample_sheet
from zsl_bench.baselines.training.loop import fit
from zsl_bench.baselines.training.modes import Stop, stop_signals
from zsl_bench.baselines.training.outcome import WEIGHTS_FOLDER, TrainReport, finish, report
from zsl_bench.baselines.training.precision import exact_time_convolutions
from zsl_bench.baselines.training.prepare import Prepared, prepare
from zsl_bench.baselines.training.progress import Quiet, TrainProgress
from zsl_bench.baselines.training.replicas import join_replicas
from zsl_bench.baselines.training.resume import find_checkpoint, run_stamp
from zsl_bench.baselines.training.sampler import EpochPlan
from zsl_bench.baselines.training.task import Training
from zsl_bench.errors import VideoError
from zsl_bench.files import check_writable, write_json
from zsl_bench.workers import choose_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from zsl_bench.baselines.networks import ZeroShotNetwork
    from zsl_bench.baselines.training.checkpoints import Checkpoint
    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.replicas import Replicas
    from zsl_bench.baselines.training.task import BatchSource
    from zsl_bench.classes import ClassSet

__all__ = ["Prepared", "TrainReport", "prepare", "train"]
_CHECKPOINTS, _FEATURES, _SAMPLES = "checkpoints", "features", "samples"


def train(
    config: TrainConfig,
    out: str | Path,
    *,
    resume: bool = False,
    progress: TrainProgress | None = None,
    samples: int = 0,
    tensorboard: bool = False,
) -> TrainReport:
    """Train as a configuration says, and save a weights folder.

    The classes are audited before the first step. Ctrl-C and SIGTERM end the run after the step
    at hand, with a checkpoint. Under ``torchrun`` every process calls this.

    Args:
        config: The configuration.
        out: The run's folder.
        resume: Go on from the newest whole checkpoint in the folder.
        progress: Hears how it goes.
        samples: How many training clips to save as pictures.
        tensorboard: Write the metrics for TensorBoard, too.

    Returns:
        What came out; ``stopped`` where SIGTERM ended it.

    Raises:
        ZslBenchError: Something is missing, does not fit, overlaps with a test set, or went wrong;
            checkpoints are whole.
        KeyboardInterrupt: Ctrl-C ended it, after a checkpoint.
    """
    folder, watcher = Path(out), progress or Quiet()
    with join_replicas(config.run.device) as team, _own_random_state(team.device):
        prepared = prepare(config, progress=team.leads)
        stamp = run_stamp(prepared, replicas=team.size)
        store = CheckpointStore(folder / _CHECKPOINTS, keep=config.run.keep)
        team.wait()
        found = find_checkpoint(store, stamp, resume=resume, progress=watcher)
        for line in prepared.warnings:
            watcher.note(line)
        if team.leads:
            _begin(prepared, folder, samples=samples)
        training = _training(prepared, folder, team, watcher, store, stamp)
        with _logged(training, folder, found, tensorboard=tensorboard):
            progressed = fit(training, resume_from=found)
        is_whole = progressed.position.epoch == config.optimiser.epochs
        if is_whole and team.leads:
            finish(training, prepared, progressed, folder)
        team.wait()
        if training.stop.signal is signal.SIGINT and not is_whole:
            raise KeyboardInterrupt
        weights = folder / WEIGHTS_FOLDER if is_whole else None
        return report(prepared, progressed, folder, weights, team.device)


@contextmanager
def _logged(
    training: Training, folder: Path, found: Checkpoint | None, *, tensorboard: bool
) -> Iterator[None]:
    """Keep metrics and hear signals while the loop runs; go on from a checkpoint's weights."""
    step, epochs = None, 0
    if found is not None:
        training.network.load_state_dict(found.model)
        step, epochs = found.position.total, found.position.epoch
    if training.team.leads:
        training.store.forget_best_after(step or 0)
        training.log = MetricsLog(folder, resume_at=step, epochs=epochs, tensorboard=tensorboard)
    try:
        with stop_signals(training.stop):
            yield
    finally:
        training.progress.finish()
        if training.log is not None:
            training.log.close()


@contextmanager
def _own_random_state(device: torch.device) -> Iterator[None]:
    """Leave torch's random state as it was, whatever the training draws."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


def _begin(prepared: Prepared, folder: Path, *, samples: int) -> None:
    """Write down what is about to be trained, and pictures of what the network will see."""
    check_writable(folder)
    config = prepared.config
    write_json(folder / "config.json", {**config.to_json(), "sha256": config.sha256})
    write_json(folder / "audit.json", prepared.audit.to_json())
    trained = _all_classes(prepared)
    split = prepared.audit.split(trained, split_id=config.name)
    if split is not None:
        split.save(folder / "split.json")
    else:
        (folder / "split.json").unlink(missing_ok=True)
    prepared.training_set.used_manifest().save(folder / "manifest.json")
    if samples:
        _save_samples(prepared, folder / _SAMPLES, samples)


def _save_samples(prepared: Prepared, folder: Path, count: int) -> None:
    data, config = prepared.training_set, prepared.config
    order = EpochPlan(samples=len(data), seed=config.run.seed, epoch=0, batch_size=1).order
    clips, labels = [], []
    for position in order[:count]:
        try:
            clips.append(load_clip(data, config, epoch=0, position=int(position)))
        except VideoError:
            continue
        labels.append(data.classes.labels[data.labels[position]])
    if clips:
        for suffix in ("png", "gif"):
            save_sample_sheet(folder / f"epoch-0.{suffix}", np.stack(clips), labels)


def _all_classes(prepared: Prepared) -> ClassSet:
    """Return the classes trained on and held out, in the data set's order."""
    data = prepared.training_set
    names = set(data.classes.names)
    if data.held_out is not None:
        names |= set(data.held_out.classes.names)
    kept = prepared.audit.kept
    return kept.select([name for name in kept.names if name in names])


def _training(
    prepared: Prepared,
    folder: Path,
    team: Replicas,
    progress: TrainProgress,
    store: CheckpointStore,
    stamp: dict[str, Any],
) -> Training:
    config, network = prepared.config, prepared.start.network.to(team.device)
    workers = choose_workers(
        config.run.workers,
        team.device.type,
        sharing=team.local_size,
        item_bytes=_item_bytes(config),
        note=progress.note if team.leads else None,
    )
    if config.run.channels_last:
        network.to(memory_format=torch.channels_last_3d)
        network.backbone.register_forward_pre_hook(_channels_last)
    if config.run.precision == "bf16" and team.device.type == "cpu":
        exact_time_convolutions(network)
    network.train()
    trained: nn.Module = network
    source: BatchSource
    stop = Stop()
    if config.model.family == "frozen":
        network.backbone.requires_grad_(False)
        trained = FrozenBackbone(network)
    if config.model.family == "frozen" and config.frozen.batch_norm == "eval":
        trained = nn.Sequential(network.dropout, network.head)
        network.backbone.eval()
        bank = feature_bank(
            network,
            prepared.training_set,
            config,
            weights_digest=prepared.start.digest,
            folder=folder / _FEATURES,
            device=team.device,
            workers=workers,
            progress=progress,
            replica=team.rank,
            replicas=team.size,
        )
        source = FeatureSource(bank, prepared.training_set.labels, config)
    else:
        source = ClipSource(
            prepared.training_set,
            config,
            workers=workers,
            pinned=team.device.type == "cuda",
            stop=stop,
        )
    return Training(
        config=config,
        network=network,
        trained=trained,
        data=prepared.training_set,
        source=source,
        class_matrix=prepared.classes.matrix,
        held_out_matrix=None if prepared.held_out is None else prepared.held_out.matrix,
        team=team,
        store=store,
        log=None,
        progress=progress,
        stop=stop,
        workers=workers,
        stamp=stamp,
    )


def _item_bytes(config: TrainConfig) -> int:
    """Return the bytes that a decoding process hands over at a time: a batch, or a sample's views.

    A bank of features is made of views; where batch norm is frozen too, nothing else is decoded.
    """
    banked = config.model.family == "frozen" and config.frozen.batch_norm == "eval"
    clips = config.frozen.views if banked else config.optimiser.batch_size
    spec = config.clips.spec
    return clips * spec.frames * 3 * spec.size**2 * np.dtype(spec.dtype).itemsize


class FrozenBackbone(nn.Module):
    """The released code's frozen baseline: no gradient for the backbone, batch norm in training."""

    def __init__(self, network: ZeroShotNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        """Return one vector a clip, ``(B, dim)``, of clips ``(B, T, 3, H, W)``."""
        with torch.no_grad():
            features = self.network.features(clips)
        vectors: Tensor = self.network.head(self.network.dropout(features))
        return vectors


def _channels_last(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (inputs[0].contiguous(memory_format=torch.channels_last_3d),)
