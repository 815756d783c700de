"""A small data set of the demonstration's, for studies that train."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
kind = "classes"
name = "small"
set = [
  "validation.held_out=0.0", "optimiser.epochs=2", "optimiser.milestones=[1]",
  "optimiser.batch_size=4", "run.workers=0", "frozen.views=1", "clips.size=32",
  "clips.short_side=36", "data.path={place}/videos/train", "audit.against=['{place}/unseen.txt']",
]
[models]
e2e = "demo"
frozen = {{ config = "demo", set = ["model.family=frozen"] }}
[test]
demo-unseen = "{place}/videos/test"
[evaluations.test]
protocols = ["full", "half"]
workers = 0
batch_size = 8
[grid]
counts = [4, "all"]
"""


@dataclass
class Heard:
    """Keeps the lines that a study says."""

    lines: list[str] = field(default_factory=list)

    def __post_init__(self):
        from zsl_bench.baselines.training.progress import Quiet
        from zsl_bench.evaluation.settings import Silent

        self.videos, self.training = Silent(), Quiet()

    def note(self, line):
        self.lines.append(line)


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture(scope="session")
def study_place(tmp_path_factory) -> Path:
    """A folder with 16 training and 6 test videos, and ``small.toml``, a study of them."""
    from zsl_bench.workflows.demo.classes import demo_classes
    from zsl_bench.workflows.demo.scenes import SceneSize
    from zsl_bench.workflows.demo.videos import VideoSet

    place, classes = tmp_path_factory.mktemp("study"), demo_classes(0)
    for part, chosen, each in (
        ("train", classes.seen[:80:10], 2),
        ("test", classes.unseen[::12], 1),
    ):
        size = SceneSize(frames=10, side=40)
        videos = VideoSet(part=part, classes=chosen, each=each, seed=0, size=size)
        assert len(list(videos.write(place / "videos" / part))) == len(videos)
    names = [one.name for one in classes.unseen[::12]]
    (place / "unseen.txt").write_text("".join(f"{name}\n" for name in names))
    (place / "small.toml").write_text(CONFIG.format(place=place))
    return place


@pytest.fixture
def one_thread():
    """Compute on one thread, as processes with ``OMP_NUM_THREADS=1`` do."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
