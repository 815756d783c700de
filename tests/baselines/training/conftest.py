"""Fixtures for the training tests: small real videos, and configurations that train on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
import torch

from zsl_bench.baselines.training.config import (
    AuditSettings,
    ClipSettings,
    DataSettings,
    ModelSettings,
    OptimiserSettings,
    RunSettings,
    TrainConfig,
    with_settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLASSES = ("archery", "bowling", "juggling balls", "milking cow", "surfing water", "swimming")
VIDEOS_PER_CLASS = 4


@pytest.fixture(scope="session")
def training_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 H.264 videos, 12 frames of 48 x 40 noise, in six class folders."""
    root = tmp_path_factory.mktemp("training-videos")
    rng = np.random.default_rng(3)
    for name in CLASSES:
        base = rng.integers(30, 220, (40, 48, 3))
        (root / name).mkdir()
        for number in range(VIDEOS_PER_CLASS):
            with av.open(str(root / name / f"v{number}.mp4"), "w") as container:
                stream = container.add_stream("libx264", rate=25)
                stream.width, stream.height, stream.pix_fmt = 48, 40, "yuv420p"
                stream.options = {"x264-params": "mbtree=0:threads=1"}
                for _ in range(12):
                    noisy = np.clip(base + rng.normal(0, 12, base.shape), 0, 255).astype(np.uint8)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
                container.mux(stream.encode())
    return root


@pytest.fixture
def tiny_config(training_videos: Path) -> Callable[..., TrainConfig]:
    """Return a function that makes a configuration of a run of seconds; sections may be changed."""
    config = TrainConfig(
        name="tiny",
        data=DataSettings(dataset="mine", path=str(training_videos)),
        model=ModelSettings(network="r2plus1d_tiny"),
        audit=AuditSettings(against=("hmdb51",)),
        clips=ClipSettings(frames=4, size=32, short_side=36, dtype="uint8", policy="first-4"),
        optimiser=OptimiserSettings(epochs=2, batch_size=4, milestones=(1,)),
        run=RunSettings(device="cpu", workers=0, log_every=1),
    )

    def make(**sections: dict[str, Any]) -> TrainConfig:
        return with_settings(config, **sections)

    return make


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Train on one thread, as the processes that are compared with it do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
