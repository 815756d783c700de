"""Results as tables: a row a model, a column a figure of one protocol on one data set.

Results stand in one table only where every pair of them may be compared; others get a table of
their own, unless somebody asks for one table all the same, which then says what differs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ProtocolError, ResultError, near_matches, one_line
from zsl_bench.results import GIVEN, EvaluationResult, comparable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

TITLES = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_per_class": "mean per class",
    "harmonic_mean": "harmonic mean",
}
"""The metrics as they are called in headings."""
BOLD = (
    "bold: the highest of its column among complete results with the same verdict, and each whose "
    "95% interval over other videos overlaps that of the highest; this is no test of a difference"
)
_PROTOCOLS = "protocols"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A figure of one protocol on one data set.

    Attributes:
        dataset: Name of the data set.
        protocol: Id of the protocol.
        version: Its version.
        sha256: Digest of its class lists.
        metric: A key of ``TITLES``.
        own: Whether it is the figure that the protocol publishes.
    """

    dataset: str
    protocol: str
    version: int
    sha256: str
    metric: str
    own: bool

    @property
    def protocol_title(self) -> str:
        """The protocol with its version, such as ``brattoli-full v1``."""
        return f"{self.protocol} v{self.version}"

    @property
    def title(self) -> str:
        """Protocol and metric, such as ``brattoli-full v1 top-1``."""
        return f"{self.protocol_title} {TITLES[self.metric]}"


