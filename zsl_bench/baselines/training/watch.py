"""What a run must not lose: its position, losses, metrics, checkpoints and best weights."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch

from zsl_bench.baselines.training.checkpoints import Position, optimiser_tensors
from zsl_bench.baselines.training.memory import peak_memory_mb
from zsl_bench.baselines.training.sampler import EpochPlan
from zsl_bench.baselines.training.validation import validate
from zsl_bench.errors import DatasetError, ModelError, listing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from zsl_bench.baselines.training.checkpoints import Checkpoint
    from zsl_bench.baselines.training.data import TrainingSet
    from zsl_bench.baselines.training.loading import Batch
    from zsl_bench.baselines.training.task import Training
    from zsl_bench.baselines.training.validation import HeldOutScore

_GPU_LOOKS_EVERY = 10
_TABLES = ("unreadable", "held_out_unreadable")


@dataclass(kw_only=True)
class Progressed:
    """How far a run has come, and what it has seen on the way; checkpoints hold it as JSON.

    Attributes:
        position: Epochs and steps done.
        loss_sum: Sum of the step losses of the current epoch, over all replicas.
        loss_count: Number of those.
        last_loss: Mean loss of the last finished epoch; None before the first.
        best: Highest held-out top-1 so far; None before the first validation.
        best_epoch: The epoch of it, counted from 0.
        last_score: Held-out top-1 of the last validation.
        unreadable: Samples found unreadable, with reasons.
        held_out_unreadable: The same of held-out samples.
        seconds: Time spent, earlier runs included.
    """

    position: Position = field(default_factory=lambda: Position(epoch=0, step=0, total=0))
    loss_sum: float = 0.0
    loss_count: int = 0
    last_loss: float | None = None
    best: float | None = None
    best_epoch: int | None = None
    last_score: float | None = None
    unreadable: dict[int, str] = field(default_factory=dict)
    held_out_unreadable: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return everything but the position, which a checkpoint holds itself."""
        content = {key: value for key, value in vars(self).items() if key != "position"}
        return {**content, **{key: sorted(map(list, content[key].items())) for key in _TABLES}}

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> Progressed:
        """Return what a checkpoint holds."""
        content = dict(checkpoint.state["progressed"])
        for key in _TABLES:
            content[key] = {int(position): str(why) for position, why in content[key]}
        return cls(position=checkpoint.position, **content)


