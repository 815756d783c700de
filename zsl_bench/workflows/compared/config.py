"""Configurations of a comparison: feature files, methods and protocols, in one TOML file."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import ZslBenchError, listing, near_matches
from zsl_bench.files import asset_path
from zsl_bench.overlap import DEFAULT_THRESHOLD, check_threshold

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND = "compared-methods"
FILLED = ("auxiliary_classes", "unseen_vectors")
"""Settings of a method that the plan can fill in, from the split at hand."""
_ASSETS = ("studies", "compared")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,47}")


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """Clip features by one network.

    Attributes:
        name: What it is called.
        files: Its file of clip features for each data set.
    """

    name: str
    files: Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """A method with its settings: one row of the tables.

    Attributes:
        name: What the row is called.
        method: A known method, or ``py:package.module:Class``.
        settings: Settings of the method.
        seeds: Each fits it once more; one is enough where nothing is drawn at random.
        adapt: Show it the test videos, unlabelled: the row is transductive.
        fair: Leave out classes of other data sets by the filter of FairZSL.
        fill: Which of ``FILLED`` the plan fills in: the positions of the classes of other data
            sets, or the word vectors of the test classes.
        quick: Use the method's settings for small trials where ``settings`` says nothing.
    """

    name: str
    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    adapt: bool = False
    fair: bool = False
    fill: tuple[str, ...] = ()
    quick: bool = False


@dataclass(frozen=True, kw_only=True)
class ProtocolRow:
    """What methods are fitted to and tested on.

    Attributes:
        name: What it is called.
        protocol: A protocol of the catalogue or a recipe, such as ``xu-50`` or ``half``; its
            classes are the unseen ones.
        train: Data sets to learn from. Of the test set all classes but the unseen ones are
            learned from, of another set all classes.
        test: The test set.
        filtered: Leave out training classes within the threshold of an unseen class.
        generalised: Put the seen classes of the test set among the candidates, and test held-out
            videos of them as well.
        splits: Use this many of the protocol's splits only; None for all.
    """

    name: str
    protocol: str
    train: tuple[str, ...]
    test: str
    filtered: bool = False
    generalised: bool = False
    splits: int | None = None


@dataclass(frozen=True, kw_only=True)
class ComparedConfig:
    """Everything that a comparison is told.

    Attributes:
        name: What it is called.
        out: Its folder.
        features: The feature sets.
        methods: The methods.
        protocols: The protocols.
        description: One line on it.
        vectors: Word-vector file; None for the bundled vectors.
        allow_approximate: Let a hash stand in for a word without a vector.
        threshold: Cosine distance below which two classes count as one (paper Eq. 3).
    """

    name: str
    out: Path
    features: tuple[FeatureSet, ...]
    methods: tuple[MethodRow, ...]
    protocols: tuple[ProtocolRow, ...]
    description: str = ""
    vectors: str | None = None
    allow_approximate: bool = False
    threshold: float = DEFAULT_THRESHOLD


def bundled_comparisons() -> tuple[str, ...]:
    """Return the names of the configurations that come with the package, sorted."""
    return tuple(sorted(path.stem for path in asset_path(*_ASSETS).glob("*.toml")))


def load_comparison(
    reference: str | Path = KIND,
    *,
    data: Mapping[str, str] | None = None,
    out: str | Path | None = None,
) -> ComparedConfig:
    """Read the configuration of a comparison.

    Args:
        reference: A bundled name, or a TOML file. Paths in it are relative to where the command
            runs.
        data: Feature files instead of those of the file: by data set where there is one feature
            set, and by ``FEATURES/DATASET`` where there are several.
        out: The folder, instead of that of the file.

    Raises:
        ZslBenchError: There is no such configuration, or a field is unknown, missing or malformed.

    Example:
        >>> load_comparison().protocols[0].protocol
        'xu-50'
    """
    asked = f"comparison {reference}"
    path = Path(reference)
    if str(reference) in bundled_comparisons():
        path = asset_path(*_ASSETS, f"{reference}.toml")
    top = _Table(_read(path, asked, str(reference)), asked)
    kind = top.text("kind", KIND)
    if kind != KIND:
        raise ZslBenchError(asked, found=f"a study of {kind}", fix=f"zsl-bench study {kind}")
    name, quick = top.text("name", path.stem), top.flag("quick")
    threshold = top.number("threshold", DEFAULT_THRESHOLD)
    check_threshold(threshold)
    config = ComparedConfig(
        name=name,
        out=Path(out or top.text("out", f"studies/{name}")),
        features=_given(tuple(map(_features, top.tables("features"))), data or {}, asked),
        methods=tuple(_method(one, quick=quick) for one in top.tables("methods")),
        protocols=tuple(_protocol(one) for one in top.tables("protocols")),
        description=top.text("description", ""),
        vectors=top.text("vectors", "") or None,
        allow_approximate=top.flag("allow_approximate"),
        threshold=threshold,
    )
    top.finish()
    return config


def _read(path: Path, asked: str, reference: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ZslBenchError(
            asked,
            found="no such file or bundled configuration",
            fix=near_matches(reference, bundled_comparisons()),
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ZslBenchError(
            asked, found=f"no readable TOML ({error})", fix="mend the file, or copy a bundled one"
        ) from error


def _features(table: _Table) -> FeatureSet:
    files = {name: Path(table.text(name)) for name in table.content}
    table.finish()
    return FeatureSet(name=table.name, files=files)


def _given(
    features: tuple[FeatureSet, ...], data: Mapping[str, str], asked: str
) -> tuple[FeatureSet, ...]:
    """Put the files of the command line in; one file never stands for several feature sets."""
    files = {one.name: dict(one.files) for one in features}
    for key, path in data.items():
        name, slash, dataset = key.rpartition("/")
        if not slash and len(features) == 1:
            name = features[0].name
        if name not in files or not dataset:
            raise ZslBenchError(
                asked,
                found=f"a file for {key!r} and the feature sets {listing(files)}",
                fix=f"write {next(iter(files))}/{dataset or 'DATASET'}=FILE",
            )
        files[name][dataset] = Path(path)
    return tuple(FeatureSet(name=name, files=own) for name, own in files.items())


def _method(table: _Table, *, quick: bool) -> MethodRow:
    row = MethodRow(
        name=table.name,
        method=table.text("method", table.name),
        settings=table.mapping("settings"),
        seeds=table.whole_numbers("seeds", (0,)),
        adapt=table.flag("adapt"),
        fair=table.flag("fair"),
        fill=table.texts("fill", ()),
        quick=table.flag("quick", quick),
    )
    table.finish()
    for name in row.fill:
        if name not in FILLED:
            raise table.wrong("fill", near_matches(name, FILLED))
    return row


def _protocol(table: _Table) -> ProtocolRow:
    test = table.text("test")
    row = ProtocolRow(
        name=table.name,
        protocol=table.text("protocol"),
        train=table.texts("train", (test,)),
        test=test,
        filtered=table.flag("filtered"),
        generalised=table.flag("generalised"),
        splits=table.count("splits"),
    )
    table.finish()
    if row.generalised and row.test not in row.train:
        raise table.wrong(
            "generalised", "learn from the test set's seen classes too: name it in train"
        )
    return row


class _Table:
    """A table of the file that knows which of its fields were asked for."""

    def __init__(self, content: Mapping[str, Any], asked: str, name: str = "") -> None:
        self.content, self.asked, self.name = content, asked, name
        self._known: set[str] = set()

    def wrong(self, name: str, fix: str) -> ZslBenchError:
        found = f"{name} = {self.content[name]!r}" if name in self.content else f"no {name}"
        return ZslBenchError(self.asked, found=found, fix=fix)

    def _get(self, name: str, default: object) -> Any:  # noqa: ANN401
        self._known.add(name)
        return self.content.get(name, default)

    def text(self, name: str, default: str | None = None) -> str:
        value = self._get(name, default)
        if not isinstance(value, str) or (not value and default is None):
            raise self.wrong(name, "give a text in quotes")
        return value

    def flag(self, name: str, default: bool = False) -> bool:  # noqa: FBT001, FBT002
        value = self._get(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, "give true or false")
        return value

    def number(self, name: str, default: float) -> float:
        value = self._get(name, default)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise self.wrong(name, "give a number")
        return float(value)

    def count(self, name: str) -> int | None:
        value = self._get(name, None)
        if value is not None and not _is_whole(value, 1):
            raise self.wrong(name, "give a whole number from 1")
        return None if value is None else int(value)

    def whole_numbers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        value = self._get(name, list(default))
        if not isinstance(value, list) or not value or not all(_is_whole(v, 0) for v in value):
            raise self.wrong(name, "give a list of whole numbers, as in [0, 1, 2]")
        if len(set(value)) < len(value):
            raise self.wrong(name, "name each once")
        return tuple(value)

    def texts(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = self._get(name, list(default))
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise self.wrong(name, "give a list of texts")
        if len(set(value)) < len(value) or (name in self.content and not value):
            raise self.wrong(name, "name each once, and one at least")
        return tuple(value)

    def mapping(self, name: str) -> dict[str, Any]:
        value = self._get(name, {})
        if not isinstance(value, dict):
            raise self.wrong(name, f"write it as a table, {name} = {{ NAME = VALUE }}")
        return value

    def tables(self, name: str) -> list[_Table]:
        content = self.mapping(name)
        if not content:
            raise self.wrong(name, f"write [{name}.NAME], one at least")
        found = []
        for key, value in content.items():
            if not isinstance(value, dict) or not _ID.fullmatch(key):
                raise ZslBenchError(
                    self.asked,
                    found=f"{name}.{key} = {value!r}",
                    fix=f"write [{name}.NAME] by at most 48 letters, digits, dots, + and -",
                )
            found.append(_Table(value, f"{self.asked}, {name}.{key}", key))
        return found

    def finish(self) -> None:
        for key in self.content:
            if key not in self._known:
                raise ZslBenchError(
                    self.asked,
                    found=f"unknown field {key!r}",
                    fix=near_matches(key, self._known),
                )


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
