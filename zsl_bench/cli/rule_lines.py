"""How the outcomes of rules are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.cli.render import console, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.testing import RuleOutcome

_STATES = ("ok", "broken", "not run")


def show_rules(name: str, outcomes: Sequence[RuleOutcome]) -> None:
    """Print one line a rule, more where it is not kept, and how many there are of each state.

    Args:
        name: What the rules were tried on.
        outcomes: What came of them.
    """
    from zsl_bench.errors import one_line

    out = console()
    for outcome in outcomes:
        out.print(f"{outcome.state:<9}{outcome.rule}", soft_wrap=True)
        if outcome.state == "ok":
            continue
        told = (("asks", outcome.statement), ("seen", outcome.found), ("mend", outcome.fix))
        for title, text in told:
            if text:
                out.print(f"           {title}: {one_line(text)}", soft_wrap=True)
    counted = [(state, sum(o.state == state for o in outcomes)) for state in _STATES]
    ended = ", ".join(f"{number} {state}" for state, number in counted if number)
    out.print(f"{one_line(name)}: {count(len(outcomes), 'rule')}: {ended}")
