"""The conformance suite for models: what the harness relies on, rule by rule.

Example:
    A plug-in's own tests need three lines::

        @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
        def test_my_model_keeps_the_rule(rule):
            rule(Trial(model=load()))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.testing.outcomes import RuleOutcome, run_rules
from zsl_bench.testing.rules import REPEAT_TOLERANCE, RULES, TOLERANCE, BrokenRule
from zsl_bench.testing.trial import Observed, Trial

if TYPE_CHECKING:
    from zsl_bench.classes import ClassSet

__all__ = [
    "REPEAT_TOLERANCE",
    "RULES",
    "TOLERANCE",
    "BrokenRule",
    "Observed",
    "RuleOutcome",
    "Trial",
    "check_model",
    "run_rules",
]


def check_model(
    model: Any,  # noqa: ANN401
    *,
    classes: ClassSet | None = None,
    device: str = "cpu",
) -> None:
    """Check a model against every rule; the first one that it breaks is raised.

    Args:
        model: The model, loaded.
        classes: Classes to try it on; five everyday actions where none are given.
        device: Where the model should run.

    Raises:
        BrokenRule: A rule is broken; it is an :class:`AssertionError` too.
        ZslBenchError: What the model itself raises, such as words without a vector.
    """
    trial = Trial(model=model, classes=classes, device=device)
    for rule in RULES:
        rule(trial)
