"""Augmented views of training samples, decoded in worker processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from zsl_bench.baselines.training.loading import leave_signals
from zsl_bench.baselines.training.sampler import sample_generator
from zsl_bench.errors import VideoError
from zsl_bench.video import load_image_clip
from zsl_bench.video.training_clips import load_training_clips
from zsl_bench.workers import next_item, signal_kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.data import TrainingSet


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedViews:
    """The views of a sample, or why there are none.

    Attributes:
        views: ``(K, T, 3, S, S)``, levels 0 to 255, uint8 or float32; None where it is unreadable.
        reason: Why it is unreadable; empty where it is not.
    """

    views: Tensor | None = None
    reason: str = ""


def views_of(training_set: TrainingSet, config: TrainConfig, position: int) -> np.ndarray:
    """Return ``config.frozen.views`` views of a sample; view k is the clip of epoch k to the bit.

    A video is decoded once for all of its views.

    Returns:
        Levels from 0 to 255, shape (K, T, 3, S, S), uint8 or float32.

    Raises:
        VideoError: A view cannot be read.
    """
    seed, spec = config.run.seed, config.clips.spec
    generators = [sample_generator(seed, k, position) for k in range(config.frozen.views)]
    path, row = training_set.path(position), training_set.rows[position]
    if training_set.kind == "images":
        return np.stack([load_image_clip(path, spec, generator) for generator in generators])
    return load_training_clips(
        path, spec, generators, start=row.start, end=row.end, flip=config.clips.flip
    )


def load_views(
    training_set: TrainingSet, config: TrainConfig, positions: Sequence[int], *, workers: int
) -> Iterator[LoadedViews]:
    """Yield the views of some samples, in that order.

    Args:
        training_set: The samples.
        config: The training configuration.
        positions: Which samples.
        workers: Processes that decode; 0 decodes in this one.

    Raises:
        ZslBenchError: A decoding process died, for lack of memory for instance.
    """
    loader: DataLoader[dict[str, Any]] = DataLoader(
        _ViewDataset(training_set, config),
        batch_size=None,
        sampler=positions,
        num_workers=workers,
        prefetch_factor=2 if workers else None,
        worker_init_fn=leave_signals if workers else None,
    )
    with signal_kept():
        items = iter(loader)
    for _ in positions:
        yield LoadedViews(**next_item(items, workers))


class _ViewDataset(Dataset[dict[str, Any]]):
    def __init__(self, training_set: TrainingSet, config: TrainConfig) -> None:
        self.training_set = training_set
        self.config = config

    def __getitem__(self, position: int) -> dict[str, Any]:
        try:
            return {"views": torch.from_numpy(views_of(self.training_set, self.config, position))}
        except VideoError as error:
            return {"reason": error.found}
