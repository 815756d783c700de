"""How the paper's tables are told: claimed beside measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zsl_bench.cli.render import console, print_json, table
from zsl_bench.errors import ZslBenchError

if TYPE_CHECKING:
    from zsl_bench.workflows.studies.paper_report import PaperReport
    from zsl_bench.workflows.studies.plan import StudyPlan

FORMATS = ("table", "markdown", "json", "html")


def tell_tables(plan: StudyPlan, form: str) -> None:
    """Print the tables of a study of the kind ``paper-tables``, finished or not.

    Args:
        plan: The study's plan.
        form: One of ``FORMATS``.

    Raises:
        ZslBenchError: It is a study of another kind.
    """
    from zsl_bench.workflows.studies.paper_report import paper_report, to_markdown, to_page

    if plan.config.kind != "paper-tables":
        raise ZslBenchError(
            f"--format {form} of a study of {plan.config.kind}",
            found="no tables of the paper in it",
            fix="give --collect, or study paper-tables",
        )
    report = paper_report(plan)
    if form == "json":
        print_json(report.to_json())
    elif form == "markdown":
        click.echo(to_markdown(report), nl=False)
    elif form == "html":
        click.echo(to_page(report))
    else:
        _print_tables(report)


def _print_tables(report: PaperReport) -> None:
    to = console()
    for wide in report.tables():
        grid = table(wide.name)
        for heading in wide.header:
            is_number = heading.rpartition(" ")[2] in ("top1", "top5")
            longest = max(map(len, heading.split()))
            grid.add_column(heading, justify="right" if is_number else "left", min_width=longest)
        for row in wide.rows:
            grid.add_row(*row)
        to.print(grid)
        for note in wide.notes:
            to.print(f"* {note}", soft_wrap=True)
        to.print()
    to.print(report.standing, soft_wrap=True)
    for note in report.plan.notes:
        to.print(note, soft_wrap=True)
