"""What the training loop is handed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import nn

    from zsl_bench.baselines.networks import ZeroShotNetwork
    from zsl_bench.baselines.training.checkpoints import CheckpointStore
    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.data import TrainingSet
    from zsl_bench.baselines.training.loading import Batch
    from zsl_bench.baselines.training.logs import MetricsLog
    from zsl_bench.baselines.training.modes import Stop
    from zsl_bench.baselines.training.progress import TrainProgress
    from zsl_bench.baselines.training.replicas import Replicas
    from zsl_bench.baselines.training.sampler import EpochPlan


class BatchSource(Protocol):
    """Where batches come from."""

    def batches(self, plan: EpochPlan, *, replica: int, first_step: int) -> Iterator[Batch]:
        """Yield the batches of one replica in one epoch, from a step on."""
        ...


@dataclass(kw_only=True, eq=False)
class Training:
    """All that a training loop works with.

    Attributes:
        config: The configuration.
        network: The network, on the team's device.
        trained: The part of it that a batch's inputs go through.
        data: The training set.
        source: Where its batches come from.
        class_matrix: ``(C, D)`` unit class vectors.
        held_out_matrix: ``(H, D)`` unit class vectors of the held-out classes, or None.
        team: The replicas.
        store: Where checkpoints go.
        log: Where metrics go; None on a replica that does not lead.
        progress: Hears how it goes.
        stop: Whether somebody asked to stop.
        workers: Processes that decode.
        stamp: What every checkpoint says of the run, for the run that resumes it.
    """

    config: TrainConfig
    network: ZeroShotNetwork
    trained: nn.Module
    data: TrainingSet
    source: BatchSource
    class_matrix: np.ndarray
    held_out_matrix: np.ndarray | None
    team: Replicas
    store: CheckpointStore
    log: MetricsLog | None
    progress: TrainProgress
    stop: Stop
    workers: int
    stamp: dict[str, Any]
