"""All rules in one go: what came of each, going on after a broken one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

from zsl_bench.testing.rules import (
    RULES,
    batch_mates_do_not_matter,
    batches_equal_singles,
    calls_repeat,
    card_is_complete,
    classes_permute,
    classes_subset,
    copies_score_as_one,
    faster_form_agrees,
    input_is_untouched,
    interface_is_met,
    random_state_is_untouched,
    scores_are_of_their_kind,
    shapes_are_right,
    values_are_finite,
)
from zsl_bench.testing.ruling import BrokenRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zsl_bench.testing.rules import Rule
    from zsl_bench.testing.ruling import TrialT
    from zsl_bench.testing.trial import Trial

OK, BROKEN, NOT_RUN = "ok", "broken", "not run"
"""What may come of a rule."""

_WITHOUT_SHAPES = (card_is_complete, input_is_untouched, random_state_is_untouched)
_OF_FINITE = (
    scores_are_of_their_kind,
    calls_repeat,
    batches_equal_singles,
    batch_mates_do_not_matter,
    copies_score_as_one,
    classes_permute,
    classes_subset,
    faster_form_agrees,
)


@dataclass(frozen=True, kw_only=True)
class RuleOutcome:
    """What came of one rule.

    Attributes:
        rule: Its name, as in ``RULES``.
        statement: What it asks, one sentence.
        state: ``ok``, ``broken``, or ``not run`` where a broken rule leaves nothing to try it on.
        found: What was seen, or the rule that stands in the way; empty where it is kept.
        fix: How to mend it; empty where it is not broken.
    """

    rule: str
    statement: str
    state: str
    found: str = ""
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the outcome in a form that JSON holds."""
        return asdict(self)


def run_rules(trial: Trial) -> tuple[RuleOutcome, ...]:
    """Try every rule on a model and go on after a broken one where there is something to try.

    Args:
        trial: The model on trial.

    Returns:
        One outcome a rule, in the order of ``RULES``.

    Raises:
        ZslBenchError: What the model itself raises, such as words without a vector.
    """
    return try_rules(RULES, trial, _obstacle)


def try_rules(
    rules: Iterable[Callable[[TrialT], None]],
    trial: TrialT,
    obstacle: Callable[[Callable[[TrialT], None], Mapping[str, RuleOutcome]], str],
) -> tuple[RuleOutcome, ...]:
    """Try rules in their order and go on after a broken one where there is something to try.

    Args:
        rules: The rules.
        trial: What they are tried on.
        obstacle: Tells of a rule and the broken ones before it, by name, which one stands in its
            way; an empty text where none does.
    """
    outcomes: list[RuleOutcome] = []
    for rule in rules:
        broken = {outcome.rule: outcome for outcome in outcomes if outcome.state == BROKEN}
        outcomes.append(_outcome(rule, trial, broken, obstacle(rule, broken)))
    return tuple(outcomes)


def not_run(rule: Callable[[TrialT], None], reason: str) -> RuleOutcome:
    """Return the outcome of a rule that was not tried."""
    return RuleOutcome(rule=rule.__name__, statement=_statement(rule), state=NOT_RUN, found=reason)


def _outcome(
    rule: Callable[[TrialT], None],
    trial: TrialT,
    broken: Mapping[str, RuleOutcome],
    obstacle: str,
) -> RuleOutcome:
    if obstacle:
        return not_run(rule, f"{obstacle} comes first")
    made = partial(RuleOutcome, rule=rule.__name__, statement=_statement(rule))
    try:
        rule(trial)
    except BrokenRule as error:
        for earlier in broken.values():
            if (earlier.found, earlier.fix) == (error.found, error.fix):
                return not_run(rule, f"{earlier.rule} comes first")
        return made(state=BROKEN, found=error.found, fix=error.fix)
    return made(state=OK)


def _statement(rule: Callable[[TrialT], None]) -> str:
    return " ".join((rule.__doc__ or "").split())


def _obstacle(rule: Rule, broken: Mapping[str, RuleOutcome]) -> str:
    """Return the broken rule without which this one has nothing to look at."""
    if interface_is_met.__name__ in broken:
        return interface_is_met.__name__
    needs_shapes = rule not in _WITHOUT_SHAPES
    needed = [shapes_are_right] if needs_shapes else []
    needed += [values_are_finite] if rule in _OF_FINITE else []
    return next((one.__name__ for one in needed if one.__name__ in broken), "")
