"""What evaluate and score print of a result: accuracy, verdict, uncertainty, contamination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.cli.contamination import (
    contamination_notes,
    contamination_tables,
    verdict_lines,
)
from zsl_bench.cli.render import count, percent, table
from zsl_bench.errors import listing
from zsl_bench.protocols import CUSTOM, needs_distractors

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
        notes = (*_merged(result.scores, all_rules=all_rules), *_zero_shot_notes(result.zero_shot))
        about_data = result.coverage["notes"] if with_data_notes else ()
        for line in (*notes, *about_data, *_coverage_notes(result)):
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
    shared = _shared_rows(result)
    if shared:
        yield f"{count(len(shared), 'TEST VIDEO')} IN THE TRAINING MANIFEST"


def _shared_rows(result: EvaluationResult) -> list[str]:
    """Return the scored or unreadable test videos that the training manifest shares."""
    shared = result.zero_shot.get("shared_videos")
    if not shared:
        return []
    missing = set(result.coverage["missing"])
    return [name for name in shared["test_rows"] if name not in missing]


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


def span(interval: dict[str, Any] | None) -> str:
    """Return an interval as percent, such as ``54.2 to 61.7``, or a dash."""
    return "-" if interval is None else f"{percent(interval['low'])} to {percent(interval['high'])}"


def _merged(scores: dict[str, Any], *, all_rules: bool) -> Iterator[str]:
    """Yield each note once, with the protocols that it is about."""
    about: dict[str, list[str]] = {}
    for name, entry in scores.items():
        rules = entry["contamination"]
        notes = contamination_notes(rules if all_rules else rules[:1])
        for text in (*_protocol_notes(entry), *_unseen_candidates(name, entry), *notes):
            about.setdefault(text, []).append(name)
    for text, names in about.items():
        yield f"{', '.join(names)}: {text}"


def _unseen_candidates(protocol: str, scores: dict[str, Any]) -> Iterator[str]:
    silent = scores["contamination"][0]["silent"]
    known = protocol.partition("@")[0]
    if silent and known != CUSTOM and needs_distractors(known):
        yield (
            f"what the model saw by {', '.join(silent)} is not among the candidates, so the task "
            "is easier than with it"
        )


def _protocol_notes(scores: dict[str, Any]) -> Iterator[str]:
    mean = scores["mean"]
    if scores["metric"] == "mean_per_class":
        yield f"the protocol's own figure is the mean per class: {percent(mean['mean_per_class'])}"
    if mean["top1_lower"] is not None and mean["top1_lower"] != mean["top1_upper"]:
        yield (
            f"with missing videos wrong and right, top-1 is {percent(mean['top1_lower'])} to "
            f"{percent(mean['top1_upper'])}, top-5 {percent(mean['top5_lower'])} to "
            f"{percent(mean['top5_upper'])}"
        )
    if len(scores["trials"]) > 1:
        same = all(set(classes) == set(scores["classes"][0]) for classes in scores["classes"])
        yield "± is the population standard deviation over the trials, as published; " + (
            "it is over other videos and says nothing of other classes"
            if same
            else "draws of classes overlap, so that it is no standard error"
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
            f"harmonic mean {percent(figures['harmonic_mean'])} of unseen classes "
            f"{percent(figures['unseen_accuracy'])} and seen classes "
            f"{percent(figures['seen_accuracy'])} (mean per class), area under the curve "
            f"{figures['area']:.3f}"
        )
    if scores["unscorable"]:
        none, trials = len(scores["unscorable"]), len(scores["trials"])
        yield f"{none} of {trials} trials have no video and are not scorable"


def _expected(figures: dict[str, Any]) -> str:
    draws = figures["top1"]
    text = (
        f"over all draws of {figures['draw_size']} of {figures['num_classes']} classes expect "
        f"{percent(draws['mean'])} over videos (Monte Carlo error "
        f"{100 * draws['monte_carlo_error']:.2f}, {draws['draws']:,} draws that hold a video)"
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
    yield from _declared_notes(rule, zero_shot["declared_by_user"])
    if zero_shot["shared_videos"]:
        yield from _shared_notes(zero_shot["shared_videos"])
    yield from _vector_notes(zero_shot)


def _declared_notes(rule: dict[str, Any], by_user: Sequence[str]) -> Iterator[str]:
    for field in rule["silent"]:
        name, _, said = field.partition(": ")
        who = ", as declared here" if name in by_user else ""
        if said == "undeclared":
            who = f" (--{name.replace('_', '-')} declares it)"
        yield f"{field}{who}, so the verdict cannot be disjoint"
    if by_user:
        fields = " and ".join(f"--{name.replace('_', '-')}" for name in by_user)
        yield f"the verdict rests on what was declared by {fields}, not on a card"


def _vector_notes(zero_shot: dict[str, Any]) -> Iterator[str]:
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
    kinds = ", ".join(
        count(len(shared[kind]), one)
        for kind, one in (("ids", "id"), ("groups", "further source"), ("contents", "file content"))
    )
    rows = shared["test_rows"]
    named = f": {listing(rows, limit=3)}" if rows else ""
    yield f"shared by {shared['train']} and the test list {shared['test']}: {kinds}{named}"
    for line in shared["not_compared"]:
        yield f"not compared with the training videos: {line}"


def _coverage_notes(result: EvaluationResult) -> Iterator[str]:
    unreadable = result.coverage["unreadable"]
    if unreadable:
        first = f"{unreadable[0]['id']}: {unreadable[0]['reason']}"
        yield f"{count(len(unreadable), 'unreadable video')}, the first {first}"
    if not result.complete:
        yield "accuracies and intervals are of the videos at hand"
    seen = result.coverage["seen_videos"]
    if seen:
        yield f"held-out videos of training classes: {seen['scored']:,} scored" + "".join(
            f", {number:,} {why}"
            for number, why in (
                (seen["merged"], "left out because their classes count as test classes"),
                (len(seen["unreadable"]), "unreadable"),
            )
            if number
        )
