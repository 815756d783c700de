"""What finished cells say: one row a method, feature set and protocol."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import listing
from zsl_bench.workflows.compared.cell import spec_json
from zsl_bench.workflows.compared.plan import CELLS, FAILURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zsl_bench.workflows.compared.plan import Cell, Combination, ComparedPlan

PLAIN = ("per_class", "per_video")
GENERALISED = ("unseen_accuracy", "seen_accuracy", "harmonic_mean", "area")
UNDECLARED, LEAK_FREE, LEAKS = "undeclared", "leak-free", "leaks"
_NAMES = 4


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A number over splits and seeds.

    Attributes:
        mean: Its mean.
        sd: Population standard deviation, as the protocols of the catalogue have it; None for one.
        se: Standard error of the mean, ``sd / sqrt(n - 1)``; None for one.
        n: Splits times seeds.
    """

    mean: float
    sd: float | None
    se: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Measure it; at least one value."""
        count = len(values)
        if count == 1:
            return cls(mean=values[0], sd=None, se=None, n=1)
        spread = pstdev(values)
        return cls(mean=fmean(values), sd=spread, se=spread / math.sqrt(count - 1), n=count)


@dataclass(frozen=True, kw_only=True)
class ComparedRow:
    """A method on a feature set under a protocol.

    Attributes:
        protocol: Name of the protocol's row.
        features: Name of the feature set.
        method: Name of the method's row.
        spec: Title, fidelity, setting, side data, sources and assumptions, for what was run.
        quick: Whether it ran with settings for small trials.
        pretraining: ``leak-free``, ``leaks`` or ``undeclared``, for the features.
        leakage: What their networks have seen of the test set, in lines.
        overlap: What the audit of the splits found.
        close_splits: Splits with a training class within the threshold of a test class.
        close_tests: Such test classes a split, the mean.
        left: Training classes within the threshold that were learned from, over all splits.
        fair: The filter of FairZSL beside the threshold rule, in words; empty for inner protocols.
        splits: Number of splits.
        seeds: Number of seeds.
        values: The accuracies that there are, by name.
        gates: For a gate the mean AUROC of each of its rules.
        chance: Accuracy of guessing, the mean over splits.
        classes: Mean accuracy of each test class over its splits; empty for a generalised protocol.
        state: ``done``, ``in part``, ``not run``, ``failed`` or ``cannot run``.
        reason: Why, for the last two.
        missing: Test classes without a video in the features, the most in a split.
        seconds: Median seconds of a fit; None before one.
    """

    protocol: str
    features: str
    method: str
    spec: Mapping[str, Any]
    quick: bool
    pretraining: str
    leakage: tuple[str, ...]
    overlap: str
    close_splits: int
    close_tests: float
    left: int
    fair: str
    splits: int
    seeds: int
    values: Mapping[str, Spread]
    gates: Mapping[str, float]
    chance: float | None
    classes: Mapping[str, float]
    state: str
    reason: str
    missing: int
    seconds: float | None

    @property
    def clean(self) -> bool:
        """Whether neither features nor training classes hold a test class (paper Eq. 3)."""
        return self.pretraining == LEAK_FREE and self.left == 0 and self.splits > 0

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON holds it."""
        return {**asdict(self), "clean": self.clean}


def compared_rows(plan: ComparedPlan) -> tuple[ComparedRow, ...]:
    """Return a row for every combination of the plan, finished or not."""
    return tuple(_row(plan, one) for one in plan.combinations)


