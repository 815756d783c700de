"""Class splits: training classes kept by an audit, frozen and hashed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.classes import (
    RULE_SETS,
    ClassSet,
    bundled_class_sets,
    class_set,
    class_set_from_names,
    load_class_set,
    with_rules,
)
from zsl_bench.errors import ClassSetError, ResultError, ZslBenchError, near_matches
from zsl_bench.files import asset_path, read_json, sha256_json, write_json
from zsl_bench.overlap import DEFAULT_THRESHOLD, OverlapAudit, audit_overlap, check_threshold
from zsl_bench.wordvectors import load_word_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = 1
_ALIASES = {"tp1": "kinetics700-tp1", "tp2": "kinetics700-tp2"}


@dataclass(frozen=True, kw_only=True)
class Split:
    """Training classes that an audit kept, with all that decided it.

    Attributes:
        id: Name of the split, such as ``kinetics700-tp1``.
        version: Raised whenever the list changes.
        train: The data set that the classes come from, and its fingerprint.
        tests: The test sets audited against, each with its fingerprint.
        kept: The classes kept, in the data set's order.
        removed: The classes removed, nearest first.
        threshold: Cosine distance below which a class was removed.
        rules: Rule set that made the words.
        vectors: Where the word vectors came from.
        vectors_digest: SHA-256 of that source.
        approximate_words: Words that had no vector when the split was made.
        own: Words and label of every kept class, where the classes come from no bundled set;
            else empty.
    """

    id: str
    version: int
    train: tuple[str, str]
    tests: tuple[tuple[str, str], ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    threshold: float
    rules: str
    vectors: str
    vectors_digest: str
    approximate_words: tuple[str, ...]
    own: tuple[tuple[tuple[str, ...], str], ...] = ()

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over everything in the split."""
        return sha256_json(self._body())

    def _body(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "id": self.id,
            "version": self.version,
            "train": {"dataset": self.train[0], "fingerprint": self.train[1]},
            "tests": [{"dataset": name, "fingerprint": print_} for name, print_ in self.tests],
            "threshold": self.threshold,
            "rules": self.rules,
            "vectors": self.vectors,
            "vectors_digest": self.vectors_digest,
            "approximate_words": list(self.approximate_words),
            "removed": list(self.removed),
            "kept": list(self.kept),
            "own": [{"words": list(words), "label": label} for words, label in self.own],
        }

    def to_json(self) -> dict[str, Any]:
        """Return the split as JSON holds it, its hash last."""
        return {**self._body(), "sha256": self.sha256}

    def save(self, path: Path) -> None:
        """Write the split atomically.

        Raises:
            ResultError: The file cannot be written.
        """
        write_json(path, self.to_json())

    def classes(self) -> ClassSet:
        """Return the kept classes, with the words of the split's rules, named after the split.

        Raises:
            ClassSetError: The data set it was cut from is no bundled one, or has changed since.
        """
        if self.own:
            return ClassSet(
                dataset=self.id,
                version=self.version,
                names=self.kept,
                words=tuple(words for words, _ in self.own),
                labels=tuple(label for _, label in self.own),
                aliases=((),) * len(self.kept),
                rules=self.rules,
                source=f"split of {self.train[0]}",
            )
        whole = load_class_set(self.train[0], self.rules)
        if whole.fingerprint != self.train[1]:
            raise ClassSetError(
                f"classes of split {self.id}",
                found=f"class set {self.train[0]} has changed since the split was made",
                fix="make the split again with zsl-bench check-overlap --out",
            )
        return replace(whole.select(self.kept), dataset=self.id)


def split_from_audit(audit: OverlapAudit, *, split_id: str, version: int = 1) -> Split:
    """Freeze the outcome of an audit.

    Raises:
        ClassSetError: The audit keeps no class.
    """
    if not audit.kept:
        raise ClassSetError(
            f"split of {audit.train.dataset}",
            found=f"no class is at {audit.threshold} or farther from the test classes",
            fix="lower the threshold or choose other training classes",
        )
    train = audit.train
    kept = tuple(n.name for n in audit.kept)
    own = (
        ()
        if _is_bundled(train)
        else tuple((train.words[i], train.labels[i]) for i in map(train.index, kept))
    )
    return Split(
        id=split_id,
        version=version,
        train=(audit.train.dataset, audit.train.fingerprint),
        tests=tuple((test.dataset, test.fingerprint) for test in audit.tests),
        kept=kept,
        own=own,
        removed=tuple(n.name for n in audit.removed),
        threshold=audit.threshold,
        rules=audit.train.rules,
        vectors=audit.vectors,
        vectors_digest=audit.vectors_digest,
        approximate_words=audit.approximate_words,
    )


def _is_bundled(classes: ClassSet) -> bool:
    name, rules = classes.dataset, classes.rules
    is_known = name in bundled_class_sets() and rules in RULE_SETS
    return is_known and load_class_set(name, rules) == classes


