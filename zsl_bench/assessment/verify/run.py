"""All checks of one result file, each of which may fail without hiding the others."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.assessment.reload import reload_result
from zsl_bench.assessment.stored import open_arrays
from zsl_bench.assessment.verify import coverage, files, scores, sight
from zsl_bench.assessment.verify.checks import Check, Verification, failed, passed
from zsl_bench.assessment.verify.subject import Subject, vectors_at_hand
from zsl_bench.datasets import LISTED, dataset_name, official_list, open_dataset
from zsl_bench.datasets.expected import ALL
from zsl_bench.errors import ResultError, ZslBenchError, one_line
from zsl_bench.videos import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from zsl_bench.results import EvaluationResult

_ODD = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
_SINGLE: tuple[tuple[str, Callable[[Subject], Check]], ...] = (
    ("scored-list", files.scored_list),
    ("class-list", sight.class_list),
    ("class-vectors", files.class_columns),
    ("word-vectors", sight.word_columns),
    ("coverage", coverage.coverage),
    ("expected-counts", coverage.expected_counts),
    ("video-list", coverage.video_list),
    ("labels", coverage.labels),
    ("manifest", coverage.manifest_digest),
    ("complete", coverage.complete),
)
_SEVERAL: tuple[tuple[str, Callable[[Subject], Iterator[Check]]], ...] = (
    ("scores", scores.number_checks),
    ("verdict", sight.verdict_checks),
)


def verify_result(
    path: str | Path,
    *,
    vectors: str | Path | None = None,
    data: Mapping[str, str | Path | Manifest] | None = None,
) -> Verification:
    """Check whatever of a result file can be made again, from the file and its arrays alone.

    Args:
        path: The result file; its arrays lie beside it.
        vectors: Word vectors beside the bundled ones, for results that were made with a file of
            one's own.
        data: Data sets at hand, by name: a folder, a manifest file or a manifest. What the package
            has no official list of is checked against these.

    Returns:
        The checks. One that needs something that is not here is ``not possible``, never a pass.

    Raises:
        ZslBenchError: The word vectors or a data set given cannot be read.

    Example:
        >>> verify_result("results/a.json").ok  # doctest: +SKIP
        True
    """
    place = Path(path)
    result, checks = files.file_checks(place)
    if result is None:
        return Verification(path=place, result=None, checks=checks)
    at_hand = {dataset_name(name): given for name, given in (data or {}).items()}
    subject, arrays = _subject(place, result, vectors, at_hand)
    checks = (*checks, files.file_name(place, result), *arrays)
    if subject is not None:
        checks = (*checks, *_subject_checks(subject))
    return Verification(path=place, result=result, checks=checks)


def _subject(
    path: Path,
    result: EvaluationResult,
    vectors: str | Path | None,
    data: Mapping[str, str | Path | Manifest],
) -> tuple[Subject | None, tuple[Check, ...]]:
    """Read the arrays, and the data set where it was given."""
    try:
        open_arrays(result, path.parent, "arrays")
    except ResultError as error:
        return None, (failed("array-hash", f"found {error.found}"),)
    sound = passed("array-hash", "the array file has the SHA-256 in the result")
    try:
        reloaded = reload_result(path)
    except ResultError as error:
        return None, (sound, failed("contents", f"found {error.found}"))
    counted = (
        f"{len(reloaded.evidence.groups):,} videos, {len(reloaded.evidence.classes):,} classes"
    )
    subject = Subject(
        reloaded=reloaded,
        known_vectors=vectors_at_hand(None if vectors is None else str(vectors)),
        manifest=_manifest(reloaded.evidence.split, result, data),
    )
    told = f"the arrays fit one another and the result: {counted}"
    return subject, (sound, passed("contents", told))


def _manifest(
    split: str, result: EvaluationResult, data: Mapping[str, str | Path | Manifest]
) -> Manifest | None:
    given = data.get(result.dataset)
    if given is None or isinstance(given, Manifest):
        return given
    return open_dataset(result.dataset, given, test_list=_list_name(result.dataset, split))


def _list_name(dataset: str, split: str) -> str | None:
    """Return the list of videos by its name; what a result says never names a file."""
    if dataset in LISTED:
        return split if split in official_list(dataset).splits else None
    return None if split == ALL or Path(split).exists() else split


def _subject_checks(subject: Subject) -> Iterator[Check]:
    for name, check in _SINGLE:
        yield from _guarded(name, partial(_single, check), subject)
    for name, several in _SEVERAL:
        yield from _guarded(name, several, subject)


def _single(check: Callable[[Subject], Check], subject: Subject) -> Iterator[Check]:
    yield check(subject)


def _guarded(
    name: str, make: Callable[[Subject], Iterator[Check]], subject: Subject
) -> Iterator[Check]:
    """Turn fields of another type or sense into a failed check."""
    try:
        yield from make(subject)
    except ZslBenchError as error:
        yield failed(name, f"found {error.found}")
    except _ODD as error:
        reason = one_line(str(error)) or type(error).__name__
        yield failed(name, f"a field is absent or odd ({reason})")
