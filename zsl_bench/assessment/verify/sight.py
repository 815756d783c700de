"""What the model has seen: verdicts, distances and candidates from the declaration itself."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from zsl_bench.assessment.sight import distractors_of, under_rules
from zsl_bench.assessment.verify.checks import (
    Check,
    by_problems,
    differences,
    not_possible,
    passed,
)
from zsl_bench.classes import ClassSet, bundled_class_sets, class_set_from_names, load_class_set
from zsl_bench.errors import ZslBenchError
from zsl_bench.splits import bundled_splits, load_split
from zsl_bench.verdict import FIELDS, Declared, class_distances, zero_shot_verdicts
from zsl_bench.verdict.types import finding_of
from zsl_bench.words import WordRules
from zsl_bench.wordvectors import class_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zsl_bench.assessment.verify.subject import Subject
    from zsl_bench.model import TrainingData
    from zsl_bench.verdict import Verdict

_COMPARED: Final = (
    *("finding", "rules", "threshold", "seen", "silent", "num_declared"),
    *("approximate_words", "unjudged", "not_covered"),
)


def class_list(subject: Subject) -> Check:
    """Say whether the test classes are the data set's, where the package has it."""
    about = subject.result.identity["classes"]
    if about["dataset"] not in bundled_class_sets():
        return not_possible("class-list", f"the package has no class list of {about['dataset']}")
    official = load_class_set(about["dataset"], about["rules"])
    problems = [] if official.fingerprint == about["fingerprint"] else ["other classes or words"]
    sound = f"names, order and words of all {len(official):,} classes are the data set's"
    return by_problems("class-list", problems, sound=sound)


def word_columns(subject: Subject) -> Check:
    """Say whether class vectors that are word vectors are those of the classes' words."""
    about, matrix = subject.result.identity["class_vectors"], subject.reloaded.class_vectors
    name, classes = "word-vectors", subject.evidence.classes
    if about["kind"] != "word vectors" or matrix is None:
        return not_possible(name, f"class vectors of another kind: {about['kind']}")
    if about["digest"] not in subject.known_vectors:
        told = f"made of {about['source']}, which is not here; give it with --vectors FILE"
        return not_possible(name, told)
    made = class_vectors(classes, subject.known_vectors[about["digest"]], allow_approximate=True)
    lacking = set(made.approximate_words) - set(about.get("approximate_words", ()))
    problems = []
    if lacking:
        problems.append(f"stand-ins for {len(lacking):,} words that it does not tell of")
    if not _same_directions(made.matrix, matrix[: len(classes)]):
        if subject.result.identity["model"].get("code") != "given":
            return not_possible(name, "the model makes its class vectors from words in its own way")
        problems.append(f"not the vectors that {made.source} gives the classes' words")
    sound = f"made again from the classes' words with {made.source}, the same directions"
    return by_problems(name, problems, sound=sound)


def _same_directions(words: np.ndarray, stored: np.ndarray) -> bool:
    if words.shape != stored.shape:
        return False
    lengths = np.linalg.norm(stored, axis=1)
    cosines = np.einsum("cd,cd->c", words.astype(np.float64), stored)
    return bool((cosines >= lengths * (1 - 1e-6)).all() and lengths.all())


def verdict_checks(subject: Subject) -> Iterator[Check]:
    """Yield ``verdict``, ``distances`` and ``distractors``, from the classes that are declared."""
    problems = list(_contradictions(subject))
    declared, unknown = _declared(subject)
    digest = subject.evidence.verdicts[0].vectors_digest
    why = unknown
    if not why and digest not in subject.known_vectors:
        source = subject.evidence.verdicts[0].vectors
        why = f"distances were measured with {source}, which is not here; give it with --vectors"
    if why:
        yield _of_contradictions("verdict", problems, why)
        yield not_possible("distances", why)
        yield not_possible("distractors", why)
        return
    vectors = subject.known_vectors[str(digest)]
    yield _verdict(subject, declared, vectors, problems)
    yield _distances(subject, declared, vectors)
    yield _distractors(subject, declared, vectors)


def _of_contradictions(name: str, problems: list[str], why: str) -> Check:
    return by_problems(name, problems, sound="") if problems else not_possible(name, why)


