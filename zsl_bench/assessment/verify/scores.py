"""The numbers: protocols by the catalogue, scores and intervals from the vectors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from zsl_bench.assessment.assess import assess
from zsl_bench.assessment.verify.checks import (
    Check,
    by_problems,
    differences,
    not_possible,
)
from zsl_bench.errors import ZslBenchError, listing
from zsl_bench.protocols import CUSTOM, custom_protocol, resolve_protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zsl_bench.assessment.verify.subject import Subject
    from zsl_bench.protocols import Protocol

_DEFINITION: Final = (
    *("protocol", "version", "sha256", "dataset", "metric", "averaging", "source"),
    *("classes", "videos", "distractors"),
)
_SECTIONS: Final = {
    "scores": (
        "trials",
        "unscorable",
        "mean",
        "std",
        "generalised",
        "without_overlapping_segments",
    ),
    "intervals": ("uncertainty", "expectation"),
    "contamination": ("verdicts", "contamination"),
}
_MUST_BE_THERE: Final = ("trials", "unscorable", "mean", "std")
_MADE_AGAIN = "made again from the vectors, equal but for the rounding of sums"


def number_checks(subject: Subject) -> Iterator[Check]:
    """Yield ``protocols``, ``scores``, ``intervals`` and ``contamination``.

    The scores are made again from the vectors under the class lists of this version's catalogue,
    with the seeds that results have.
    """
    resolved, problems = _resolved(subject)
    made: dict[str, Any] = json.loads(json.dumps(assess(subject.evidence, resolved)))
    stored = subject.result.scores
    for name, entry in made.items():
        about = {field: stored[name].get(field) for field in _DEFINITION}
        wanted = {field: entry[field] for field in _DEFINITION}
        problems += differences(about, wanted, name)
    sound = f"{listing(stored)}: class lists, videos and candidates are the catalogue's"
    yield by_problems("protocols", problems, sound=sound)
    unknown = [name for name in stored if name not in made]
    for section, fields in _SECTIONS.items():
        yield _section(section, fields, stored, made, unknown)


def _section(
    section: str,
    fields: Sequence[str],
    stored: dict[str, Any],
    made: dict[str, Any],
    unknown: Sequence[str],
) -> Check:
    problems: list[str] = []
    absent: list[str] = []
    for name, entry in made.items():
        for field in fields:
            if field in entry and field not in stored[name] and field not in _MUST_BE_THERE:
                absent.append(f"{name}.{field}")
            else:
                there, again = stored[name].get(field), entry.get(field)
                problems += differences(there, again, f"{name}.{field}")
    if not problems and (unknown or absent):
        told = [f"{name} has other class lists" for name in unknown]
        return not_possible(section, "; ".join((*told, *(f"no field {a}" for a in absent))))
    return by_problems(section, problems, sound=_MADE_AGAIN)


def _resolved(subject: Subject) -> tuple[list[Protocol], list[str]]:
    """Return the protocols that still are what the result says, and what is wrong with others."""
    result = subject.result
    named = result.identity["protocols"]
    problems = [f"no scores under {name}" for name in named if name not in result.scores]
    resolved = []
    for name in result.scores:
        try:
            protocol = _protocol(subject, name)
        except ZslBenchError as error:
            problems.append(f"{name} cannot be resolved: found {error.found}")
            continue
        known = {"version": protocol.version, "sha256": protocol.sha256}
        if protocol.id != name or named[name] != known:
            problems.append(f"{name} has other class lists than this version's catalogue")
            continue
        resolved.append(protocol)
    return resolved, problems


def _protocol(subject: Subject, name: str) -> Protocol:
    evidence = subject.evidence
    if name == CUSTOM:
        return custom_protocol(evidence.classes, subject.result.scores[name]["classes"][0])
    return resolve_protocol(
        name.partition("@")[0],
        evidence.classes,
        videos=evidence.split,
        distractors=evidence.declared_distractors,
    )
