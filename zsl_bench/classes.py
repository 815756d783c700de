"""Class sets: the names of a data set's classes, the words that stand for them, and labels."""

from __future__ import annotations

import csv
import io
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.errors import ClassSetError, near_matches
from zsl_bench.files import asset_path, read_asset, sha256_json
from zsl_bench.words import label_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RULES = "brattoli2020"

_PREFERENCE = (
    "kinetics700",
    "kinetics600",
    "kinetics400",
    "activitynet200",
    "ucf101",
    "hmdb51",
    "sun397",
)
_SHORT_NAMES = {
    "activitynet": "activitynet200",
    "activitynet13": "activitynet200",
    "anet": "activitynet200",
    "anet200": "activitynet200",
    "hmdb": "hmdb51",
    "k400": "kinetics400",
    "k600": "kinetics600",
    "k700": "kinetics700",
    "k7002020": "kinetics700",
    "kinetics7002020": "kinetics700",
    "sun": "sun397",
    "ucf": "ucf101",
}
_COLUMNS = ("class", "class_name", "classname", "name", "label", "action", "activity")
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}


@dataclass(frozen=True, kw_only=True)
class ClassSet:
    """The classes of one data set, in one order.

    Attributes:
        dataset: Name of the data set, such as ``ucf101``.
        version: Version of the table; raised whenever a name or a word changes.
        names: Official class names, unique, in the data set's own order.
        words: For each class the tokens whose word vectors are averaged.
        labels: For each class a natural-language label for text encoders.
        aliases: For each class the other spellings found in the wild.
        rules: Name of the rule set that made the words.
        source: Where the names come from.
    """

    dataset: str
    version: int
    names: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    labels: tuple[str, ...]
    aliases: tuple[tuple[str, ...], ...]
    rules: str = RULES
    source: str = ""

    def __post_init__(self) -> None:
        """Check that names are unique and that every class has words and a label."""
        asked = f"class set {self.dataset!r}"
        if not self.names:
            raise ClassSetError(asked, found="no classes", fix="name at least one class")
        if not len(self.names) == len(self.words) == len(self.labels) == len(self.aliases):
            raise ClassSetError(
                asked,
                found=f"{len(self.names)} names, {len(self.words)} word lists, "
                f"{len(self.labels)} labels, {len(self.aliases)} alias lists",
                fix="give one of each for every class",
            )
        seen: set[str] = set()
        for name in self.names:
            if name in seen:
                raise ClassSetError(asked, found=f"class {name!r} twice", fix="name it once")
            seen.add(name)
        for name, words in zip(self.names, self.words, strict=True):
            if not words:
                raise ClassSetError(
                    asked, found=f"no words for class {name!r}", fix="spell it with letters"
                )

    def __len__(self) -> int:
        """Return the number of classes."""
        return len(self.names)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over names, words, labels and rules: equal sets are equal bytes."""
        return sha256_json(
            {"names": self.names, "words": self.words, "labels": self.labels, "rules": self.rules}
        )

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def _by_spelling(self) -> dict[str, int]:
        spellings: dict[str, int] = {}
        for i, (name, aliases) in enumerate(zip(self.names, self.aliases, strict=True)):
            for spelling in (name, *aliases):
                spellings.setdefault(fold(spelling), i)
        return spellings

    def index(self, name: str) -> int:
        """Return the position of an official class name.

        Raises:
            ClassSetError: The set has no class of that name.
        """
        position = self._positions.get(name)
        if position is None:
            raise ClassSetError(
                f"class {name!r} of {self.dataset}",
                found="no class of that name",
                fix=near_matches(name, self.names),
            )
        return position

    def find(self, spelling: str) -> str | None:
        """Return the official name behind a spelling, or None.

        An exact official name wins; else names and aliases are compared without case, spaces,
        underscores and punctuation.
        """
        if spelling in self._positions:
            return spelling
        position = self._by_spelling.get(fold(spelling))
        return None if position is None else self.names[position]

    def select(self, names: Iterable[str]) -> ClassSet:
        """Return the set restricted to ``names``, in the order given.

        Raises:
            ClassSetError: A name is not in the set, or named twice.
        """
        positions = [self.index(name) for name in names]
        return ClassSet(
            dataset=self.dataset,
            version=self.version,
            names=tuple(self.names[i] for i in positions),
            words=tuple(self.words[i] for i in positions),
            labels=tuple(self.labels[i] for i in positions),
            aliases=tuple(self.aliases[i] for i in positions),
            rules=self.rules,
            source=self.source,
        )


def fold(spelling: str) -> str:
    """Reduce a spelling to its lower-case letters and digits, so that variants meet."""
    return "".join(c for c in spelling.casefold() if c.isalnum())


def bundled_class_sets() -> tuple[str, ...]:
    """Return the names of the class sets that come with the package, sorted."""
    return tuple(sorted(path.stem for path in asset_path("classes").glob("*.json")))


@lru_cache(maxsize=32)
def load_class_set(name: str) -> ClassSet:
    """Load a bundled class set.

    Args:
        name: Such as ``ucf101``, ``hmdb51``, ``activitynet200``, ``kinetics700`` or ``sun397``.

    Raises:
        ClassSetError: There is no bundled set of that name; near names are suggested.

    Example:
        >>> load_class_set("ucf101").words[0]
        ('apply', 'eye', 'makeup')
    """
    if name not in bundled_class_sets():
        raise ClassSetError(
            f"class set {name!r}",
            found="neither a bundled set nor a file",
            fix=near_matches(name, bundled_class_sets()),
        )
    table = read_asset("classes", f"{name}.json")
    rows = table["classes"]
    return ClassSet(
        dataset=table["dataset"],
        version=table["version"],
        names=tuple(row["name"] for row in rows),
        words=tuple(tuple(row["words"]) for row in rows),
        labels=tuple(row["label"] for row in rows),
        aliases=tuple(tuple(row["aliases"]) for row in rows),
        rules=table["rules"],
        source=table["source"],
    )


def class_set(ref: str | Path) -> ClassSet:
    """Return the class set that a name or a path stands for.

    Args:
        ref: A bundled set, also as ``UCF-101``, ``kinetics_700``, ``k700`` or ``activitynet``; or
            the path of a class file. Write ``./k700`` for a file that is called like a set.

    Raises:
        ClassSetError: It is neither, or the file is malformed.

    Example:
        >>> class_set("UCF-101").dataset
        'ucf101'
    """
    if isinstance(ref, str) and not ref.strip():
        raise ClassSetError(
            f"class set {ref!r}", found="an empty name", fix=near_matches("", bundled_class_sets())
        )
    if isinstance(ref, str) and re.fullmatch(r"[\w -]+", ref):
        folded = fold(ref)
        name = _SHORT_NAMES.get(folded, folded)
        if name in bundled_class_sets():
            return load_class_set(name)
    path = Path(ref)
    is_there = False
    with suppress(OSError, ValueError):
        is_there = path.exists()
    if is_there:
        return read_class_file(path)
    raise ClassSetError(
        f"class set {str(ref)!r}",
        found="neither a bundled set nor a file",
        fix=near_matches(str(ref), bundled_class_sets()),
    )


def read_class_file(path: Path) -> ClassSet:
    """Read a list of class names from a file of one's own.

    A text file has one class a line; blank lines and lines that begin with ``#`` are skipped, and
    so are running numbers before the names, as in UCF101's ``classInd.txt``. A ``.csv`` or ``.tsv``
    has a column called class, class_name, classname, name, label, action or activity, in any case,
    or no other column than the names. A ``.csv`` whose first line has semicolons and no comma is
    separated by semicolons.

    Raises:
        ClassSetError: The file is missing, empty or not UTF-8, or names a class twice; the line is
            given.
    """
    asked = f"class file {path}"
    text = _read_text(asked, path)
    separator = _separator(path, text)
    rows = _text_rows(text) if separator is None else _table_rows(asked, text, separator)
    if not rows:
        raise ClassSetError(asked, found="no classes", fix="write one class name a line")
    lines: dict[str, int] = {}
    for line, name in rows:
        if not any(character.isalpha() for character in name):
            raise ClassSetError(
                asked, found=f"no letter in {name!r} (line {line})", fix="spell the class in words"
            )
        if name in lines:
            raise ClassSetError(
                asked, found=f"class {name!r} in lines {lines[name]} and {line}", fix="name it once"
            )
        lines[name] = line
    return class_set_from_names(lines, dataset=path.stem, source=path.name)


def class_set_from_names(names: Iterable[str], *, dataset: str, source: str) -> ClassSet:
    """Make a class set of names alone.

    A name that a bundled set has keeps that set's words and label, so that the same class meets
    itself: first the official names are compared as they are, then all spellings without case,
    spaces and punctuation, both in the order Kinetics-700, -600, -400, ActivityNet, UCF101, HMDB51,
    SUN397. Any other name gets its words from ``zsl_bench.words``.

    Args:
        names: The class names, each once.
        dataset: What to call the set.
        source: Where the names come from.

    Raises:
        ClassSetError: There is no name, a name comes twice or has no letter.

    Example:
        >>> class_set_from_names(["RidingACamel", "YoYo"], dataset="mine", source="me").words
        (('rid', 'camel'), ('yoyo',))
    """
    listed = tuple(names)
    known = [_known(name) for name in listed]
    return ClassSet(
        dataset=dataset,
        version=1,
        names=listed,
        words=tuple(k[0] if k else words_of(n) for n, k in zip(listed, known, strict=True)),
        labels=tuple(k[1] if k else label_of(n) for n, k in zip(listed, known, strict=True)),
        aliases=((),) * len(listed),
        source=source,
    )


def _known(name: str) -> tuple[tuple[str, ...], str] | None:
    """Return words and label of the bundled class that a name stands for."""
    return _official_names().get(name) or _known_spellings().get(fold(name))


@lru_cache(maxsize=1)
def _official_names() -> Mapping[str, tuple[tuple[str, ...], str]]:
    known: dict[str, tuple[tuple[str, ...], str]] = {}
    for table in map(load_class_set, _PREFERENCE):
        for name, words, label in zip(table.names, table.words, table.labels, strict=True):
            known.setdefault(name, (words, label))
    return known


@lru_cache(maxsize=1)
def _known_spellings() -> Mapping[str, tuple[tuple[str, ...], str]]:
    known: dict[str, tuple[tuple[str, ...], str]] = {}
    for table in map(load_class_set, _PREFERENCE):
        for spelling, i in table._by_spelling.items():
            known.setdefault(spelling, (table.words[i], table.labels[i]))
    return known


def _read_text(asked: str, path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ClassSetError(
            asked,
            found=(error.strerror or str(error)).lower(),
            fix="give a text or CSV file of class names",
        ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ClassSetError(
            asked, found=f"no UTF-8 text in line {line}", fix="save the file as UTF-8"
        ) from error


def _separator(path: Path, text: str) -> str | None:
    """Return what stands between a table's columns, or None for a text file."""
    separator = _SEPARATORS.get(path.suffix.lower())
    first = text.lstrip().partition("\n")[0]
    return ";" if separator == "," and ";" in first and "," not in first else separator