class Watch:
    """Counts steps and keeps what must not be lost: metrics, checkpoints, the best weights."""

    def __init__(
        self,
        training: Training,
        progressed: Progressed,
        optimiser: torch.optim.Optimizer,
        parameters: dict[str, nn.Parameter],
    ) -> None:
        self.training = training
        self.progressed = progressed
        self.optimiser = optimiser
        self.parameters = parameters
        self.stopping = False
        self._looks_every = 1 if training.team.device.type == "cpu" else _GPU_LOOKS_EVERY
        self._waiting: list[Tensor] = []
        self._found: dict[int, str] = {}
        self._clock = time.monotonic()
        self._seconds_before = progressed.seconds
        self._epoch_begun = self._clock
        self._epoch_clips = 0
        self._rate = training.config.optimiser.learning_rate

    @property
    def total(self) -> int:
        """Optimiser steps done in all."""
        return self.progressed.position.total

    def plan(self, epoch: int) -> EpochPlan:
        """Return the plan of an epoch."""
        config = self.training.config
        return EpochPlan(
            samples=len(self.training.data),
            seed=config.run.seed,
            epoch=epoch,
            batch_size=config.optimiser.batch_size,
            replicas=self.training.team.size,
            max_clips=config.optimiser.max_clips_per_epoch,
        )

    def begin_epoch(self, epoch: int) -> EpochPlan:
        """Set the learning rate of an epoch and return its plan."""
        self._rate = self.training.config.optimiser.learning_rate_at(epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate
        self._epoch_begun, self._epoch_clips = time.monotonic(), 0
        return self.plan(epoch)

    def stepped(self, loss: Tensor, batch: Batch, step: int) -> None:
        """Count a step; look at losses and signals, and save a checkpoint, when they are due."""
        config, team = self.training.config, self.training.team
        before = self.progressed.position
        self.progressed.position = Position(epoch=before.epoch, step=step, total=before.total + 1)
        clips = len(batch.labels) * team.size
        self._epoch_clips += clips
        self._waiting.append(loss)
        if batch.unreadable:
            self._found.update(batch.unreadable)
            self._check_share({**self.progressed.unreadable, **self._found}, self.training.data)
        every, seen = config.run.checkpoint_every, None
        is_due = every is not None and self.total % every == 0
        if is_due or self.total % self._looks_every == 0:
            seen = self._look()
        self.training.progress.advance(clips=clips, loss=seen, learning_rate=self._rate)
        if self.total % config.run.log_every == 0:
            self._write("step", loss=self._look() if seen is None else seen)
        if is_due and not self.stopping:
            self.save()

    def end_epoch(self, epoch: int) -> None:
        """Validate where it is due, note the epoch, and save a checkpoint."""
        if self._waiting:
            self._look()
        done = self.progressed
        done.last_loss = done.loss_sum / max(done.loss_count, 1)
        done.loss_sum, done.loss_count = 0.0, 0
        done.position = Position(epoch=epoch + 1, step=0, total=self.total)
        speed = self._epoch_clips / max(time.monotonic() - self._epoch_begun, 1e-9)
        self._check_weights()
        score = self._validate(epoch)
        self._write("epoch", loss=done.last_loss, clips_per_second=speed)
        if score is not None:
            self._write("validation", held_out_top1=score.top1, held_out_top5=score.top5)
            done.last_score = score.top1
            if done.best is None or score.top1 > done.best:
                done.best, done.best_epoch = score.top1, epoch
                self._save_best()
        self.save()
        self.training.progress.end_epoch(
            epoch,
            loss=done.last_loss,
            held_out_top1=None if score is None else score.top1,
            clips_per_second=speed,
        )

    def save(self) -> None:
        """Save a checkpoint; all replicas come here together.

        Raises:
            ModelError: A weight is not a finite number any more; nothing is saved.
        """
        self._check_unreadable()
        self._check_weights()
        self.progressed.seconds = self._seconds_before + time.monotonic() - self._clock
        if self.training.team.leads:
            self.training.store.save(
                self.progressed.position,
                model=_on_cpu(self.training.network),
                optimiser=optimiser_tensors(self.optimiser, self.parameters),
                state=self._state(),
            )
        self.training.team.wait()

    def _check_weights(self) -> None:
        if not all(bool(torch.isfinite(weight).all()) for weight in self.parameters.values()):
            raise self._not_finite("a weight")

    def _save_best(self) -> None:
        if self.training.team.leads:
            self.training.store.save_best(
                self.progressed.position, model=_on_cpu(self.training.network), state=self._state()
            )

    def _state(self) -> dict[str, Any]:
        return {**self.training.stamp, "progressed": self.progressed.to_json()}

    def _look(self) -> float:
        """Add up the losses of all replicas since the last look, and see who asked to stop."""
        team = self.training.team
        losses = [float(loss) for loss in self._waiting]
        asked = float(self.training.stop.signal is not None)
        total, count, wishes = team.total([sum(losses), float(len(losses)), asked])
        self._waiting.clear()
        if not math.isfinite(total):
            raise self._not_finite("a loss")
        self.progressed.loss_sum += total
        self.progressed.loss_count += int(count)
        self.stopping = wishes > 0
        return total / max(count, 1.0)

    def _not_finite(self, what: str) -> ModelError:
        latest = self.training.store.latest() if self.training.team.leads else None
        kept = f"the last good checkpoint is {latest.path}" if latest else "no checkpoint yet"
        return ModelError(
            f"train {self.training.config.name}, step {self.total}",
            found=f"{what} that is not a finite number; {kept}",
            fix="lower optimiser.learning_rate, set optimiser.clip_gradient, or train in fp32",
        )

    def _validate(self, epoch: int) -> HeldOutScore | None:
        training, settings = self.training, self.training.config
        held_out = training.data.held_out
        is_last = epoch + 1 == settings.optimiser.epochs
        if held_out is None or training.held_out_matrix is None:
            return None
        if not is_last and (epoch + 1) % settings.validation.every:
            return None
        score = validate(
            training.network,
            held_out,
            training.held_out_matrix,
            settings,
            team=training.team,
            workers=training.workers,
            stop=training.stop,
        )
        self.progressed.held_out_unreadable.update(score.unreadable)
        self._check_share(self.progressed.held_out_unreadable, held_out)
        return score

    def _check_unreadable(self) -> None:
        """Put together what every replica could not read, and stop where it is too much."""
        for part in self.training.team.gather(self._found):
            self.progressed.unreadable.update(part)
        self._found = {}
        self._check_share(self.progressed.unreadable, self.training.data)

    def _check_share(self, bad: dict[int, str], data: TrainingSet) -> None:
        limit = self.training.config.data.max_unreadable
        if len(bad) > limit * len(data):
            named = [f"{data.rows[i].id} ({why})" for i, why in sorted(bad.items())]
            raise DatasetError(
                f"train on {data.manifest.root}",
                found=f"{len(bad)} of {len(data)} samples unreadable: {listing(named, limit=3)}",
                fix="mend or remove them, or raise data.max_unreadable",
            )

    def _write(self, kind: Literal["step", "epoch", "validation"], **values: float) -> None:
        if self.training.log is None:
            return
        position = self.progressed.position
        if kind == "step":
            values["clips_per_second"] = self._epoch_clips / max(
                time.monotonic() - self._epoch_begun, 1e-9
            )
        self.training.log.write(
            kind=kind,
            epoch=position.epoch - (kind != "step"),
            step=position.total,
            learning_rate=self._rate,
            clips=self._epoch_clips,
            seconds=self._seconds_before + time.monotonic() - self._clock,
            unreadable=len(self.progressed.unreadable),
            peak_memory_mb=peak_memory_mb(self.training.team.device),
            **values,
        )


def _on_cpu(network: nn.Module) -> dict[str, Tensor]:
    return {key: tensor.detach().cpu().contiguous() for key, tensor in network.state_dict().items()}
