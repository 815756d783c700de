"""The paper's tables, claimed beside measured, as Markdown, as a page and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.pages import Cell, PageTable, render_page
from zsl_bench.report.formats import markdown
from zsl_bench.workflows.studies.collect import run_states, study_rows
from zsl_bench.workflows.studies.commands import commands_of
from zsl_bench.workflows.studies.paper_rows import QUOTED, TABLES
from zsl_bench.workflows.studies.paper_tables import PaperCell, paper_cells
from zsl_bench.workflows.studies.state import tasks_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zsl_bench.workflows.studies.plan import StudyPlan

READING = (
    "Every number is in percent, the claimed one before the stroke and the measured one behind it. "
    "A dash is a number that has not been measured, a star one that covers only a part of its test "
    "set's videos; where a cell is empty, the paper has no number."
)
_ABOUT = ("method", "network", "trained on", "before that", "clips")
_ENDS = ("verdict", "run")
_SHORT = {"brattoli-half": "half", "brattoli-full": "full"}


@dataclass(frozen=True, kw_only=True)
class PaperRun:
    """A run behind the tables.

    Attributes:
        id: Its id: the model's name.
        state: As in :class:`zsl_bench.workflows.studies.collect.RunState`.
        config: Its training configuration; empty where nothing is trained.
        overrides: Settings that are changed in it.
        weights: The weights that are evaluated.
        commands: The shell commands that make its results.
    """

    id: str
    state: str
    config: str
    overrides: tuple[str, ...]
    weights: str
    commands: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WideTable:
    """One table of the paper, or the rows of one that the paper quotes from others.

    Attributes:
        name: Such as ``Table 1``.
        header: Headings.
        rows: Texts, in the paper's order.
        notes: What the paper leaves open about some runs, in sentences.
    """

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class PaperReport:
    """The four tables and the runs behind them.

    Attributes:
        plan: The study's plan.
        cells: Every number of the tables.
        runs: The runs, in the plan's order.
    """

    plan: StudyPlan
    cells: tuple[PaperCell, ...]
    runs: tuple[PaperRun, ...]

    @property
    def standing(self) -> str:
        """How many of the numbers are measured, in one sentence."""
        ours = [cell for cell in self.cells if cell.row is not None]
        measured = sum(cell.measured is not None for cell in ours)
        return (
            f"{measured} of {len(ours)} numbers are measured; {len(self.cells) - len(ours)} more "
            "are quoted by the paper from others."
        )

    def tables(self) -> tuple[WideTable, ...]:
        """Return the tables as texts, each in two where it quotes others."""
        made = []
        for name in TABLES:
            here = [cell for cell in self.cells if cell.claim.table == name]
            made.append(_wide(name, [cell for cell in here if cell.row is not None]))
            quoted = [cell for cell in here if cell.row is None]
            if quoted:
                made.append(_wide(f"{name}, quoted from others", quoted))
        return tuple(made)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON holds it; numbers are fractions."""
        return {
            "schema": 1,
            "kind": "paper-tables",
            "name": self.plan.config.name,
            "cells": [cell.to_json() for cell in self.cells],
            "runs": [
                {**run.__dict__, "overrides": list(run.overrides), "commands": list(run.commands)}
                for run in self.runs
            ],
            "notes": list(self.plan.notes),
        }


def paper_report(plan: StudyPlan) -> PaperReport:
    """Read what the finished runs of a study measured, and set it beside what is claimed.

    No run needs to be done: what is missing is blank, with the command that would fill it.

    Args:
        plan: A plan of the kind ``paper-tables``.

    Raises:
        ZslBenchError: The plan does not fit, or weights are damaged.
    """
    states = {state.id: state.state for state in run_states(plan)}
    runs = tuple(
        PaperRun(
            id=task.run.id,
            state=states[task.run.id],
            config=task.run.config or "",
            overrides=task.run.overrides,
            weights=task.reference.removeprefix("path:"),
            commands=commands_of(plan, task),
        )
        for task in tasks_of(plan)
    )
    return PaperReport(plan=plan, cells=paper_cells(plan, study_rows(plan)), runs=runs)


def to_markdown(report: PaperReport) -> str:
    """Return the tables and the runs as Markdown."""
    parts = [f"# {markdown(report.plan.config.description or 'The tables of the paper')}"]
    parts += [report.standing, READING]
    for table in report.tables():
        parts += [f"## {markdown(table.name)}", _pipes(table.header, table.rows)]
        parts += ["\n".join(f"* {markdown(note)}" for note in table.notes)] if table.notes else []
    runs = [(run.id, run.state, run.config, ", ".join(run.overrides)) for run in report.runs]
    parts += ["## Runs", _pipes(("run", "state", "configuration", "changed settings"), runs)]
    lines = [line for run in report.runs for line in (f"# {run.id}", *run.commands)]
    parts += ["## Commands", "\n".join(f"    {line}" for line in lines)]
    parts += ["\n".join(f"* {markdown(note)}" for note in report.plan.notes)]
    return "\n\n".join(filter(None, parts)) + "\n"


