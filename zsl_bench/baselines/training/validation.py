"""Zero-shot accuracy on held-out training classes, by which the best epoch may be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from zsl_bench.baselines.training.loading import in_order, leave_signals
from zsl_bench.baselines.training.modes import Stop, evaluating
from zsl_bench.baselines.training.sampler import sample_generator
from zsl_bench.errors import DatasetError, VideoError
from zsl_bench.scoring import ScoreMatrix, accuracy, cosine_scores, ranks_of_truth
from zsl_bench.video import clip_policy, load_clips, load_image_clip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from zsl_bench.baselines.networks import ZeroShotNetwork
    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.data import TrainingSet
    from zsl_bench.baselines.training.replicas import Replicas

_EPOCH = 2**31
_BATCH = 8


@dataclass(frozen=True, kw_only=True)
class HeldOutScore:
    """How a network does on classes that it was not trained on.

    Attributes:
        top1: Share of the samples whose class is the nearest of the held-out ones.
        top5: Share of the samples whose class is among the five nearest.
        samples: How many samples were scored; an output that is not finite counts as wrong.
        unreadable: Samples that could not be read, with reasons.
    """

    top1: float
    top5: float
    samples: int
    unreadable: dict[int, str]


def validate(  # noqa: PLR0913
    network: ZeroShotNetwork,
    held_out: TrainingSet,
    class_matrix: np.ndarray,
    config: TrainConfig,
    *,
    team: Replicas,
    workers: int,
    stop: Stop | None = None,
) -> HeldOutScore:
    """Score held-out training classes: the first clip of a sample, the nearest class vector.

    Every replica takes its share of the samples, with the first one's running statistics.

    Args:
        network: On the replica's device; it is left in the mode that it was in.
        held_out: The samples.
        class_matrix: ``(C, D)``, unit vectors of the held-out classes.
        config: The training configuration.
        team: The replicas.
        workers: Processes that decode.
        stop: Whether somebody asked the run to stop.

    Raises:
        DatasetError: No sample can be read.
    """
    team.share_buffers(network)
    stop = stop or Stop()
    chosen = _spread(held_out, config.validation.max_samples)
    mine = chosen[team.rank :: team.size]
    parts = team.gather(
        _embed(
            network, _Held(held_out, config, mine), team.device, config, workers=workers, stop=stop
        )
    )
    found = {position: vector for vectors, _ in parts for position, vector in vectors.items()}
    unreadable = {position: why for _, reasons in parts for position, why in reasons.items()}
    if not found:
        raise DatasetError(
            f"validate on the held-out classes in {held_out.manifest.root}",
            found=f"none of {len(unreadable)} samples can be read, the first: "
            f"{next(iter(unreadable.values()))}",
            fix="mend the files, or set validation.held_out = 0 and validation.select = 'last'",
        )
    positions = [position for position in sorted(found) if np.isfinite(found[position]).all()]
    if not positions:
        return HeldOutScore(top1=0.0, top5=0.0, samples=len(found), unreadable=unreadable)
    matrix = ScoreMatrix(
        classes=held_out.classes.names,
        video_ids=tuple(held_out.rows[position].id for position in positions),
        labels=held_out.labels[positions],
        scores=cosine_scores(np.stack([found[position] for position in positions]), class_matrix),
    )
    ranks = ranks_of_truth(matrix)
    finite = len(positions) / len(found)
    return HeldOutScore(
        top1=finite * (accuracy(ranks, 1) or 0.0),
        top5=finite * (accuracy(ranks, 5) or 0.0),
        samples=len(found),
        unreadable=unreadable,
    )


def _spread(held_out: TrainingSet, limit: int | None) -> list[int]:
    """Return at most ``limit`` samples, taken in turn from every class."""
    seen = np.zeros(len(held_out.classes), dtype=np.int64)
    turns = []
    for position, label in enumerate(held_out.labels):
        turns.append((int(seen[label]), int(label), position))
        seen[label] += 1
    return sorted(position for _, _, position in sorted(turns)[:limit])


class _Held(Dataset[tuple[int, "Tensor | str"]]):
    """Held-out samples as clips, or the reason why one cannot be read."""

    def __init__(self, held_out: TrainingSet, config: TrainConfig, positions: list[int]) -> None:
        self.held_out = held_out
        self.config = config
        self.positions = positions

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> tuple[int, Tensor | str]:
        position = self.positions[index]
        try:
            return position, torch.from_numpy(self._clip(position))
        except VideoError as error:
            return position, error.found

    def _clip(self, position: int) -> np.ndarray:
        path, row = self.held_out.path(position), self.held_out.rows[position]
        spec = self.config.clips.spec
        if self.held_out.kind == "images":
            return load_image_clip(
                path, spec, sample_generator(self.config.run.seed, _EPOCH, position)
            )
        policy = clip_policy(f"first-{spec.frames}")
        clip: np.ndarray = load_clips(path, policy, spec, start=row.start, end=row.end).assemble()[
            0
        ]
        return clip


def _embed(
    network: ZeroShotNetwork,
    samples: _Held,
    device: torch.device,
    config: TrainConfig,
    *,
    workers: int,
    stop: Stop,
) -> tuple[dict[int, np.ndarray], dict[int, str]]:
    """Return the vectors of the samples that can be read, and why the others cannot."""
    vectors: dict[int, np.ndarray] = {}
    unreadable: dict[int, str] = {}
    half = torch.autocast(device.type, torch.bfloat16, enabled=config.run.precision == "bf16")
    with evaluating(network), torch.no_grad(), half:
        for batch in _batches(samples, workers, stop):
            clips = {p: clip for p, clip in batch if isinstance(clip, torch.Tensor)}
            unreadable.update((p, why) for p, why in batch if isinstance(why, str))
            if clips:
                output = network(torch.stack(list(clips.values())).to(device))
                vectors.update(zip(clips, output.float().cpu().numpy(), strict=True))
    return vectors, unreadable


def _batches(samples: _Held, workers: int, stop: Stop) -> Iterator[list[tuple[int, Tensor | str]]]:
    loader: DataLoader[Any] = DataLoader(
        samples,
        batch_size=_BATCH,
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=leave_signals if workers else None,
    )
    indices = range(len(samples))
    keys = [indices[first : first + _BATCH] for first in range(0, len(samples), _BATCH)]
    yield from in_order(loader, keys, workers, stop)
