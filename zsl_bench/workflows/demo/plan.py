"""How large a demonstration is: a fixed function of the minutes that it may take."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ZslBenchError
from zsl_bench.workflows.demo.classes import DemoClasses, demo_classes
from zsl_bench.workflows.demo.scenes import SceneSize
from zsl_bench.workflows.demo.videos import VideoSet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zsl_bench.baselines.training.config import TrainConfig

LONGEST_MINUTES, MEANINGFUL_MINUTES = 600.0, 1.5
VIDEOS = PurePath("videos")
UNSEEN_LIST = "demo-unseen.txt"
_MILESTONES = (0.5, 0.75, 0.9)
_CLIPS_PER_SECOND = {False: 150.0, True: 220.0}
_SECONDS_APART_FROM_TRAINING = {False: 42.0, True: 90.0}
_FULL_MINUTES = 10.0


@dataclass(frozen=True, kw_only=True)
class DemoPlan:
    """What a demonstration makes and trains.

    Attributes:
        minutes: How long it may take on the machine that it is meant for: two CPU cores, or with
            ``full`` one GPU.
        seed: Seed of the classes, the videos, the weights and the training.
        full: Whether R(2+1)D-18 is trained, on more and larger videos.
        size: Length and size of the videos.
        train_each: Videos of each training class.
        test_each: Videos of each test class.
        epochs: Epochs of the end-to-end training.
    """

    minutes: float
    seed: int
    full: bool
    size: SceneSize
    train_each: int
    test_each: int
    epochs: int

    @property
    def classes(self) -> DemoClasses:
        """The classes."""
        return demo_classes(self.seed)

    @property
    def train(self) -> VideoSet:
        """The training videos."""
        return VideoSet(
            part="train",
            classes=self.classes.seen,
            each=self.train_each,
            seed=self.seed,
            size=self.size,
        )

    @property
    def test(self) -> VideoSet:
        """The test videos."""
        return VideoSet(
            part="test",
            classes=self.classes.unseen,
            each=self.test_each,
            seed=self.seed,
            size=self.size,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON holds it."""
        return asdict(self)


def plan_demo(minutes: float | None = None, *, seed: int, full: bool) -> DemoPlan:
    """Fit a demonstration into some minutes; the clock of this machine is not looked at.

    Args:
        minutes: How long it may take; None for two, or ten with ``full``.
        seed: Seed of everything.
        full: Train R(2+1)D-18.

    Raises:
        ZslBenchError: The minutes or the seed are out of range.
    """
    if minutes is None:
        minutes = _FULL_MINUTES if full else 2.0
    if not (math.isfinite(minutes) and 0 < minutes <= LONGEST_MINUTES):
        raise ZslBenchError(
            f"demonstration of {minutes:g} minutes",
            found="no such time",
            fix=f"give more than 0 and at most {LONGEST_MINUTES:g}",
        )
    if seed < 0:
        raise ZslBenchError(f"seed {seed}", found="a negative number", fix="give 0 or more")
    usual = _FULL_MINUTES if full else 2.0
    share = min(minutes / usual, 1.0)
    train_each = max(round(share * (16 if full else 6)), 1)
    videos = train_each * len(demo_classes(seed).seen)
    left = max(60 * minutes - _SECONDS_APART_FROM_TRAINING[full], 0)
    return DemoPlan(
        minutes=minutes,
        seed=seed,
        full=full,
        size=SceneSize(frames=32, side=144) if full else SceneSize(),
        train_each=train_each,
        test_each=max(round(share * 4), 1),
        epochs=max(round(left * _CLIPS_PER_SECOND[full] / videos), 1),
    )


def training_configs(plan: DemoPlan, folder: Path) -> tuple[TrainConfig, TrainConfig]:
    """Return the configurations of the end-to-end model and of the frozen-random baseline.

    Both are the bundled ``demo``; they start from the same random weights and see the same videos.
    The baseline's linear layer gets twice the epochs.

    Args:
        plan: The plan.
        folder: The demonstration's folder.
    """
    from dataclasses import replace

    from zsl_bench.baselines.training.config import with_settings
    from zsl_bench.baselines.training.config_files import load_config

    common: dict[str, Mapping[str, Any]] = {
        "data": {"path": str(folder / VIDEOS / "train")},
        "audit": {"against": (str(folder / UNSEEN_LIST),)},
        "run": {"seed": plan.seed},
        "optimiser": _schedule(plan.epochs),
    }
    if plan.full:
        common["model"] = {"network": "r2plus1d_18"}
        common["clips"] = {"frames": 16, "size": 112, "short_side": 128, "policy": "paper-4"}
        common["run"] = {"seed": plan.seed, "device": "cuda", "precision": "bf16", "workers": None}
        common["optimiser"] = {**_schedule(plan.epochs), "learning_rate": 1e-3}
    e2e = with_settings(load_config("demo"), **common)
    frozen = with_settings(
        e2e,
        model={"family": "frozen"},
        optimiser=_schedule(2 * plan.epochs),
        validation={"every": 2 * plan.epochs},
    )
    return replace(e2e, name="demo-e2e"), replace(frozen, name="demo-frozen")


def _schedule(epochs: int) -> dict[str, Any]:
    """Return epochs, and when the learning rate falls."""
    return {
        "epochs": epochs,
        "milestones": tuple(sorted({max(round(part * epochs), 1) for part in _MILESTONES})),
    }
