"""Training clips in the order of the plan, decoded in worker processes."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Dataset

from zsl_bench.baselines.training.modes import Stop
from zsl_bench.baselines.training.sampler import sample_generator
from zsl_bench.errors import DatasetError, VideoError, ZslBenchError
from zsl_bench.video import load_image_clip, load_training_clip
from zsl_bench.workers import death_told, keep_quiet, next_item, signal_kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from torch import Tensor

    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.data import TrainingSet
    from zsl_bench.baselines.training.sampler import EpochPlan

_ATTEMPTS = 100


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one replica trains on in one step.

    Attributes:
        inputs: Clips ``(B, T, 3, S, S)``, levels 0 to 255, uint8 or float32; or features
            ``(B, F)``.
        labels: ``(B,)`` int64.
        unreadable: Samples that could not be read, as (position, reason); others stand in.
    """

    inputs: Tensor
    labels: Tensor
    unreadable: tuple[tuple[int, str], ...] = ()


def load_clip(
    training_set: TrainingSet, config: TrainConfig, *, epoch: int, position: int
) -> np.ndarray:
    """Return the clip of a sample in an epoch, the same whoever loads it.

    Returns:
        Levels from 0 to 255, RGB, shape (T, 3, S, S), uint8 or float32.

    Raises:
        VideoError: The sample cannot be read.
    """
    generator = sample_generator(config.run.seed, epoch, position)
    path, row = training_set.path(position), training_set.rows[position]
    if training_set.kind == "images":
        return load_image_clip(path, config.clips.spec, generator)
    return load_training_clip(
        path, config.clips.spec, generator, start=row.start, end=row.end, flip=config.clips.flip
    )


def substitutes(seed: int, epoch: int, position: int, samples: int) -> Iterator[int]:
    """Yield the samples that stand in for one that cannot be read, one after another."""
    for attempt in range(1, _ATTEMPTS + 1):
        yield int(sample_generator(seed, epoch, position, attempt).integers(samples))


class ClipDataset(Dataset[dict[str, Any]]):
    """A map-style dataset: (epoch, position) to a clip, its label and what was unreadable."""

    def __init__(self, training_set: TrainingSet, config: TrainConfig) -> None:
        self.training_set = training_set
        self.config = config

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        """Load a clip, or the clip of a sample that stands in.

        Raises:
            DatasetError: No stand-in can be read either.
        """
        epoch, position = key
        samples, seed = self.training_set, self.config.run.seed
        unreadable: list[tuple[int, str]] = []
        for chosen in chain([position], substitutes(seed, epoch, position, len(samples))):
            try:
                clip = load_clip(samples, self.config, epoch=epoch, position=chosen)
            except VideoError as error:
                unreadable.append((chosen, error.found))
                continue
            return {
                "clip": torch.from_numpy(clip),
                "label": int(samples.labels[chosen]),
                "unreadable": unreadable,
            }
        raise DatasetError(
            f"train on {samples.manifest.root}",
            found=f"{len(unreadable)} unreadable samples in a row, the last: {unreadable[-1][1]}",
            fix="check the files",
        )


class ClipSource:
    """Batches of clips for the training loop; the decoding processes live as long as it does.

    Args:
        training_set: What is trained on.
        config: How clips are made.
        workers: Processes that decode; 0 decodes in this one.
        pinned: Whether batches are put into pinned memory, for a GPU.
        stop: Whether somebody asked the run to stop.
    """

    def __init__(
        self,
        training_set: TrainingSet,
        config: TrainConfig,
        *,
        workers: int,
        pinned: bool = False,
        stop: Stop | None = None,
    ) -> None:
        self.workers = workers
        self.stop = stop or Stop()
        self._keys: list[list[tuple[int, int]]] = []
        self._loader: DataLoader[dict[str, Any]] = DataLoader(
            ClipDataset(training_set, config),
            batch_sampler=_Keys(self._keys),
            num_workers=workers,
            collate_fn=collate,
            persistent_workers=workers > 0,
            prefetch_factor=2 if workers else None,
            worker_init_fn=leave_signals if workers else None,
            pin_memory=pinned,
        )

    def batches(self, plan: EpochPlan, *, replica: int, first_step: int) -> Iterator[Batch]:
        """Yield the batches of a replica in an epoch, from a step on.

        Raises:
            ZslBenchError: A decoding process died, or nothing can be read.
        """
        self._keys[:] = [
            [(plan.epoch, int(position)) for position in plan.positions(step, replica=replica)]
            for step in range(first_step, plan.steps)
        ]
        for fields in in_order(self._loader, list(self._keys), self.workers, self.stop):
            yield Batch(**fields)


class _Keys:
    """A batch sampler whose batches are replaced from epoch to epoch."""

    def __init__(self, keys: list[list[tuple[int, int]]]) -> None:
        self.keys = keys

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return iter(list(self.keys))

    def __len__(self) -> int:
        return len(self.keys)


def collate(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the items of a batch together, as the fields of :class:`Batch`."""
    return {
        "inputs": torch.stack([item["clip"] for item in items]),
        "labels": torch.tensor([item["label"] for item in items], dtype=torch.int64),
        "unreadable": tuple(pair for item in items for pair in item["unreadable"]),
    }


def in_order(
    loader: DataLoader[Any], keys: Sequence[Sequence[Any]], workers: int, stop: Stop
) -> Iterator[Any]:
    """Yield a loader's batches, in this process where a stop has ended the ones that decode.

    Schedulers send SIGTERM to every process of a job. The one that trains still does the step at
    hand, in agreement with the other replicas, and for that it needs its batch.

    Args:
        loader: A loader whose dataset takes the items of ``keys``.
        keys: For each batch the items of it.
        workers: Processes that decode.
        stop: Whether somebody asked the run to stop.

    Raises:
        ZslBenchError: A decoding process died and nobody asked to stop.
    """
    done = 0
    try:
        with signal_kept(), death_told(workers):
            items = iter(loader)
        for _ in keys:
            batch = next_item(items, workers)
            done += 1
            yield batch
    except ZslBenchError:
        if stop.signal is None:
            raise
        for key in keys[done:]:
            yield loader.collate_fn([loader.dataset[item] for item in key])


def leave_signals(_worker: int) -> None:
    """Leave Ctrl-C to the process that trains.

    SIGTERM stays deadly: it is also how a process that fails ends its workers.
    """
    torch.set_num_threads(1)
    keep_quiet()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
