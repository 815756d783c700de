"""Batches: the same for any number of workers, and with stand-ins for what cannot be read."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from zsl_bench.baselines.training.data import candidate_classes, open_training_data, select_samples
from zsl_bench.baselines.training.loading import ClipSource, load_clip
from zsl_bench.baselines.training.sampler import EpochPlan, sample_generator
from zsl_bench.errors import DatasetError
from zsl_bench.video import load_training_clip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.data import TrainingSet
    from zsl_bench.baselines.training.loading import Batch


def _select(config: TrainConfig) -> TrainingSet:
    manifest = open_training_data(config.data)
    classes, _ = candidate_classes(manifest, config.data)
    return select_samples(manifest, classes, config)


def _batches(config: TrainConfig, *, workers: int, epochs: int = 2, first: int = 0) -> list[Batch]:
    data = _select(config)
    source = ClipSource(data, config, workers=workers)
    plans = [EpochPlan(samples=len(data), seed=5, epoch=e, batch_size=4) for e in range(epochs)]
    return [b for plan in plans for b in source.batches(plan, replica=0, first_step=first)]


def test_batches_are_the_clips_of_the_plan(tiny_config: Callable[..., TrainConfig]) -> None:
    config = tiny_config()
    data = _select(config)
    plan = EpochPlan(samples=24, seed=5, epoch=1, batch_size=4)
    batches = _batches(config, workers=0)[plan.steps :]
    for step, batch in enumerate(batches):
        for clip, label, position in zip(
            batch.inputs, batch.labels, plan.positions(step), strict=True
        ):
            generator = sample_generator(config.run.seed, 1, int(position))
            path = data.path(int(position))
            wanted = load_training_clip(path, config.clips.spec, generator, flip=True)
            np.testing.assert_array_equal(clip.numpy(), wanted)
            assert data.classes.names[int(label)] == path.parent.name


def test_workers_change_nothing(tiny_config: Callable[..., TrainConfig]) -> None:
    alone = _batches(tiny_config(), workers=0)
    for workers in (1, 2):
        shared = _batches(tiny_config(), workers=workers)
        assert len(shared) == len(alone) == 12
        for one, other in zip(alone, shared, strict=True):
            assert torch.equal(one.inputs, other.inputs)
            assert torch.equal(one.labels, other.labels)


def test_an_epoch_can_begin_anywhere(tiny_config: Callable[..., TrainConfig]) -> None:
    whole = _batches(tiny_config(), workers=0, epochs=1)
    rest = _batches(tiny_config(), workers=0, epochs=1, first=4)
    assert len(rest) == 2
    for one, other in zip(whole[4:], rest, strict=True):
        assert torch.equal(one.inputs, other.inputs)


def test_clips_differ_from_epoch_to_epoch(tiny_config: Callable[..., TrainConfig]) -> None:
    config = tiny_config()
    data = _select(config)
    clips = [load_clip(data, config, epoch=epoch, position=3) for epoch in range(6)]
    assert len({clip.tobytes() for clip in clips}) > 3


@pytest.fixture
def with_broken(training_videos: Path, tmp_path: Path) -> Path:
    """A copy of the videos, two of which are no videos."""
    root = tmp_path / "videos"
    shutil.copytree(training_videos, root)
    for name in ("archery/v1.mp4", "swimming/v0.mp4"):
        (root / name).write_bytes(b"no video at all")
    return root


def test_another_sample_stands_in_for_an_unreadable_one(
    tiny_config: Callable[..., TrainConfig], with_broken: Path
) -> None:
    config = tiny_config(data={"path": str(with_broken)})
    alone, shared = (_batches(config, workers=workers) for workers in (0, 2))
    found = {position: reason for batch in alone for position, reason in batch.unreadable}
    rows = _select(config).rows
    assert {rows[position].id for position in found} == {"archery/v1.mp4", "swimming/v0.mp4"}
    assert all("not a video file" in reason for reason in found.values())
    for one, other in zip(alone, shared, strict=True):
        assert len(one.labels) == 4
        assert torch.equal(one.inputs, other.inputs)
        assert one.unreadable == other.unreadable


def test_nothing_readable_is_an_error(
    tiny_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    for name in ("archery", "swimming"):
        (tmp_path / name).mkdir()
        for number in range(4):
            (tmp_path / name / f"{number}.mp4").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="unreadable samples in a row"):
        _batches(tiny_config(data={"path": str(tmp_path)}), workers=0)
