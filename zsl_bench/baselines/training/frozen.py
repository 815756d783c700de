"""The frozen baseline: features of augmented views computed once, then only the linear layer.

Batch norm runs on its running statistics and nothing of the backbone changes, so a view's feature
is the same in every epoch.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from importlib import metadata
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import torch

from zsl_bench.baselines.training.features import BlockStore, FeatureBank, FeatureBlock
from zsl_bench.baselines.training.loading import Batch, substitutes
from zsl_bench.baselines.training.modes import evaluating
from zsl_bench.baselines.training.sampler import sample_generator
from zsl_bench.baselines.training.views import load_views
from zsl_bench.device import choose_batch_size, exact_fp32
from zsl_bench.errors import DatasetError, ResultError, listing
from zsl_bench.files import sha256_json
from zsl_bench.video import decoder_id, resizer_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from torch import Tensor

    from zsl_bench.baselines.networks import ZeroShotNetwork
    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.data import TrainingSet
    from zsl_bench.baselines.training.progress import TrainProgress
    from zsl_bench.baselines.training.sampler import EpochPlan
    from zsl_bench.baselines.training.views import LoadedViews
    from zsl_bench.video import ClipSpec

_SCHEMA = 1
_POLL_SECONDS = 0.2


def bank_key(training_set: TrainingSet, config: TrainConfig, *, weights_digest: str) -> str:
    """Return the SHA-256 of all that features depend on, apart from the samples' files."""
    spec = config.clips.spec
    return sha256_json(
        {
            "schema": _SCHEMA,
            "weights": weights_digest,
            "network": config.model.network,
            "samples": training_set.digest,
            "kind": training_set.kind,
            "clip": asdict(spec),
            "flip": config.clips.flip,
            "seed": config.run.seed,
            "views": config.frozen.views,
            "readers": _readers(training_set.kind, spec),
            "precision": config.run.precision,
        }
    )


def _readers(kind: str, spec: ClipSpec) -> list[str]:
    if kind == "videos":
        return [decoder_id(), resizer_id(spec)]
    return [f"{name} {metadata.version(name)}" for name in ("pillow", "torch")]


def feature_bank(  # noqa: PLR0913
    network: ZeroShotNetwork,
    training_set: TrainingSet,
    config: TrainConfig,
    *,
    weights_digest: str,
    folder: Path,
    device: torch.device,
    workers: int,
    progress: TrainProgress,
    replica: int = 0,
    replicas: int = 1,
) -> FeatureBank:
    """Return the features of K augmented views of every sample, computing what is not there yet.

    Finished blocks are kept, so that a killed run goes on with the next one. Batches are cut at
    fixed places, so that on a CPU the bank is to the bit that of a run that was never killed.
    Several replicas compute every ``replicas``-th block each, in one folder that all of them see,
    and wait for one another.

    Args:
        network: On ``device``; its weights, running statistics and mode stay as they are.
        training_set: The samples.
        config: The training configuration.
        weights_digest: SHA-256 of the network's weights.
        folder: Where banks are kept, each in a folder of its own named by :func:`bank_key`.
        device: Where to compute.
        workers: Processes that decode; 0 decodes in this one.
        progress: Hears how many samples are done.
        replica: Which replica this is.
        replicas: How many there are.

    Raises:
        DatasetError: More samples are unreadable than ``data.max_unreadable`` allows.
        ResultError: The folder cannot be written, or holds a damaged bank.
    """
    key = bank_key(training_set, config, weights_digest=weights_digest)
    samples, views = len(training_set), config.frozen.views
    store = BlockStore(folder / key[:24], samples=samples, views=views)
    bank = FeatureBank.open(store.folder)
    if bank is None:
        work = _Computation(network, training_set, config, store=store, device=device)
        pending = work.pending(range(replica, store.num_blocks, replicas))
        for done in work.run(pending, workers=workers):
            progress.features(min(done * replicas, samples), samples)
        bank = _joined(work, progress, leads=replica == 0)
    _check_unreadable(dict(bank.unreadable), training_set, config)
    return bank


