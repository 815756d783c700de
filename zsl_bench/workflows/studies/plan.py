"""A study as data: runs, what each depends on, and the kinds of study that there are.

A kind of study is a :class:`Kind` in a module of this package, named in ``KINDS``. It turns a
:class:`~zsl_bench.workflows.studies.config.StudyConfig` into a :class:`StudyPlan`, and the rows
that finished runs give into charts. Everything else is the same for all kinds: running, resuming,
sharing between processes, listing as commands, collecting.

Example:
    A kind with one run a count and model::

        def expand(config: StudyConfig) -> StudyPlan:
            runs = [
                Run(
                    id=f"{model.name}-c{count}",
                    labels={"model": model.name, "classes": count},
                    config=model.config,
                    overrides=(*model.overrides, f"data.num_classes={count}"),
                    evaluations=config.evaluations,
                )
                for count in config.numbers("counts")
                for model in config.models
            ]
            return StudyPlan(config=config, runs=tuple(runs))

        KIND = Kind(name="classes", text="...", expand=expand, charts=charts, grid=("counts",))
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ZslBenchError, near_matches
from zsl_bench.files import sha256_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from zsl_bench.figures.chart import Chart
    from zsl_bench.workflows.studies.config import Evaluation, StudyConfig

KINDS = {
    "classes": "kinds_sizes:CLASSES",
    "videos": "kinds_sizes:VIDEOS",
    "diversity": "kinds_diversity:DIVERSITY",
    "pretraining": "kinds_pretraining:PRETRAINING",
    "ablation": "kinds_ablation:ABLATION",
    "paper-tables": "paper_tables:PAPER_TABLES",
}
"""Where each kind of study is: a module of this package and a :class:`Kind` in it."""
FILES_FOLDER = "files"
_PACKAGE = "zsl_bench.workflows.studies"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class ClassList:
    """Classes that a run trains on, written as a file before it begins.

    Attributes:
        name: What the file is called, without ending, such as ``cluster-2-draw-0``.
        classes: Names of the classes, as the data set's class list has them.
    """

    name: str
    classes: tuple[str, ...]

    @property
    def text(self) -> str:
        """The file's contents: one class a line."""
        return "".join(f"{name}\n" for name in self.classes)

    @property
    def file(self) -> str:
        """The file's name; other classes make another name."""
        return f"{self.name}-{sha256_bytes(self.text.encode())[:_DIGITS]}.txt"

    def path(self, out: Path) -> Path:
        """Return where a study with that folder keeps it."""
        return out / FILES_FOLDER / self.file


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training and its evaluations; or evaluations of a model that is not trained here.

    Attributes:
        id: Unique in its plan; letters, digits, dots, dashes and underscores.
        labels: What tells it from other runs: columns of the collected table, such as
            ``{"model": "e2e", "classes": 50, "seed": 0}``. All runs of a plan have the same.
        evaluations: What is measured; may be empty for a pretraining.
        config: Training configuration, a bundled name or a TOML file; None trains nothing.
        overrides: Settings of the training as ``zsl-bench train --set`` takes them.
        class_list: Classes to train on, instead of ``data.classes``; its file is written for you.
        weights_from: Id of the run whose weights this training starts from; with ``config=None``,
            of the run whose weights are evaluated.
        model: With ``config=None`` and no ``weights_from``: the model to evaluate, such as
            ``path:weights`` or ``hub:ORG/REPO@REVISION``.
        after: Ids of other runs that must be done before this one.
    """

    id: str
    labels: Mapping[str, str | int | float | None]
    evaluations: tuple[Evaluation, ...]
    config: str | None = None
    overrides: tuple[str, ...] = ()
    class_list: ClassList | None = None
    weights_from: str | None = None
    model: str | None = None
    after: tuple[str, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of all runs that must be done before."""
        given = () if self.weights_from is None else (self.weights_from,)
        return tuple(dict.fromkeys((*given, *self.after)))


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """The runs of a study, each behind those that it needs.

    Attributes:
        config: What was asked for.
        runs: The runs.
        notes: What a person should know, one sentence each, such as points that were left out.
    """

    config: StudyConfig
    runs: tuple[Run, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse runs that are named twice, come before what they need, or have nothing to do.

        Raises:
            ZslBenchError: The plan cannot be run.
        """
        before: set[str] = set()
        for run in self.runs:
            problem = _problem(run, before, self.runs[0])
            if problem:
                raise ZslBenchError(
                    f"study {self.config.name}, run {run.id!r}", found=problem, fix="mend the plan"
                )
            before.add(run.id)

    def run(self, reference: str) -> Run:
        """Return a run by its id, or by its number from 1.

        Raises:
            ZslBenchError: There is no such run.
        """
        for number, run in enumerate(self.runs, start=1):
            if reference in (run.id, str(number)):
                return run
        raise ZslBenchError(
            f"run {reference!r} of study {self.config.name}",
            found=f"no such run among {len(self.runs)}",
            fix=near_matches(reference, [run.id for run in self.runs]),
        )


@dataclass(frozen=True, kw_only=True)
class StudyRow:
    """What a finished run measured on one data set under one protocol.

    Attributes:
        run: Id of the run.
        labels: Its labels.
        evaluation: Name of the evaluation.
        dataset: The test set.
        protocol: Id of the protocol with its version, such as ``brattoli-half@1``.
        top1: Mean top-1 over the trials, from 0 to 1.
        top5: The same of top-5; None where there are fewer than five candidates.
        std: Population standard deviation of top-1 over the trials; None for one trial.
        trials: Number of trials.
        chance: Top-1 of guessing.
        complete: Whether every video of the data set was scored.
        verdict: The zero-shot verdict in words.
        classes_trained: Number of classes that were really trained on; None where nothing was.
        samples_trained: Number of samples that were really trained on; None where nothing was.
        result: The result file, relative to the study's folder, with ``/``.
    """

    run: str
    labels: Mapping[str, str | int | float | None]
    evaluation: str
    dataset: str
    protocol: str
    top1: float
    top5: float | None
    std: float | None
    trials: int
    chance: float
    complete: bool
    verdict: str
    classes_trained: int | None
    samples_trained: int | None
    result: str

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON holds it."""
        return {**self.__dict__, "labels": dict(self.labels)}


def _no_extra(_plan: StudyPlan, _rows: Sequence[StudyRow]) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of study.

    Attributes:
        name: As in ``KINDS``.
        text: What it finds out, in one sentence with the paper's figure or section.
        expand: Turns a configuration into a plan; it reads small files only.
        charts: Turns the rows of finished runs, at least one, into charts; rows of several data
            sets and protocols come together, and some runs may be missing.
        grid: Names that the configuration's ``[grid]`` may have.
        extra: More for ``study.json``, such as the claimed figures of a table.
    """

    name: str
    text: str
    expand: Callable[[StudyConfig], StudyPlan]
    charts: Callable[[Sequence[StudyRow]], list[Chart]]
    grid: tuple[str, ...] = ()
    extra: Callable[[StudyPlan, Sequence[StudyRow]], Mapping[str, Any]] = field(default=_no_extra)


def find_kind(name: str) -> Kind:
    """Return a kind of study.

    Raises:
        ZslBenchError: There is none of that name.
    """
    if name not in KINDS:
        raise ZslBenchError(
            f"study {name!r}", found="no such kind of study", fix=near_matches(name, KINDS)
        )
    module, _, attribute = KINDS[name].partition(":")
    kind: Kind = getattr(import_module(f"{_PACKAGE}.{module}"), attribute)
    return kind


def plan_study(config: StudyConfig) -> StudyPlan:
    """Expand a configuration into its plan.

    Raises:
        ZslBenchError: The grid has a name that the kind does not know, or the plan cannot be made.
    """
    kind = find_kind(config.kind)
    for name in config.grid:
        if name not in kind.grid:
            raise ZslBenchError(
                f"study {config.name}",
                found=f"unknown field grid.{name}",
                fix=near_matches(name, kind.grid),
            )
    plan = kind.expand(config)
    if not plan.runs:
        raise ZslBenchError(
            f"study {config.name}",
            found=f"nothing to run; {'; '.join(plan.notes) or 'no notes'}",
            fix="give it a larger grid",
        )
    return plan


def _problem(run: Run, before: set[str], first: Run) -> str:
    missing = [needed for needed in run.needs if needed not in before]
    starts = (run.config, run.weights_from, run.model)
    problems = (
        ("an id that no folder can have", not _ID.fullmatch(run.id)),
        ("the id twice", run.id in before),
        (f"it needs {missing}, which does not come before it", bool(missing)),
        ("other labels than the first run's", tuple(run.labels) != tuple(first.labels)),
        ("neither a training nor a model", not any(starts)),
        ("both a training and a model", bool(run.config and run.model)),
        ("no training and nothing to evaluate", not run.config and not run.evaluations),
    )
    return next((text for text, wrong in problems if wrong), "")
