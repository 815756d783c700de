"""Where sources give different figures for the same thing, found in the published rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zsl_bench.published import ProtocolLabel, PublishedRow

_SAME = ("trained_on", "pretrained_on", "clips")


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Different figures of one method on one data set.

    Attributes:
        method: Name of the method.
        dataset: Name of the test set.
        metric: The metric.
        family: Family of the protocols; see :class:`zsl_bench.published.ProtocolLabel`.
        rows: The rows, the lowest figure first.
        same_protocol: Whether all rows name one and the same protocol of the catalogue; if not,
            draws or videos may explain a part of the difference.
    """

    method: str
    dataset: str
    metric: str
    family: str
    rows: tuple[PublishedRow, ...]
    same_protocol: bool

    @property
    def spread(self) -> float:
        """Highest less lowest figure, in percentage points."""
        return max(map(_high, self.rows)) - min(row.value for row in self.rows)


def find_conflicts(
    rows: Sequence[PublishedRow], protocols: Mapping[str, ProtocolLabel]
) -> tuple[Conflict, ...]:
    """Find what sources disagree on.

    Rows are set beside each other when method, data set, metric and family of the protocol are
    equal, and training data, pretraining data and clips, too; a backbone that is not stated fits
    any. The figures of one entry never contradict each other: one source gives them side by side
    for different protocols.

    Args:
        rows: Published rows.
        protocols: What their protocols mean.

    Returns:
        One conflict for each set of rows of at least two entries that print different figures, the
        widest first.
    """
    alike: dict[tuple[str, ...], list[PublishedRow]] = {}
    for row in rows:
        family = protocols[row.protocol].family
        alike.setdefault((row.method, row.dataset, row.metric, family, *_what(row)), []).append(row)
    found = [
        _conflict(key, group, protocols)
        for key, same in alike.items()
        for group in _by_backbone(same)
        if _disagree(group)
    ]
    return tuple(sorted(found, key=lambda one: (-one.spread, one.method, one.dataset)))


def _what(row: PublishedRow) -> tuple[str, ...]:
    return tuple(getattr(row, name) for name in _SAME)


def _by_backbone(rows: Sequence[PublishedRow]) -> list[list[PublishedRow]]:
    """Part rows by backbone; those that state none go with every backbone, or by themselves."""
    stated = dict.fromkeys(row.backbone for row in rows if row.backbone)
    return [[row for row in rows if row.backbone in (backbone, "")] for backbone in stated or ("",)]


def _disagree(rows: Sequence[PublishedRow]) -> bool:
    """Tell whether two entries give ranges or figures that have no point in common."""
    return any(
        one.entry != other.entry and one.value > _high(other) for one in rows for other in rows
    )


def _conflict(
    key: tuple[str, ...], rows: Sequence[PublishedRow], protocols: Mapping[str, ProtocolLabel]
) -> Conflict:
    method, dataset, metric, family = key[:4]
    named = {row.protocol for row in rows}
    return Conflict(
        method=method,
        dataset=dataset,
        metric=metric,
        family=family,
        rows=tuple(sorted(rows, key=lambda row: (row.value, row.id))),
        same_protocol=len(named) == 1 and protocols[min(named)].is_catalogue,
    )


def _high(row: PublishedRow) -> float:
    return row.value if row.upper is None else row.upper
