"""``zsl-bench report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from zsl_bench.cli.pairs import pairs
from zsl_bench.cli.render import console, print_json, table
from zsl_bench.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from zsl_bench.report.formats import TextCell, TextTable
    from zsl_bench.report.result_page import ResultPage
    from zsl_bench.report.sources import Source
    from zsl_bench.report.tables import ScoreTable

_FORMATS = ("table", "markdown", "latex", "csv", "json", "html")
_ENDINGS = {"markdown": "md", "latex": "tex", "csv": "csv", "json": "json", "html": "html"}
_BEST = "▲"
_HERE = Path("report")


@click.command(epilog="Example: zsl-bench report results/a.json results/b.json --format markdown")
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format", "kind", type=click.Choice(_FORMATS), default="table", show_default=True,
    help="html writes one page that needs no other file and no network.",
)  # fmt: skip
@click.option("--figures", is_flag=True, help="Save the figures too, each with its numbers.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Write report.md, .tex, .csv, .json or .html there instead of to stdout. Default for a "
    "page and figures: report.",
)  # fmt: skip
@click.option(
    "--videos", multiple=True, callback=pairs, metavar="DATASET=PATH",
    help="Where the videos of a data set lie: a page shows frames of the most confused.",
)  # fmt: skip
@click.option(
    "--protocol", "protocols", multiple=True, metavar="ID",
    help="Show this protocol only; may be given several times. A result that was not scored under "
    "it is scored again from its arrays.",
)  # fmt: skip
@click.option(
    "--anyway", is_flag=True,
    help="Put results into one table that are not comparable; the report says what differs.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def report(
    *,
    results: tuple[Path, ...],
    kind: str,
    figures: bool,
    out: Path | None,
    videos: dict[str, str],
    protocols: tuple[str, ...],
    anyway: bool,
    as_json: bool,
) -> None:
    """Show one or several results as a table, or as a page with figures.

    Results stand in one table only where they are comparable. The best of a column is set in bold
    among complete results with the same verdict only.
    """
    from zsl_bench.report.sources import load_sources
    from zsl_bench.report.tables import tabulate

    kind = "json" if as_json else kind
    if videos and kind != "html":
        raise click.UsageError("--videos is for --format html")
    sources = load_sources(results, protocols=protocols)
    tables = tabulate([source.result for source in sources], protocols=protocols, anyway=anyway)
    page = None
    if kind == "html" or figures:
        page = _page(sources, protocols, videos, anyway=anyway)
    if kind == "html" or out is not None:
        _write(out or _HERE, kind, tables, protocols, page)
    else:
        _print(kind, tables, protocols)
    if figures and page is not None:
        _save_figures(page, (out or _HERE) / "figures")


def _page(
    sources: Sequence[Source],
    protocols: tuple[str, ...],
    videos: dict[str, str],
    *,
    anyway: bool,
) -> ResultPage:
    from zsl_bench.report.result_page import PageOptions, result_page

    return result_page(
        sources, PageOptions(protocols=protocols, anyway=anyway, videos=dict(videos))
    )


def _text(kind: str, tables: Sequence[ScoreTable], protocols: Sequence[str]) -> str:
    from zsl_bench.report.formats import to_csv, to_latex, to_markdown

    if kind == "csv":
        return to_csv(tables, protocols)
    return to_markdown(tables) if kind == "markdown" else to_latex(tables)


def _print(kind: str, tables: Sequence[ScoreTable], protocols: Sequence[str]) -> None:
    from zsl_bench.report.formats import to_json

    if kind == "json":
        print_json(to_json(tables, protocols))
    elif kind == "table":
        _print_tables(tables)
    else:
        click.echo(_text(kind, tables, protocols), nl=False)


def _print_tables(tables: Sequence[ScoreTable]) -> None:
    from zsl_bench.report.formats import apart, text_table

    to = console()
    for content in tables:
        for dataset in content.datasets:
            _print_grid(to, dataset, text_table(content, dataset=dataset))
        for note in text_table(content).notes:
            to.print(f"* {note.replace('bold:', f'{_BEST}:')}", soft_wrap=True)
        to.print()
    why = apart(tables)
    if why:
        to.print(f"* {why}; --anyway puts them into one table", soft_wrap=True)


def _print_grid(to: Console, dataset: str, part: TextTable) -> None:
    grid = table(title=one_line(dataset))
    for heading in part.header:
        words = heading in ("model", "verdict")
        grid.add_column(heading, justify="left" if words else "right")
    for row in part.rows:
        grid.add_row(*map(_cell, row))
    to.print(grid)


def _cell(cell: TextCell) -> Text:
    first = " ".join(filter(None, (cell.text, cell.mark, _BEST if cell.bold else "")))
    return Text("\n".join((first, *cell.spans)))


def _write(
    folder: Path,
    kind: str,
    tables: Sequence[ScoreTable],
    protocols: Sequence[str],
    page: ResultPage | None,
) -> None:
    from zsl_bench.files import atomic_write, write_json
    from zsl_bench.report.formats import to_json

    if kind == "table":
        kind = "markdown"
    path = folder / f"report.{_ENDINGS[kind]}"
    if kind == "json":
        write_json(path, to_json(tables, protocols))
    else:
        text = page.html if kind == "html" and page else _text(kind, tables, protocols)
        with atomic_write(path) as stream:
            stream.write(text.encode())
    click.echo(str(path))


def _save_figures(page: ResultPage, folder: Path) -> None:
    for drawing in page.drawings:
        if drawing.why:
            click.echo(f"no figure {drawing.name}: {drawing.why}", err=True)
        for path in drawing.save(folder):
            click.echo(str(path), err=True)
