"""One self-contained page of one or several results."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zsl_bench.assessment.compare import compare_evidence, same_videos, shared_protocols
from zsl_bench.datasets import open_dataset
from zsl_bench.errors import DatasetError, ZslBenchError, listing
from zsl_bench.figures.per_class import class_accuracies
from zsl_bench.figures.runs import gather
from zsl_bench.pages import render_page
from zsl_bench.report.confused import most_confused
from zsl_bench.report.formats import apart
from zsl_bench.report.pictures import drawings
from zsl_bench.report.sections import (
    class_anchor,
    class_table,
    comparison_table,
    contamination_tables,
    protocol_anchor,
    score_tables,
)
from zsl_bench.report.summary import summarise
from zsl_bench.report.tables import BOLD, shows, tabulate
from zsl_bench.report.thumbnails import strips

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from zsl_bench.assessment.compare import ProtocolComparison
    from zsl_bench.figures.runs import Run
    from zsl_bench.pages import PageTable
    from zsl_bench.report.pictures import Drawing
    from zsl_bench.report.sources import Source
    from zsl_bench.report.tables import ScoreTable
    from zsl_bench.report.thumbnails import Strip
    from zsl_bench.results import EvaluationResult
    from zsl_bench.videos import Manifest

CLASSES_SHOWN, VIDEOS_SHOWN = 8, 3
"""Of how many classes a page shows videos, and how many of each."""
MOST_COMPARISONS = 10
_METHOD = (
    "model", "clip_policy", "decoder", "resizer", "precision", "class_vectors", "options",
    "classes", "manifest",
)  # fmt: skip
_LONGEST = 300


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """How a page is made.

    Attributes:
        protocols: Ids of the protocols to show; none for all. Figures and the table of classes are
            of the first; without one, of the protocol with every class as a candidate.
        anyway: Put results into one table and one figure that are not comparable.
        videos: For data sets the folder or manifest where their videos lie.
        title: Heading of the page; empty for the models' names.
        figures: Whether the page holds figures.
    """

    protocols: tuple[str, ...] = ()
    anyway: bool = False
    videos: Mapping[str, Path | str] = field(default_factory=dict)
    title: str = ""
    figures: bool = True


@dataclass(frozen=True, kw_only=True)
class ResultPage:
    """A page and the figures on it.

    Attributes:
        html: The page.
        drawings: Its figures, and those that could not be made.
    """

    html: str
    drawings: tuple[Drawing, ...]


@dataclass(frozen=True, kw_only=True)
class _Classes:
    """The part of a page about one result's classes.

    Attributes:
        table: The table; None where there is nothing to make it of.
        protocol: The protocol that it is of.
        strips: For each class shown its anchor, its name and its videos.
        note: What is lacking, in a line; else empty.
    """

    table: PageTable | None
    protocol: str
    strips: tuple[tuple[str, str, tuple[Strip, ...]], ...]
    note: str


def result_page(sources: Sequence[Source], options: PageOptions | None = None) -> ResultPage:
    """Make a page that needs no other file and no network.

    Args:
        sources: The results.
        options: How; None for the defaults.

    Returns:
        The page. Of files it tells the names only, save for what a result itself records of the
        command that made it; videos are shown as small pictures, at most ``thumbnails.MOST``
        strips of three frames for each result.

    Raises:
        ResultError: There is no result.
        ProtocolError: No result was scored under a protocol asked for.
        DatasetError: The videos of a data set cannot be found, or no result is on it.
    """
    options = options or PageOptions()
    results = [source.result for source in sources]
    tables = tabulate(results, protocols=options.protocols, anyway=options.anyway)
    manifests = _manifests(results, options.videos)
    made = _drawings(sources, tables, options) if options.figures else ()
    html = render_page(
        "report.html.j2",
        title=options.title or _title(results),
        groups=[
            [*score_tables(table, f"scores-{number}")]
            for number, table in enumerate(tables, start=1)
        ],
        bold=BOLD if any(len(one.rows) > 1 and not one.differs for one in tables) else "",
        apart=apart(tables),
        differs=sorted({name for table in tables for name in table.differs}),
        parts=[
            _part(source, number, options, manifests) for number, source in enumerate(sources, 1)
        ],
        comparisons=_comparisons(sources, options.protocols),
        figures=[(one, one.source()) for one in made],
        protocols=_protocols(results, options.protocols),
    )
    return ResultPage(html=html, drawings=made)


def _title(results: Sequence[EvaluationResult]) -> str:
    models = listing(dict.fromkeys(one.model for one in results), limit=3)
    return f"{models} on {listing(dict.fromkeys(one.dataset for one in results), limit=3)}"


def _manifests(
    results: Sequence[EvaluationResult], videos: Mapping[str, Path | str]
) -> dict[str, Manifest]:
    known = {one.dataset for one in results}
    manifests = {}
    for dataset, path in videos.items():
        manifest = open_dataset(dataset, path)
        if manifest.dataset not in known:
            raise DatasetError(
                f"videos of {dataset} for a report",
                found=f"results on {listing(sorted(known))}",
                fix="name a data set that a result is on",
            )
        manifests[manifest.dataset] = manifest
    return manifests


def _part(
    source: Source, number: int, options: PageOptions, manifests: Mapping[str, Manifest]
) -> dict[str, Any]:
    result, name = source.result, f"result-{number}"
    method = {key: result.identity[key] for key in _METHOD if key in result.identity}
    shown = [one for one in result.scores if shows(one, options.protocols)]
    return {
        "name": name,
        "summary": summarise(result, shown),
        "contamination": [*contamination_tables(result, shown, f"{name}-contamination")],
        "classes": _classes(source, f"{name}-classes", options, manifests.get(result.dataset)),
        "method": [*_flat(method)],
        "environment": [*_flat(result.environment)],
        "commands": _commands(source),
        "hashes": _hashes(source),
    }


def _classes(
    source: Source, name: str, options: PageOptions, manifest: Manifest | None
) -> _Classes:
    if source.reloaded is None:
        return _Classes(table=None, protocol="", strips=(), note=f"No arrays: {source.why}.")
    protocol = next(iter(options.protocols), None)
    try:
        (run,) = gather([source.reloaded], protocol=protocol).runs
    except ZslBenchError as error:
        return _Classes(table=None, protocol="", strips=(), note=str(error))
    return _classes_of(run, name, manifest)


def _classes_of(run: Run, name: str, manifest: Manifest | None) -> _Classes:
    accuracies = {one.name: (one.videos, one.accuracy) for one in class_accuracies(run)}
    confusions = most_confused(run)
    hardest = sorted(confusions, key=lambda one: (accuracies[one][1], one))[:CLASSES_SHOWN]
    made: tuple[Strip, ...] = ()
    note = ""
    if manifest is not None:
        mistakes = [one for of in hardest for one in confusions[of].mistakes[:VIDEOS_SHOWN]]
        made, lacking = strips(mistakes, manifest)
        note = f"{lacking} of these videos are not at hand or cannot be read." if lacking else ""
    shown = {
        of: tuple(one for one in made if one.mistake.truth == of)
        for of in hardest
        if any(one.mistake.truth == of for one in made)
    }
    return _Classes(
        table=class_table(run.result, accuracies, confusions, name, shown=shown),
        protocol=f"{run.protocol.id} v{run.protocol.version}",
        strips=tuple((class_anchor(name, of), of, films) for of, films in shown.items()),
        note=note,
    )


def _drawings(
    sources: Sequence[Source], tables: Sequence[ScoreTable], options: PageOptions
) -> tuple[Drawing, ...]:
    by_identity = {one.result.sha256: one for one in sources}
    groups = []
    for table in tables:
        for dataset in table.datasets:
            on = (row.on(dataset) for row in table.rows)
            groups.append([by_identity[one.sha256] for one in on if one is not None])
    protocol = next(iter(options.protocols), None)
    return drawings(groups, protocol=protocol, anyway=options.anyway)


def _comparisons(sources: Sequence[Source], protocols: Sequence[str]) -> dict[str, Any]:
    """Compare every two results on one data set, as far as they may be."""
    found: list[tuple[str, str, ProtocolComparison]] = []
    left_out: list[str] = []
    pairs = [
        (a, b)
        for number, b in enumerate(sources)
        for a in sources[:number]
        if a.result.dataset == b.result.dataset
    ]
    for a, b in pairs[:MOST_COMPARISONS]:
        names = (_label(a, sources), _label(b, sources))
        try:
            found += [(*names, one) for one in _compared(a, b, protocols)]
        except ZslBenchError as error:
            left_out.append(f"{names[0]} and {names[1]}: {error.found}")
    if len(pairs) > MOST_COMPARISONS:
        left_out.append(f"{len(pairs) - MOST_COMPARISONS} further pairs: use zsl-bench compare")
    table = comparison_table(found, "comparisons-table") if found else None
    return {"table": table, "left_out": left_out}


def _label(source: Source, sources: Sequence[Source]) -> str:
    name = source.result.model
    several = sum(one.result.model == name for one in sources) > 1
    return f"{name} [{source.result.sha256[:8]}]" if several else name


def _compared(a: Source, b: Source, protocols: Sequence[str]) -> tuple[ProtocolComparison, ...]:
    if a.reloaded is None or b.reloaded is None:
        raise ZslBenchError("compare", found="the arrays of one are not here", fix="fetch them")
    first, second = same_videos(a.reloaded.evidence, b.reloaded.evidence)
    chosen, _ = shared_protocols((a.reloaded.result, first), (b.reloaded.result, second))
    return compare_evidence(first, second, [one for one in chosen if shows(one.id, protocols)])


def _protocols(
    results: Sequence[EvaluationResult], wanted: Sequence[str]
) -> list[dict[str, object]]:
    """Say of every protocol shown what it is, each once."""
    found: dict[str, dict[str, object]] = {}
    for result in results:
        for name, scores in result.scores.items():
            if shows(name, wanted):
                anchor = protocol_anchor(name, scores["sha256"])
                found.setdefault(anchor, {"anchor": anchor, "name": name, **scores})
    return list(found.values())


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """Yield names and texts of what a result says; long lists as their number."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix} {key}".strip().replace("_", " "))
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for one in value:
            yield from _flat(one, prefix)
    elif isinstance(value, list):
        text = ", ".join(map(str, value))
        yield prefix, (text or "nothing") if len(text) <= _LONGEST else f"{len(value)} entries"
    elif value is not None and value != "":
        yield prefix, str(value)


def _commands(source: Source) -> list[str]:
    file = shlex.quote(source.file)
    return [f"zsl-bench verify {file}", f"zsl-bench score {file} --out scored-again"]


def _hashes(source: Source) -> list[tuple[str, str]]:
    arrays = source.result.arrays or {}
    found = [
        ("result file", source.file),
        ("SHA-256 of its identity", source.result.sha256),
        ("SHA-256 of its content", source.sha256),
    ]
    if arrays:
        found += [("array file", arrays["file"]), ("SHA-256 of the arrays", arrays["sha256"])]
    return found