def _row(plan: ComparedPlan, made: Combination) -> ComparedRow:
    folder = plan.config.out
    results = [r for cell in made.cells if (r := cell.read(folder / CELLS)) is not None]
    state, reason = _state(plan, made, len(results))
    audits = list({cell.split.number: cell.split.audit for cell in made.cells}.values())
    names = PLAIN if not made.protocol.generalised else GENERALISED
    scores = [result["scores"] for result in results]
    seconds = sorted(result["fit_s"] for result in results)
    return ComparedRow(
        protocol=made.protocol.name,
        features=made.features.name,
        method=made.method.name,
        spec=results[0]["spec"] if results else _expected(made),
        quick=made.is_small,
        pretraining=_pretraining(made.leakage),
        leakage=tuple(one["line"] for one in made.leakage),
        overlap=_overlap(made),
        close_splits=sum(bool(audit.pairs) for audit in audits),
        close_tests=fmean(len(audit.close_tests) for audit in audits) if audits else 0.0,
        left=sum(audit.left for audit in audits),
        fair=_fair(made.cells),
        splits=len(audits),
        seeds=len(made.method.seeds),
        values={name: Spread.of([s[name] for s in scores]) for name in names if scores},
        gates=_gates(scores),
        chance=fmean(s["chance"] for s in scores) if scores else None,
        classes=_classes(scores),
        state=state,
        reason=reason,
        missing=max((r["unseen_classes"] - r["unseen_classes_with_videos"] for r in results),
                    default=0),
        seconds=seconds[len(seconds) // 2] if seconds else None,
    )  # fmt: skip


def _state(plan: ComparedPlan, made: Combination, done: int) -> tuple[str, str]:
    if made.problem:
        return "cannot run", made.problem
    failures = [cell.read(plan.config.out / FAILURES) for cell in made.cells]
    reasons = Counter(str(one.get("reason")) for one in failures if one is not None)
    if done == len(made.cells):
        return "done", ""
    if reasons:
        reason, times = reasons.most_common(1)[0]
        return "failed", f"{times} of {len(made.cells)} cells: {reason}"
    return ("in part", f"{done} of {len(made.cells)} cells") if done else ("not run", "")


def _expected(made: Combination) -> dict[str, Any]:
    """Return what a method says of itself before it has run; unknown for one that is not there."""
    spec = made.spec
    if spec is None:
        unknown = dict.fromkeys(("name", "title"), made.method.method)
        return {**unknown, "fidelity": "-", "setting": "-", "side_data": [], "assumed": [],
                "sources": []}  # fmt: skip
    known = spec_json(spec, made.method)
    return {**known, "setting": "transductive"} if made.method.adapt else known


def _pretraining(found: Sequence[Mapping[str, Any]]) -> str:
    if not found or any(not one["declared"] for one in found):
        return UNDECLARED
    return LEAK_FREE if all(one["leak_free"] for one in found) else LEAKS


def _overlap(made: Combination) -> str:
    """Say how many splits hold close pairs, which, and whether they were left out."""
    splits = {cell.split.number: cell.split for cell in made.cells}
    close = [split for split in splits.values() if split.audit.pairs]
    if not splits:
        return "-"
    if not close:
        return f"0 of {len(splits)} splits"
    pairs = Counter(
        f"{pair.name} = {pair.nearest}" for split in close for pair in split.audit.pairs
    )
    left = sum(split.audit.left for split in close)
    told = "left out" if not left else "kept" if not made.protocol.filtered else f"{left} kept"
    names = listing((name for name, _ in pairs.most_common()), limit=_NAMES)
    return f"{len(close)} of {len(splits)} splits, {told}: {names}"


def _fair(cells: Sequence[Cell]) -> str:
    found = [cell.split.audit for cell in cells if cell.split.audit.fair is not None]
    counts = [audit.fair for audit in found if audit.fair is not None]
    if not counts:
        return ""
    kept, by_threshold = ({one[name] for one in counts} for name in ("kept", "kept_by_threshold"))
    return (
        f"of {_range({one['external'] for one in counts})} classes of other data sets, the filter "
        f"of FairZSL (distance {counts[0]['theta_distance']:.3f}) keeps {_range(kept)}, the "
        f"threshold {found[0].threshold:g} keeps {_range(by_threshold)}"
    )


def _range(values: set[int]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def _classes(scores: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    by_class: dict[str, list[float]] = {}
    for one in scores:
        for name, value in one.get("classes", {}).items():
            by_class.setdefault(name, []).append(value)
    return {name: fmean(values) for name, values in sorted(by_class.items())}


def _gates(scores: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {name: fmean(values) for name, values in _gate_values(scores)}


def _gate_values(scores: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[float]]]:
    rules = dict.fromkeys(gate["rule"] for one in scores for gate in one.get("gates", ()))
    for rule in rules:
        yield rule, [g["auroc"] for one in scores for g in one["gates"] if g["rule"] == rule]
