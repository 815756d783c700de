"""A study as commands for any scheduler: one line a run, or an array job of SLURM."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from zsl_bench.workflows.studies.state import overrides_of, tasks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zsl_bench.workflows.studies.config import Evaluation
    from zsl_bench.workflows.studies.plan import StudyPlan
    from zsl_bench.workflows.studies.state import Task


def commands_of(plan: StudyPlan, task: Task) -> tuple[str, ...]:
    """Return the commands that carry one run out: its training, then its evaluations."""
    train = () if task.run.config is None else (_train(plan, task),)
    return (*train, *(_evaluate(task, evaluation) for evaluation in task.run.evaluations))


def study_lines(plan: StudyPlan) -> tuple[str, ...]:
    """Return one shell command a run, each behind those that it needs.

    The commands are the plain verbs ``train`` and ``evaluate``, which go on where they were
    stopped; what they leave is what ``zsl-bench study`` itself leaves.

    Raises:
        ZslBenchError: The plan does not fit.
    """
    return tuple(" && ".join(commands_of(plan, task)) for task in tasks_of(plan))


def slurm_script(plan: StudyPlan, again: Sequence[str]) -> str:
    """Return an array job of SLURM with one element a run.

    Args:
        plan: The plan.
        again: The command of the study without what it is to do, such as
            ``("zsl-bench", "study", "classes", "classes")``; each element adds ``--run``.
    """
    ranges = list(_levels(plan))
    name, out = plan.config.name, plan.config.out
    head = [
        "#!/bin/bash",
        f"#SBATCH --job-name={shlex.quote(name)}",
        f"#SBATCH --array=1-{len(plan.runs)}",
        f"#SBATCH --output={shlex.quote(str(out))}/slurm-%A_%a.out",
    ]
    if len(ranges) > 1:
        head += [
            "# Some runs start from the weights of others. Submit them in this order, each with",
            "# --dependency=afterok:JOB on the one before it:",
            *(f"#   sbatch --array={elements} THIS_FILE" for elements in ranges),
        ]
    command = shlex.join(again)
    return "\n".join([*head, "set -eu", f'exec {command} --run "$SLURM_ARRAY_TASK_ID"', ""])


def _train(plan: StudyPlan, task: Task) -> str:
    parts = ["zsl-bench", "train", str(task.run.config)]
    for override in overrides_of(plan, task.run, task.upstream):
        parts += ["--set", override]
    return shlex.join([*parts, "--out", str(task.folder), "--resume"])


def _evaluate(task: Task, evaluation: Evaluation) -> str:
    parts = ["zsl-bench", "evaluate", "--model", task.reference]
    for name, path in evaluation.data.items():
        parts += ["--data", f"{name}={path}"]
    for protocol in evaluation.protocols:
        parts += ["--protocol", protocol]
    if evaluation.policy is not None:
        parts += ["--policy", evaluation.policy]
    for key, value in evaluation.settings.items():
        option = f"--{key.replace('_', '-')}"
        if value is not False:
            parts += [option] if value is True else [option, str(value)]
    return shlex.join([*parts, "--out", str(task.results)])


def _levels(plan: StudyPlan) -> Iterator[str]:
    """Return the numbers of the runs level by level, as SLURM writes them.

    A level holds the runs whose needs lie in earlier levels.
    """
    level: dict[str, int] = {}
    for run in plan.runs:
        level[run.id] = 1 + max((level[needed] for needed in run.needs), default=-1)
    numbers = {run.id: number for number, run in enumerate(plan.runs, start=1)}
    for depth in range(max(level.values(), default=0) + 1):
        yield _ranges([numbers[name] for name, at in level.items() if at == depth])


def _ranges(numbers: Sequence[int]) -> str:
    """Return numbers as ``1-3,5``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)
