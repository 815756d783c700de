"""Numbers as others published them, each with its source; none of them was measured here.

The rows lie in ``assets/published.toml``. A group is one source, an entry one model as that source
reports it; each number of an entry becomes a row of its own, with an id that stays: the entry's id,
the data set, the protocol and the metric, such as ``paper-t1-e2e-664-ucf-half-top1``.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ResultError, near_matches
from zsl_bench.files import asset_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FILE = "published.toml"
TAGS = {
    "A": "trained on classes kept apart by the distance rule",
    "B": "trained on classes kept apart by another stated rule",
    "C": "trained on the other half of the same data set, over features that had seen more",
    "D": "trained on all Kinetics labels, overlapping classes among them",
    "E": "trained on pictures or videos with text from the web, without control of classes",
}
SOURCES = {
    "S": "the paper",
    "O": "the paper's released code",
    "R": "a file of a public repository",
    "I": "an issue thread",
    "P": "a paper's text",
    "T": "quoted in another paper's table",
    "N": "a source that is not named closer",
}
METRICS = {
    "top1": "top-1 accuracy",
    "top5": "top-5 accuracy",
    "avg15": "mean of top-1 and top-5 accuracy",
}
_SHORT = {
    "ucf101": "ucf",
    "hmdb51": "hmdb",
    "activitynet200": "anet",
    "kinetics400": "k400",
    "kinetics600": "k600",
    "kinetics700": "k700",
}
_SHORT_PROTOCOL = {"brattoli-half": "half", "brattoli-full": "full"}
_TEXTS = (
    ("id", "method", "trained_on", "tag", "source_kind", "source"),
    ("backbone", "pretrained_on", "table", "note", "clips"),
)
_ENTRY = {*_TEXTS[0], *_TEXTS[1], "year", "third_party", "values"}
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MOST = 100.0


@dataclass(frozen=True, kw_only=True)
class ProtocolLabel:
    """What a published number was measured under, as far as its source says.

    Attributes:
        id: An id of the protocol catalogue, or a label of ``published.toml``.
        family: Protocols of one family ask the same question of slightly different classes or
            videos; figures across a family may be set beside each other as a conflict, never
            ranked.
        meaning: What it means, in words.
        is_catalogue: Whether the id is a protocol of the catalogue, so that a measured number
            under it answers the same question.
    """

    id: str
    family: str
    meaning: str
    is_catalogue: bool


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What is known of a method's figures beside the figures.

    Attributes:
        method: Name of the method, as in the rows.
        datasets: Of which test sets, in words.
        text: The remark.
    """

    method: str
    datasets: str
    text: str


@dataclass(frozen=True, kw_only=True)
class PublishedNumbers:
    """A file of published numbers.

    Attributes:
        protocols: What the rows' protocols mean, by id.
        rows: The rows, in the order of the file.
        remarks: Remarks on conflicts between sources.
    """

    protocols: dict[str, ProtocolLabel]
    rows: tuple[PublishedRow, ...]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, kw_only=True)
class PublishedRow:
    """One number that somebody published.

    Attributes:
        id: Stable id of the row, such as ``paper-t1-e2e-664-ucf-half-top1``.
        entry: Id of the model as one source reports it; the row's id begins with it.
        method: Name of the method.
        year: Year in which the method was published; None where the source does not give it.
        backbone: The network, as far as the source says.
        trained_on: What it was trained on.
        pretrained_on: What its weights had been trained on before; empty for none or unknown.
        clips: How much of a video is looked at, such as ``25 clips``; empty where nobody says.
        dataset: Name of the test set, such as ``ucf101``.
        protocol: A protocol id of the catalogue, or a label that says what is not known.
        metric: ``top1``, ``top5`` or ``avg15``.
        value: In percent, as printed.
        upper: Upper end in percent where the source gives a range, else None.
        std: Standard deviation in percentage points as printed, else None.
        tag: How far its training is from the test classes: letters of :data:`TAGS`, several joined
            by ``+``.
        source_kind: A letter of :data:`SOURCES`.
        source: Where it stands.
        table: The table there; empty where none is named.
        third_party: Whether somebody else measured it than the authors of the method.
        note: What a reader should know; empty for nothing.
    """

    id: str
    entry: str
    method: str
    year: int | None
    backbone: str
    trained_on: str
    pretrained_on: str
    clips: str
    dataset: str
    protocol: str
    metric: str
    value: float
    upper: float | None
    std: float | None
    tag: str
    source_kind: str
    source: str
    table: str
    third_party: bool
    note: str

    @property
    def fraction(self) -> float:
        """The value as a fraction of one."""
        return self.value / _MOST


