"""``zsl-bench verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsl_bench.cli.pairs import pairs
from zsl_bench.cli.render import FOUND, console, count, print_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.assessment.verify import Verification


@click.command(epilog="Example: zsl-bench verify results/a.json")
@click.argument("results", nargs=-1, required=True, metavar="RESULT...", type=Path)
@click.option(
    "--vectors", metavar="FILE",
    help="The word vectors that the results were made with, where they are not the bundled ones.",
)  # fmt: skip
@click.option(
    "--data", multiple=True, callback=pairs, metavar="DATASET=PATH",
    help="A data set and its folder or manifest, to hold the videos and labels of a result against "
    "where the package has no official list of them.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Let a check that is not possible count as failed.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one object a result.")
def verify(
    *,
    results: tuple[Path, ...],
    vectors: str | None,
    data: dict[str, str],
    strict: bool,
    as_json: bool,
) -> None:
    """Check result files: hashes, scores made again, coverage, labels, verdict.

    RESULT is a result file with its arrays beside it; no model and no video is needed. Everything
    that can be made again is made again and held against what is stored. What needs something that
    is not here is told as not possible, never as passed. Exit status 3 where a check fails.
    """
    from zsl_bench.assessment.verify import verify_result

    verified = [verify_result(path, vectors=vectors, data=data) for path in results]
    if as_json:
        print_json([one.to_json() for one in verified])
    else:
        _show(verified)
    if not all(one.fully if strict else one.ok for one in verified):
        raise click.exceptions.Exit(FOUND)


def _show(verified: Sequence[Verification]) -> None:
    from zsl_bench.errors import one_line

    out = console()
    for one in verified:
        about = "" if one.result is None else f": {one.result.model} on {one.result.dataset}"
        out.print(one_line(f"{one.path.name}{about}"), style="bold", soft_wrap=True)
        grid = table()
        for heading in ("check", "state", "found"):
            grid.add_column(heading, no_wrap=heading != "found")
        for check in one.checks:
            style = "bold" if check.state == "fail" else None
            grid.add_row(check.name, check.state, one_line(check.told), style=style)
        out.print(grid)
        out.print(one_line(_ended(one)), soft_wrap=True)


def _ended(one: Verification) -> str:
    """Return the outcome in one sentence."""
    done = f"{count(len(one.of('pass')), 'check')} passed"
    left = one.of("not possible")
    if left:
        done += f", {len(left)} not possible ({', '.join(check.name for check in left)})"
    if one.ok:
        return f"{one.path.name} holds: {done}"
    names = ", ".join(check.name for check in one.failed)
    return f"{one.path.name} does NOT hold: {len(one.failed)} failed ({names}), {done}"
