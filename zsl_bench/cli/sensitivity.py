"""``zsl-bench sensitivity``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsl_bench.cli.render import console, percent, print_json, table
from zsl_bench.errors import listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table

    from zsl_bench.workflows.sensitivity import Sensitivity, VariantRow


@click.command(epilog="Example: zsl-bench sensitivity results/a.json")
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--model", metavar="REF",
    help="The model that the result was made with, as evaluate takes it, for its class text.",
)  # fmt: skip
@click.option(
    "--weights", type=click.Path(path_type=Path), help="Weights for a model given by name."
)
@click.option(
    "--protocol", "protocols", multiple=True, metavar="ID",
    help="Protocol of the table; may be given several times. Default: those of the result.",
)  # fmt: skip
@click.option(
    "--prompts", type=click.Path(path_type=Path), metavar="FILE",
    help="Prompt sets of your own: JSON with a list of templates for each name, or a text file "
    "with one template a line.",
)  # fmt: skip
@click.option(
    "--vectors", metavar="PATH", help="Word vectors that the result was made with; see evaluate."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write JSON as well.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sensitivity(
    *,
    result: Path,
    model: str | None,
    weights: Path | None,
    protocols: tuple[str, ...],
    prompts: Path | None,
    vectors: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Show how far a score moves when what no protocol fixes is changed.

    RESULT is a result file with its arrays beside it, or a folder that holds one result. The
    same run is scored again under other protocols; from some of its clips, where evaluate
    --keep-clips kept them; under other word rules, where its class vectors come from words; and,
    with --model, with other class text and prompts. No video is run.
    """
    from zsl_bench.files import write_json
    from zsl_bench.workflows.sensitivity import sensitivity as study

    found = study(
        result,
        model=model,
        weights=weights,
        protocols=protocols,
        prompts=prompts,
        vectors=vectors,
    )
    if out is not None:
        write_json(out, found.to_json())
    if as_json:
        print_json(found.to_json())
    else:
        _render(console(), found, out)


def _render(to: Console, found: Sensitivity, out: Path | None) -> None:
    result = found.result
    status = "complete" if result.complete else "INCOMPLETE"
    title = f"{result.model} on {result.dataset}, {status}, {result.verdict}"
    to.print(title, style="bold", soft_wrap=True)
    to.print(_variant_table(found))
    to.print("Its scores under every protocol that fits", style="bold")
    to.print(_protocol_table(found))
    for line in _notes(found):
        to.print(f"* {line}", soft_wrap=True)
    if out is not None:
        to.print(f"* written: {out}", soft_wrap=True)


def _variant_table(found: Sensitivity) -> Table:
    grid = table()
    grid.add_column("varied", no_wrap=True)
    grid.add_column("variant", no_wrap=True)
    for protocol in found.protocols:
        grid.add_column(f"{protocol.id} v{protocol.version}, top-1 %", justify="right")
        grid.add_column("points", justify="right", no_wrap=True)
    grid.add_column("what it is")
    shown = ""
    for row in found.rows:
        kind = "" if row.kind in (shown, row.name) else row.kind
        grid.add_row(kind, row.name, *_cells(found, row), row.detail)
        shown = row.kind
    grid.add_section()
    spreads = {p.id: {s.kind: s for s in found.spreads(p.id)} for p in found.protocols}
    for kind in dict.fromkeys(kind for of in spreads.values() for kind in of):
        cells = []
        for of in spreads.values():
            spread = of.get(kind)
            cells += ["-", "-"] if spread is None else [
                f"{percent(spread.low)} to {percent(spread.high)}", f"{100 * spread.width:.1f}"
            ]  # fmt: skip
        grid.add_row("range", kind, *cells, "lowest to highest, the baseline among them")
    return grid


def _cells(found: Sensitivity, row: VariantRow) -> Iterator[str]:
    for protocol in found.protocols:
        figures = row.scores.get(protocol.id)
        yield "-" if figures is None else percent(figures.top1)
        yield "" if row is found.rows[0] else points(found.difference(row, protocol.id))


def _protocol_table(found: Sensitivity) -> Table:
    grid = table()
    grid.add_column("protocol", no_wrap=True)
    for heading in ("candidates", "videos a trial", "chance %", "top-1 %"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("what it is")
    for row in found.protocol_rows:
        several = f" x {row.trials}" if row.trials > 1 else ""
        grid.add_row(
            f"{row.id} v{row.version}",
            _span(row.candidates) + several,
            _span(row.videos),
            _span((100 / row.candidates[1], 100 / row.candidates[0]), ".1f"),
            percent(row.figures.top1),
            row.title,
        )
    return grid


def points(difference: float | None) -> str:
    """Return a difference of two accuracies in percentage points with its sign, or a dash."""
    return "-" if difference is None else f"{100 * difference:+.1f}"


def _span(ends: tuple[float, float], form: str = ",") -> str:
    low, high = (format(end, form) for end in ends)
    return low if low == high else f"{low} to {high}"


def _notes(found: Sensitivity) -> Iterator[str]:
    if len(found.rows) > 1:
        yield "points are percentage points of top-1 above the first row, under the same protocol"
    yield "protocols differ in their candidates: their accuracies are not subtracted"
    if len(found.rows) > 1:
        yield "a variant that is chosen by this table is chosen on the test videos"
    if not found.result.complete:
        yield "top-1 is over the videos at hand; videos are missing or unreadable"
    groups: dict[tuple[str, str], list[str]] = {}
    for item in found.left_out:
        groups.setdefault((item.kind, item.reason), []).append(item.name)
    for (kind, reason), names in groups.items():
        yield f"not varied, {kind}: {listing(names, limit=20)}: {reason}"
