"""``zsl-bench study compared-methods``: how the comparison of methods is run and told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from zsl_bench.cli.render import INTERRUPTED, console, count, print_json, table
from zsl_bench.errors import ZslBenchError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zsl_bench.workflows.compared.plan import ComparedPlan
    from zsl_bench.workflows.compared.report import ComparedReport

COMPARED = "compared-methods"
_NUMBERS = ("SD", "SE", "n")


@dataclass(frozen=True, kw_only=True)
class ComparedChoices:
    """What the command line asks of a comparison.

    Attributes:
        config: A bundled configuration or a TOML file; None for the bundled one.
        data: Feature files by data set.
        out: The folder; None for the configuration's.
        dry_run: Only say what would be run.
        only: Ids of the cells to carry out; empty for all.
        collects: Write the report of what is finished.
        form: Print the report in this form, and run nothing; None runs.
        as_json: Print one JSON object.
    """

    config: str | None
    data: Mapping[str, str]
    out: Path | None
    dry_run: bool
    only: tuple[str, ...]
    collects: bool
    form: str | None
    as_json: bool


class _Notes:
    def note(self, line: str) -> None:
        """Print a line on stderr."""
        console(stderr=True).print(line, soft_wrap=True)


def refuse_options(*given: object) -> None:
    """Refuse options that only studies of trainings have: --set, --list and --slurm.

    Raises:
        UsageError: One is given.
    """
    if any(given):
        raise click.UsageError(f"{COMPARED} has no --set, --list and --slurm")


def compare_methods(choices: ComparedChoices) -> None:
    """Run or tell a comparison.

    Raises:
        ZslBenchError: The configuration does not fit, or a cell failed.
    """
    from zsl_bench.workflows.compared.config import load_comparison
    from zsl_bench.workflows.compared.plan import plan_comparison
    from zsl_bench.workflows.compared.report import compared_report

    config = load_comparison(choices.config or COMPARED, data=choices.data, out=choices.out)
    plan = plan_comparison(config)
    if choices.form is not None:
        _print(compared_report(plan), choices.form)
    elif choices.dry_run:
        _tell_plan(plan, as_json=choices.as_json)
    elif choices.collects:
        _collect(plan, as_json=choices.as_json)
    else:
        _run(plan, choices)


def _run(plan: ComparedPlan, choices: ComparedChoices) -> None:
    from zsl_bench.workflows.compared.run import run_comparison

    if not plan.cells:
        problems = Counter(row.problem for row in plan.combinations)
        raise ZslBenchError(
            f"study {plan.config.name}",
            found=f"no row that can be run: {problems.most_common(1)[0][0]}",
            fix="name feature files with --data [FEATURES/]DATASET=FILE; --dry-run tells every row",
        )
    try:
        outcome = run_comparison(plan, only=choices.only, progress=_Notes())
    except KeyboardInterrupt:
        _Notes().note("stopped by Ctrl-C; the same command goes on from what is done")
        raise click.exceptions.Exit(INTERRUPTED) from None
    _collect(plan, as_json=choices.as_json)
    if outcome.failed:
        name, reason = next(iter(outcome.failed.items()))
        raise ZslBenchError(
            f"study {plan.config.name}",
            found=f"{count(len(outcome.failed), 'cell')} failed, the first {name} ({reason})",
            fix="mend the cause and give the same command again",
        )


def _collect(plan: ComparedPlan, *, as_json: bool) -> None:
    from zsl_bench.workflows.compared.report import compared_report, write_report

    report = compared_report(plan)
    files = write_report(report)
    if as_json:
        print_json({**report.to_json(), "files": [str(path) for path in files]})
        return
    _print_tables(report)
    for path in files:
        console().print(f"  {path}", soft_wrap=True)


def _print(report: ComparedReport, form: str) -> None:
    from zsl_bench.workflows.compared.report import to_markdown, to_page

    if form == "json":
        print_json(report.to_json())
    elif form == "markdown":
        click.echo(to_markdown(report), nl=False)
    elif form == "html":
        click.echo(to_page(report), nl=False)
    else:
        _print_tables(report)


def _print_tables(report: ComparedReport) -> None:
    from zsl_bench.workflows.compared.report import text_rows

    to = console()
    for one in report.tables:
        header, rows = text_rows(one)
        to.print(f"{one.title}: {one.text}", style="bold", soft_wrap=True)
        grid = table()
        for heading in header:
            is_number = heading in _NUMBERS or heading.endswith("%")
            grid.add_column(heading, justify="right" if is_number else "left")
        for row in rows:
            grid.add_row(*row)
        to.print(grid)
        for note in one.notes:
            to.print(f"* {note}", soft_wrap=True)
        to.print()
    to.print(report.standing, soft_wrap=True)
    for note in report.notes:
        to.print(note, soft_wrap=True)


def _tell_plan(plan: ComparedPlan, *, as_json: bool) -> None:
    from zsl_bench.workflows.compared.plan import CELLS
    from zsl_bench.workflows.compared.rows import compared_rows

    folder = plan.config.out / CELLS
    rows = compared_rows(plan)
    if as_json:
        cells = [
            {"id": cell.id, "digest": cell.digest, "done": cell.read(folder) is not None}
            for cell in plan.cells
        ]
        content = {"study": COMPARED, "name": plan.config.name, "out": str(plan.config.out)}
        print_json({**content, "cells": cells, "rows": [row.to_json() for row in rows]})
        return
    to, grid = console(), table()
    to.print(f"study {plan.config.name}: {plan.config.description}", style="bold", soft_wrap=True)
    to.print(f"{count(len(plan.cells), 'cell')} in {plan.config.out}", soft_wrap=True)
    for heading in ("protocol", "features", "method", "fidelity", "setting"):
        grid.add_column(heading)
    grid.add_column("cells", justify="right")
    grid.add_column("state")
    for made, row in zip(plan.combinations, rows, strict=True):
        state = f"{row.state}: {row.reason}" if row.reason else row.state
        about = (row.protocol, row.features, row.method)
        told = (row.spec["fidelity"], row.spec["setting"], str(len(made.cells)), state)
        grid.add_row(*about, *told)
    to.print(grid)
