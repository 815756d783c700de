"""The demonstration: make videos, audit, train, evaluate, draw."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from zsl_bench.errors import ModelError, ResultError, ZslBenchError
from zsl_bench.evaluation.settings import Silent
from zsl_bench.figures.chart import can_plot, write_csv
from zsl_bench.files import atomic_write, check_writable, write_json
from zsl_bench.splits import check_overlap
from zsl_bench.workflows.demo import figures
from zsl_bench.workflows.demo.plan import (
    MEANINGFUL_MINUTES,
    UNSEEN_LIST,
    VIDEOS,
    plan_demo,
    training_configs,
)
from zsl_bench.workflows.demo.report import (
    RECIPES,
    DemoReport,
    predictions_of,
    recipe_scores,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.progress import TrainProgress
    from zsl_bench.baselines.training.run import TrainReport
    from zsl_bench.evaluation.settings import Progress
    from zsl_bench.results import EvaluationResult
    from zsl_bench.workflows.demo.plan import DemoPlan

PLAN_FILE, REPORT_FILE, AUDIT_FILE = "plan.json", "demo.json", "audit.json"
_TEST_SET = "demo-unseen"


class DemoProgress(Protocol):
    """Hears how a demonstration goes; the command line shows it."""

    @property
    def videos(self) -> Progress:
        """Hears how many videos are made, and how many are evaluated."""
        ...

    @property
    def training(self) -> TrainProgress:
        """Hears how the training goes."""
        ...

    def note(self, line: str) -> None:
        """Hear what comes next, or what was found."""
        ...


class _Unheard:
    """Nobody listens."""

    def __init__(self) -> None:
        from zsl_bench.baselines.training.progress import Quiet

        self.videos, self.training = Silent(), Quiet()

    def note(self, line: str) -> None:
        """Say nothing."""


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """The end-to-end training, and how both models did."""

    e2e: TrainReport
    e2e_result: EvaluationResult
    frozen_result: EvaluationResult


class _Stopwatch:
    """The seconds of each stage."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._begun = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        passed = time.perf_counter() - begun
        self.stages[name] = round(self.stages.get(name, 0.0) + passed, 2)

    def seconds(self) -> float:
        return round(time.perf_counter() - self._begun, 2)


def run_demo(
    out: str | Path,
    *,
    minutes: float | None = None,
    seed: int = 0,
    full: bool = False,
    progress: DemoProgress | None = None,
) -> DemoReport:
    """Watch a model learn to name classes that it never saw.

    Makes videos of two sets of classes without a common class, audits them, trains a network end to
    end on the one set beside a baseline whose backbone stays random, and evaluates both on the
    other set. No test video is looked at before the last weights are on the disk.

    Args:
        out: A folder that is not there yet or is empty.
        minutes: How long it may take on two CPU cores (with ``full``, on one GPU); what is done is
            a fixed function of it. None for two, or ten with ``full``.
        seed: Seed of the classes, the videos, the weights and the training.
        full: Train R(2+1)D-18 on more and larger videos; needs a GPU.
        progress: Hears how it goes.

    Returns:
        What was found; ``demo.json`` in the folder holds the same.

    Raises:
        ZslBenchError: The folder is not empty, ``minutes`` or ``seed`` is out of range, there is no
            GPU for ``full``, or something went wrong.
        KeyboardInterrupt: Ctrl-C or SIGTERM ended it.

    Example:
        >>> run_demo("demo").e2e  # doctest: +SKIP
        0.7
    """
    watch, said = _Stopwatch(), progress or _Unheard()
    plan, folder = plan_demo(minutes, seed=seed, full=full), Path(out)
    _check_device(plan)
    _check_folder(folder)
    write_json(folder / PLAN_FILE, plan.to_json())
    with watch.stage("videos"):
        _make_videos(plan, folder, said)
    closest = _audit(plan, folder, said)
    with _one_thread():
        outcome = _learn(plan, folder, said, watch)
    with watch.stage("figures"):
        paths = _draw(plan, folder, outcome)
    report = _report(plan, outcome, closest=closest, paths=paths, watch=watch)
    write_json(folder / REPORT_FILE, report.to_json())
    return report


def _check_device(plan: DemoPlan) -> None:
    if not plan.full:
        return
    import torch

    if not torch.cuda.is_available():
        raise ModelError(
            "demo --full",
            found="no CUDA device to train R(2+1)D-18 on",
            fix="run it on a machine with a GPU, or leave --full out",
        )


def _check_folder(folder: Path) -> None:
    check_writable(folder)
    if not any(folder.iterdir()):
        return
    earlier = (folder / PLAN_FILE).exists()
    raise ResultError(
        f"demonstration in {folder}",
        found="an earlier demonstration" if earlier else "a folder with other things in it",
        fix="give another folder with --out" + (", or remove this one" if earlier else ""),
    )


def _make_videos(plan: DemoPlan, folder: Path, progress: DemoProgress) -> None:
    sets = (plan.train, plan.test)
    total = sum(map(len, sets))
    progress.note(
        f"making {total} videos: {len(plan.classes.seen)} classes for training, "
        f"{len(plan.classes.unseen)} other classes for testing"
    )
    progress.videos.start("videos", total=total, done=0)
    try:
        for part in sets:
            for _ in part.write(folder / VIDEOS / part.part):
                progress.videos.advance(1)
    finally:
        progress.videos.finish()
    with atomic_write(folder / UNSEEN_LIST) as stream:
        stream.write("".join(f"{name}\n" for name in plan.classes.test.names).encode())


