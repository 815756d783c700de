"""``zsl-bench curves``."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsl_bench.assessment.curves import CURVES, OVERLAP
from zsl_bench.cli.render import console, count, percent, print_json, table
from zsl_bench.errors import ResultError, listing
from zsl_bench.files import atomic_write
from zsl_bench.report.units import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from zsl_bench.results import EvaluationResult

_STEP = 0.05
_COLUMNS = (
    "threshold", "num_trials", "num_classes", "num_candidates", "chance", "num_videos", "top1",
    "mean_per_class",
)  # fmt: skip
_HEADINGS = (
    "threshold", "trials", "classes", "videos", "candidates", "chance %", "top-1 %", "per class %",
)  # fmt: skip


@click.command(epilog="Example: zsl-bench curves results/a.json --kind overlap")
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--protocol", "protocols", multiple=True, metavar="ID",
    help="A protocol id; may be given several times. Default: those of the result.",
)  # fmt: skip
@click.option(
    "--kind", type=click.Choice(CURVES),
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
    header, told = _curves_of(result, protocols, restricted=restricted)
    for entry in told:
        entry["curves"] = [c for c in entry["curves"] if kind in (None, c["kind"])]
    if csv_file is not None:
        _write_csv(csv_file, told)
    if as_json:
        print_json(told)
        return
    to = console()
    to.print(header, style="bold", soft_wrap=True)
    for entry in told:
        _render(to, entry)
    if csv_file is not None:
        console(stderr=True).print(f"curves written to {csv_file}")


def _curves_of(
    path: Path, references: Sequence[str], *, restricted: bool
) -> tuple[str, list[dict[str, Any]]]:
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
    clean_is_known = not evidence.verdicts[0].silent
    told = [
        curves_of(
            evidence.matrix,
            rank_trials(evidence.matrix, protocol, lists=evidence.lists),
            protocol,
            evidence.distances,
            restricted=restricted,
            clean_is_known=clean_is_known,
        )
        for protocol in chosen
    ]
    return _header(stored), told


def _header(result: EvaluationResult) -> str:
    coverage = result.coverage
    parts = [
        f"{result.model} on {result.dataset}",
        f"{coverage['scored']:,} of {coverage['expected']:,} videos",
        *([] if result.complete else ["INCOMPLETE"]),
        result.verdict,
    ]
    return ", ".join(parts)


def _render(to: Console, entry: Mapping[str, Any]) -> None:
    if not any(curve["points"] for curve in entry["curves"]):
        to.print(f"{entry['protocol']}: no curve, as no video of its classes is scored\n")
        return
    candidates = "kept classes only" if entry["restricted"] else "all candidates"
    for curve in entry["curves"]:
        title = f"{entry['protocol']}, {candidates}: {curve['name']}"
        to.print(title, style="bold", soft_wrap=True)
        grid = table()
        for heading in _HEADINGS:
            grid.add_column(heading, justify="right", no_wrap=True)
        for row in _rows(curve):
            grid.add_row(*row)
        to.print(grid)
        to.print(f"* keeps {curve['keeps']}", soft_wrap=True)
        to.print(f"* {_read_from(curve)}", soft_wrap=True)
    if entry["approximate_classes"]:
        names = listing(entry["approximate_classes"])
        to.print(f"* nearest distance rests on a word without a vector: {names}", soft_wrap=True)
    to.print()


def _read_from(curve: Mapping[str, Any]) -> str:
    side = "first at or above" if curve["kind"] == OVERLAP else "last at or below"
    steps = count(len(curve["points"]), "step")
    return (
        f"read every {_STEP:g} from {steps} (all in --json and --csv), the step {side} each "
        "threshold; one without a row has the figures of the row before"
    )


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
