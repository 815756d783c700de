"""Class sets: the names of a data set's classes, the words that stand for them, and labels."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from zsl_bench.class_files import read_names
from zsl_bench.errors import ClassSetError, near_matches
from zsl_bench.files import asset_path, read_asset, sha256_json
from zsl_bench.words import WordRules, check_rules, label_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RULES = "brattoli2020"
RULE_SETS: tuple[str, ...] = get_args(WordRules)

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


def bundled_name(spelling: str) -> str | None:
    """Return the bundled class set that a spelling such as ``UCF-101`` or ``k400`` stands for.

    Example:
        >>> bundled_name("UCF-101"), bundled_name("k400"), bundled_name("mine")
        ('ucf101', 'kinetics400', None)
    """
    folded = fold(spelling)
    name = _SHORT_NAMES.get(folded, folded)
    return name if name in bundled_class_sets() else None


def load_class_set(name: str, rules: str = RULES) -> ClassSet:
    """Load a bundled class set.

    Args:
        name: Such as ``ucf101``, ``hmdb51``, ``activitynet200``, ``kinetics700`` or ``sun397``.
        rules: Rule set of the words: ``brattoli2020``, or ``plain`` for the same without
            lemmatisation.

    Raises:
        ClassSetError: There is no bundled set or no rule set of that name; near names are
            suggested.

    Example:
        >>> load_class_set("ucf101").words[3], load_class_set("ucf101", "plain").words[3]
        (('baby', 'crawl'), ('baby', 'crawling'))
    """
    check_rules(rules)
    return _load(name, rules)


@lru_cache(maxsize=32)
def _load(name: str, rules: str) -> ClassSet:
    if name not in bundled_class_sets():
        raise ClassSetError(
            f"class set {name!r}",
            found="neither a bundled set nor a file",
            fix=near_matches(name, bundled_class_sets()),
        )
    table = read_asset("classes", f"{name}.json")
    rows = table["classes"]
    words = (
        row["words"] if rules == table["rules"] else row.get(rules, row["words"]) for row in rows
    )
    return ClassSet(
        dataset=table["dataset"],
        version=table["version"],
        names=tuple(row["name"] for row in rows),
        words=tuple(map(tuple, words)),
        labels=tuple(row["label"] for row in rows),
        aliases=tuple(tuple(row["aliases"]) for row in rows),
        rules=rules,
        source=table["source"],
    )


def class_set(ref: str | Path, rules: str = RULES) -> ClassSet:
    """Return the class set that a name or a path stands for.

    Args:
        ref: A bundled set, also as ``UCF-101``, ``kinetics_700``, ``k700`` or ``activitynet``; or
            the path of a class file. Write ``./k700`` for a file that is called like a set.
        rules: Rule set of the words: ``brattoli2020`` or ``plain``.

    Raises:
        ClassSetError: It is neither, the file is malformed, or there is no such rule set.

    Example:
        >>> class_set("UCF-101").dataset
        'ucf101'
    """
    if isinstance(ref, str) and not ref.strip():
        raise ClassSetError(
            f"class set {ref!r}", found="an empty name", fix=near_matches("", bundled_class_sets())
        )
    if isinstance(ref, str) and re.fullmatch(r"[\w -]+", ref):
        name = bundled_name(ref)
        if name is not None:
            return load_class_set(name, rules)
    path = Path(ref)
    is_there = False
    with suppress(OSError, ValueError):
        is_there = path.exists()
    if is_there:
        return read_class_file(path, rules)
    raise ClassSetError(
        f"class set {str(ref)!r}",
        found="neither a bundled set nor a file",
        fix=near_matches(str(ref), bundled_class_sets()),
    )


def read_class_file(path: Path, rules: str = RULES) -> ClassSet:
    """Read a list of class names from a file of one's own, named after the file.

    The forms are those of :func:`zsl_bench.class_files.read_names`: text with one class a line, or
    a ``.csv`` or ``.tsv`` with a column of classes.

    Args:
        path: The file.
        rules: Rule set of the words: ``brattoli2020`` or ``plain``.

    Raises:
        ClassSetError: The file is missing, empty or not UTF-8, or names a class twice; the line is
            given. Or there is no such rule set.
    """
    return class_set_from_names(read_names(path), dataset=path.stem, source=path.name, rules=rules)


def class_set_from_names(
    names: Iterable[str], *, dataset: str, source: str, rules: str = RULES
) -> ClassSet:
    """Make a class set of names alone.

    A name that a bundled set has keeps that set's words and label, so that the same class meets
    itself: first the official names are compared as they are, then all spellings without case,
    spaces and punctuation, both in the order Kinetics-700, -600, -400, ActivityNet, UCF101, HMDB51,
    SUN397. Any other name gets its words from ``zsl_bench.words``.

    Args:
        names: The class names, each once.
        dataset: What to call the set.
        source: Where the names come from.
        rules: Rule set of the words: ``brattoli2020`` or ``plain``.

    Raises:
        ClassSetError: There is no name, a name comes twice or has no letter, or there is no such
            rule set.

    Example:
        >>> class_set_from_names(["RidingACamel", "YoYo"], dataset="mine", source="me").words
        (('rid', 'camel'), ('yoyo',))
    """
    check_rules(rules)
    listed = tuple(names)
    known = [next(_known(name, rules), None) for name in listed]
    return ClassSet(
        dataset=dataset,
        version=1,
        names=listed,
        words=tuple(k[0] if k else words_of(n, rules) for n, k in zip(listed, known, strict=True)),
        labels=tuple(k[1] if k else label_of(n) for n, k in zip(listed, known, strict=True)),
        aliases=((),) * len(listed),
        rules=rules,
        source=source,
    )


def with_rules(classes: ClassSet, rules: str) -> ClassSet:
    """Return the same classes with the words of another rule set.

    Names, their order, labels and aliases stay; the fingerprint follows words and rules. A class
    takes its words from where it had them: its own bundled set, else a bundled set that has its
    name or another spelling of it, else ``zsl_bench.words``. A set under ``rules`` already is
    returned as it is.

    Args:
        classes: The classes.
        rules: ``brattoli2020`` or ``plain``.

    Raises:
        ClassSetError: There is no such rule set, or a class has words that its own rule set does
            not yield for its name, such as words made by hand: nothing says what they would be
            under another one.

    Example:
        >>> with_rules(load_class_set("hmdb51"), "plain") == load_class_set("hmdb51", "plain")
        True
    """
    if classes.rules == rules:
        return classes
    check_rules(rules)
    words = []
    for name, own in zip(classes.names, classes.words, strict=True):
        here = _readings(name, classes.dataset, classes.rules)
        there = _readings(name, classes.dataset, rules)
        found = next((new for old, new in zip(here, there, strict=False) if old == own), None)
        if found is None:
            raise ClassSetError(
                f"words of {classes.dataset} under the rule set {rules}",
                found=f"class {name!r} with the words {' '.join(own)!r}, which the rule set "
                f"{classes.rules} does not yield",
                fix="keep its rule set, or make the set of its names alone",
            )
        words.append(found)
    return replace(classes, words=tuple(words), rules=rules)


def _readings(name: str, dataset: str, rules: str) -> list[tuple[str, ...]]:
    """Return all words that a name may stand for, the likeliest first; none for unknown rules."""
    if rules not in RULE_SETS:
        return []
    own = load_class_set(dataset, rules) if dataset in _PREFERENCE else None
    at_home = [own.words[own.index(name)]] if own and name in own._positions else []
    return [*at_home, *(words for words, _ in _known(name, rules)), words_of(name, rules)]


def _known(name: str, rules: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield words and label of the bundled classes that a name may stand for, in their order."""
    tables = [load_class_set(dataset, rules) for dataset in _PREFERENCE]
    spelling = fold(name)
    exact = [(table, table._positions.get(name)) for table in tables]
    loose = [(table, table._by_spelling.get(spelling)) for table in tables]
    for table, i in (*exact, *loose):
        if i is not None:
            yield table.words[i], table.labels[i]
