"""How a check becomes a rule: whatever it sees or is thrown at it ends as one line."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, TypeVar

from zsl_bench.errors import ZslBenchError

if TYPE_CHECKING:
    from collections.abc import Callable

TrialT = TypeVar("TrialT")


class BrokenRule(ZslBenchError, AssertionError):  # noqa: N818
    """A plug-in breaks a rule of its interface: the rule, what was seen, how to mend it."""


class Seen(Exception):  # noqa: N818
    """What a rule saw that should not be.

    Args:
        found: What it was.
        fix: How to mend it.
    """

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found)
        self.found = found
        self.fix = fix


def rule_maker(
    name: Callable[[TrialT], str],
    *,
    let_through: tuple[type[Exception], ...] = (),
) -> Callable[[Callable[[TrialT], None]], Callable[[TrialT], None]]:
    """Return a decorator that makes rules of checks.

    Args:
        name: What a trial is of, such as ``model 'e2e'``.
        let_through: What is raised as it is, and breaks no rule.
    """

    def decorate(check: Callable[[TrialT], None]) -> Callable[[TrialT], None]:
        @wraps(check)
        def rule(trial: TrialT) -> None:
            try:
                check(trial)
            except let_through:
                raise
            except Seen as seen:
                raise _broken(check, name(trial), seen.found, seen.fix) from None
            except Exception as error:
                reason = (str(error).strip().splitlines() or [""])[0]
                kind = name(trial).partition(" ")[0]
                found = f"the {kind} raised {type(error).__name__}: {reason[:200]}"
                raise _broken(check, name(trial), found, "mend what it raised") from error

        return rule

    return decorate


def _broken(check: Callable[[TrialT], None], name: str, found: str, fix: str) -> BrokenRule:
    statement = (check.__doc__ or "").strip().rstrip(".")
    return BrokenRule(f"{name}, rule {check.__name__} ({statement})", found=found, fix=fix)
