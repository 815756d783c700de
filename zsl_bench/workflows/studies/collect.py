"""From finished runs to a table, charts and a page; what is missing is counted, never filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ResultError, listing
from zsl_bench.figures.chart import WITHOUT_PLOTS, can_plot, write_csv
from zsl_bench.files import atomic_write, write_json
from zsl_bench.pages import Cell, PageTable, number_cell, picture_source, render_page
from zsl_bench.results import comparable, load_result
from zsl_bench.workflows.studies.plan import StudyRow, find_kind
from zsl_bench.workflows.studies.state import protocol_in, tasks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zsl_bench.figures.chart import Chart
    from zsl_bench.results import EvaluationResult
    from zsl_bench.workflows.studies.plan import StudyPlan
    from zsl_bench.workflows.studies.state import Task

FIGURES = "figures"
_MEASURES = ("evaluation", "data set", "protocol", "top-1", "top-5", "std", "trials", "chance")
_FACTS = ("complete", "verdict", "classes trained", "samples trained")


@dataclass(frozen=True, kw_only=True)
class RunState:
    """Where a run stands.

    Attributes:
        id: Its id.
        state: ``done``, ``trained`` (results are missing), ``failed``, ``begun`` or ``not begun``.
        reason: Why it failed; else empty.
        folder: Its folder, relative to the study's, with ``/``.
    """

    id: str
    state: str
    reason: str
    folder: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Collected:
    """What a study has found so far.

    Attributes:
        plan: The plan.
        rows: What finished runs measured.
        states: Where each run stands, in the plan's order.
        charts: Its charts; none where nothing can be drawn yet.
        notes: What a person should know, one sentence each.
        extra: What else the kind of study has to say.
        files: What was written.
    """

    plan: StudyPlan
    rows: tuple[StudyRow, ...]
    states: tuple[RunState, ...]
    charts: tuple[Chart, ...]
    notes: tuple[str, ...]
    extra: dict[str, Any]
    files: tuple[Path, ...] = ()

    @property
    def missing(self) -> int:
        """Number of runs that are not done."""
        return sum(state.state != "done" for state in self.states)

    @property
    def standing(self) -> str:
        """How much of the study is done, in one sentence."""
        total, left = len(self.states), self.missing
        if not left:
            return f"All {total} runs are done."
        failed = sum(state.state == "failed" for state in self.states)
        more = f", {failed} of them because they failed" if failed else ""
        return f"{total - left} of {total} runs are done; {left} are missing{more}."

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON holds it, without paths of this machine."""
        config = self.plan.config
        return {
            "schema": 1,
            "kind": "study",
            "study": config.kind,
            "name": config.name,
            "description": config.description,
            "grid": dict(config.grid),
            "runs": [
                {**state.__dict__, "labels": dict(run.labels)}
                for state, run in zip(self.states, self.plan.runs, strict=True)
            ],
            "missing": self.missing,
            "rows": [row.to_json() for row in self.rows],
            "charts": [chart.name for chart in self.charts],
            "notes": list(self.notes),
            "extra": self.extra,
        }


def study_rows(plan: StudyPlan) -> tuple[StudyRow, ...]:
    """Return what the finished runs of a study measured, in the plan's order.

    Raises:
        ZslBenchError: The plan does not fit, or weights are damaged.
    """
    return tuple(row for task in tasks_of(plan) if task.is_done() for row in _rows(plan, task))


def run_states(plan: StudyPlan) -> tuple[RunState, ...]:
    """Return where each run of a study stands.

    Raises:
        ZslBenchError: The plan does not fit, or weights are damaged.
    """
    return tuple(_state(plan, task) for task in tasks_of(plan))


def collect(plan: StudyPlan, *, write: bool = True) -> Collected:
    """Collect finished runs into ``study.json``, ``study.csv``, charts and ``study.html``.

    Args:
        plan: The plan.
        write: Whether files are written, into the study's folder.

    Raises:
        ResultError: No run is done, or the folder cannot be written.
    """
    kind, states, rows = find_kind(plan.config.kind), run_states(plan), study_rows(plan)
    more = kind.extra
    if not any(state.state == "done" for state in states):
        raise ResultError(
            f"collect study {plan.config.name}",
            found=f"none of its {len(plan.runs)} runs done in {plan.config.out}",
            fix="run some of them first",
        )
    collected = Collected(
        plan=plan,
        rows=rows,
        states=states,
        charts=tuple(kind.charts(rows)) if rows else (),
        notes=(*plan.notes, *_differences(plan)),
        extra=dict(more(plan, rows)),
    )
    if not write:
        return collected
    return Collected(**{**collected.__dict__, "files": tuple(_write(collected))})


def _differences(plan: StudyPlan) -> Iterator[str]:
    """Say where results of one evaluation do not compare, such as on test videos that changed."""
    first: dict[tuple[str, str], tuple[str, EvaluationResult]] = {}
    for task in tasks_of(plan):
        for key, path in task.found().items():
            result = load_result(path)
            name, other = first.setdefault(key, (task.run.id, result))
            fields = comparable(other, result)
            if fields:
                yield (
                    f"Results of {name} and {task.run.id} on {key[1]} do not compare: they differ "
                    f"in {listing(fields)}."
                )


