"""Result files for a leaderboard: found below a folder or in a repository on the Hub, verified."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from zsl_bench.assessment.verify import verify_result
from zsl_bench.errors import DatasetError, ResultError, ZslBenchError, listing, one_line
from zsl_bench.files import read_json
from zsl_bench.hub import fetch_listed
from zsl_bench.hub.listing import DATASET, MODEL
from zsl_bench.hub.repositories import list_repository
from zsl_bench.report.summary import TONES
from zsl_bench.report.tables import entry_of
from zsl_bench.results import AGAIN, load_result
from zsl_bench.verdict import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from zsl_bench.assessment.verify import Verification
    from zsl_bench.hub import HubListing
    from zsl_bench.results import EvaluationResult

HUB = "hub:"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A result that was found.

    Attributes:
        source: The folder's name, or ``hub:org/repo@commit``.
        file: Path of the file below its source, with ``/``.
        path: Where it lies here; on no page.
        result: What it holds.
        verified: Whether no check of ``zsl-bench verify`` failed.
        told: What the checks say, in one sentence.
    """

    source: str
    file: str
    path: Path
    result: EvaluationResult
    verified: bool
    told: str


@dataclass(frozen=True, kw_only=True)
class NotListed:
    """A file that should be a result and is not listed.

    Attributes:
        source: As of a :class:`Submission`.
        file: As of a :class:`Submission`.
        reason: Why it is not listed.
    """

    source: str
    file: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What was found in all sources.

    Attributes:
        submissions: The results, in the order of their sources and paths.
        not_listed: Damaged files, and results that come a second time.
        others: How many further JSON files are no results.
    """

    submissions: tuple[Submission, ...]
    not_listed: tuple[NotListed, ...]
    others: int


def gather(sources: Sequence[str], *, progress: Callable[[str], object] | None = None) -> Gathered:
    """Find and verify the results of some sources.

    Args:
        sources: Folders, or ``hub:org/repo@revision`` of a data set or a model on the Hub. Whatever
            lies below a folder counts; a link that leads out of it is not followed.
        progress: Told the file that is being verified.

    Raises:
        ResultError: A folder does not exist.
        DatasetError: A repository cannot be listed or fetched.
    """
    submissions: dict[str, Submission] = {}
    not_listed: list[NotListed] = []
    others = 0
    for source in sources:
        name, folder = _place(source)
        for path in _json_files(folder):
            file = one_line(path.relative_to(folder).as_posix())
            if progress is not None:
                progress(file)
            try:
                result = _load(path)
                if result is None:
                    others += 1
                    continue
                made = _verified(name, file, path, result)
                _check_new(made, submissions)
            except ResultError as error:
                not_listed.append(NotListed(source=name, file=file, reason=error.found))
                continue
            beaten = submissions.get(result.sha256)
            if beaten is not None:
                not_listed.append(_replaced(beaten, made))
            submissions[result.sha256] = made
    return Gathered(
        submissions=tuple(submissions.values()), not_listed=tuple(not_listed), others=others
    )


def _place(source: str) -> tuple[str, Path]:
    if source.startswith(HUB):
        return _fetched(source)
    folder = Path(source)
    if not folder.is_dir():
        raise ResultError(
            f"results below {source}",
            found="no such folder",
            fix="give a folder with result files, or hub:ORG/REPO@REVISION",
        )
    return one_line(folder.resolve().name or "results"), folder


def _fetched(reference: str) -> tuple[str, Path]:
    """Fetch the JSON files of a repository, and the array files that these name."""
    repo = _listed(reference)
    snapshot = fetch_listed(repo.named(("*.json",)))
    wanted = {
        str(PurePosixPath(file.path).with_name(name))
        for file in repo.named(("*.json",)).files
        if (name := _array_name(snapshot.path / file.path))
    }
    arrays = repo.only(wanted)
    if arrays.files:
        fetch_listed(arrays)
    return str(repo), snapshot.path


def _listed(reference: str) -> HubListing:
    instead = "give a folder on the disk"
    try:
        return list_repository(reference, DATASET, instead=instead)
    except DatasetError as refused:
        try:
            return list_repository(reference, MODEL, instead=instead)
        except ZslBenchError:
            raise refused from None


def _array_name(path: Path) -> str | None:
    """Return the name of a result's array file where it is a plain name."""
    try:
        result = load_result(path)
    except ResultError:
        return None
    name = result.arrays["file"] if result.arrays else ""
    return name if name and PurePosixPath(name).name == name and name != ".." else None


