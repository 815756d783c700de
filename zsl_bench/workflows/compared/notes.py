"""What stands below the tables of a comparison, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.baselines.methods.catalogue import known_methods
from zsl_bench.errors import listing
from zsl_bench.report.units import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zsl_bench.workflows.compared.plan import ComparedPlan
    from zsl_bench.workflows.compared.rows import ComparedRow


def row_notes(rows: Sequence[ComparedRow]) -> Iterator[str]:
    """Yield what a reader should know of the rows of one protocol."""
    yield from _reasons(rows)
    yield from _origins(rows)
    yield from _overlaps(rows)
    yield from _gates(rows)


def _reasons(rows: Sequence[ComparedRow]) -> Iterator[str]:
    reasons: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        if row.reason:
            reasons.setdefault((row.state, row.reason), {})[row.method] = None
    for (state, reason), names in reasons.items():
        told = "every method" if len(names) == len({r.method for r in rows}) else ", ".join(names)
        yield f"{state[:1].upper()}{state[1:]}, {told}: {reason}."


def _origins(rows: Sequence[ComparedRow]) -> Iterator[str]:
    for features in dict.fromkeys(row.features for row in rows):
        lines = next((row.leakage for row in rows if row.features == features), ())
        if lines:
            yield f"Features {features}, {'; '.join(lines)}."
    chances = sorted({round(100 * row.chance, 1) for row in rows if row.chance is not None})
    if chances:
        yield f"Guessing gives {listing(f'{chance:g}' for chance in chances)} %."
    lacking = max((row.missing for row in rows), default=0)
    if lacking:
        yield f"Up to {count(lacking, 'test class', 'test classes')} of a split have no video."


def _overlaps(rows: Sequence[ComparedRow]) -> Iterator[str]:
    yield from dict.fromkeys(
        f"In {row.close_splits} of {row.splits} splits a training class is within the threshold of "
        f"a test class, {row.close_tests:.2f} test classes a split on average"
        + (": numbers of rows that kept them are not zero-shot." if row.left else "; left out.")
        for row in rows
        if row.close_splits
    )
    yield from dict.fromkeys(f"{row.fair[:1].upper()}{row.fair[1:]}." for row in rows if row.fair)


def _gates(rows: Sequence[ComparedRow]) -> Iterator[str]:
    for row in rows:
        if row.gates:
            told = ", ".join(f"{rule} {100 * value:.1f}" for rule, value in row.gates.items())
            yield f"{row.method} on {row.features} parts seen from unseen videos, AUROC %: {told}."


def plan_notes(plan: ComparedPlan) -> Iterator[str]:
    """Yield what a reader should know of the whole."""
    used = {row.method for row in plan.config.methods}
    left = [name for name in known_methods() if name not in used]
    if left:
        yield f"Methods that the configuration leaves out: {', '.join(left)}."
    small = list(dict.fromkeys(one.method.name for one in plan.combinations if one.is_small))
    if small:
        yield (
            f"Settings for small trials, not those of the methods' papers: {', '.join(small)}. "
            "Their numbers say nothing of the methods."
        )
