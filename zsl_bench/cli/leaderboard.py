"""``zsl-bench leaderboard``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsl_bench.cli.render import console, count, print_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.report.leaderboard import Leaderboard


@click.command(epilog="Example: zsl-bench leaderboard results --out site")
@click.argument("sources", nargs=-1, metavar="[DIR_OR_HUB]...")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Where to write the site. Default: site; with --json nowhere.",
)  # fmt: skip
@click.option("--title", metavar="TEXT", help="Title of the site.")
@click.option(
    "--pages/--no-pages", default=True, show_default=True,
    help="Write a page for each result whose arrays are there, too.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print every row as one JSON object.")
def leaderboard(
    *, sources: tuple[str, ...], out: Path | None, title: str | None, pages: bool, as_json: bool
) -> None:
    """Make a site of results and of the published numbers.

    DIR_OR_HUB is a folder, all result files below which count, or hub:ORG/REPO@REVISION. Each
    result is verified first. Without any, the site shows the published numbers alone.
    """
    from zsl_bench.report.leaderboard import build_leaderboard
    from zsl_bench.report.leaderboard_page import TITLE, write_result_pages, write_site
    from zsl_bench.report.submissions import gather

    progress = console(stderr=True)
    found = gather(sources, progress=lambda file: progress.print(f"verify {file}", soft_wrap=True))
    board = build_leaderboard(found)
    for one in found.not_listed:
        progress.print(f"not listed: {one.file}: {one.reason}", soft_wrap=True)
    if as_json:
        print_json(board.to_json())
    if as_json and out is None:
        return
    out = out or Path("site")
    links = write_result_pages(found.submissions, out) if pages else {}
    written = write_site(board, out, title=title or TITLE, links=links)
    if not as_json:
        _render(board, written)


def _render(board: Leaderboard, written: Sequence[Path]) -> None:
    to = console()
    grid = table("measured results, ranked within one list only")
    for heading in ("data set", "protocol", "list", "rank", "model", "%", "verdict"):
        grid.add_column(heading, justify="right" if heading in ("list", "rank", "%") else "left")
    for row in board.rows():
        if row["kind"] == "measured":
            value = "-" if row["value"] is None else f"{row['value']:.1f}"
            rank = "-" if row["rank"] is None else str(row["rank"])
            grid.add_row(
                *(row["dataset"], row["protocol"], str(row["list"]), rank, row["method"]),
                *(value, row["contamination"]),
            )
    if grid.row_count:
        to.print(grid)
    claimed = count(len(board.numbers.rows), "claimed figure")
    to.print(f"{claimed} beside them; {count(len(board.conflicts), 'conflict')} between sources")
    for path in written:
        to.print(str(path), soft_wrap=True)