def _audit(plan: DemoPlan, folder: Path, progress: DemoProgress) -> float:
    """Refuse to go on where a training class is too close to a test class."""
    audit = check_overlap(plan.classes.train, plan.classes.test)
    write_json(folder / AUDIT_FILE, audit.to_json())
    closest = min(neighbour.distance for neighbour in audit.neighbours)
    if audit.removed or audit.approximate_words:
        raise ZslBenchError(
            "audit of the demonstration's classes",
            found=f"{len(audit.removed)} training classes too close to a test class",
            fix="report it",
        )
    progress.note(
        f"audit: no training class is within {audit.threshold} of a test class; "
        f"the least distance is {closest:.2f}"
    )
    return closest


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread beside the process that decodes.

    Sums are then rounded alike on any number of cores, and threads do not wait for one another
    where something else runs.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _learn(plan: DemoPlan, folder: Path, progress: DemoProgress, watch: _Stopwatch) -> _Outcome:
    """Train both models, and only then look at the test videos."""
    e2e, frozen = (
        _train(config, folder / "runs" / config.model.family, progress, watch)
        for config in training_configs(plan, folder)
    )
    with watch.stage("evaluation"):
        return _Outcome(
            e2e=e2e,
            e2e_result=_evaluate(e2e, folder, progress),
            frozen_result=_evaluate(frozen, folder, progress),
        )


def _train(
    config: TrainConfig, folder: Path, progress: DemoProgress, watch: _Stopwatch
) -> TrainReport:
    from zsl_bench.baselines.training.run import train

    what = "the whole network" if config.model.family == "e2e" else "the linear layer alone"
    progress.note(f"training {what}: epochs: {config.optimiser.epochs}")
    with watch.stage(config.model.family):
        report = train(config, folder, progress=progress.training)
    if report.weights is None:
        raise KeyboardInterrupt
    return report


def _evaluate(report: TrainReport, folder: Path, progress: DemoProgress) -> EvaluationResult:
    from zsl_bench.evaluation import evaluate

    (result,) = evaluate(
        f"path:{report.weights}",
        data={_TEST_SET: folder / VIDEOS / "test"},
        protocols=RECIPES,
        out=folder / "results",
        progress=progress.videos,
    )
    return result


def _draw(plan: DemoPlan, folder: Path, outcome: _Outcome) -> dict[str, Path]:
    """Write the figures and their numbers, and name everything that was written."""
    videos, place, results = folder / VIDEOS, folder / "figures", folder / "results"
    e2e = predictions_of(outcome.e2e_result, results)
    frozen = predictions_of(outcome.frozen_result, results)
    rows = [
        (ours.video, ours.truth, ours.named, theirs.named)
        for ours, theirs in zip(e2e, frozen, strict=True)
    ]
    header = ("video", "class", "e2e", "frozen")
    recipes = recipe_scores(outcome.e2e_result, outcome.frozen_result)
    written = [
        write_csv(place / "predictions.csv", header, rows),
        figures.draw_videos(plan, videos, place / "videos.png"),
        *figures.draw_predictions(e2e, videos / "test", place / "predictions.png"),
        *figures.draw_accuracy(recipes, place / "accuracy.png"),
        *figures.draw_learning(
            outcome.e2e.folder / "metrics.csv",
            place / "learning.png",
            held_out_classes=outcome.e2e.held_out_classes,
        ),
        *figures.draw_classes(e2e, frozen, place / "classes.png"),
    ]
    return {
        "report": folder / REPORT_FILE,
        "videos": videos,
        "audit": folder / AUDIT_FILE,
        "e2e_weights": folder / "runs" / "e2e" / "weights",
        "frozen_weights": folder / "runs" / "frozen" / "weights",
        "e2e_result": results / f"{outcome.e2e_result.stem}.json",
        "frozen_result": results / f"{outcome.frozen_result.stem}.json",
        **{f"figures/{path.name}": path for path in sorted(written)},
    }


def _report(
    plan: DemoPlan,
    outcome: _Outcome,
    *,
    closest: float,
    paths: dict[str, Path],
    watch: _Stopwatch,
) -> DemoReport:
    recipes = recipe_scores(outcome.e2e_result, outcome.frozen_result)
    everything = recipes[0]
    return DemoReport(
        chance=everything.chance,
        e2e=everything.e2e,
        frozen=everything.frozen,
        num_unseen=everything.classes,
        num_seen=len(plan.classes.seen),
        num_held_out=outcome.e2e.held_out_classes,
        num_videos=outcome.e2e_result.coverage["scored"],
        recipes=recipes,
        verdict=outcome.e2e_result.verdict,
        closest=closest,
        held_out_top1=outcome.e2e.held_out_top1,
        seed=plan.seed,
        minutes=plan.minutes,
        epochs=plan.epochs,
        full=plan.full,
        seconds=watch.seconds(),
        stages=watch.stages,
        paths=paths,
        notes=tuple(_notes(plan)),
    )


def _notes(plan: DemoPlan) -> Iterator[str]:
    if plan.minutes < MEANINGFUL_MINUTES:
        yield (
            f"this was a trial of {plan.minutes:g} minutes, too short to learn much: "
            "leave --minutes out to see learning happen"
        )
    if not can_plot():
        yield figures.NO_PLOTS