def _contradictions(subject: Subject) -> Iterator[str]:
    """Yield what a verdict says against itself or against the declaration."""
    verdicts = subject.evidence.verdicts
    classes = subject.evidence.classes
    headline = subject.result.verdict
    if headline != str(verdicts[0]):
        yield f"the headline {headline!r}, where its rule found {str(verdicts[0])!r}"
    if verdicts[0].rule != classes.rules:
        yield f"the headline is by {verdicts[0].rule}, not by word-vector distance"
    identity, zero_shot = subject.result.identity, subject.result.zero_shot
    told = identity["class_vectors"].get("approximate_words", [])
    yield from differences(zero_shot.get("approximate_words", told), told, "approximate_words")
    stored = identity["model"]["declared"]
    silent = {name for name in FIELDS if stored[name] in (None, "open")}
    for verdict in verdicts:
        unjudged = (*verdict.unjudged, *verdict.not_covered)
        wanted = finding_of(verdict.seen, verdict.silent, unjudged)
        if verdict.finding != wanted:
            yield f"{verdict.rule}: {verdict.finding}, where what it saw makes it {wanted}"
        if {text.partition(":")[0] for text in verdict.silent} != silent:
            yield f"{verdict.rule}: other silent fields than the declaration has"


def _declared(subject: Subject) -> tuple[Declared, str]:
    """Return the declaration with its class sets, or why one of them cannot be had."""
    stored = subject.result.identity["model"]["declared"]
    fields: dict[str, TrainingData] = {}
    for name in FIELDS:
        value = stored[name]
        if not isinstance(value, list):
            fields[name] = value
            continue
        sets = [_class_set(entry) for entry in value]
        known = tuple(found for found in sets if found is not None)
        if len(known) < len(sets):
            lacking = next(e for e, found in zip(value, sets, strict=True) if found is None)
            return Declared(), f"the words of the declared set {lacking['dataset']} are not stored"
        fields[name] = known
    return Declared(**fields), ""


def _class_set(entry: Mapping[str, Any]) -> ClassSet | None:
    """Return the class set of that fingerprint: a bundled one, a split's, or one of names alone."""
    name, names = entry["dataset"], entry["classes"]
    for rules in get_args(WordRules):
        made = class_set_from_names(names, dataset=name, source="a result", rules=rules)
        known = [made]
        if name in bundled_class_sets():
            known.append(load_class_set(name, rules))
        if name in bundled_splits():
            known.append(load_split(name).classes())
        for found in known:
            if found.fingerprint == entry["fingerprint"] and list(found.names) == names:
                return found
    return None


def _verdict(
    subject: Subject, declared: Declared, vectors: str | None, problems: list[str]
) -> Check:
    evidence = subject.evidence
    stored = {verdict.rule: verdict for verdict in evidence.verdicts}
    threshold = evidence.verdicts[0].threshold
    made = zero_shot_verdicts(
        under_rules(declared, evidence.classes.rules), evidence.classes, vectors=vectors
    )
    if threshold != made[0].threshold:
        problems.append(f"a threshold of {threshold}, where a verdict takes {made[0].threshold}")
    for verdict in made:
        if verdict.rule in stored:
            problems += differences(_plain(stored[verdict.rule]), _plain(verdict), verdict.rule)
    absent = [verdict.rule for verdict in made if verdict.rule not in stored]
    strangers = [rule for rule in stored if rule not in {verdict.rule for verdict in made}]
    problems += [f"a rule that this version does not have, {rule}" for rule in strangers]
    tail = f" (made without {', '.join(absent)})" if absent else ""
    sound = f"{subject.result.verdict}: every rule finds the same of the declared classes{tail}"
    return by_problems("verdict", problems, sound=sound)


def _plain(verdict: Verdict) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(json.dumps(verdict.to_json()))
    return {name: whole[name] for name in _COMPARED}


def _distances(subject: Subject, declared: Declared, vectors: str | None) -> Check:
    classes, stored = subject.evidence.classes, subject.evidence.distances
    made = class_distances(under_rules(declared, classes.rules), classes, vectors=vectors)
    if stored is None and made is not None:
        return not_possible("distances", "an older result, which has none")
    fields = [None if of is None else asdict(of) for of in (stored, made)]
    left, right = (
        None
        if of is None
        else {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in of.items()
        }
        for of in fields
    )
    sound = (
        "no class is declared, so there are none"
        if made is None
        else f"made again from {made.num_declared:,} declared classes"
    )
    return by_problems("distances", differences(left, right), sound=sound)


def _distractors(subject: Subject, declared: Declared, vectors: str | None) -> Check:
    stored = subject.evidence.declared_distractors
    if stored is None:
        return passed("distractors", "no declared class stands beside the test classes")
    try:
        found = distractors_of(declared, subject.evidence.classes, vectors=vectors)
    except ZslBenchError as error:
        return not_possible("distractors", f"found {error.found}")
    names = None if found is None else list(found.names)
    sound = f"the {len(stored):,} declared classes that are no test class, as declared"
    problems = list(differences(list(stored), names, "declared_distractors"))
    return by_problems("distractors", problems, sound=sound)
