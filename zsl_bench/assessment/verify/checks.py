"""What a verification says: a name, a state and a sentence for every check."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zsl_bench.results import EvaluationResult

State = Literal["pass", "fail", "not possible"]
RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""How far a number made again may be from the stored one: sums are rounded by the processor."""
_SHOWN: Final = 3


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What was looked at, such as ``scores``.
        state: ``not possible`` where what it takes is not here; that is never a pass.
        told: What was found, in one sentence.
    """

    name: str
    state: State
    told: str

    def to_json(self) -> dict[str, str]:
        """Return the check as JSON holds it."""
        return {"name": self.name, "state": self.state, "told": self.told}


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found of one result file.

    Attributes:
        path: The file.
        result: The result; None where it cannot be read.
        checks: Every check, in the order in which they were made.
    """

    path: Path
    result: EvaluationResult | None
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed; some may not have been possible."""
        return not self.failed

    @property
    def fully(self) -> bool:
        """Whether every check was possible and passed."""
        return all(check.state == "pass" for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return self.of("fail")

    def of(self, state: State) -> tuple[Check, ...]:
        """Return the checks of one state."""
        return tuple(check for check in self.checks if check.state == state)

    def to_json(self) -> dict[str, Any]:
        """Return the verification as JSON holds it."""
        return {
            "file": self.path.name,
            "identity_sha256": None if self.result is None else self.result.sha256,
            "ok": self.ok,
            "fully": self.fully,
            "checks": [check.to_json() for check in self.checks],
        }


def passed(name: str, told: str) -> Check:
    """Return a check that passed."""
    return Check(name=name, state="pass", told=told)


def failed(name: str, told: str) -> Check:
    """Return a check that failed."""
    return Check(name=name, state="fail", told=told)


def not_possible(name: str, told: str) -> Check:
    """Return a check for which something is not here."""
    return Check(name=name, state="not possible", told=told)


def by_problems(name: str, problems: Iterator[str] | list[str], *, sound: str) -> Check:
    """Return a check that fails where there is a problem, the first few of which it names."""
    found = list(problems)
    if not found:
        return passed(name, sound)
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return failed(name, "; ".join(found[:_SHOWN]) + more)


def differences(stored: object, made: object, place: str = "") -> Iterator[str]:
    """Yield where two JSON values differ, beyond the rounding of sums.

    Args:
        stored: What a file says.
        made: What was made again.
        place: Dotted path of the two.
    """
    if isinstance(stored, Mapping) and isinstance(made, Mapping):
        for name in dict.fromkeys((*stored, *made)):
            inner = f"{place}.{name}" if place else str(name)
            if name in stored and name in made:
                yield from differences(stored[name], made[name], inner)
            else:
                yield f"{inner} is {'stored' if name in stored else 'made again'} only"
    elif isinstance(stored, list) and isinstance(made, list):
        if len(stored) != len(made):
            yield f"{place}: {len(stored)} entries, made again {len(made)}"
        for number, (left, right) in enumerate(zip(stored, made, strict=False)):
            yield from differences(left, right, f"{place}[{number}]")
    elif not _same(stored, made):
        yield f"{place}: {_short(stored)}, made again {_short(made)}"


def _same(stored: object, made: object) -> bool:
    if _is_number(stored) and _is_number(made):
        left, right = float(str(stored)), float(str(made))
        return math.isclose(left, right, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(stored) is type(made) and stored == made


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
