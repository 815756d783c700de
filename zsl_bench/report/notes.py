"""What a reader of a result should know beside its numbers, one sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.assessment.contamination import GROUPS
from zsl_bench.errors import listing
from zsl_bench.protocols import CUSTOM, needs_distractors
from zsl_bench.report.units import count, percent, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zsl_bench.results import EvaluationResult

_NOT_FOUND = "not found"


def shared_rows(result: EvaluationResult) -> list[str]:
    """Return the scored or unreadable test videos that the training manifest shares."""
    shared = result.zero_shot.get("shared_videos")
    if not shared:
        return []
    missing = set(result.coverage["missing"])
    return [name for name in shared["test_rows"] if name not in missing]


def score_notes(scores: dict[str, Any], *, all_rules: bool) -> Iterator[str]:
    """Yield each note on a result's scores once, with the protocols that it is about.

    Args:
        scores: That field of a result.
        all_rules: Tell of clean and overlapping rows by every rule, not by the headline only.
    """
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


def zero_shot_notes(zero_shot: dict[str, Any]) -> Iterator[str]:
    """Yield what is behind the verdict: classes seen, other rules, what rests on a person's word.

    Args:
        zero_shot: That field of a result.
    """
    rule = zero_shot["rules"][0]
    if rule["seen"]:
        shown = listing(f"{s['name']} ({s['seen_as']})" for s in rule["seen"])
        seen = count(len(rule["seen"]), "test class was", "test classes were")
        yield f"{seen} seen in training or pretraining: {shown}"
    yield from verdict_lines(zero_shot)
    if rule["approximate_words"]:
        words = count(len(rule["approximate_words"]), "word")
        yield f"verdict: {words} without a vector; a class with one may be nearer than it seems"
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


def coverage_notes(result: EvaluationResult) -> Iterator[str]:
    """Yield what is missing, and which videos of training classes were scored too."""
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


def contamination_notes(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which rules put every row into one group, and where not found is not clean.

    Args:
        entries: The rules of a protocol's ``contamination``.
    """
    whole: dict[str, list[str]] = {}
    for entry in entries:
        groups = [name for name in GROUPS if entry["mean"].get(name) is not None]
        if len(groups) == 1:
            whole.setdefault(group_name(entry, groups[0]), []).append(entry["rule"])
    for group, rules in whole.items():
        yield f"every row is {group} by {', '.join(rules)}"
    silent: dict[str, list[str]] = {}
    for entry in entries:
        if entry["applies"] and not entry["clean_is_known"]:
            silent.setdefault(", ".join(entry["silent"]), []).append(entry["rule"])
    for fields, rules in silent.items():
        yield f"by {', '.join(rules)} a row not found may have been seen all the same ({fields})"


def verdict_lines(zero_shot: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the rules beside the headline say, and why a curated list says nothing.

    Args:
        zero_shot: That field of a result.
    """
    others = zero_shot["rules"][1:]
    if others:
        yield "other rules: " + ", ".join(map(_told, others))
    silent: dict[str, list[str]] = {}
    for rule in others:
        if rule.get("note") and not rule["seen"] and rule["finding"] == "unjudged":
            silent.setdefault(rule["note"], []).append(rule["rule"])
    for note, rules in silent.items():
        yield f"{', '.join(rules)}: {note}"


def _told(rule: Mapping[str, Any]) -> str:
    beside = [rule.get("rule") or rule["rules"]]
    if rule["seen"]:
        beside.append(count(len(rule["seen"]), "class", "classes"))
    if rule.get("unjudged"):
        beside.append(f"{count(len(rule['unjudged']), 'class', 'classes')} unjudged")
    return f"{rule['finding']} ({', '.join(beside)})"


def group_name(entry: Mapping[str, Any], group: str) -> str:
    """Return what a group of rows is called: clean ones are only ``not found`` where data is open.

    Args:
        entry: One rule of a protocol's ``contamination``.
        group: One of the groups.
    """
    return _NOT_FOUND if group == "clean" and not entry["clean_is_known"] else group