def _text_rows(text: str) -> list[tuple[int, str]]:
    lines = enumerate(re.split(r"\r\n|\r|\n", text), 1)
    rows = [(i, line.strip()) for i, line in lines]
    rows = [(i, line) for i, line in rows if line and not line.startswith("#")]
    numbered = [re.match(r"(\d+)\s+(?=\S)", line) for _, line in rows]
    numbers = [int(match[1]) for match in numbered if match]
    if len(rows) > 1 and numbers in (list(range(len(rows))), list(range(1, len(rows) + 1))):
        return [(i, line.split(None, 1)[1]) for i, line in rows]
    return rows


def _table_rows(asked: str, text: str, separator: str) -> list[tuple[int, str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise ClassSetError(
            asked, found=f"{error} (line {reader.line_num})", fix="mend the quotes"
        ) from error
    rows = [(line, cells) for line, cells in rows if any(cells)]
    header = [cell.casefold() for cell in rows[0][1]] if rows else []
    column = next((header.index(name) for name in _COLUMNS if name in header), None)
    if column is not None:
        rows = rows[1:]
    for line, cells in rows:
        if len(cells) > 1 and column is None:
            raise ClassSetError(
                asked,
                found=f"{len(cells)} columns in line {line}, none called {', '.join(_COLUMNS)}",
                fix="name the column of the classes, or put names with "
                f"{_SEPARATOR_NAMES[separator]} into quotes",
            )
        if len(cells) <= (column or 0) or not cells[column or 0]:
            raise ClassSetError(
                asked, found=f"no class name in line {line}", fix="fill the column of the classes"
            )
    return [(line, cells[column or 0]) for line, cells in rows]
