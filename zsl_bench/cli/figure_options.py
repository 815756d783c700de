"""What the figures have in common: options, and how what was written is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from zsl_bench.cli.render import console, print_json
from zsl_bench.figures.chart import FORMATS, INSTALL_PLOTS, WITHOUT_PLOTS, can_plot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.figures.chart import Chart

_Verb = Any
_Decorator = Callable[[_Verb], _Verb]


class Output(TypedDict):
    """What every figure is told of its output."""

    out: Path
    formats: tuple[str, ...]
    as_json: bool


class Formats(click.ParamType[tuple[str, ...]]):
    """A list of picture formats with commas between."""

    name = "formats"

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, ...]:
        """Return the formats, each once."""
        if isinstance(value, tuple):
            return value
        found = tuple(dict.fromkeys(part.strip() for part in str(value).split(",") if part.strip()))
        unknown = [one for one in found if one not in FORMATS]
        if unknown or not found:
            self.fail(
                f"{unknown[0] if unknown else ''!r} is none of {', '.join(FORMATS)}", param, ctx
            )
        return found


def output_options(verb: _Verb) -> _Verb:
    """Add ``--out``, ``--format`` and ``--json`` to a figure."""
    options: tuple[_Decorator, ...] = (
        click.option(
            "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("figures"),
            show_default=True, metavar="DIR", help="Folder for the files.",
        ),
        click.option(
            "--format", "formats", type=Formats(), default=",".join(FORMATS), show_default=True,
            metavar="LIST", help="Picture formats, with commas between.",
        ),
        click.option(
            "--json", "as_json", is_flag=True,
            help="Print JSON: files, caption and all numbers.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        verb = option(verb)
    return verb


def result_options(default: str = "the one with every class as a candidate") -> _Decorator:
    """Return what adds result files, ``--protocol``, ``--anyway`` and the output to a figure.

    Args:
        default: Which protocol is taken where none is named.
    """
    options: tuple[_Decorator, ...] = (
        click.argument(
            "results", nargs=-1, required=True, metavar="RESULT...", type=click.Path(path_type=Path)
        ),
        click.option("--protocol", metavar="ID", help=f"A protocol id. Default: {default}."),
        click.option(
            "--anyway", is_flag=True,
            help="Put results side by side that are not comparable; the caption says what differs.",
        ),
        output_options,
    )  # fmt: skip

    def add(verb: _Verb) -> _Verb:
        for option in reversed(options):
            verb = option(verb)
        return verb

    return add


def tell_charts(
    charts: Sequence[Chart],
    *,
    out: Path,
    formats: Sequence[str],
    as_json: bool,
    also: Sequence[Path] = (),
) -> None:
    """Write charts and tell their files, on stdout, and their captions, on stderr.

    Args:
        charts: The charts.
        out: Folder for their files.
        formats: Picture formats; without matplotlib there are none, and a note says so.
        as_json: Print JSON instead.
        also: Further files that were written.
    """
    written = [chart.save(out, formats) for chart in charts]
    notes = console(stderr=True)
    if not can_plot():
        notes.print(f"numbers only, no pictures: {WITHOUT_PLOTS}; {INSTALL_PLOTS} brings it")
    if as_json:
        print_json(
            {
                "figures": [
                    _as_json(chart, files) for chart, files in zip(charts, written, strict=True)
                ],
                "also": [path.as_posix() for path in also],
            }
        )
        return
    to = console()
    for chart, files in zip(charts, written, strict=True):
        for path in files:
            to.print(path.as_posix(), soft_wrap=True)
        notes.print(f"* {chart.title}. {chart.caption}", soft_wrap=True)
    for path in also:
        to.print(path.as_posix(), soft_wrap=True)


def _as_json(chart: Chart, files: Sequence[Path]) -> dict[str, object]:
    return {
        "name": chart.name,
        "title": chart.title,
        "caption": chart.caption,
        "files": [path.as_posix() for path in files],
        "header": list(chart.header),
        "rows": [list(row) for row in chart.rows],
    }
