"""``zsl-bench list models``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zsl_bench.cli.render import FOUND, console, print_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.model_listing import Family, ListedModel, ReadCard

_WIDE = 120
"""Columns of a terminal from which on descriptions fit beside the rest."""


@click.command("models", epilog="Example: zsl-bench list models e2e-random --check")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--check", is_flag=True,
    help="Load each model, in a process of its own. Exit status 3 where one is broken.",
)  # fmt: skip
@click.option(
    "--time-limit", type=click.FloatRange(min=1), default=120.0, show_default=True,
    metavar="SECONDS", help="How long a model may take to load under --check.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models(*, names: tuple[str, ...], check: bool, time_limit: float, as_json: bool) -> None:
    """Show the installed models: what their cards declare, read from source, without importing any.

    NAME picks some of them. What takes running a model's code to know reads "when loaded". A second
    table shows the kinds of reference beside names, and what each needs.
    """
    from zsl_bench.model_listing import BROKEN, FAMILIES, listed_models, loaded_models

    rows = _chosen(listed_models(), names)
    if check:
        rows = tuple(loaded_models(rows, time_limit=time_limit))
    if as_json:
        print_json(
            {
                "models": [row.to_json() for row in rows],
                "references": [family.to_json() for family in FAMILIES],
            }
        )
    else:
        _show_models(rows)
        if not names:
            _show_families(FAMILIES)
    if check and any(row.state == BROKEN for row in rows):
        raise click.exceptions.Exit(FOUND)


def _chosen(rows: tuple[ListedModel, ...], names: Sequence[str]) -> tuple[ListedModel, ...]:
    from zsl_bench.errors import ModelError, near_matches

    known = {row.model.name for row in rows}
    for name in names:
        if name not in known:
            found = "no installed model of that name"
            raise ModelError(f"model {name!r}", found=found, fix=near_matches(name, known))
    return tuple(row for row in rows if not names or row.model.name in names)


def _show_models(rows: Sequence[ListedModel]) -> None:
    from zsl_bench.errors import one_line
    from zsl_bench.model_listing import ReadCard

    out = console()
    is_wide = out.width >= _WIDE
    grid = table()
    for column in ("name", "state", "package", "clip", "policy", "trained on", "pretrained on"):
        grid.add_column(column, no_wrap=column in ("name", "state"))
    if is_wide:
        grid.add_column("description", ratio=1)
    for row in rows:
        nothing = row.card == ReadCard() and row.reason
        cells = (
            row.model.name,
            row.state,
            f"{row.model.distribution} {row.model.version}",
            *(["-"] * 5 if nothing else _card_cells(row.card)),
        )
        grid.add_row(*(one_line(cell) for cell in cells[: None if is_wide else -1]))
    out.print(grid)
    for row in rows:
        if row.reason:
            told = one_line(f"{row.model.name}: {row.state}: {row.reason}")
            console().print(told, soft_wrap=True)


def _card_cells(card: ReadCard) -> tuple[str, ...]:
    from zsl_bench.model_listing import Unread, clip_text, declaration_text

    policy, description = (
        text.value if isinstance(text, Unread) else text for text in (card.policy, card.description)
    )
    declared = (declaration_text(data) for data in (card.trained_on, card.pretrained_on))
    return (clip_text(card.clip), policy, *declared, description)


def _show_families(families: Sequence[Family]) -> None:
    grid = table("Other references")
    for column in ("reference", "loads", "state"):
        grid.add_column(column, overflow="fold", no_wrap=column == "reference")
    for family in families:
        grid.add_row(family.spelling, family.loads, family.state)
    console().print(grid)
