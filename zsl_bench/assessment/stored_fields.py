"""The JSON fields of a stored result, read back as what they were and checked."""

from __future__ import annotations

from dataclasses import fields, replace
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from zsl_bench.classes import ClassSet, load_class_set
from zsl_bench.errors import ClassSetError, ResultError
from zsl_bench.results import AGAIN
from zsl_bench.verdict import ClassDistances, Finding, SeenClass, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zsl_bench.results import EvaluationResult

_LARGEST = 2**53
_GROWN_ZERO_SHOT: dict[str, Any] = {
    "declared_by_user": [],
    **dict.fromkeys(("distances", "declared_distractors", "shared_videos")),
}
_GROWN_COVERAGE = {"named_videos": True, "overlapping_segments": 0, "seen_videos": None}
_TEXT_OR_NONE, _NUMBER_OR_NONE = (str, NoneType), (int, float, NoneType)
_VERDICT: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("finding", "rule", "note"), str),
    **dict.fromkeys(("rules", "vectors", "vectors_digest"), _TEXT_OR_NONE),
    "threshold": _NUMBER_OR_NONE,
    "num_declared": int,
}
_SEEN_CLASS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("name", "seen_in", "declared_in"), str),
    "seen_as": _TEXT_OR_NONE,
    "distance": _NUMBER_OR_NONE,
}


def texts(value: object) -> tuple[str, ...]:
    """Return a JSON list of texts.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise TypeError("something else than a list of text")
    return tuple(value)


def typed(
    values: Mapping[str, Any], kinds: Mapping[str, type | tuple[type, ...]]
) -> dict[str, Any]:
    """Return the values that have a kind.

    Args:
        values: A JSON object; what has no kind is left out.
        kinds: The type of each value, by its name.

    Raises:
        TypeError: A value is of another type.
    """
    chosen = {name: values[name] for name in kinds if name in values}
    for name, value in chosen.items():
        if not isinstance(value, kinds[name]):
            raise TypeError(f"{name} of another type, {type(value).__name__}")
    return chosen


def stored_counts(result: EvaluationResult, names: Sequence[str]) -> dict[str, int]:
    """Return how many videos each class has under the list of a result.

    Raises:
        ValueError: The counts are not those of the classes.
    """
    counts = {name: entry["expected"] for name, entry in result.coverage["per_class"].items()}
    sound = all(isinstance(count, int) and 0 <= count < _LARGEST for count in counts.values())
    if counts.keys() != set(names) or not sound:
        raise ValueError("coverage.per_class, which does not count each class")
    return counts


def stored_distractors(result: EvaluationResult) -> tuple[str, ...] | None:
    """Return the distractors of a result that are declared classes; None where it names none."""
    names = result.zero_shot.get("declared_distractors")
    return None if names is None else texts(names)


def stored_classes(result: EvaluationResult, names: tuple[str, ...]) -> ClassSet:
    """Return the test classes of a result, by the table in it or, in older results, the bundled.

    Args:
        result: The result.
        names: The classes in the order of the arrays.

    Raises:
        ResultError: They are not those of the identity.
        ClassSetError: The table is malformed.
    """
    about, table = result.identity["classes"], result.class_table
    if table is None:
        try:
            classes = load_class_set(about["dataset"])
        except ClassSetError:
            classes = None
    else:
        classes = ClassSet(
            dataset=about["dataset"],
            version=about["version"],
            names=names,
            words=tuple(tuple(words) for words in table["words"]),
            labels=tuple(table["labels"]),
            aliases=((),) * len(names),
            rules=about["rules"],
            source=table["source"],
        )
    same = classes is not None and classes.names == names
    if classes is None or not same or classes.fingerprint != about["fingerprint"]:
        raise ResultError(
            f"classes of a result on {result.dataset}",
            found="another class list than that of its identity",
            fix=AGAIN,
        )
    return classes


def stored_verdicts(result: EvaluationResult) -> tuple[Verdict, ...]:
    """Return the verdicts of a result, the headline first.

    Raises:
        TypeError: A field is of another type.
        ValueError: There is no verdict, or an unknown finding.
    """
    rules = result.zero_shot["rules"]
    if not rules:
        raise ValueError("zero_shot.rules without a rule")
    return tuple(_verdict(rule) for rule in rules)


def completed(result: EvaluationResult, verdicts: Sequence[Verdict]) -> EvaluationResult:
    """Return a result with the fields that results have grown since it was made, as then unknown.

    Args:
        result: The result.
        verdicts: Its verdicts.
    """
    stored = result.zero_shot["rules"]
    rules = [{**v.to_json(), **rule} for v, rule in zip(verdicts, stored, strict=True)]
    return replace(
        result,
        zero_shot={**_GROWN_ZERO_SHOT, **result.zero_shot, "rules": rules},
        coverage={**_GROWN_COVERAGE, **result.coverage},
    )


def _verdict(rule: Mapping[str, Any]) -> Verdict:
    named = {**rule, "rule": rule.get("rule", rule.get("rules"))}
    listed: dict[str, Any] = {
        field.name: texts(rule[field.name])
        for field in fields(Verdict)
        if field.name not in ("seen", *_VERDICT) and field.name in rule
    }
    seen = tuple(SeenClass(**typed(entry, _SEEN_CLASS)) for entry in rule["seen"])
    verdict = Verdict(**typed(named, _VERDICT), **listed, seen=seen)
    if verdict.finding not in get_args(Finding):
        raise ValueError(f"the finding {verdict.finding!r}")
    return verdict


def stored_distances(
    stored: Mapping[str, Any] | None, names: tuple[str, ...]
) -> ClassDistances | None:
    """Return the distances of the test classes to the declared ones; None where none are stored.

    Args:
        stored: The JSON object, or None.
        names: The test classes.

    Raises:
        TypeError: A field is of another type.
        ValueError: They are not one a class.
    """
    if stored is None:
        return None
    nearest, nearest_mean = (
        np.array(stored[name], dtype=np.float64) for name in ("nearest", "nearest_mean")
    )
    if nearest.shape != (len(names),) or nearest_mean.shape != (len(names),):
        raise ValueError("zero_shot.distances, which has not one a class")
    if not np.isfinite([nearest, nearest_mean]).all() or texts(stored["classes"]) != names:
        raise ValueError("zero_shot.distances, which are not those of the classes")
    counts = typed(stored, {"neighbours": int, "num_declared": int})
    return ClassDistances(
        nearest=nearest,
        nearest_mean=nearest_mean,
        classes=names,
        approximate_classes=texts(stored["approximate_classes"]),
        **counts,
    )
