"""What comes out of a run: the weights folder with its card, and the report."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.baselines.baseline import BaselineModel, NetworkConfig
from zsl_bench.baselines.training.memory import peak_memory_mb
from zsl_bench.baselines.weights import save_weights
from zsl_bench.errors import ModelError
from zsl_bench.files import atomic_write
from zsl_bench.model import ModelCard
from zsl_bench.provenance import environment

if TYPE_CHECKING:
    import torch

    from zsl_bench.baselines.training.prepare import Prepared
    from zsl_bench.baselines.training.task import Training
    from zsl_bench.baselines.training.watch import Progressed

WEIGHTS_FOLDER = "weights"


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """What came out of a run.

    Attributes:
        name: Name of the configuration.
        folder: The run's folder.
        weights: The weights folder; None while the run is not finished.
        stopped: Whether it was asked to stop before the end.
        epochs: Epochs done.
        steps: Optimiser steps done.
        loss: Mean loss of the last epoch; None before the first ended.
        held_out_top1: Zero-shot accuracy on the held-out training classes of the weights that are
            kept; None without a validation.
        selected_epoch: The epoch whose weights are kept, counted from 0.
        seconds: Time in the training loop, resumed parts included.
        peak_memory_mb: Most memory held, in MiB: the GPU's, or this process's on a CPU.
        classes: Number of classes trained on.
        held_out_classes: Number of classes held out.
        samples: Number of samples trained on.
        unreadable: Number of samples, held-out ones included, that could not be read.
        removed: Training classes that the audit left out.
        overlap: Overlapping classes that were allowed.
        silent: ``undeclared`` or ``open`` where the pretraining data could not be audited.
    """

    name: str
    folder: Path
    weights: Path | None
    stopped: bool
    epochs: int
    steps: int
    loss: float | None
    held_out_top1: float | None
    selected_epoch: int | None
    seconds: float
    peak_memory_mb: float | None
    classes: int
    held_out_classes: int
    samples: int
    unreadable: int
    removed: tuple[str, ...]
    overlap: tuple[str, ...]
    silent: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON holds it."""
        content = {
            key: str(value) if isinstance(value, Path) else value
            for key, value in asdict(self).items()
        }
        return {**content, "removed": list(self.removed), "overlap": list(self.overlap)}


def finish(training: Training, prepared: Prepared, progressed: Progressed, folder: Path) -> None:
    """Save the weights that are kept, with their card, and the list of unreadable samples."""
    _write_unreadable(folder / "unreadable.csv", prepared, progressed)
    config = prepared.config
    if config.validation.select == "best":
        best = training.store.best()
        if best is None or best.state["progressed"]["best_epoch"] != progressed.best_epoch:
            raise ModelError(
                f"finish the run in {folder}",
                found="no whole checkpoint of the best epoch",
                fix="train again in another folder",
            )
        training.network.load_state_dict(best.model)
    model = BaselineModel(
        training.network,
        config=NetworkConfig(
            family=config.model.family,
            network=config.model.network,
            dim=prepared.vectors.dim,
            backbone=prepared.start.backbone,
        ),
        card=trained_card(prepared),
        vectors=prepared.vectors if config.model.vectors is not None else None,
    )
    save_weights(model, folder / WEIGHTS_FOLDER, training=_record(prepared, progressed, training))


def trained_card(prepared: Prepared) -> ModelCard:
    """Return the card of what is trained: its classes are those that were really trained on.

    Held-out classes by which the best epoch is chosen are declared beside them.
    """
    config, data, start = prepared.config, prepared.training_set, prepared.start
    trained_on = [data.classes, *start.known]
    if data.held_out is not None and config.validation.select == "best":
        held_out = data.held_out.classes
        trained_on.append(replace(held_out, dataset=f"{held_out.dataset} (held out, selection)"))
    description = f"{config.model.family} {config.model.network} trained as {config.name}"
    if prepared.audit.overlap:
        against = ", ".join(test.dataset for test in prepared.audit.training.tests)
        pairs = len(prepared.audit.overlap)
        description += f"; {pairs} training or pretraining classes overlap with {against}"
    return ModelCard(
        name=config.name,
        clip=config.clips.spec,
        policy=config.clips.policy,
        rules=config.model.words,
        trained_on=tuple(trained_on),
        pretrained_on=start.pretrained_on,
        description=description,
    )


def _record(prepared: Prepared, progressed: Progressed, training: Training) -> dict[str, Any]:
    data = prepared.training_set
    return {
        "config": prepared.config.to_json(),
        "config_sha256": prepared.config.sha256,
        "audit": prepared.audit.to_json(),
        "data": {
            "dataset": data.manifest.dataset,
            "digest": data.digest,
            "samples": len(data),
            "classes": len(data.classes),
            "held_out": [] if data.held_out is None else list(data.held_out.classes.names),
            "unreadable": [data.rows[i].id for i in sorted(progressed.unreadable)],
            "missing": len(data.manifest.missing),
        },
        "start": {"source": prepared.start.source, "digest": prepared.start.digest},
        "vectors": {"source": prepared.vectors.source, "digest": prepared.vectors.digest},
        "steps": progressed.position.total,
        "loss": progressed.last_loss,
        "held_out_top1": _kept_score(prepared, progressed)[0],
        "selected_epoch": _kept_score(prepared, progressed)[1],
        "seconds": round(progressed.seconds, 3),
        "replicas": training.team.size,
        "environment": environment(),
    }


def _kept_score(prepared: Prepared, progressed: Progressed) -> tuple[float | None, int | None]:
    """Return the held-out top-1 and the epoch of the weights that are kept."""
    if prepared.config.validation.select == "best":
        return progressed.best, progressed.best_epoch
    done = progressed.position.epoch
    return progressed.last_score, done - 1 if done else None


def _write_unreadable(path: Path, prepared: Prepared, progressed: Progressed) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "path", "reason"))
    data = prepared.training_set
    found = [(data.rows[i], why) for i, why in sorted(progressed.unreadable.items())]
    if data.held_out is not None:
        rows = data.held_out.rows
        found += [(rows[i], why) for i, why in sorted(progressed.held_out_unreadable.items())]
    for row, reason in found:
        writer.writerow((row.id, row.path, reason))
    for name in data.manifest.missing:
        writer.writerow((name, "", "missing"))
    with atomic_write(path) as stream:
        stream.write(text.getvalue().encode())


def report(
    prepared: Prepared,
    progressed: Progressed,
    folder: Path,
    weights: Path | None,
    device: torch.device,
) -> TrainReport:
    """Return the report of a run."""
    data = prepared.training_set
    score, epoch = _kept_score(prepared, progressed)
    return TrainReport(
        name=prepared.config.name,
        folder=folder,
        weights=weights,
        stopped=weights is None,
        epochs=progressed.position.epoch,
        steps=progressed.position.total,
        loss=progressed.last_loss,
        held_out_top1=score,
        selected_epoch=epoch,
        seconds=progressed.seconds,
        peak_memory_mb=peak_memory_mb(device),
        classes=len(data.classes),
        held_out_classes=0 if data.held_out is None else len(data.held_out.classes),
        samples=len(data),
        unreadable=len(progressed.unreadable) + len(progressed.held_out_unreadable),
        removed=prepared.audit.removed,
        overlap=tuple(f"{neighbour.name} ({name})" for name, neighbour in prepared.audit.overlap),
        silent=prepared.audit.silent,
    )