@dataclass(frozen=True, kw_only=True)
class Span:
    """A 95% interval, as fractions from 0 to 1.

    Attributes:
        low: Its lower end.
        high: Its upper end.
    """

    low: float
    high: float

    def overlaps(self, other: Span) -> bool:
        """Tell whether the two have a point in common."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One number of a table.

    Attributes:
        value: From 0 to 1; None where nothing could be scored.
        std: Population standard deviation over the trials; None for one trial.
        videos: Interval over other videos.
        classes: Interval over other classes.
        finding: What the headline rule says of the protocol's classes.
        complete: Whether every video of the data set was scored.
        best: Whether it is set in bold; see ``BOLD``.
    """

    value: float | None
    std: float | None = None
    videos: Span | None = None
    classes: Span | None = None
    finding: str
    complete: bool
    best: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """A model with its results, at most one on each data set.

    Attributes:
        name: The model, with digits of the identity where several rows share the name.
        results: Its results.
    """

    name: str
    results: tuple[EvaluationResult, ...]

    def on(self, dataset: str) -> EvaluationResult | None:
        """Return the result on a data set, if there is one."""
        return next((one for one in self.results if one.dataset == dataset), None)


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """Rows that may be compared.

    Attributes:
        rows: The models, in the order given.
        columns: The figures, data set by data set.
        differs: The fields in which rows are not comparable; empty unless that was asked for.
    """

    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    differs: tuple[str, ...] = ()

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets, in the order of the columns."""
        return tuple(dict.fromkeys(column.dataset for column in self.columns))

    def column(self, column: Column) -> tuple[Entry | None, ...]:
        """Return the entries of a column, one a row; None where a row has no such figure.

        None is ranked in a table of results that are not comparable.
        """
        entries = tuple(_entry(row, column) for row in self.rows)
        return entries if self.differs else _with_best(entries)


def tabulate(
    results: Sequence[EvaluationResult], *, protocols: Sequence[str] = (), anyway: bool = False
) -> tuple[ScoreTable, ...]:
    """Put results into as few tables as hold comparable ones only.

    Args:
        results: The results; one given twice counts once.
        protocols: Ids of the protocols to show, a recipe with or without its digest; none for all.
        anyway: Make one table all the same; its ``differs`` then says what differs.

    Raises:
        ResultError: There is no result.
        ProtocolError: No result was scored under a protocol of that id.
    """
    single = tuple({result.sha256: result for result in results}.values())
    if not single:
        raise ResultError("report", found="no result", fix="name one or several result files")
    _check_protocols(single, protocols)
    rows = _rows(single)
    groups = [rows] if anyway else _groups(rows)
    return tuple(
        ScoreTable(
            rows=tuple(group),
            columns=_columns((one for row in group for one in row.results), protocols),
            differs=_differs(group),
        )
        for group in groups
    )


def separating(tables: Sequence[ScoreTable]) -> tuple[str, ...]:
    """Return the fields for which results on one data set stand in several tables, sorted."""
    pairs = (
        (a, b)
        for number, table in enumerate(tables)
        for other in tables[:number]
        for a in table.rows
        for b in other.rows
    )
    return tuple(sorted({field for a, b in pairs for field in _conflict(a, b)}))


def shows(protocol: str, wanted: Sequence[str]) -> bool:
    """Tell whether a protocol is among those wanted; all are where none is named."""
    return not wanted or protocol in wanted or protocol.partition("@")[0] in wanted


def _check_protocols(results: Sequence[EvaluationResult], wanted: Sequence[str]) -> None:
    known = {name for result in results for name in result.scores}
    for name in wanted:
        if not any(shows(one, [name]) for one in known):
            raise ProtocolError(
                f"protocol {name} in a report",
                found="no result that was scored under it",
                fix=f"score one with zsl-bench score RESULT --protocol {name}; "
                f"{near_matches(name, known)}",
            )


def _rows(results: Sequence[EvaluationResult]) -> list[Row]:
    found: dict[tuple[object, ...], list[list[EvaluationResult]]] = {}
    order: list[list[EvaluationResult]] = []
    for result in results:
        rows = found.setdefault(_model_key(result), [])
        free = [row for row in rows if all(one.dataset != result.dataset for one in row)]
        if not free:
            rows.append([])
            order.append(rows[-1])
            free = rows[-1:]
        free[0].append(result)
    shown = [one_line(row[0].model) for row in order]
    return [
        Row(
            name=name if shown.count(name) == 1 else f"{name} [{row[0].sha256[:8]}]",
            results=tuple(row),
        )
        for name, row in zip(shown, order, strict=True)
    ]


def _model_key(result: EvaluationResult) -> tuple[object, ...]:
    model = result.identity["model"]
    given = model.get("code") == GIVEN
    policy = str(result.identity.get("clip_policy"))
    return (result.model, None if given else str(model.get("weights")), policy)


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    groups: list[list[Row]] = []
    for row in rows:
        fitting = (group for group in groups if not any(_conflict(row, member) for member in group))
        group = next(fitting, None)
        if group is None:
            groups.append([row])
        else:
            group.append(row)
    return groups


def _conflict(a: Row, b: Row) -> set[str]:
    """Return the fields that differ on a data set that both have; protocols have own columns."""
    fields: set[str] = set()
    for one in a.results:
        other = b.on(one.dataset)
        if other is not None:
            fields |= set(comparable(one, other)) - {_PROTOCOLS}
    return fields


def _differs(rows: Sequence[Row]) -> tuple[str, ...]:
    pairs = ((a, b) for number, a in enumerate(rows) for b in rows[:number])
    return tuple(sorted({field for a, b in pairs for field in _conflict(a, b)}))


def _columns(results: Iterable[EvaluationResult], wanted: Sequence[str]) -> tuple[Column, ...]:
    by_dataset: dict[str, dict[Column, None]] = {}
    for result in results:
        columns = by_dataset.setdefault(result.dataset, {})
        for name, scores in result.scores.items():
            if shows(name, wanted):
                columns.update(dict.fromkeys(_columns_of(result.dataset, name, scores)))
    return tuple(column for columns in by_dataset.values() for column in columns)


def _columns_of(dataset: str, name: str, scores: Mapping[str, Any]) -> Iterator[Column]:
    own = "harmonic_mean" if "generalised" in scores else scores["metric"]
    for metric in (own,) if own == "harmonic_mean" else (own, "top5"):
        yield Column(
            dataset=dataset,
            protocol=name,
            version=scores["version"],
            sha256=scores["sha256"],
            metric=metric,
            own=metric == own,
        )


def _entry(row: Row, column: Column) -> Entry | None:
    result = row.on(column.dataset)
    scores = None if result is None else result.scores.get(column.protocol)
    if result is None or scores is None or scores["sha256"] != column.sha256:
        return None
    return entry_of(result, column.protocol, column.metric)


def entry_of(result: EvaluationResult, protocol: str, metric: str) -> Entry:
    """Return one figure of a result.

    Args:
        result: The result.
        protocol: Id of a protocol that it was scored under.
        metric: A key of ``TITLES``.
    """
    scores = result.scores[protocol]
    finding, complete = scores["verdicts"][0]["finding"], result.complete
    if metric == "harmonic_mean":
        value = scores["generalised"]["harmonic_mean"]
        return Entry(value=value, finding=finding, complete=complete)
    around = scores["uncertainty"].get(metric) or {}
    return Entry(
        value=scores["mean"][metric],
        std=scores["std"][metric] if len(scores["trials"]) > 1 else None,
        videos=_span(around.get("groups")),
        classes=_span(around.get("classes")),
        finding=finding,
        complete=complete,
    )


def _span(interval: Mapping[str, Any] | None) -> Span | None:
    return None if interval is None else Span(low=interval["low"], high=interval["high"])


def _with_best(entries: Sequence[Entry | None]) -> tuple[Entry | None, ...]:
    ranked: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry is not None and entry.complete and entry.value is not None:
            ranked.setdefault(entry.finding, []).append(entry)
    highest = {
        finding: max(alike, key=lambda entry: entry.value or 0.0)
        for finding, alike in ranked.items()
        if len(alike) > 1
    }
    return tuple(
        entry if entry is None else replace(entry, best=_is_best(entry, highest.get(entry.finding)))
        for entry in entries
    )


def _is_best(entry: Entry, highest: Entry | None) -> bool:
    if highest is None or not entry.complete or entry.value is None:
        return False
    if entry.videos is None or highest.videos is None:
        return entry.value == highest.value
    return entry.value == highest.value or entry.videos.overlaps(highest.videos)
