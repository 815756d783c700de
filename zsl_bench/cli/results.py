"""What evaluate and score print of a result: accuracy, verdict, uncertainty, contamination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.cli.contamination import contamination_table, verdict_lines
from zsl_bench.cli.render import count, percent, table
from zsl_bench.errors import listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from zsl_bench.results import EvaluationResult

_HEADINGS = (
    "candidates",
    "top-1 %",
    "95% other videos",
    "95% other classes",
    "top-5 %",
    "per class %",
)


def print_results(
    to: Console, results: Sequence[EvaluationResult], out: Path, *, all_rules: bool
) -> None:
    """Print for each result a table of protocols, what is behind the verdict, and notes.

    Args:
        to: Where to print.
        results: The results.
        out: The folder that they were written to.
        all_rules: Show clean and overlapping rows by every rule, not by the headline only.
    """
    for result in results:
        coverage = result.coverage
        videos = f"{coverage['scored']:,} of {coverage['expected']:,} videos"
        title = [f"{result.model} on {result.dataset}", videos]
        if result.identity["manifest"]["videos"] != "all":
            title.append(result.identity["manifest"]["videos"])
        title.append("complete" if result.complete else "INCOMPLETE")
        to.print(", ".join([*title, result.verdict]), style="bold", soft_wrap=True)
        to.print(_score_table(result))
        for name, scores in result.scores.items():
            entries = scores["contamination"]
            shown = entries if all_rules else entries[:1]
            contamination_table(to, name, {**scores, "contamination": shown})
        for line in _merged(result.scores):
            to.print(f"* {line}", soft_wrap=True)
        for line in (*_zero_shot_notes(result.zero_shot), *_coverage_notes(result)):
            to.print(f"* {line}", soft_wrap=True)
        to.print(f"* written: {out / result.stem}.json\n", soft_wrap=True)


def _score_table(result: EvaluationResult) -> Table:
    grid = table()
    grid.add_column("protocol", no_wrap=True)
    for heading in (*_HEADINGS, *(() if result.complete else ("bounds %",))):
        grid.add_column(heading, justify="right")
    grid.add_column("verdict", no_wrap=True)
    for name, scores in result.scores.items():
        cells = [f"{name} v{scores['version']}", *_cells(scores)]
        if not result.complete:
            cells.append(_bounds(scores["mean"]))
        grid.add_row(*cells, result.zero_shot["rules"][0]["finding"])
    return grid


def _cells(scores: dict[str, Any]) -> Iterator[str]:
    trials, mean, std = scores["trials"], scores["mean"], scores["std"]
    several = len(trials) > 1
    yield f"{trials[0]['num_classes']}" + (f" x {len(trials)}" if several else "")
    top = {
        name: f"{percent(mean[name])}" + (f" ± {percent(std[name])}" if several else "")
        for name in ("top1", "top5", "mean_per_class")
    }
    yield top["top1"]
    for resample in ("groups", "classes"):
        yield span(scores["uncertainty"]["top1"][resample])
    yield top["top5"]
    yield top["mean_per_class"]


def span(interval: dict[str, Any] | None) -> str:
    """Return an interval as percent, such as ``54.2 to 61.7``, or a dash."""
    return "-" if interval is None else f"{percent(interval['low'])} to {percent(interval['high'])}"


def _bounds(mean: dict[str, float | None]) -> str:
    if mean["top1_lower"] is None or mean["top1_lower"] == mean["top1_upper"]:
        return "-"
    return f"{percent(mean['top1_lower'])} to {percent(mean['top1_upper'])}"


def _merged(scores: dict[str, Any]) -> Iterator[str]:
    """Yield each note once, with the protocols that it is about."""
    about: dict[str, list[str]] = {}
    for name, entry in scores.items():
        for text in _protocol_notes(entry):
            about.setdefault(text, []).append(name)
    for text, names in about.items():
        yield f"{', '.join(names)}: {text}"


def _protocol_notes(scores: dict[str, Any]) -> Iterator[str]:
    if len(scores["trials"]) > 1:
        yield (
            "± is the population standard deviation over the trials, as published; trials "
            "overlap, so that it is no standard error"
        )
    if scores["expectation"]:
        yield _expected(scores["expectation"])
    if "without_overlapping_segments" in scores:
        alone = scores["without_overlapping_segments"]
        yield (
            f"without the {alone['segments_left_out']:,} segments that share time with one of "
            f"another label: top-1 {percent(alone['top1'])}, top-5 {percent(alone['top5'])}"
        )
    if "generalised" in scores:
        figures = scores["generalised"]
        yield (
            f"unseen {percent(figures['unseen_accuracy'])}, seen "
            f"{percent(figures['seen_accuracy'])}, harmonic mean "
            f"{percent(figures['harmonic_mean'])}, area under the curve {figures['area']:.3f}"
        )
    if scores["unscorable"]:
        none, trials = len(scores["unscorable"]), len(scores["trials"])
        yield f"{none} of {trials} trials have no video and are not scorable"


def _expected(figures: dict[str, Any]) -> str:
    draws = figures["top1"]
    text = (
        f"over all draws of {figures['draw_size']} of {figures['num_classes']} classes expect "
        f"{percent(draws['mean'])} over videos (Monte Carlo error "
        f"{100 * draws['monte_carlo_error']:.2f}, {draws['draws']:,} draws)"
    )
    exact = figures["mean_per_class"]
    if exact is None:
        return text
    others = span(exact["classes"])
    return f"{text}, {percent(exact['value'])} per class (exact; {others} over other classes)"


def _zero_shot_notes(zero_shot: dict[str, Any]) -> Iterator[str]:
    rule = zero_shot["rules"][0]
    if rule["seen"]:
        shown = listing(f"{s['name']} ({s['seen_as']})" for s in rule["seen"])
        seen = count(len(rule["seen"]), "test class was", "test classes were")
        yield f"{seen} seen in training or pretraining: {shown}"
    yield from verdict_lines(zero_shot)
    if rule["approximate_words"]:
        words = count(len(rule["approximate_words"]), "word")
        yield f"verdict: {words} without a vector; a class with one is seen only by equal words"
    card = zero_shot["declared_by_user"]
    for field in rule["silent"]:
        who = "as declared here" if field.partition(":")[0] in card else "by its card"
        yield f"{field} {who}, so the verdict cannot be disjoint"
    if zero_shot["shared_videos"]:
        yield from _shared_notes(zero_shot["shared_videos"])
    equal = zero_shot["equal_class_vectors"]
    if equal:
        first = ", ".join(equal[0])
        groups = count(len(equal), "group")
        yield f"{groups} of classes with equal vectors, which can only tie: {first}" + (
            " (the others are in the result file)" if len(equal) > 1 else ""
        )
    if zero_shot["approximate_words"]:
        words = count(len(zero_shot["approximate_words"]), "word")
        yield f"stand-ins for {words} without a vector: compare only with runs that used the same"


def _shared_notes(shared: dict[str, Any]) -> Iterator[str]:
    rows = shared["test_rows"]
    if rows:
        kinds = ", ".join(
            count(len(shared[kind]), one, f"{one}s")
            for kind, one in (("ids", "id"), ("groups", "source"), ("contents", "file content"))
        )
        yield (
            f"{shared['train']} shares {kinds} with the test videos: "
            f"{count(len(rows), 'test video')} concerned: {listing(rows, limit=3)}"
        )
    else:
        yield f"{shared['train']}: no id, source or content shared with the test videos"
    for line in shared["not_compared"]:
        yield f"not compared with the training videos: {line}"


def _coverage_notes(result: EvaluationResult) -> Iterator[str]:
    unreadable = result.coverage["unreadable"]
    if unreadable:
        first = f"{unreadable[0]['id']}: {unreadable[0]['reason']}"
        yield f"{count(len(unreadable), 'unreadable video')}, the first {first}"
    if not result.complete:
        yield "top-1 and top-5 are over the videos at hand; bounds count the others wrong or right"
    if result.coverage["seen_videos"] and result.coverage["seen_videos"]["merged"]:
        merged = count(result.coverage["seen_videos"]["merged"], "held-out video")
        yield f"{merged} left out: their classes count as test classes"
