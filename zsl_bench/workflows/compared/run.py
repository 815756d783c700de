"""Carry out the cells of a comparison: resumable, and shared between processes."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from zsl_bench.errors import ZslBenchError, one_line
from zsl_bench.evaluation.claims import Claims, Patience
from zsl_bench.files import check_writable, write_json
from zsl_bench.workflows.compared.cell import measure
from zsl_bench.workflows.compared.plan import CELLS, FAILURES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from zsl_bench.workflows.compared.plan import Cell, ComparedPlan

_CLAIMS = "claims"
_POLL = 0.5
_LONGEST_REASON = 400
_FAILURES = (
    ZslBenchError, ArithmeticError, AssertionError, AttributeError, ImportError, LookupError,
    MemoryError, NameError, OSError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


class ComparedProgress(Protocol):
    """Hears how a comparison is getting on."""

    def note(self, line: str) -> None:
        """Hear one line."""


class Unheard:
    """Says nothing."""

    def note(self, line: str) -> None:
        """Drop the line."""


@dataclass(kw_only=True)
class ComparedOutcome:
    """What became of the cells that were asked for.

    Attributes:
        done: Ids of those that are done, whoever did them.
        failed: The reason of each that failed.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def run_comparison(
    plan: ComparedPlan,
    *,
    only: Collection[str] = (),
    progress: ComparedProgress | None = None,
    patience: Patience | None = None,
) -> ComparedOutcome:
    """Carry out what is left of a comparison.

    A cell is done when its result file is there, written whole and under the same digest. One that
    fails is recorded with its reason, and the others go on; the next call tries it again. Several
    processes that see the folder may share a comparison.

    Args:
        plan: The plan.
        only: Ids of the cells to carry out; empty for all.
        progress: Hears how it goes.
        patience: When another process counts as lost.

    Raises:
        ZslBenchError: There is no such cell, or the folder cannot be written.
        KeyboardInterrupt: Ctrl-C ended it; what is done stays.
    """
    folder, said = plan.config.out, progress or Unheard()
    left = _wanted(plan, only)
    check_writable(folder)
    (folder / _CLAIMS).mkdir(exist_ok=True)
    outcome = ComparedOutcome()
    total = len(left)
    with Claims(folder / _CLAIMS, patience) as claims:
        while left:
            waiting = []
            for cell in left:
                if cell.read(folder / CELLS) is not None:
                    outcome.done.append(cell.id)
                elif not claims.take(cell.file):
                    waiting.append(cell)
                else:
                    try:
                        _attempt(cell, folder, outcome)
                    finally:
                        claims.release(cell.file)
                    said.note(_line(cell, outcome, total))
            if len(waiting) == len(left):
                time.sleep(_POLL)
            left = waiting
        if len(outcome.done) == len(plan.cells):
            claims.sweep()
    return outcome


def _wanted(plan: ComparedPlan, only: Collection[str]) -> Sequence[Cell]:
    cells = plan.cells
    unknown = sorted(set(only) - {cell.id for cell in cells})
    if unknown:
        raise ZslBenchError(
            f"cell {unknown[0]!r} of {plan.config.name}",
            found="no such cell",
            fix="see --dry-run --json",
        )
    return [cell for cell in cells if not only or cell.id in only]


def _attempt(cell: Cell, folder: Path, outcome: ComparedOutcome) -> None:
    if cell.read(folder / CELLS) is not None:
        outcome.done.append(cell.id)
        return
    failure = folder / FAILURES / cell.file
    try:
        result = measure(cell)
    except _FAILURES as error:
        told = (
            str(error) if isinstance(error, ZslBenchError) else f"{type(error).__name__}: {error}"
        )
        reason = one_line(told)[:_LONGEST_REASON]
        outcome.failed[cell.id] = reason
        write_json(failure, {"id": cell.id, "digest": cell.digest, "reason": reason})
        return
    write_json(folder / CELLS / cell.file, result)
    outcome.done.append(cell.id)
    with suppress(OSError):
        failure.unlink(missing_ok=True)


def _line(cell: Cell, outcome: ComparedOutcome, total: int) -> str:
    number = len(outcome.done) + len(outcome.failed)
    reason = outcome.failed.get(cell.id)
    return f"[{number}/{total}] {cell.id}: {'done' if reason is None else f'failed: {reason}'}"