class _Computation:
    """The blocks of one replica on their way from files to features on disk."""

    def __init__(
        self,
        network: ZeroShotNetwork,
        training_set: TrainingSet,
        config: TrainConfig,
        *,
        store: BlockStore,
        device: torch.device,
    ) -> None:
        self.network = network
        self.training_set = training_set
        self.config = config
        self.store = store
        self.device = device
        self.unreadable: dict[int, tuple[str, Any]] = {}
        self.done = 0

    def pending(self, blocks: Iterable[int]) -> list[int]:
        """Return the blocks that are not finished, or hold an unreadable file that has changed."""
        left = []
        for block in blocks:
            found = self.store.load(block)
            if found is None or any(
                self._stamp(position) != stamp for position, (_, stamp) in found.unreadable.items()
            ):
                left.append(block)
            else:
                self._count(block, found)
        return left

    def run(self, blocks: Sequence[int], *, workers: int) -> Iterator[int]:
        """Compute and keep blocks, and yield after each how many samples are done."""
        positions = [position for block in blocks for position in self.store.positions(block)]
        loaded = load_views(self.training_set, self.config, positions, workers=workers)
        with evaluating(self.network), exact_fp32(self.config.run.precision):
            for block in blocks:
                content = self._block(self.store.positions(block), loaded)
                self.store.save(block, content)
                self._count(block, content)
                self.check(self.unreadable)
                yield self.done

    def check(self, unreadable: Mapping[int, tuple[str, Any]]) -> None:
        """Refuse more unreadable samples than the configuration allows."""
        reasons = {position: why for position, (why, _) in unreadable.items()}
        _check_unreadable(reasons, self.training_set, self.config)

    def _count(self, block: int, content: FeatureBlock) -> None:
        self.unreadable.update(content.unreadable)
        self.done += len(self.store.positions(block))

    def _block(self, positions: range, loaded: Iterator[LoadedViews]) -> FeatureBlock:
        unreadable: dict[int, tuple[str, Any]] = {}
        clips = self._clips(positions, loaded, unreadable)
        size = choose_batch_size(self.device.type)
        parts = []
        while batch := list(islice(clips, size)):
            parts.append(self._features(torch.stack(batch)))
        features = torch.cat(parts).numpy().reshape(len(positions), self.config.frozen.views, -1)
        features[[position - positions.start for position in unreadable]] = 0
        return FeatureBlock(features=features, unreadable=unreadable)

    def _clips(
        self,
        positions: range,
        loaded: Iterator[LoadedViews],
        unreadable: dict[int, tuple[str, Any]],
    ) -> Iterator[Tensor]:
        """Yield every view of some samples; blank ones keep the place of an unreadable sample."""
        spec = self.config.clips.spec
        blank = torch.zeros(
            (spec.frames, 3, spec.size, spec.size), dtype=getattr(torch, spec.dtype)
        )
        for position, sample in zip(positions, loaded, strict=False):
            if sample.views is None:
                unreadable[position] = (sample.reason, self._stamp(position))
                yield from [blank] * self.config.frozen.views
            else:
                yield from sample.views

    def _features(self, clips: Tensor) -> Tensor:
        bf16 = self.config.run.precision == "bf16"
        autocast = torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16)
        with torch.inference_mode(), autocast:
            return self.network.features(clips.to(self.device)).float().cpu()

    def _stamp(self, position: int) -> list[int] | None:
        try:
            status = self.training_set.path(position).stat()
        except OSError:
            return None
        return [status.st_size, status.st_mtime_ns]


def _joined(work: _Computation, progress: TrainProgress, *, leads: bool) -> FeatureBank:
    """Wait until every block is there, and return the bank that the leading replica makes."""
    store = work.store
    while (bank := FeatureBank.open(store.folder)) is None:
        present = store.present()
        progress.features(min(present * store.size, store.samples), store.samples)
        if not leads or present < store.num_blocks:
            time.sleep(_POLL_SECONDS)
            continue
        try:
            return store.join(work.check)
        except ResultError:
            if FeatureBank.open(store.folder) is None:
                raise
    if leads:
        store.discard()
    return bank


def _check_unreadable(
    reasons: Mapping[int, str], training_set: TrainingSet, config: TrainConfig
) -> None:
    share = config.data.max_unreadable
    if len(reasons) <= share * len(training_set):
        return
    named = [f"{training_set.path(i).name}: {why}" for i, why in sorted(reasons.items())]
    count = f"{len(reasons)} of {len(training_set)} samples"
    raise DatasetError(
        f"training set of {config.name}",
        found=f"{count} unreadable ({listing(named, limit=3)})",
        fix="mend or remove them, or raise data.max_unreadable",
    )


class FeatureSource:
    """Batches of features for the training loop: of every sample one view, drawn anew every epoch.

    Args:
        bank: The features.
        labels: ``(N,)`` int64.
        config: The training configuration.
    """

    def __init__(self, bank: FeatureBank, labels: np.ndarray, config: TrainConfig) -> None:
        self.bank = bank
        self.labels = labels
        self.seed = config.run.seed
        self._reasons = dict(bank.unreadable)

    def batches(self, plan: EpochPlan, *, replica: int, first_step: int) -> Iterator[Batch]:
        """Yield the batches of a replica in an epoch, from a step on.

        Raises:
            DatasetError: A sample is unreadable, and so is every one that could stand in.
        """
        for step in range(first_step, plan.steps):
            unreadable: list[tuple[int, str]] = []
            chosen = [
                self._readable(plan.epoch, int(position), unreadable)
                for position in plan.positions(step, replica=replica)
            ]
            views = [self._view(plan.epoch, position) for position in chosen]
            yield Batch(
                inputs=torch.from_numpy(self.bank.features[chosen, views]),
                labels=torch.from_numpy(self.labels[chosen]),
                unreadable=tuple(unreadable),
            )

    def _view(self, epoch: int, position: int) -> int:
        views = self.bank.features.shape[1]
        return int(sample_generator(self.seed, epoch, position).integers(views))

    def _readable(self, epoch: int, position: int, unreadable: list[tuple[int, str]]) -> int:
        """Return a sample or, where it is unreadable, the one that stands in."""
        if position not in self._reasons:
            return position
        samples = len(self.labels)
        for chosen in chain([position], substitutes(self.seed, epoch, position, samples)):
            if chosen not in self._reasons:
                return chosen
            unreadable.append((chosen, self._reasons[chosen]))
        raise DatasetError(
            f"a sample to stand in for sample {position}",
            found=f"{len(self._reasons)} of {samples} samples unreadable",
            fix="check the files",
        )
