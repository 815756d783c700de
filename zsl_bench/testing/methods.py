"""All rules for a method in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.testing.method_controls import CONTROL_RULES, WorldTrial
from zsl_bench.testing.method_rules import METHOD_RULES, interface_is_met, shapes_are_right
from zsl_bench.testing.method_trial import MethodTrial
from zsl_bench.testing.outcomes import BROKEN, RuleOutcome, not_run, try_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

_WITHOUT_SCORES = ("spec_is_complete", "input_is_untouched", "random_state_is_untouched")


def check_method(
    method: Any,  # noqa: ANN401
    *,
    settings: Mapping[str, Any] | None = None,
    quick: bool = False,
) -> None:
    """Check a method against every rule; the first one that it breaks is raised.

    Args:
        method: A :class:`~zsl_bench.baselines.methods.FeatureMethod`.
        settings: Settings to try it with, beside its ``quick`` ones and defaults.
        quick: Leave out the world with a known answer and its controls, which it learns by its
            default settings.

    Raises:
        BrokenRule: A rule is broken; it is an :class:`AssertionError` too.
    """
    trial = MethodTrial(method, settings)
    for rule in METHOD_RULES:
        rule(trial)
    if quick or method.spec.generalised_only:
        return
    world = WorldTrial(method, settings)
    for control in CONTROL_RULES:
        control(world)


def run_method_rules(
    method: Any,  # noqa: ANN401
    *,
    settings: Mapping[str, Any] | None = None,
    quick: bool = False,
) -> tuple[RuleOutcome, ...]:
    """Try every rule on a method and go on after a broken one where there is something to try.

    Args:
        method: See :func:`check_method`.
        settings: See there.
        quick: See there.

    Returns:
        One outcome a rule, in the order of ``METHOD_RULES`` and ``CONTROL_RULES``.
    """
    outcomes = try_rules(METHOD_RULES, MethodTrial(method, settings), _obstacle)
    states = {outcome.rule: outcome.state for outcome in outcomes}
    reason = ""
    if BROKEN in (states[interface_is_met.__name__], states[shapes_are_right.__name__]):
        reason = "it cannot be fitted or scored"
    elif quick:
        reason = "left out in a quick check"
    elif method.spec.generalised_only:
        reason = "it only changes generalised zero-shot scores"
    if reason:
        return (*outcomes, *(not_run(rule, reason) for rule in CONTROL_RULES))
    world = try_rules(CONTROL_RULES, WorldTrial(method, settings), lambda _rule, _broken: "")
    return (*outcomes, *world)


def _obstacle(rule: Any, broken: Mapping[str, RuleOutcome]) -> str:  # noqa: ANN401
    if interface_is_met.__name__ in broken:
        return interface_is_met.__name__
    if shapes_are_right.__name__ in broken and rule.__name__ not in _WITHOUT_SCORES:
        return shapes_are_right.__name__
    return ""
