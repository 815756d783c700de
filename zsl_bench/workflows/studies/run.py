"""Carry a study out: run after run, resumable, shared with other processes."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zsl_bench.errors import ZslBenchError, one_line
from zsl_bench.evaluation.claims import Claims, Patience
from zsl_bench.evaluation.settings import Silent
from zsl_bench.files import check_writable, write_json
from zsl_bench.workflows.studies.state import FAILURE, tasks_of, write_class_lists

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from zsl_bench.baselines.training.progress import TrainProgress
    from zsl_bench.evaluation.settings import Progress
    from zsl_bench.results import EvaluationResult
    from zsl_bench.workflows.studies.config import Evaluation
    from zsl_bench.workflows.studies.plan import StudyPlan
    from zsl_bench.workflows.studies.state import Task

_CLAIMS = "claims"
_POLL = 1.0
_LONGEST_REASON = 500


class StudyProgress(Protocol):
    """Hears how a study goes; the command line shows it."""

    @property
    def videos(self) -> Progress:
        """Hears how many videos are evaluated."""
        ...

    @property
    def training(self) -> TrainProgress:
        """Hears how a training goes."""
        ...

    def note(self, line: str) -> None:
        """Hear what comes next, or what was found."""
        ...


class Unheard:
    """A progress that says nothing."""

    def __init__(self) -> None:
        from zsl_bench.baselines.training.progress import Quiet

        self.videos, self.training = Silent(), Quiet()

    def note(self, line: str) -> None:
        """Say nothing."""


@dataclass(frozen=True, kw_only=True)
class StudyReport:
    """What became of the runs that were asked for.

    Attributes:
        done: Ids of those that are done, in the plan's order, whoever did them.
        failed: The reason of each that failed.
        waiting: Ids of those that were not begun, because one that they need failed.
        stopped: Whether SIGTERM ended a training; it goes on from its checkpoint.
    """

    done: tuple[str, ...]
    failed: Mapping[str, str]
    waiting: tuple[str, ...]
    stopped: bool = False


class _Stopped(Exception):  # noqa: N818
    """SIGTERM ended a training after a checkpoint."""


@dataclass(kw_only=True)
class _Study:
    """The state of a study while this process works on it."""

    tasks: Sequence[Task]
    claims: Claims
    progress: StudyProgress
    total: int
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)

    def look(self) -> list[Task]:
        """Take note of what is done or has failed, and return what could begin."""
        ready = []
        for task in self.tasks:
            name = task.run.id
            if name in self.done or name in self.failed:
                continue
            if task.is_done():
                self.done.add(name)
                continue
            failure = task.failure()
            if failure is not None and failure != self.before.get(name):
                self.failed[name] = str(failure.get("reason"))
            elif all(needed in self.done for needed in task.run.needs):
                ready.append(task)
        return ready

    def attempt(self, task: Task) -> None:
        """Carry out a run that this process has claimed, unless another was faster."""
        if task.is_done():
            return
        begun = time.monotonic()
        label = f"[{task.number}/{self.total}] {task.run.id}"
        try:
            results = perform(task, self.progress)
        except (ZslBenchError, OSError, RuntimeError, MemoryError, ValueError) as error:
            reason = one_line(str(error))[:_LONGEST_REASON] or type(error).__name__
            self.failed[task.run.id] = reason
            _record_failure(task, reason)
            self.progress.note(f"{label}: failed: {reason}")
            return
        _forget_failure(task)
        seconds = time.monotonic() - begun
        self.progress.note(f"{label}: done in {seconds:.0f} s{_told(results)}")


def run_study(
    plan: StudyPlan,
    *,
    only: Collection[str] = (),
    progress: StudyProgress | None = None,
    patience: Patience | None = None,
) -> StudyReport:
    """Carry out what is left of a study, run after run in the plan's order.

    A run is done when its weights and result files are there. One that was stopped goes on from
    its checkpoint and from the videos that it had evaluated. A run that fails is recorded with its
    reason, and the others go on; it is tried again the next time. Several processes that see the
    folder may share a study: each takes a run that no other has, and waits at the end for the
    others.

    Args:
        plan: The plan.
        only: Ids of the runs to carry out, with all that they need; empty for all.
        progress: Hears how it goes.
        patience: When another process counts as lost.

    Raises:
        ZslBenchError: The plan does not fit, or the study's folder cannot be written.
        KeyboardInterrupt: Ctrl-C ended it; what is done and every checkpoint stay.
    """
    said, folder = progress or Unheard(), plan.config.out
    tasks = _wanted(tasks_of(plan), only)
    check_writable(folder)
    write_class_lists(plan)
    (folder / _CLAIMS).mkdir(exist_ok=True)
    stopped = False
    with Claims(folder / _CLAIMS, patience) as claims:
        study = _Study(tasks=tasks, claims=claims, progress=said, total=len(plan.runs))
        study.before = {task.run.id: task.failure() for task in tasks}
        try:
            _work(study)
        except _Stopped:
            stopped = True
        if len(study.done) == len(plan.runs):
            claims.sweep()
    settled = study.done | study.failed.keys()
    return StudyReport(
        done=tuple(task.run.id for task in tasks if task.run.id in study.done),
        failed=dict(study.failed),
        waiting=tuple(task.run.id for task in tasks if task.run.id not in settled),
        stopped=stopped,
    )


def _work(study: _Study) -> None:
    while ready := study.look():
        task = next((task for task in ready if study.claims.take(task.folder.name)), None)
        if task is None:
            time.sleep(_POLL)
            continue
        try:
            study.attempt(task)
        finally:
            study.claims.release(task.folder.name)


def perform(task: Task, progress: StudyProgress) -> list[EvaluationResult]:
    """Train what is not trained, and evaluate what is not evaluated.

    Training comes to its end before a test video is looked at, and nothing that a test set says
    goes back into it.

    Raises:
        ZslBenchError: Something is missing, does not fit, or went wrong.
        KeyboardInterrupt: Ctrl-C ended it.
    """
    _check_test_sets(task)
    if not task.is_trained():
        _train(task, progress)
    results = []
    for evaluation, dataset in task.missing():
        results += _evaluate(task, evaluation, dataset, progress)
    left = [f"{evaluation.name} on {dataset}" for evaluation, dataset in task.missing()]
    if left:
        raise ZslBenchError(
            f"run {task.run.id}",
            found=f"results of {left[0]} that are not what the study asks for",
            fix="report it",
        )
    return results


def _check_test_sets(task: Task) -> None:
    """Refuse to train for days where what is to be measured then is not there."""
    for evaluation in task.run.evaluations:
        for dataset, path in evaluation.data.items():
            if not Path(path).exists():
                raise ZslBenchError(
                    f"test set {dataset} of run {task.run.id}",
                    found=f"nothing at {path}",
                    fix=f"name its place with --data {dataset}=PATH",
                )


def _train(task: Task, progress: StudyProgress) -> None:
    if task.config is None:
        raise ZslBenchError(
            f"run {task.run.id}", found=f"no weights in {task.weights}", fix="train them first"
        )
    from zsl_bench.baselines.training.run import train

    report = train(task.config, task.folder, resume=True, progress=progress.training)
    if report.stopped:
        raise _Stopped


def _evaluate(
    task: Task, evaluation: Evaluation, dataset: str, progress: StudyProgress
) -> list[EvaluationResult]:
    from zsl_bench.evaluation import evaluate

    return evaluate(
        task.reference,
        data={dataset: Path(evaluation.data[dataset])},
        protocols=evaluation.protocols or None,
        out=task.results,
        progress=progress.videos,
        policy=evaluation.policy,
        **evaluation.settings,
    )


def _wanted(tasks: Sequence[Task], only: Collection[str]) -> list[Task]:
    """Return the tasks asked for and all that they need, in the plan's order."""
    if not only:
        return list(tasks)
    wanted = set(only)
    for task in reversed(tasks):
        if task.run.id in wanted:
            wanted.update(task.run.needs)
    return [task for task in tasks if task.run.id in wanted]


def _record_failure(task: Task, reason: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    with suppress(ZslBenchError):  # a full disk is told on the screen
        write_json(task.folder / FAILURE, {"run": task.run.id, "reason": reason, "at": now})


def _forget_failure(task: Task) -> None:
    with suppress(OSError):
        (task.folder / FAILURE).unlink(missing_ok=True)


def _told(results: Sequence[EvaluationResult]) -> str:
    """Say the first protocol's accuracy on each data set."""
    told = []
    for result in results:
        name, scores = next(iter(result.scores.items()))
        top1 = scores["mean"]["top1"]
        if top1 is not None:
            told.append(f"{result.dataset} {name.partition('@')[0]} {100 * top1:.1f} %")
    return f": {', '.join(told)}" if told else ""