def _json_files(folder: Path) -> Iterator[Path]:
    """Yield the JSON files below a folder, sorted; hidden ones and links that lead out are not."""
    root = folder.resolve()
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            hidden = name.startswith(".") or not name.casefold().endswith(".json")
            if not hidden and path.resolve().is_relative_to(root) and path.is_file():
                yield path


def _load(path: Path) -> EvaluationResult | None:
    """Read one file; None where it is JSON of another kind.

    Raises:
        ResultError: It is damaged, or no table can show it.
    """
    content = read_json(path, what="result file")
    if not isinstance(content, dict) or content.get("kind") != "evaluation":
        return None
    result = load_result(path)
    try:
        for name in result.scores:
            entry = entry_of(result, name, own_metric(result, name))
            float(entry.value or 0.0)
            TONES[entry.finding]
        for field in FIELDS:
            declared_text(result, field)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        found = f"a field that is absent or odd ({one_line(error) or type(error).__name__})"
        raise ResultError(f"read result file {path}", found=found, fix=AGAIN) from error
    return result


def _check_new(made: Submission, known: Mapping[str, Submission]) -> None:
    """Refuse a second result of one identity, and say whether it says the same.

    One that was verified takes the place of one that does not hold.
    """
    result = made.result
    first = known.get(result.sha256)
    if first is None or (made.verified and not first.verified):
        return
    where = f"{first.file} of {first.source}"
    raise ResultError(
        f"list {result.model}",
        found=f"the same result as {where}"
        if result.scores == first.result.scores
        else f"other scores than {where}, which has the same identity",
        fix="keep one of the two",
    )


def _replaced(beaten: Submission, by: Submission) -> NotListed:
    reason = f"does not hold, and {by.file} of {by.source}, which has the same identity, does"
    return NotListed(
        source=beaten.source, file=beaten.file, reason=f"{reason} ({one_line(beaten.told)})"
    )


def _verified(source: str, file: str, path: Path, result: EvaluationResult) -> Submission:
    checked = verify_result(path)
    return Submission(
        source=source,
        file=file,
        path=path,
        result=result,
        verified=checked.ok,
        told=_told(checked),
    )


def own_metric(result: EvaluationResult, protocol: str) -> str:
    """Return the metric that a protocol publishes.

    Args:
        result: A result.
        protocol: Id of a protocol that it was scored under.
    """
    scores = result.scores[protocol]
    return "harmonic_mean" if "generalised" in scores else str(scores["metric"])


def declared_text(result: EvaluationResult, field: str) -> str:
    """Return what a model declares of its data, in words.

    Args:
        result: Its result.
        field: ``trained_on`` or ``pretrained_on``.
    """
    declared = result.identity["model"].get("declared", {}).get(field)
    if declared is None:
        return "not declared"
    if not isinstance(declared, list):
        return "web data, not listed" if declared == "open" else one_line(declared)
    if not declared:
        return "nothing"
    return ", ".join(
        f"{one_line(one['dataset'])} ({len(one['classes'])} classes)" for one in declared
    )


def _told(checked: Verification) -> str:
    if checked.failed:
        return "; ".join(f"{check.name}: {check.told}" for check in checked.failed)
    text = f"{len(checked.of('pass'))} of {len(checked.checks)} checks passed, none failed"
    impossible = [check.name for check in checked.of("not possible")]
    return f"{text}; not possible here: {listing(impossible)}" if impossible else text