def to_page(report: PaperReport) -> str:
    """Return the tables and the runs as one page that needs nothing else."""
    links = {run.id for run in report.runs}
    tables = [
        {
            "title": table.name,
            "anchor": table.name.lower().replace(",", "").replace(" ", "-"),
            "table": PageTable(
                header=table.header,
                rows=tuple(_page_row(row, links) for row in table.rows),
            ),
            "notes": table.notes,
        }
        for table in report.tables()
    ]
    return render_page(
        "paper_tables.html.j2",
        title=report.plan.config.description or "The tables of the paper",
        standing=report.standing,
        reading=READING,
        tables=tables,
        runs=PageTable(
            header=("run", "state", "configuration", "changed settings", "weights"),
            rows=tuple(
                (
                    run.id,
                    Cell(text=run.state, tone={"done": "good", "failed": "bad"}.get(run.state, "")),
                    run.config or "-",
                    ", ".join(run.overrides) or "-",
                    run.weights,
                )
                for run in report.runs
            ),
            name="run-table",
        ),
        commands=[{"id": run.id, "text": "\n".join(run.commands)} for run in report.runs],
        notes=report.plan.notes,
    )


def _wide(name: str, cells: Sequence[PaperCell]) -> WideTable:
    columns = list(dict.fromkeys(_column(cell) for cell in cells))
    entries: dict[str, list[PaperCell]] = {}
    for cell in cells:
        entries.setdefault(cell.claim.entry, []).append(cell)
    is_ours = all(cell.row is not None for cell in cells)
    about = [_about(group[0]) for group in entries.values()]
    shown = [place for place in range(len(_ABOUT)) if any(row[place] for row in about)]
    rows = [
        (
            *(texts[place] or "-" for place in shown),
            *_numbers(group, columns),
            *(_ends(group) if is_ours else ()),
        )
        for texts, group in zip(about, entries.values(), strict=True)
    ]
    return WideTable(
        name=name,
        header=(*(_ABOUT[place] for place in shown), *columns, *(_ENDS if is_ours else ())),
        rows=tuple(rows),
        notes=tuple(_notes(cells)),
    )


def _column(cell: PaperCell) -> str:
    claim = cell.claim
    return f"{claim.dataset} {_SHORT.get(claim.protocol, claim.protocol)} {claim.metric}"


def _about(cell: PaperCell) -> tuple[str, ...]:
    claim = cell.claim
    return (
        claim.method,
        claim.backbone,
        claim.trained_on,
        claim.pretrained_on,
        claim.clips,
    )


def _numbers(group: Sequence[PaperCell], columns: Sequence[str]) -> tuple[str, ...]:
    texts = {_column(cell): _text(cell) for cell in group}
    return tuple(texts.get(column, "") for column in columns)


def _text(cell: PaperCell) -> str:
    claimed = f"{cell.claim.value:.1f}"
    if cell.row is None:
        return claimed
    if cell.measured is None:
        return f"{claimed} / -"
    return f"{claimed} / {100 * cell.measured:.1f}" + ("*" if cell.state != "measured" else "")


def _ends(group: Sequence[PaperCell]) -> tuple[str, str]:
    """Return the verdicts of a row's results, and the run behind it."""
    verdicts = {cell.claim.dataset: cell.verdict for cell in group if cell.verdict}
    told = set(verdicts.values())
    if len(told) > 1:
        told = {"; ".join(f"{dataset}: {verdict}" for dataset, verdict in verdicts.items())}
    row = group[0].row
    return next(iter(told), "-"), f"{row.model}, {row.evaluation}" if row else "-"


def _notes(cells: Sequence[PaperCell]) -> list[str]:
    """Say what is open, with the runs that it concerns, and why cells are blank."""
    concerned: dict[str, dict[str, None]] = {}
    for cell in cells:
        for sentence in cell.row.open if cell.row else ():
            concerned.setdefault(sentence, {})[cell.row.model if cell.row else ""] = None
    notes = [f"{', '.join(names)}: {sentence}" for sentence, names in concerned.items()]
    left = dict.fromkeys(c.row.model for c in cells if c.row and c.state == "not run")
    blanks = dict.fromkeys(c.reason for c in cells if c.state == "not in the study")
    notes += [f"Not finished: {', '.join(left)}."] if left else []
    quoted = [QUOTED] if any(cell.row is None for cell in cells) else []
    return [*notes, *blanks, *quoted]


def _page_row(row: Sequence[str], links: Collection[str]) -> tuple[str | Cell, ...]:
    """Link the run in the last column to its commands."""
    run = row[-1].partition(",")[0]
    last = Cell(text=row[-1], link=f"#run-{run}") if run in links else _page_cell(row[-1])
    return (*map(_page_cell, row[:-1]), last)


def _page_cell(text: str) -> str | Cell:
    """Sort a pair of numbers by the claimed one."""
    first = text.partition(" ")[0]
    is_number = first.replace(".", "", 1).isdigit()
    return Cell(text=text, order=float(first)) if is_number else text


def _pipes(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    escaped = [[text if text == "---" else markdown(text) for text in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
