"""``zsl-bench study``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.compared import COMPARED, ComparedChoices, compare_methods, refuse_options
from zsl_bench.cli.paper_tables import FORMATS, tell_tables
from zsl_bench.cli.render import (
    INTERRUPTED,
    TERMINATED,
    console,
    count,
    percent,
    print_json,
    table,
)
from zsl_bench.errors import ZslBenchError
from zsl_bench.workflows.studies.plan import KINDS

if TYPE_CHECKING:
    from zsl_bench.evaluation.settings import Progress
    from zsl_bench.workflows.studies.collect import Collected
    from zsl_bench.workflows.studies.plan import StudyPlan
    from zsl_bench.workflows.studies.run import StudyReport

_STATES = ("done", "trained", "failed", "begun", "not begun")


class _Lines:
    """Lines on stderr; bars beside them on a terminal."""

    def __init__(self) -> None:
        from zsl_bench.baselines.training.progress import Quiet
        from zsl_bench.cli.progress import ProgressBar, TrainingBar
        from zsl_bench.evaluation.settings import Silent

        self._console = console(stderr=True)
        on_screen = sys.stderr.isatty()
        self.videos: Progress = ProgressBar() if on_screen else Silent()
        self.training = TrainingBar() if on_screen else Quiet()

    def note(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, soft_wrap=True)


@click.command(epilog="Example: zsl-bench study classes --dry-run")
@click.argument("name", type=click.Choice((*KINDS, COMPARED)), metavar="NAME")
@click.argument("config", required=False)
@click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.FIELD=VALUE",
    help="Change one setting of every training; may be given several times.",
)  # fmt: skip
@click.option(
    "--data", multiple=True, metavar="DATASET=PATH",
    help="Where a test set is, instead of the configuration's path, or its feature file "
    "(compared-methods); may be given several times.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help="The study's folder. Default: the configuration's.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be run, and where each run stands.")
@click.option("--list", "as_list", is_flag=True, help="Print the commands, one line a run.")
@click.option(
    "--slurm", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write an array job of SLURM with one element a run.",
)  # fmt: skip
@click.option(
    "--run", "only", multiple=True, metavar="ID",
    help="Carry out this run, by id or number, and what it needs; may be given several times.",
)  # fmt: skip
@click.option("--collect", "collects", is_flag=True,
              help="Collect what is finished, and run nothing.")  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(FORMATS),
    help="Print the tables, and run nothing (paper-tables: claimed beside measured; "
    "compared-methods).",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def study(
    *,
    name: str,
    config: str | None,
    overrides: tuple[str, ...],
    data: tuple[str, ...],
    out: Path | None,
    dry_run: bool,
    as_list: bool,
    slurm: Path | None,
    only: tuple[str, ...],
    collects: bool,
    form: str | None,
    as_json: bool,
) -> None:
    """Carry out a study of the paper: many trainings, their evaluations, and their figure.

    NAME is classes, videos, diversity, pretraining, ablation or paper-tables, or compared-methods,
    which fits methods to clip features; CONFIG is a bundled configuration, such as demo-classes,
    or a TOML file, and by default the bundled one of that name. Without an option, what is left of
    the study is run, one run after the other; Ctrl-C (exit status 130) and SIGTERM (143) leave what
    is done, and the same command goes on. Several processes may share a study. A run that fails is
    recorded, the others go on, and the exit status is 1.
    """
    from zsl_bench.workflows.studies.config import load_study
    from zsl_bench.workflows.studies.plan import plan_study

    modes = sum(map(bool, (dry_run, as_list, slurm, only, collects, form)))
    if modes > 1:
        raise click.UsageError(
            "give one of --dry-run, --list, --slurm, --run, --collect and --format"
        )
    if name == COMPARED:
        refuse_options(overrides, as_list, slurm)
        compare_methods(
            ComparedChoices(
                config=config,
                data=_pairs(data),
                out=out,
                dry_run=dry_run,
                only=only,
                collects=collects,
                form=form,
                as_json=as_json,
            )
        )
        return
    chosen = _chosen(name, config)
    settings = load_study(name, chosen, overrides=overrides, data=_pairs(data), out=out)
    plan = plan_study(settings)
    if as_list:
        _list(plan)
    elif slurm is not None:
        again = _again(name, chosen, overrides, data, out)
        _write_slurm(plan, slurm, again)
    elif form is not None:
        tell_tables(plan, form)
    elif dry_run:
        _tell_plan(plan, as_json=as_json)
    elif collects:
        _collect(plan, as_json=as_json)
    else:
        _run(plan, only, as_json=as_json)


def _chosen(name: str, config: str | None) -> str:
    """Return the configuration; an empty one is not taken for none."""
    return name if config is None else config


def _pairs(data: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for value in data:
        dataset, equals, path = value.partition("=")
        if not (dataset and equals and path):
            raise click.BadParameter(f"{value!r} is not DATASET=PATH", param_hint="--data")
        pairs[dataset] = path
    return pairs


def _again(
    name: str, config: str, overrides: tuple[str, ...], data: tuple[str, ...], out: Path | None
) -> tuple[str, ...]:
    """Return the command of this study, without what it is to do."""
    parts = ["zsl-bench", "study", name, config]
    for option, values in (("--set", overrides), ("--data", data)):
        for value in values:
            parts += [option, value]
    return (*parts, *(() if out is None else ("--out", str(out))))


def _list(plan: StudyPlan) -> None:
    from zsl_bench.workflows.studies.commands import study_lines
    from zsl_bench.workflows.studies.state import write_class_lists

    lines = study_lines(plan)
    write_class_lists(plan)
    for line in lines:
        click.echo(line)


def _write_slurm(plan: StudyPlan, path: Path, again: tuple[str, ...]) -> None:
    from zsl_bench.files import atomic_write, check_writable
    from zsl_bench.workflows.studies.commands import slurm_script

    script = slurm_script(plan, again)
    check_writable(plan.config.out)
    with atomic_write(path) as stream:
        stream.write(script.encode())
    console(stderr=True).print(
        f"{count(len(plan.runs), 'run')}; submit it with: sbatch {path}", soft_wrap=True
    )
    click.echo(str(path))


def _run(plan: StudyPlan, only: tuple[str, ...], *, as_json: bool) -> None:
    from zsl_bench.workflows.studies.run import run_study

    lines = _Lines()
    wanted = [plan.run(reference).id for reference in only]
    try:
        report = run_study(plan, only=wanted, progress=lines)
    except KeyboardInterrupt:
        lines.note("stopped by Ctrl-C; the same command goes on from what is done")
        raise click.exceptions.Exit(INTERRUPTED) from None
    if report.stopped:
        lines.note("stopped by SIGTERM; the same command goes on from what is done")
        raise click.exceptions.Exit(TERMINATED)
    if only:
        _tell_runs(report, as_json=as_json)
    elif report.done:
        _collect(plan, as_json=as_json)
    if report.failed:
        raise ZslBenchError(
            f"study {plan.config.name}",
            found=f"{count(len(report.failed), 'run')} failed: {'; '.join(_reasons(report))}",
            fix="mend the cause and give the same command again",
        )


def _reasons(report: StudyReport) -> list[str]:
    told = [f"{name} ({reason})" for name, reason in list(report.failed.items())[:2]]
    return [*told, *(["..."] if len(report.failed) > 2 else [])]


def _tell_runs(report: StudyReport, *, as_json: bool) -> None:
    content = {"done": report.done, "failed": dict(report.failed), "waiting": report.waiting}
    if as_json:
        print_json(content)
        return
    for name in report.done:
        click.echo(f"{name}: done")


def _tell_plan(plan: StudyPlan, *, as_json: bool) -> None:
    from zsl_bench.workflows.studies.collect import run_states
    from zsl_bench.workflows.studies.state import tasks_of

    tasks, states = tasks_of(plan), run_states(plan)
    trainings = [task for task in tasks if task.config is not None]
    content: dict[str, Any] = {
        "study": plan.config.kind,
        "name": plan.config.name,
        "out": str(plan.config.out),
        "trainings": len(trainings),
        "epochs": sum(task.config.optimiser.epochs for task in trainings if task.config),
        "evaluations": sum(len(e.data) for run in plan.runs for e in run.evaluations),
        "states": {name: sum(s.state == name for s in states) for name in _STATES},
        "runs": [
            {
                "number": task.number,
                "id": task.run.id,
                "needs": list(task.run.needs),
                "labels": dict(task.run.labels),
                "state": state.state,
                "reason": state.reason,
                "folder": str(task.folder),
            }
            for task, state in zip(tasks, states, strict=True)
        ],
        "notes": list(plan.notes),
    }
    if as_json:
        print_json(content)
        return
    _show_plan(plan, content)


def _show_plan(plan: StudyPlan, content: dict[str, Any]) -> None:
    to = console()
    to.print(f"study {plan.config.name}: {plan.config.description}", style="bold", soft_wrap=True)
    to.print(
        f"{count(content['trainings'], 'training')} with {content['epochs']:,} epochs in all, "
        f"{count(content['evaluations'], 'evaluation')}, in {content['out']}",
        soft_wrap=True,
    )
    grid = table()
    labels = tuple(plan.runs[0].labels)
    for heading in ("", "run", *labels, "needs", "state"):
        grid.add_column(heading, justify="right" if heading in ("", *labels[1:]) else "left")
    for row in content["runs"]:
        values = ("all" if row["labels"][name] is None else row["labels"][name] for name in labels)
        needs, state = ", ".join(row["needs"]) or "-", row["state"]
        told = f"{state}: {row['reason']}" if row["reason"] else state
        grid.add_row(f"{row['number']}", row["id"], *map(str, values), needs, told)
    to.print(grid)
    for note in plan.notes:
        to.print(note, soft_wrap=True)


def _collect(plan: StudyPlan, *, as_json: bool) -> None:
    from zsl_bench.figures.chart import INSTALL_PLOTS, WITHOUT_PLOTS, can_plot
    from zsl_bench.workflows.studies.collect import collect

    collected = collect(plan)
    if as_json:
        print_json({**collected.to_json(), "files": [str(path) for path in collected.files]})
    else:
        _show_rows(collected)
    if not can_plot():
        console(stderr=True).print(f"no charts: {WITHOUT_PLOTS}; {INSTALL_PLOTS}", soft_wrap=True)


def _show_rows(collected: Collected) -> None:
    to = console()
    to.print(f"study {collected.plan.config.name}: {collected.standing}", soft_wrap=True)
    grid = table()
    labels = tuple(collected.plan.runs[0].labels)
    for heading in (*labels, "evaluation", "data set", "protocol"):
        grid.add_column(heading)
    for heading in ("top-1 %", "chance", "classes trained"):
        grid.add_column(heading, justify="right")
    grid.add_column("verdict")
    for row in collected.rows:
        values = ("all" if row.labels[name] is None else row.labels[name] for name in labels)
        spread = "" if row.std is None else f" ± {percent(row.std)}"
        protocol = row.protocol + ("" if row.complete else " (incomplete)")
        trained = "-" if row.classes_trained is None else f"{row.classes_trained:,}"
        measured = (percent(row.top1) + spread, percent(row.chance), trained, row.verdict)
        grid.add_row(*map(str, values), row.evaluation, row.dataset, protocol, *measured)
    to.print(grid)
    for note in collected.notes:
        to.print(note, soft_wrap=True)
    for path in collected.files:
        to.print(f"  {path}", soft_wrap=True)
