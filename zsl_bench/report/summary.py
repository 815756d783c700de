"""A result in words: what was measured, and whether it was zero-shot at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import listing
from zsl_bench.report.formats import interval
from zsl_bench.report.notes import coverage_notes, score_notes, shared_rows, zero_shot_notes
from zsl_bench.report.tables import TITLES, entry_of
from zsl_bench.report.units import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zsl_bench.report.tables import Entry
    from zsl_bench.results import EvaluationResult

TONES = {"disjoint": "good", "overlapping": "bad", "undeclared": "doubt", "unjudged": "doubt"}
"""How a page marks each finding, beside the word itself."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a page says first of a result.

    Attributes:
        title: Model and data set.
        tone: How the verdict is marked.
        verdict: The headline verdict with its rule.
        meaning: What it means here, in a sentence.
        figures: A sentence for each protocol.
        coverage: How many videos were scored.
        warnings: What stands in the way of a ranking.
        notes: The rest that a reader should know.
    """

    title: str
    tone: str
    verdict: str
    meaning: str
    figures: tuple[str, ...]
    coverage: str
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def summarise(result: EvaluationResult, protocols: Sequence[str]) -> Summary:
    """Put a result in words.

    Args:
        result: The result.
        protocols: The ids of those of its protocols that are shown.
    """
    scores = {name: result.scores[name] for name in protocols}
    rule = result.zero_shot["rules"][0]
    notes = (
        *score_notes(scores, all_rules=False),
        *zero_shot_notes(result.zero_shot),
        *result.coverage["notes"],
        *coverage_notes(result),
    )
    covered = result.coverage
    return Summary(
        title=f"{result.model} on {result.dataset}",
        tone=TONES[rule["finding"]],
        verdict=result.verdict,
        meaning=meaning(result),
        figures=tuple(figure_text(result, name) for name in protocols),
        coverage=f"{covered['scored']:,} of {covered['expected']:,} videos scored, "
        f"{'complete' if result.complete else 'INCOMPLETE'}.",
        warnings=tuple(_warnings(result)),
        notes=tuple(dict.fromkeys(notes)),
    )


def meaning(result: EvaluationResult) -> str:
    """Say in a sentence what the headline verdict means for this model and data set."""
    rule = result.zero_shot["rules"][0]
    total = result.coverage["classes_with_videos"]
    return _MEANINGS[rule["finding"]](rule, total)


def _overlapping(rule: Mapping[str, Any], total: int) -> str:
    seen = len(rule["seen"])
    return (
        f"Not zero-shot on all classes: {seen} of the data set's test classes "
        f"{'was' if seen == 1 else 'were'} seen in training or pretraining; {total} have videos "
        "here."
    )


def _undeclared(rule: Mapping[str, Any], total: int) -> str:
    del total
    return (
        "Nobody can say whether this was zero-shot: what the model was trained on is not known "
        f"({listing(rule['silent'])})."
    )


def _unjudged(rule: Mapping[str, Any], total: int) -> str:
    del total
    return (
        f"The rule says nothing of {count(len(rule['unjudged']), 'test class', 'test classes')} or "
        "of some of the declared data, so that this is not known to be zero-shot."
    )


def _disjoint(rule: Mapping[str, Any], total: int) -> str:
    return (
        f"Zero-shot by this rule: none of the {total} test classes with videos counts as one of "
        f"the {rule['num_declared']:,} classes that the model declares."
    )


_MEANINGS = {
    "overlapping": _overlapping,
    "undeclared": _undeclared,
    "unjudged": _unjudged,
    "disjoint": _disjoint,
}


def figure_text(result: EvaluationResult, protocol: str) -> str:
    """Return the protocol's own figure with its intervals, in a sentence.

    Args:
        result: The result.
        protocol: Id of a protocol that it was scored under.
    """
    scores = result.scores[protocol]
    metric = "harmonic_mean" if "generalised" in scores else scores["metric"]
    entry = entry_of(result, protocol, metric)
    if entry.value is None:
        return f"{protocol} v{scores['version']}: no video of its classes was scored."
    spread = "" if entry.std is None else f" ± {percent(entry.std)}"
    around = "; ".join(_intervals(entry))
    return (
        f"{percent(entry.value)}%{spread} {TITLES[metric]} under {protocol} v{scores['version']}"
        + (f" (95%: {around})" if around else "")
        + "."
    )


def _intervals(entry: Entry) -> Iterator[str]:
    if entry.videos:
        yield f"{interval(entry.videos)} over other videos"
    if entry.classes:
        yield f"{interval(entry.classes)} over other classes"


def _warnings(result: EvaluationResult) -> Iterator[str]:
    if not result.complete:
        yield "The result is incomplete: it is of the videos at hand only, and is not ranked."
    shared = shared_rows(result)
    if shared:
        yield f"{count(len(shared), 'test video')} also in the training manifest."
    if result.zero_shot["approximate_words"]:
        yield "It rests on stand-ins for words without a vector: comparable with itself only."
