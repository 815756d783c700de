"""The conformance suites for models and for methods: what is relied on, rule by rule.

Example:
    A plug-in's own tests need three lines::

        @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
        def test_my_model_keeps_the_rule(rule):
            rule(Trial(model=load()))

    and those of a method on clip features one::

        def test_my_method_keeps_every_rule():
            check_method(MyMethod(), quick=True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsl_bench.testing.method_controls import CONTROL_RULES, WorldTrial
from zsl_bench.testing.method_rules import METHOD_RULES
from zsl_bench.testing.method_trial import MethodTrial
from zsl_bench.testing.methods import check_method, run_method_rules
from zsl_bench.testing.outcomes import RuleOutcome, run_rules
from zsl_bench.testing.rules import REPEAT_TOLERANCE, RULES, TOLERANCE
from zsl_bench.testing.ruling import BrokenRule
from zsl_bench.testing.trial import Observed, Trial

if TYPE_CHECKING:
    from zsl_bench.classes import ClassSet

__all__ = [
    "CONTROL_RULES",
    "METHOD_RULES",
    "REPEAT_TOLERANCE",
    "RULES",
    "TOLERANCE",
    "BrokenRule",
    "MethodTrial",
    "Observed",
    "RuleOutcome",
    "Trial",
    "WorldTrial",
    "check_method",
    "check_model",
    "run_method_rules",
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