@lru_cache(maxsize=1)
def published_numbers() -> PublishedNumbers:
    """Return the bundled numbers.

    Raises:
        ResultError: The bundled file is damaged.
    """
    catalogue = [path.stem for path in asset_path("protocols").glob("*.json")]
    return read_published(asset_path(FILE).read_text("utf-8"), catalogue=catalogue)


def published_rows() -> tuple[PublishedRow, ...]:
    """Return all bundled rows, in the order of the file.

    Raises:
        ResultError: The bundled file is damaged.
    """
    return published_numbers().rows


def published_row(row: str) -> PublishedRow:
    """Return one row by its id.

    Raises:
        ResultError: There is no such row.
    """
    known = {candidate.id: candidate for candidate in published_rows()}
    if row not in known:
        raise ResultError(
            f"published row {row!r}", found="no such row", fix=near_matches(row, known)
        )
    return known[row]


def claimed(**wanted: object) -> tuple[PublishedRow, ...]:
    """Return the rows whose fields have the values given.

    Args:
        **wanted: Fields of :class:`PublishedRow`, such as ``table="Table 1"`` or
            ``dataset="ucf101"``.

    Raises:
        ResultError: A row has no such field.
    """
    names = {field.name for field in fields(PublishedRow)}
    for name in wanted:
        if name not in names:
            raise ResultError(
                f"published rows by {name!r}",
                found="a row has no such field",
                fix=near_matches(name, names),
            )
    return tuple(
        row
        for row in published_rows()
        if all(getattr(row, name) == value for name, value in wanted.items())
    )


def read_published(text: str, *, catalogue: Iterable[str]) -> PublishedNumbers:
    """Read a file of published numbers, strictly.

    Args:
        text: TOML.
        catalogue: Ids of the protocol catalogue.

    Raises:
        ResultError: It is no TOML; a field is unknown, absent or of another type; a protocol, data
            set, metric, tag or kind of source is unknown; a value is no percentage; or an id comes
            twice.
    """
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _damaged(FILE, f"no valid TOML ({error})") from error
    unknown = content.keys() - {"protocols", "remark", "group"}
    if unknown:
        raise _damaged(FILE, f"an unknown field {min(unknown)!r}")
    labels = _read_labels(content.get("protocols"), set(catalogue))
    rows: dict[str, PublishedRow] = {}
    for entry in _entries(content):
        for row in _read_entry(entry, labels):
            if row.id in rows:
                raise _damaged(row.id, "a row that comes twice")
            rows[row.id] = row
    remarks = tuple(
        Remark(**{name: _text(remark, name, "remark") for name in ("method", "datasets", "text")})
        for remark in content.get("remark", ())
    )
    return PublishedNumbers(protocols=labels, rows=tuple(rows.values()), remarks=remarks)


