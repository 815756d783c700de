"""The results that a report is made of, each with its arrays where they lie beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.assessment.reload import reload_result, rescore
from zsl_bench.errors import ResultError
from zsl_bench.report.tables import shows
from zsl_bench.results import EvaluationResult, load_result

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zsl_bench.assessment.reload import Reloaded


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """One result file.

    Attributes:
        file: Its name, without its folder.
        result: What it holds; scored anew where another protocol was asked for.
        reloaded: The result with its arrays; None where these cannot be had.
        why: The reason for that; else empty.
        sha256: Digest of all of the file's content but itself.
    """

    file: str
    result: EvaluationResult
    reloaded: Reloaded | None
    why: str
    sha256: str


def load_sources(
    paths: Iterable[str | Path], *, protocols: Sequence[str] = ()
) -> tuple[Source, ...]:
    """Read results, one that is given twice once.

    Args:
        paths: Result files.
        protocols: Protocols to score under; a result that was not is scored anew from its arrays.

    Raises:
        ResultError: A result is missing, damaged, edited, or of a newer schema; or it has to be
            scored anew and its arrays cannot be had; or two of one identity have other scores.
        ProtocolError: A protocol does not fit a result.
    """
    found: dict[str, Source] = {}
    for path in paths:
        source = _load(Path(path), protocols)
        first = found.setdefault(source.result.sha256, source)
        if first.result.scores != source.result.scores:
            raise ResultError(
                f"report of {first.file} and {source.file}",
                found="one identity and two sets of scores",
                fix="see which of the two holds with zsl-bench verify",
            )
    return tuple(found.values())


def _load(path: Path, protocols: Sequence[str]) -> Source:
    result = load_result(path)
    digest = str(result.to_json()["sha256"])
    try:
        reloaded, why = reload_result(path), ""
    except ResultError as error:
        reloaded, why = None, error.found
    if any(not _scored_under(result, protocol) for protocol in protocols):
        result = rescore(path, protocols)
        reloaded = None if reloaded is None else replace(reloaded, result=result)
    elif reloaded is not None:
        result = reloaded.result
    return Source(file=path.name, result=result, reloaded=reloaded, why=why, sha256=digest)


def _scored_under(result: EvaluationResult, protocol: str) -> bool:
    return any(shows(name, [protocol]) for name in result.scores)
