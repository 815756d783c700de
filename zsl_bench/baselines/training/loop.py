"""The training loop: one step after another, nothing hidden."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from zsl_bench.baselines.training.checkpoints import restore_optimiser
from zsl_bench.baselines.training.losses import word_vector_loss
from zsl_bench.baselines.training.sampler import dropout_seed
from zsl_bench.baselines.training.watch import Progressed, Watch
from zsl_bench.device import exact_fp32

if TYPE_CHECKING:
    from torch import Tensor

    from zsl_bench.baselines.training.checkpoints import Checkpoint
    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.loading import Batch
    from zsl_bench.baselines.training.task import Training


def fit(training: Training, *, resume_from: Checkpoint | None = None) -> Progressed:
    """Train until the last epoch, or until somebody asks to stop.

    Args:
        training: What to train, on what, and how.
        resume_from: A checkpoint to go on from.

    Returns:
        How far it came; a checkpoint of it is on disk.

    Raises:
        ModelError: The loss is no longer a number; the last checkpoint is whole.
        DatasetError: Too many samples are unreadable.
        ResultError: A checkpoint cannot be written.
    """
    config, team, device = training.config, training.team, training.team.device
    optimiser_settings = config.optimiser
    parameters = {
        name: parameter
        for name, parameter in training.network.named_parameters()
        if parameter.requires_grad
    }
    optimiser = torch.optim.Adam(parameters.values(), lr=optimiser_settings.learning_rate)
    progressed = Progressed()
    if resume_from is not None:
        restore_optimiser(optimiser, parameters, resume_from.optimiser)
        progressed = Progressed.from_checkpoint(resume_from)
    model = team.wrap(training.trained, sync_batch_norm=config.run.sync_batch_norm)
    if config.run.compile:
        model = cast("nn.Module", torch.compile(model))
    targets = torch.from_numpy(training.class_matrix).float().to(device)
    watch = Watch(training, progressed, optimiser, parameters)
    first = progressed.position
    if first.epoch == optimiser_settings.epochs:
        training.progress.note("every epoch is done already; the weights are written again")
        return progressed
    training.progress.start(
        optimiser_settings.epochs, watch.plan(first.epoch).steps, epoch=first.epoch, step=first.step
    )
    with exact_fp32(config.run.precision):
        for epoch in range(first.epoch, optimiser_settings.epochs):
            plan = watch.begin_epoch(epoch)
            begun = progressed.position.step
            batches = training.source.batches(plan, replica=team.rank, first_step=begun)
            for step, batch in enumerate(batches, begun + 1):
                torch.manual_seed(dropout_seed(config.run.seed, watch.total, team.rank))
                loss = _step(model, batch, targets, optimiser, config, device)
                watch.stepped(loss, batch, step)
                if watch.stopping:
                    watch.save()
                    return progressed
            watch.end_epoch(epoch)
            if watch.stopping:
                return progressed
    return progressed


def _step(
    model: nn.Module,
    batch: Batch,
    targets: Tensor,
    optimiser: torch.optim.Optimizer,
    config: TrainConfig,
    device: torch.device,
) -> Tensor:
    """Do one optimiser step on a batch, in as many parts as configured; return the loss."""
    settings = config.optimiser
    optimiser.zero_grad(set_to_none=True)
    size, total = len(batch.labels), torch.zeros((), device=device)
    parts = [part for part in np.array_split(np.arange(size), settings.accumulate) if len(part)]
    bf16 = config.run.precision == "bf16"
    for number, part in enumerate(parts, 1):
        chosen = slice(int(part[0]), int(part[-1]) + 1)
        inputs = batch.inputs[chosen].to(device, non_blocking=True)
        wanted = targets[batch.labels[chosen].to(device, non_blocking=True)]
        with _without_averaging(model) if number < len(parts) else nullcontext():
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                outputs = model(inputs)
            loss = word_vector_loss(settings.loss, outputs, wanted)
            loss = loss if settings.loss == "eq2-raw" else loss * (len(part) / size)
            loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    if settings.clip_gradient is not None:
        trained = [p for group in optimiser.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(trained, settings.clip_gradient)
    optimiser.step()
    return total


def _without_averaging(model: nn.Module) -> AbstractContextManager[Any]:
    """Leave the averaging of gradients over replicas to a later part of the batch."""
    no_sync = getattr(model, "no_sync", nullcontext)
    averaging: AbstractContextManager[Any] = no_sync()
    return averaging