def _entries(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give each entry what its group says of all of its entries."""
    for group in _tables(content.get("group"), FILE):
        shared = {name: value for name, value in group.items() if name != "entry"}
        for entry in _tables(group.get("entry"), f"group {group.get('source')!r}"):
            repeated = shared.keys() & entry.keys()
            if repeated:
                raise _damaged(f"entry {entry.get('id')!r}", f"{min(repeated)!r} given twice")
            yield {**shared, **entry}


def _read_labels(content: object, catalogue: set[str]) -> dict[str, ProtocolLabel]:
    if not isinstance(content, dict):
        raise _damaged(FILE, "no table of protocols")
    labels = {}
    for name, about in content.items():
        asked = f"protocol {name}"
        if not isinstance(about, dict) or about.keys() != {"family", "meaning"}:
            raise _damaged(asked, "other fields than family and meaning")
        texts = {key: _text(about, key, asked) for key in about}
        labels[name] = ProtocolLabel(id=name, is_catalogue=name in catalogue, **texts)
    return labels


def _read_entry(
    entry: Mapping[str, Any], labels: Mapping[str, ProtocolLabel]
) -> list[PublishedRow]:
    asked = f"entry {entry.get('id')!r}"
    unknown = entry.keys() - _ENTRY
    if unknown:
        raise _damaged(asked, f"an unknown field {min(unknown)!r}")
    texts = {name: _text(entry, name, asked) for name in _TEXTS[0]}
    texts |= {name: _text({name: "", **entry}, name, asked, empty=True) for name in _TEXTS[1]}
    year, third_party = entry.get("year"), entry.get("third_party", False)
    if (year is not None and type(year) is not int) or type(third_party) is not bool:
        raise _damaged(asked, "a year that is no number, or a third_party that is no true or false")
    _check_choices(texts, asked)
    name, note = texts.pop("id"), texts.pop("note")
    shared: dict[str, Any] = {**texts, "entry": name, "year": year, "third_party": third_party}
    return [
        PublishedRow(**shared, note=" ".join(filter(None, (note, value.pop("note")))), **value)
        for given in _tables(entry.get("values"), asked)
        for value in _read_values(given, name, labels)
    ]


def _check_choices(texts: Mapping[str, str], asked: str) -> None:
    if not _ID.fullmatch(texts["id"]):
        raise _damaged(asked, "an id of other signs than a-z, 0-9 and -")
    letters = texts["tag"].split("+")
    if not set(letters) <= TAGS.keys() or letters != sorted(set(letters)):
        raise _damaged(asked, f"an unknown tag {texts['tag']!r}")
    if texts["source_kind"] not in SOURCES:
        raise _damaged(asked, f"an unknown kind of source {texts['source_kind']!r}")


def _read_values(
    given: Mapping[str, Any], entry: str, labels: Mapping[str, ProtocolLabel]
) -> list[dict[str, Any]]:
    asked = f"entry {entry!r}"
    metrics = [name for name in METRICS if name in given]
    extra = {f"{name}_{part}" for name in metrics for part in ("std", "to")}
    unknown = given.keys() - {"on", "protocol", "note", *metrics, *extra}
    if unknown or not metrics:
        raise _damaged(asked, f"a value with {sorted(unknown) or 'no metric'}")
    dataset, protocol = _text(given, "on", asked), _text(given, "protocol", asked)
    if dataset not in _SHORT or protocol not in labels:
        raise _damaged(asked, f"an unknown data set or protocol: {dataset}, {protocol}")
    short = f"{entry}-{_SHORT[dataset]}-{_SHORT_PROTOCOL.get(protocol, protocol)}"
    return [
        {
            "id": f"{short}-{metric}",
            "dataset": dataset,
            "protocol": protocol,
            "metric": metric,
            "value": _percent(given[metric], asked),
            "upper": _optional(given.get(f"{metric}_to"), asked),
            "std": _optional(given.get(f"{metric}_std"), asked),
            "note": _text({"note": "", **given}, "note", asked, empty=True),
        }
        for metric in metrics
    ]


def _tables(content: object, asked: str) -> list[dict[str, Any]]:
    if not isinstance(content, list) or not content:
        raise _damaged(asked, "no list of tables")
    if not all(isinstance(table, dict) for table in content):
        raise _damaged(asked, "a list of something else than tables")
    return content


def _text(content: Mapping[str, Any], name: str, asked: str, *, empty: bool = False) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not (value or empty) or value != " ".join(value.split()):
        raise _damaged(asked, f"no text {name!r} in one line")
    return value


def _percent(value: object, asked: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _MOST:  # type: ignore[operator]
        raise _damaged(asked, f"{value!r}, which is no percentage")
    return float(value)  # type: ignore[arg-type]


def _optional(value: object, asked: str) -> float | None:
    return None if value is None else _percent(value, asked)


def _damaged(asked: str, found: str) -> ResultError:
    return ResultError(f"published numbers, {asked}", found=found, fix="mend or reinstall the file")
