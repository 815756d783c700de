"""``zsl-bench curves``."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.cli.contamination import number
from zsl_bench.cli.render import console, count, percent, print_json, table
from zsl_bench.errors import ResultError
from zsl_bench.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

_KINDS = ("overlap", "nearest-10")
_STEP = 0.05
_COLUMNS = (
    "threshold", "num_trials", "num_classes", "num_candidates", "chance", "num_videos", "top1",
    "mean_per_class",
)  # fmt: skip


@click.command(epilog="Example: zsl-bench curves results/a.json --kind overlap")
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--protocol", "protocols", multiple=True, metavar="ID",
    help="A protocol id; may be given several times. Default: those of the result.",
)  # fmt: skip
@click.option(
    "--kind", type=click.Choice(_KINDS),
    help="overlap: by distance to the nearest declared class; nearest-10: by mean distance to the "
    "ten nearest (paper Fig. 7). Default: both.",
)  # fmt: skip
@click.option(
    "--restricted", is_flag=True,
    help="Take only the classes kept as candidates. Default: all candidates at every threshold.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON with every step.")
@click.option(
    "--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write every step to this CSV file.",
)  # fmt: skip
def curves(
    *,
    result: Path,
    protocols: tuple[str, ...],
    kind: str | None,
    restricted: bool,
    as_json: bool,
    csv_file: Path | None,
) -> None:
    """Show how accuracy changes as test classes near to the training classes are left out.

    RESULT is a result file with its arrays beside it; no video is needed. Each curve is an exact
    step function; the table reads it every 0.05.
    """
    told = _curves_of(result, protocols, restricted=restricted)
    for entry in told:
        entry["curves"] = [c for c in entry["curves"] if kind in (None, c["kind"])]
    if csv_file is not None:
        _write_csv(csv_file, told)
    if as_json:
        print_json(told)
        return
    to = console()
    for entry in told:
        _render(to, entry)
    if csv_file is not None:
        console(stderr=True).print(f"curves written to {csv_file}")


def _curves_of(path: Path, references: Sequence[str], *, restricted: bool) -> list[dict[str, Any]]:
    from zsl_bench.assessment.curves import curves as curves_of
    from zsl_bench.assessment.reload import load_evidence, protocols_of, resolve_for
    from zsl_bench.protocols import rank_trials

    stored, evidence = load_evidence(path)
    if evidence.distances is None:
        raise ResultError(
            f"curves of {path}",
            found="a result whose model declares no training class",
            fix="score it again with --trained-on or --pretrained-on",
        )
    chosen = (
        resolve_for(evidence, references)
        if references
        else [p for p in protocols_of(stored, evidence) if p.metric != "harmonic_mean"]
    )
    told = []
    for protocol in chosen:
        ranked = rank_trials(evidence.matrix, protocol, lists=evidence.lists)
        told.append(
            curves_of(evidence.matrix, ranked, protocol, evidence.distances, restricted=restricted)
        )
    return told


def _render(to: Console, entry: Mapping[str, Any]) -> None:
    candidates = "kept classes only" if entry["restricted"] else "all candidates"
    for curve in entry["curves"]:
        title = f"{entry['protocol']}, {candidates}: {curve['name']}"
        to.print(title, style="bold", soft_wrap=True)
        grid = table()
        for heading in (
            "threshold",
            "trials",
            "classes",
            "videos",
            "candidates",
            "chance %",
            "top-1 %",
            "per class %",
        ):
            grid.add_column(heading, justify="right", no_wrap=True)
        for row in _rows(curve):
            grid.add_row(*row)
        to.print(grid)
        to.print(f"* keeps {curve['keeps']}", soft_wrap=True)
        steps = len(curve["points"])
        to.print(
            f"* read every {_STEP:g} from {steps} steps (--json and --csv give all); a threshold "
            "left out reads as the one above it",
            soft_wrap=True,
        )
    if entry["approximate_classes"]:
        several = count(len(entry["approximate_classes"]), "class", "classes")
        to.print(f"* {several} with a word that has no vector: their distance is a stand-in")
    to.print()


def _rows(curve: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    from zsl_bench.assessment.curves import point_at

    last = None
    for step in range(round(2 / _STEP) + 1):
        point = point_at(curve, step * _STEP)
        if point is None:
            return
        if point is last:
            continue
        last = point
        yield (
            f"{step * _STEP:.2f}",
            str(point["num_trials"]),
            number(point["num_classes"]),
            number(point["num_videos"]),
            number(point["num_candidates"]),
            percent(point["chance"]),
            percent(point["top1"]),
            percent(point["mean_per_class"]),
        )


def _write_csv(path: Path, told: Sequence[Mapping[str, Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("protocol", "candidates", "curve", *_COLUMNS))
    for entry in told:
        candidates = "kept" if entry["restricted"] else "all"
        for curve in entry["curves"]:
            writer.writerows(
                (entry["protocol"], candidates, curve["kind"], *(point[c] for c in _COLUMNS))
                for point in curve["points"]
            )
    with atomic_write(path) as stream:
        stream.write(text.getvalue().encode())
