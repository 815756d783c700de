"""A comparison as data: every method, feature set, protocol, split and seed is a cell."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.baselines.methods import catalogue
from zsl_bench.baselines.methods.catalogue import load_method
from zsl_bench.errors import ZslBenchError
from zsl_bench.files import read_json, sha256_bytes, sha256_file, sha256_json
from zsl_bench.workflows.compared.data import LoadedFeatures
from zsl_bench.workflows.compared.splits import ClassSplit, SplitMaker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zsl_bench.baselines.methods.base import FeatureMethod
    from zsl_bench.baselines.methods.spec import MethodSpec
    from zsl_bench.workflows.compared.config import ComparedConfig, MethodRow, ProtocolRow

SCHEMA = 1
CELLS, FAILURES = "cells", "failures"
_DIGITS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One fit of a method and its scores.

    Attributes:
        id: Unique in its plan.
        digest: SHA-256 of all that its numbers depend on, in hex.
        combination: The row of the tables that it counts for.
        split: The split.
        seed: Of whatever the method draws at random.
    """

    id: str
    digest: str
    combination: Combination
    split: ClassSplit
    seed: int

    @property
    def file(self) -> str:
        """Name of its result file: other settings make another name."""
        return f"{self.id}-{self.digest[:_DIGITS]}.json"

    def read(self, folder: Path) -> dict[str, Any] | None:
        """Return its result, or its failure, from a folder; None where there is none."""
        path = folder / self.file
        if not path.is_file():
            return None
        try:
            content = read_json(path, what="cell of a comparison")
        except ZslBenchError:
            return None
        is_own = isinstance(content, dict) and content.get("digest") == self.digest
        return content if is_own else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Combination:
    """A method on a feature set under a protocol: a row of the tables.

    Attributes:
        method: The method's row of the configuration.
        features: The feature set, opened.
        protocol: The protocol's row.
        maker: Made the splits; holds the word vectors. None where there is a problem.
        problem: Why it cannot be run; empty where it can.
        leakage: What the backbones have seen of the test set.
        cells: Its cells.
    """

    method: MethodRow
    features: LoadedFeatures
    protocol: ProtocolRow
    maker: SplitMaker | None = None
    problem: str = ""
    leakage: tuple[dict[str, Any], ...] = ()
    cells: list[Cell] = field(default_factory=list)

    @property
    def is_small(self) -> bool:
        """Whether it runs with settings for small trials."""
        if not self.method.quick or self.spec is None:
            return False
        return bool(given_settings(self.method, _loaded(self.method.method)))

    @property
    def spec(self) -> MethodSpec | None:
        """What the method says it is; None where it cannot be loaded."""
        try:
            return _loaded(self.method.method).spec
        except ZslBenchError:
            return None


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparedPlan:
    """All rows of a comparison.

    Attributes:
        config: What was asked for.
        combinations: The rows, by protocol, feature set and method.
    """

    config: ComparedConfig
    combinations: tuple[Combination, ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, those of early splits of every row first."""
        made = [cell for one in self.combinations for cell in one.cells]
        return tuple(sorted(made, key=lambda cell: cell.split.number))


def plan_comparison(config: ComparedConfig) -> ComparedPlan:
    """Open the feature files and lay out every cell.

    A row that cannot be run says why; the others are not touched by it.

    Raises:
        WordVectorError: The word vectors cannot be read.
        ZslBenchError: A setting is malformed.
    """
    rows: list[Combination] = []
    loaded = [LoadedFeatures.of(one) for one in config.features]
    for protocol in config.protocols:
        for features in loaded:
            planner = _Planner(config, protocol, features)
            rows += [planner.row(method) for method in config.methods]
    return ComparedPlan(config=config, combinations=tuple(rows))


class _Planner:
    """Lays out the rows of one protocol on one feature set."""

    def __init__(
        self, config: ComparedConfig, protocol: ProtocolRow, features: LoadedFeatures
    ) -> None:
        self.config, self.protocol, self.features = config, protocol, features
        self.datasets = tuple(dict.fromkeys((*protocol.train, protocol.test)))
        self.problem = features.problem(self.datasets)
        self.maker: SplitMaker | None = None
        self.leakage: tuple[dict[str, Any], ...] = ()
        self.splits: dict[bool, tuple[ClassSplit, ...]] = {}
        self.unfair = ""
        if not self.problem:
            try:
                self._prepare()
            except ZslBenchError as error:
                self.problem = str(error)

    def _prepare(self) -> None:
        config, files = self.config, self.features.files
        self.maker = SplitMaker(
            {name: files[name].classes for name in self.datasets},
            vectors=config.vectors,
            allow_approximate=config.allow_approximate,
            threshold=config.threshold,
        )
        present = self.features.present
        self.splits[False] = self.maker.splits(self.protocol, present=present)
        if any(row.fair for row in config.methods):
            try:
                self.splits[True] = self.maker.splits(self.protocol, present=present, fair=True)
            except ZslBenchError as error:
                self.unfair = str(error)
        self.leakage = tuple(self.features.leakage(self.protocol.train, self.protocol.test, config))

    def row(self, method: MethodRow) -> Combination:
        problem = self.problem or self._unfit(method)
        made = Combination(
            method=method,
            features=self.features,
            protocol=self.protocol,
            maker=self.maker,
            problem=problem,
            leakage=self.leakage,
        )
        if not problem:
            made.cells.extend(
                self._cell(made, split, seed)
                for split in self.splits[method.fair]
                for seed in method.seeds
            )
        return made

    def _unfit(self, row: MethodRow) -> str:
        """Say why a method has no row under the protocol, or nothing."""
        lacking = self._lacking(row)
        if lacking:
            return lacking
        try:
            method = _loaded(row.method)
            if not row.fill:
                method.configured(given_settings(row, method))
        except (ZslBenchError, TypeError, ValueError) as error:
            return str(error)
        if method.spec.generalised_only and not self.protocol.generalised:
            return "it only changes generalised scores, and the protocol has none"
        return ""

    def _lacking(self, row: MethodRow) -> str:
        """Say what the protocol lacks that a row needs, or nothing."""
        others = set(self.protocol.train) - {self.protocol.test}
        if row.fair and not others:
            return "its filter is for classes of other data sets, and the protocol has none"
        if "auxiliary_classes" in row.fill and not others:
            return "it weighs videos of other data sets, and the protocol has none"
        if row.fill == ("auxiliary_classes",) and self.protocol.test not in self.protocol.train:
            return "it weighs by seen videos of the test set, and the protocol has none"
        return self.unfair if row.fair else ""

    def _cell(self, made: Combination, split: ClassSplit, seed: int) -> Cell:
        row, protocol = made.method, self.protocol
        parts = (self.features.name, protocol.name, row.name, f"{split.number:02d}", str(seed))
        assert self.maker is not None  # noqa: S101
        digest = sha256_json(
            {
                "schema": SCHEMA,
                "features": {name: self.features.digests[name] for name in self.datasets},
                "vectors": self.maker.vectors[protocol.test].digest,
                "method": row.method,
                "code": code_digest(row.method),
                "settings": given_settings(row, _loaded(row.method)),
                "adapt": row.adapt,
                "fill": list(row.fill),
                "generalised": protocol.generalised,
                "test": protocol.test,
                "unseen": list(split.unseen),
                "seen": {name: list(names) for name, names in split.seen.items()},
                "split": split.number,
                "threshold": self.config.threshold,
                "seed": seed,
            }
        )
        return Cell(id=".".join(parts), digest=digest, combination=made, split=split, seed=seed)


def given_settings(row: MethodRow, method: FeatureMethod) -> dict[str, Any]:
    """Return the settings that a row gives its method, what the plan fills in left out."""
    small: Mapping[str, Any] = method.quick if row.quick else {}
    return {**small, **row.settings}


@cache
def _loaded(name: str) -> FeatureMethod:
    """Return a method; installed packages are looked through once only."""
    return load_method(name)


@cache
def code_digest(name: str) -> str:
    """Return the SHA-256 of the code of a method: the package's methods, and its own module.

    Raises:
        ModelError: There is no such method.
    """
    own = inspect.getsourcefile(type(_loaded(name)))
    paths = {*Path(catalogue.__file__).parent.glob("*.py"), *([Path(own)] if own else [])}
    texts = sorted(sha256_file(path) for path in paths)
    return sha256_bytes("".join(texts).encode())
