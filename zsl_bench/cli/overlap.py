"""``zsl-bench check-overlap``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsl_bench.cli.render import FOUND, console, count, print_json, table
from zsl_bench.overlap import DEFAULT_THRESHOLD
from zsl_bench.splits import check_overlap as audit_lists
from zsl_bench.splits import split_from_audit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.table import Table

    from zsl_bench.overlap import Neighbour, OverlapAudit


@click.command(
    "check-overlap",
    epilog="Example: zsl-bench check-overlap kinetics700 --against ucf101 --against hmdb51",
)
@click.argument("train")
@click.option(
    "--against", "against", multiple=True, required=True, metavar="TEST",
    help="Test set; may be given several times.",
)  # fmt: skip
@click.option(
    "--threshold", type=float, default=DEFAULT_THRESHOLD, show_default=True,
    help="Cosine distance below which a training class is removed, 0 to 2.",
)  # fmt: skip
@click.option(
    "--words", metavar="RULES",
    help="Rule set of the words, for all lists: brattoli2020, or plain for the same without "
    "lemmatisation. Default: a split's own, else brattoli2020.",
)  # fmt: skip
@click.option(
    "--vectors", metavar="PATH",
    help="Word vectors: GoogleNews .bin or .bin.gz, gensim .kv, GloVe or word2vec text, or "
    "gensim:NAME. Default: the bundled subset of GoogleNews.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the split (kept and removed classes, with a hash) to this JSON file.",
)  # fmt: skip
@click.option("--all", "show_all", is_flag=True, help="Show every training class, kept ones too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--strict", is_flag=True, help="Exit with status 3 if a class is removed.")
def check_overlap(
    *,
    train: str,
    against: tuple[str, ...],
    threshold: float,
    words: str | None,
    vectors: str | None,
    out: Path | None,
    show_all: bool,
    as_json: bool,
    strict: bool,
) -> None:
    """Find the training classes that are too close to a test class.

    TRAIN and every --against are a bundled class set (ucf101, hmdb51, activitynet200,
    kinetics400, kinetics600, kinetics700, sun397), a bundled split (tp1, tp2), a split file, or a
    text or CSV file with one class a line.
    """
    audit = audit_lists(train, list(against), threshold=threshold, vectors=vectors, rules=words)
    if out is not None:
        split_from_audit(audit, split_id=out.stem).save(out)
    if as_json:
        print_json(audit.to_json())
    else:
        _render(console(), audit, audit.neighbours if show_all else audit.removed)
        if out is not None:
            console(stderr=True).print(f"split written to {out}")
    if strict and audit.removed:
        raise click.exceptions.Exit(FOUND)


def _render(to: Console, audit: OverlapAudit, rows: Iterable[Neighbour]) -> None:
    tests = ", ".join(test.dataset for test in audit.tests)
    shown = list(rows)
    if shown:
        grid = _grid(f"{audit.train.dataset} against {tests}")
        for neighbour in shown:
            _add(grid, neighbour)
        to.print(grid)
    near = [n for n in audit.closest_calls() if n.distance >= audit.threshold]
    if near and len(shown) < len(audit.neighbours):
        grid = _grid("next, kept")
        for neighbour in near:
            _add(grid, neighbour)
        to.print(grid)
    for dataset, names in audit.duplicates:
        to.print(f"same words within {dataset}: {', '.join(names)}")
    bundled = audit.vectors.startswith("bundled")
    if audit.approximate_words:
        to.print(
            f"~ {count(len(audit.approximate_words), 'word')} without a vector in "
            f"{audit.vectors}: the distance of a class with one is usually too large, "
            "unless its words are equal"
            + ("; --vectors with the full GoogleNews file is exact." if bundled else "."),
            soft_wrap=True,
        )
    call = audit.closest_call
    to.print(
        f"{len(audit.removed)} of {len(audit.train)} classes of {audit.train.dataset} overlap "
        f"with {tests} ({len(audit.identical)} with equal words); {len(audit.kept)} are kept. "
        + (f"Closest call: {call.name} at {call.distance:.3f} " if call.distance else "")
        + f"(threshold {audit.threshold:g}, rules {audit.train.rules}).",
        soft_wrap=True,
    )  # fmt: skip


def _grid(title: str) -> Table:
    grid = table(title)
    grid.add_column("distance", justify="right")
    for column in ("training class", "nearest test class", "test set", "words without vector"):
        grid.add_column(column)
    return grid


def _add(grid: Table, neighbour: Neighbour) -> None:
    grid.add_row(
        f"{neighbour.distance:.3f}",
        neighbour.name,
        neighbour.nearest,
        neighbour.nearest_set,
        f"~ {', '.join(neighbour.approximate)}" if neighbour.approximate else "",
    )
