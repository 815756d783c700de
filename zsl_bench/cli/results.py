"""What evaluate and score print of a result: accuracy, verdict, uncertainty, contamination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.cli.contamination import contamination_tables
from zsl_bench.cli.render import count, percent, table
from zsl_bench.report.notes import coverage_notes, score_notes, shared_rows, zero_shot_notes
from zsl_bench.report.units import span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from zsl_bench.results import EvaluationResult

_HEADINGS = (
    "candidates",
    "top-1 %",
    "95%, other\nvideos",
    "95%, other\nclasses",
    "top-5 %",
    "verdict",
)


def print_results(
    to: Console,
    results: Sequence[EvaluationResult],
    out: Path,
    *,
    all_rules: bool,
    with_data_notes: bool,
) -> None:
    """Print for each result a table of protocols, what is behind the verdict, and notes.

    Args:
        to: Where to print.
        results: The results.
        out: The folder that they were written to.
        all_rules: Show clean and overlapping rows by every rule, not by the headline only.
        with_data_notes: Print what was noted of the data; ``evaluate`` has told it before the run.
    """
    for result in results:
        to.print(", ".join(_title(result)), style="bold", soft_wrap=True)
        to.print(_score_table(result))
        for name, scores in result.scores.items():
            entries = scores["contamination"]
            contamination_tables(to, name, entries if all_rules else entries[:1])
        notes = (
            *score_notes(result.scores, all_rules=all_rules),
            *zero_shot_notes(result.zero_shot),
        )
        about_data = result.coverage["notes"] if with_data_notes else ()
        for line in (*notes, *about_data, *coverage_notes(result)):
            to.print(f"* {line}", soft_wrap=True)
        to.print(f"* written: {out / result.stem}.json\n", soft_wrap=True)


def _title(result: EvaluationResult) -> Iterator[str]:
    coverage = result.coverage
    yield f"{result.model} on {result.dataset}"
    yield f"{coverage['scored']:,} of {coverage['expected']:,} videos"
    if result.identity["manifest"]["videos"] != "all":
        yield str(result.identity["manifest"]["videos"])
    if result.identity["manifest"].get("preparation"):
        yield "prepared files"
    yield "complete" if result.complete else "INCOMPLETE"
    yield result.verdict
    shared = shared_rows(result)
    if shared:
        yield f"{count(len(shared), 'TEST VIDEO')} IN THE TRAINING MANIFEST"


def _score_table(result: EvaluationResult) -> Table:
    grid = table()
    grid.add_column("protocol", overflow="fold")
    for heading in _HEADINGS:
        grid.add_column(heading, justify="left" if heading == "verdict" else "right")
    for name, scores in result.scores.items():
        grid.add_row(f"{name} v{scores['version']}", *_cells(scores))
    return grid


def _cells(scores: dict[str, Any]) -> Iterator[str]:
    trials, mean, std = scores["trials"], scores["mean"], scores["std"]
    several = len(trials) > 1
    yield f"{trials[0]['num_classes']}" + (f" x {len(trials)}" if several else "")
    if "generalised" in scores:
        yield f"H {percent(scores['generalised']['harmonic_mean'])}"
        yield from ("-", "-", "-")
    else:
        spread = {name: f" ± {percent(std[name])}" if several else "" for name in ("top1", "top5")}
        yield f"{percent(mean['top1'])}{spread['top1']}"
        for resample in ("groups", "classes"):
            yield span(scores["uncertainty"]["top1"][resample])
        yield f"{percent(mean['top5'])}{spread['top5']}"
    yield scores["verdicts"][0]["finding"]