def table_of(collected: Collected) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Return header and rows of the collected table; accuracies are fractions from 0 to 1."""
    labels = tuple(collected.plan.runs[0].labels)
    header = ("run", *labels, *_MEASURES, *_FACTS)
    rows: list[tuple[object, ...]] = [
        (
            row.run,
            *(_label(row.labels[name]) for name in labels),
            *(row.evaluation, row.dataset, row.protocol, row.top1, row.top5, row.std),
            *(row.trials, row.chance, row.complete, row.verdict),
            *(row.classes_trained, row.samples_trained),
        )
        for row in collected.rows
    ]
    return header, rows


def _write(collected: Collected) -> Iterator[Path]:
    out = collected.plan.config.out
    yield write_csv(out / "study.csv", *table_of(collected))
    write_json(out / "study.json", collected.to_json())
    yield out / "study.json"
    for chart in collected.charts:
        yield from chart.save(out / FIGURES)
    with atomic_write(out / "study.html") as stream:
        stream.write(study_page(collected).encode())
    yield out / "study.html"


def study_page(collected: Collected) -> str:
    """Return a study as one page that needs nothing else."""
    config = collected.plan.config
    drawn = collected.charts if can_plot() else ()
    notes = [*collected.notes, *([] if can_plot() else [f"No charts: {WITHOUT_PLOTS}."])]
    return render_page(
        "study.html.j2",
        title=f"Study {config.name}",
        text=config.description or find_kind(config.kind).text,
        standing=collected.standing,
        charts=[
            {
                "name": chart.name,
                "title": chart.title,
                "caption": chart.caption,
                "source": picture_source(chart.picture("svg"), "svg"),
            }
            for chart in drawn
        ],
        measured=_measured(collected),
        runs=_run_table(collected.states),
        notes=notes,
    )


def _run_table(states: Sequence[RunState]) -> PageTable:
    reasons = any(state.reason for state in states)
    return PageTable(
        header=("run", "state", *(("reason",) if reasons else ())),
        rows=tuple(
            (
                state.id,
                Cell(text=state.state, tone=_TONES[state.state]),
                *((state.reason,) if reasons else ()),
            )
            for state in states
        ),
        name="run-table",
        filters=("state",),
    )


_TONES = {"done": "good", "failed": "bad", "trained": "doubt", "begun": "doubt", "not begun": ""}


def _measured(collected: Collected) -> PageTable:
    labels = tuple(collected.plan.runs[0].labels)
    several = len({row.evaluation for row in collected.rows}) > 1
    extra = ("evaluation",) if several else ()
    return PageTable(
        header=(
            *labels,
            *extra,
            "data set",
            "protocol",
            "top-1 %",
            "std %",
            "chance %",
            "classes trained",
            "verdict",
        ),
        rows=tuple(
            (
                *(_label_cell(row.labels[name]) for name in labels),
                *((row.evaluation,) if several else ()),
                row.dataset,
                row.protocol + ("" if row.complete else " (incomplete)"),
                number_cell(row.top1),
                number_cell(row.std),
                number_cell(row.chance),
                number_cell(row.classes_trained, digits=0, scale=1),
                row.verdict,
            )
            for row in collected.rows
        ),
        name="measured-table",
        filters=("data set", "protocol"),
        search=True,
    )


def _label(value: str | float | None) -> str | int | float:
    return "all" if value is None else value


def _label_cell(value: str | float | None) -> str | Cell:
    if isinstance(value, str):
        return value
    order = float("1e308") if value is None else float(value)
    return Cell(text=f"{_label(value)}", order=order)


def _state(plan: StudyPlan, task: Task) -> RunState:
    failure, state = None, "done"
    if not task.is_done():
        failure = task.failure()
        begun = "begun" if task.folder.is_dir() else "not begun"
        state = "trained" if task.config is not None and task.is_trained() else begun
    return RunState(
        id=task.run.id,
        state="failed" if failure else state,
        reason=str(failure.get("reason", "")) if failure else "",
        folder=task.folder.relative_to(plan.config.out).as_posix(),
    )


def _rows(plan: StudyPlan, task: Task) -> Iterator[StudyRow]:
    data = task.training().get("data", {})
    for (name, _), path in task.found().items():
        result = load_result(path)
        (evaluation,) = (one for one in task.run.evaluations if one.name == name)
        asked = [protocol_in(result.scores, one) for one in evaluation.protocols]
        for protocol in dict.fromkeys(asked or list(result.scores)):
            if protocol is None:
                continue
            scores = result.scores[protocol]
            trials, mean = scores["trials"], scores["mean"]
            if mean["top1"] is None:
                continue
            yield StudyRow(
                run=task.run.id,
                labels=task.run.labels,
                evaluation=name,
                dataset=result.dataset,
                protocol=protocol,
                top1=mean["top1"],
                top5=mean["top5"] if trials[0]["num_classes"] >= 5 else None,
                std=scores["std"]["top1"] if len(trials) > 1 else None,
                trials=len(trials),
                chance=trials[0]["chance"],
                complete=result.complete,
                verdict=result.verdict,
                classes_trained=data.get("classes"),
                samples_trained=data.get("samples"),
                result=path.relative_to(plan.config.out).as_posix(),
            )
