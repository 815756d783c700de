"""The table of a sensitivity study: the baseline first, every variant against it, the range."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zsl_bench.protocols import Protocol, ProtocolScores
    from zsl_bench.results import EvaluationResult

BASELINE = "baseline"
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Means over a protocol's trials; None where no trial has a video.

    Attributes:
        top1: Top-1 accuracy over videos.
        top5: Top-5 accuracy over videos.
        mean_per_class: Mean of the classes' top-1 accuracies.
    """

    top1: float | None
    top5: float | None
    mean_per_class: float | None

    @classmethod
    def of(cls, scores: ProtocolScores) -> Figures:
        """Return the figures of some scores."""
        return cls(**{name: scores.mean[name] for name in ("top1", "top5", "mean_per_class")})


@dataclass(frozen=True, kw_only=True)
class VariantRow:
    """One variant of a run under the chosen protocols.

    Attributes:
        kind: What is varied: ``class text``, ``prompts``, ``word rules``, ``clips`` or
            ``pooling``; ``baseline`` for the run as it was scored.
        name: Name of the variant.
        detail: What it does, with an example.
        scores: Figures by protocol id; a protocol that the variant cannot serve is not there.
    """

    kind: str
    name: str
    detail: str
    scores: Mapping[str, Figures]


@dataclass(frozen=True, kw_only=True)
class ProtocolRow:
    """The run as it was scored, under one protocol.

    The accuracies of two protocols are never subtracted: their candidates differ.

    Attributes:
        id: The protocol's id.
        version: Its version.
        title: What it is, in a few words.
        metric: The figure that it publishes.
        trials: Number of trials.
        candidates: Fewest and most candidates of a trial.
        videos: Fewest and most videos of a trial.
        figures: The scores.
    """

    id: str
    version: int
    title: str
    metric: str
    trials: int
    candidates: tuple[int, int]
    videos: tuple[int, int]
    figures: Figures


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A variant that the model or the arrays cannot serve.

    Attributes:
        kind: What it would vary.
        name: Its name.
        reason: Why there is no number.
    """

    kind: str
    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How far top-1 moves.

    Attributes:
        kind: The kind of variant; ``all`` for all kinds together.
        variants: Rows that it covers, the baseline among them.
        low: The lowest top-1.
        lowest: Name of its variant.
        high: The highest top-1.
        highest: Name of its variant.
    """

    kind: str
    variants: int
    low: float
    lowest: str
    high: float
    highest: str

    @property
    def width(self) -> float:
        """The highest less the lowest."""
        return self.high - self.low


@dataclass(frozen=True, kw_only=True, eq=False)
class Sensitivity:
    """What a sensitivity study found.

    Attributes:
        result: The result that was scored again.
        file: Name of its file.
        protocols: The chosen protocols.
        rows: The baseline, then the variants.
        protocol_rows: The baseline under every protocol that fits, the chosen ones first.
        left_out: What could not be varied, and why.
    """

    result: EvaluationResult
    file: str
    protocols: tuple[Protocol, ...]
    rows: tuple[VariantRow, ...]
    protocol_rows: tuple[ProtocolRow, ...]
    left_out: tuple[LeftOut, ...]

    def difference(self, row: VariantRow, protocol: str) -> float | None:
        """Return a row's top-1 less that of the baseline, or None where either has none."""
        base, own = self.rows[0].scores.get(protocol), row.scores.get(protocol)
        if base is None or own is None or base.top1 is None or own.top1 is None:
            return None
        return own.top1 - base.top1

    def spreads(self, protocol: str) -> tuple[Spread, ...]:
        """Return how far top-1 moves under a protocol, for each kind and then for all of them.

        The baseline is one of the rows of every kind.
        """
        kinds = list(dict.fromkeys(row.kind for row in self.rows[1:]))
        groups = {**{kind: [BASELINE, kind] for kind in kinds}, "all": [BASELINE, *kinds]}
        found = (
            _spread(name, list(self._known(protocol, among))) for name, among in groups.items()
        )
        return tuple(spread for spread in found if spread is not None)

    def _known(self, protocol: str, kinds: list[str]) -> Iterator[tuple[float, str]]:
        for row in self.rows:
            figures = row.scores.get(protocol)
            if row.kind in kinds and figures is not None and figures.top1 is not None:
                yield figures.top1, row.name

    def to_json(self) -> dict[str, Any]:
        """Return the study as JSON holds it."""
        result = self.result
        return {
            "schema": SCHEMA,
            "kind": "sensitivity",
            "result": {
                "file": self.file,
                "identity_sha256": result.sha256,
                "model": result.model,
                "dataset": result.dataset,
                "verdict": result.verdict,
                "complete": result.complete,
            },
            "protocols": {
                protocol.id: {
                    "version": protocol.version,
                    "sha256": protocol.sha256,
                    "spreads": [
                        {**asdict(spread), "width": spread.width}
                        for spread in self.spreads(protocol.id)
                    ],
                }
                for protocol in self.protocols
            },
            "variants": [self._row_json(row) for row in self.rows],
            "all_protocols": [asdict(row) for row in self.protocol_rows],
            "left_out": [asdict(item) for item in self.left_out],
        }

    def _row_json(self, row: VariantRow) -> dict[str, Any]:
        scores = {
            name: {**asdict(figures), "difference": self.difference(row, name)}
            for name, figures in row.scores.items()
        }
        return {"kind": row.kind, "name": row.name, "detail": row.detail, "scores": scores}


def _spread(kind: str, known: list[tuple[float, str]]) -> Spread | None:
    if not known:
        return None
    low, lowest = min(known, key=lambda pair: pair[0])
    high, highest = max(known, key=lambda pair: pair[0])
    return Spread(
        kind=kind, variants=len(known), low=low, lowest=lowest, high=high, highest=highest
    )