def read_split(path: Path) -> Split:
    """Read a split file and check its hash.

    Raises:
        ResultError: The file is missing, damaged or was edited by hand.
    """
    data = read_json(path, what="split file")
    try:
        split = Split(
            id=data["id"],
            version=data["version"],
            train=(data["train"]["dataset"], data["train"]["fingerprint"]),
            tests=tuple((test["dataset"], test["fingerprint"]) for test in data["tests"]),
            kept=tuple(data["kept"]),
            removed=tuple(data["removed"]),
            threshold=data["threshold"],
            rules=data["rules"],
            vectors=data["vectors"],
            vectors_digest=data["vectors_digest"],
            approximate_words=tuple(data["approximate_words"]),
            own=tuple((tuple(row["words"]), row["label"]) for row in data["own"]),
        )
        intact = data["schema"] == SCHEMA and split.sha256 == data["sha256"]
    except (KeyError, TypeError) as error:
        raise ResultError(
            f"read split file {path}", found=f"no {error}", fix="give a file made by --out"
        ) from error
    if not intact:
        raise ResultError(
            f"read split file {path}",
            found="its contents do not match its SHA-256",
            fix="make it again with zsl-bench check-overlap --out",
        )
    return split


def bundled_splits() -> tuple[str, ...]:
    """Return the names of the splits that come with the package, sorted."""
    return tuple(sorted(path.stem for path in asset_path("splits").glob("*.json")))


def load_split(name: str) -> Split:
    """Load a bundled split.

    Args:
        name: Such as ``kinetics700-tp1``; ``tp1`` and ``tp2`` are short for the paper's
            Training Protocols 1 and 2 on Kinetics-700.

    Raises:
        ClassSetError: There is no bundled split of that name.
    """
    known = _ALIASES.get(name.casefold(), name)
    if known not in bundled_splits():
        raise ClassSetError(
            f"split {name!r}",
            found="no bundled split of that name",
            fix=near_matches(name, (*bundled_splits(), *_ALIASES)),
        )
    return read_split(asset_path("splits", f"{known}.json"))


def class_list(reference: str | Path, rules: str | None = None) -> ClassSet:
    """Resolve a class list: a bundled set, a bundled split, a split file, or a list of one's own.

    Args:
        reference: Its name or path.
        rules: Rule set of the words: ``brattoli2020`` or ``plain``; None for a split's own, and
            ``brattoli2020`` for any other list.

    Raises:
        ZslBenchError: There is no such list or rule set, or the file is not usable.
    """
    found = _class_list(reference)
    return found if rules is None else with_rules(found, rules)


def _class_list(reference: str | Path) -> ClassSet:
    text = str(reference)
    if _ALIASES.get(text.casefold(), text) in bundled_splits():
        return load_split(text).classes()
    path = Path(reference)
    if path.suffix == ".json" and path.is_file():
        return read_split(path).classes()
    try:
        return class_set(reference)
    except ClassSetError as error:
        if path.exists():
            raise
        known = (*bundled_class_sets(), *bundled_splits())
        raise ZslBenchError(error.asked, found=error.found, fix=near_matches(text, known)) from None


def check_overlap(
    train: str | Path | ClassSet | Split | Sequence[str],
    against: str | Path | ClassSet | Sequence[str | Path | ClassSet],
    *,
    threshold: float = DEFAULT_THRESHOLD,
    vectors: str | Path | None = None,
    rules: str | None = None,
) -> OverlapAudit:
    """Audit a training class list against test class lists, all under one rule set for words.

    Args:
        train: A bundled set or split such as ``kinetics700`` or ``tp1``, a split file, a text or
            CSV file, a class set or split, or a list of class names.
        against: One or more names, files or class sets.
        threshold: Cosine distance below which a class is removed.
        vectors: A word-vector file, or None for the bundled vectors.
        rules: Rule set of the words, ``brattoli2020`` or ``plain``, which every list is brought
            under. None for that of the training list: a split's or class set's own, else
            ``brattoli2020``.

    Raises:
        ZslBenchError: A list, file, rule set or threshold is not usable, or a class has words of
            its own that no rule set made; the message says what to do.

    Example:
        >>> audit = check_overlap("kinetics400", ["ucf101", "hmdb51"])
        >>> len(audit.kept)
        361
        >>> len(check_overlap("kinetics400", ["ucf101", "hmdb51"], rules="plain").kept)
        378
    """
    check_threshold(threshold)
    several = [against] if isinstance(against, (str, Path, ClassSet)) else against
    train_set = _as_list(train)
    chosen = train_set.rules if rules is None else rules
    train_set, *tests = (with_rules(one, chosen) for one in (train_set, *map(_as_list, several)))
    words = {w for s in (train_set, *tests) for words in s.words for w in words}
    loaded = load_word_vectors(vectors, words=words)
    return audit_overlap(train_set, tests, vectors=loaded, threshold=threshold)


def _as_list(reference: str | Path | ClassSet | Split | Sequence[str]) -> ClassSet:
    if isinstance(reference, ClassSet):
        return reference
    if isinstance(reference, Split):
        return reference.classes()
    if isinstance(reference, (str, Path)):
        return class_list(reference)
    return class_set_from_names(reference, dataset="given", source="names given")
