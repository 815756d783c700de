"""A small data set of the demonstration's, for studies that train."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zsl_bench.workflows.studies.plan import StudyPlan
    from zsl_bench.workflows.studies.run import StudyReport

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


@pytest.fixture(scope="session")
def small_study(study_place) -> Callable[..., StudyPlan]:
    """Makes the plan of the small study in a folder, of some of its models."""
    from zsl_bench.workflows.studies.config import load_study
    from zsl_bench.workflows.studies.plan import plan_study

    def plan(out: Path, *, only: tuple[str, ...] = ("e2e",), **given: Any) -> StudyPlan:
        config = load_study("classes", study_place / "small.toml", out=out, **given)
        models = tuple(model for model in config.models if model.name in only)
        return plan_study(replace(config, models=models))

    return plan


@pytest.fixture(scope="session")
def finished(small_study, tmp_path_factory) -> tuple[StudyPlan, StudyReport]:
    """The small study, whole, trained once for all tests: its plan and what was said."""
    from zsl_bench.workflows.studies.run import run_study

    plan = small_study(tmp_path_factory.mktemp("whole") / "out", only=("e2e", "frozen"))
    with _one_thread():
        return plan, run_study(plan)


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture
def one_thread():
    """Compute on one thread, as processes with ``OMP_NUM_THREADS=1`` do."""
    with _one_thread():
        yield
