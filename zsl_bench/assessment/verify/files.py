"""The files themselves: fields, hashes, names, and the arrays beside the result."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zsl_bench.assessment.scored import array_digest
from zsl_bench.assessment.verify.checks import (
    Check,
    by_problems,
    differences,
    failed,
    not_possible,
    passed,
)
from zsl_bench.errors import ResultError, listing
from zsl_bench.files import read_json, sha256_json
from zsl_bench.results import load_result
from zsl_bench.scoring import equal_columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zsl_bench.assessment.verify.subject import Subject
    from zsl_bench.results import EvaluationResult

_OWN_NAME = re.compile(r"--[0-9a-f]{12}$")


def file_checks(path: Path) -> tuple[EvaluationResult | None, tuple[Check, ...]]:
    """Read a result file and say whether its fields and its two hashes hold.

    Args:
        path: The file.

    Returns:
        The result, None where it is not sound, and the checks ``schema``, ``identity-hash`` and
        ``file-hash``.
    """
    try:
        result = load_result(path)
    except ResultError as error:
        return None, _what_is_wrong(path, error)
    return result, (
        passed("schema", "every field that a result has is there, of its type"),
        passed("identity-hash", f"the identity has the SHA-256 {result.sha256[:12]}..."),
        passed("file-hash", "the contents have the SHA-256 at their end"),
    )


def _what_is_wrong(path: Path, error: ResultError) -> tuple[Check, ...]:
    """Tell a wrong hash from whatever else makes a file unreadable."""
    try:
        data = read_json(path, what="result file")
        wrong = dict(_wrong_hashes(data))
    except (ResultError, AttributeError, KeyError, RecursionError, TypeError, ValueError):
        wrong = {}
    if not wrong or "SHA-256" not in (error.found or ""):
        return (failed("schema", f"found {error.found}"),)
    return (
        passed("schema", "every field that a result has is there, of its type"),
        *(
            failed(name, f"{what} has another SHA-256 than the one stored: the file was changed")
            if name in wrong
            else passed(name, f"{what} has the SHA-256 stored")
            for name, what in (("identity-hash", "the identity"), ("file-hash", "the file"))
        ),
    )


def _wrong_hashes(data: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    content = {name: value for name, value in data.items() if name != "sha256"}
    if data.get("identity_sha256") != sha256_json(data["identity"]):
        yield "identity-hash", True
    if data.get("sha256") != sha256_json(content):
        yield "file-hash", True


def file_name(path: Path, result: EvaluationResult) -> Check:
    """Say whether a file has the name that its identity gives it."""
    if path.stem == result.stem:
        return passed("file-name", "the file is named by its identity")
    if _OWN_NAME.search(path.stem):
        told = f"the name is that of another identity; this one's is {result.stem}.json"
        return failed("file-name", told)
    return not_possible("file-name", f"renamed; the name by its identity is {result.stem}.json")


def scored_list(subject: Subject) -> Check:
    """Say whether the arrays' videos are those that the identity was made with."""
    result, evidence = subject.result, subject.evidence
    stored = result.identity.get("scored")
    if stored is None:
        return not_possible("scored-list", "an older result, whose identity has no list of videos")
    problems = []
    if stored != sha256_json(list(evidence.matrix.video_ids)):
        problems.append("the arrays have other videos than the identity was made with")
    about = result.identity.get("seen_videos")
    if (about is None) != (evidence.seen is None):
        problems.append("held-out videos of training classes in one of arrays and identity only")
    elif (
        about is not None
        and evidence.seen is not None
        and about["scored"] != sha256_json(list(evidence.seen.video_ids))
    ):
        problems.append("the held-out videos are others than the identity was made with")
    sound = f"the {len(evidence.groups):,} videos of the arrays are those of the identity"
    return by_problems("scored-list", problems, sound=sound)


def class_columns(subject: Subject) -> Check:
    """Say whether class vectors, or the scores given, are those that the identity was made with."""
    stored, num_test = subject.result.identity["class_vectors"], len(subject.evidence.classes)
    vectors = subject.reloaded.class_vectors
    if vectors is None:
        if "sha256" not in stored:
            told = "the model scores classes itself; nothing but its own scores was kept"
            return not_possible("class-vectors", told)
        same = stored["sha256"] == array_digest(subject.evidence.matrix.scores)
        problems = [] if same else ["the scores are others than the identity was made with"]
        return by_problems("class-vectors", problems, sound="the scores are those of the identity")
    problems = list(_other_vectors(subject, stored, num_test))
    equal = equal_columns(vectors, subject.evidence.matrix.classes)
    told = subject.result.zero_shot.get("equal_class_vectors", [])
    problems += differences(told, [list(group) for group in equal], "equal_class_vectors")
    sound = f"the {len(vectors):,} class vectors are those of the identity"
    return by_problems("class-vectors", problems, sound=sound)


def _other_vectors(subject: Subject, stored: dict[str, Any], num_test: int) -> Iterator[str]:
    vectors = subject.reloaded.class_vectors
    assert vectors is not None  # noqa: S101
    if stored.get("sha256") != array_digest(vectors[:num_test]):
        yield "the class vectors are others than the identity was made with"
    others = stored.get("distractors")
    names = subject.evidence.distractors
    if (others is None) != (len(names) == 0):
        yield "candidates beside the test classes in one of arrays and identity only"
    elif others is not None and others.get("sha256") != array_digest(vectors[num_test:]):
        yield f"other vectors for the candidates beside the test classes ({listing(names)})"
