"""Uncertainty of accuracies: intervals, half-class draws, paired comparison. Numpy only."""

from __future__ import annotations

from zsl_bench.uncertainty.halves import (
    DrawEstimate,
    expected_mean_per_class,
    expected_over_draws,
    macro_over_draws,
    micro_over_draws,
    rivals_of_truth,
)
from zsl_bench.uncertainty.intervals import Interval, Settings, interval
from zsl_bench.uncertainty.outcomes import Outcomes, average_outcomes
from zsl_bench.uncertainty.paired import (
    ClassDifference,
    DifferenceTest,
    PairedComparison,
    compare_outcomes,
)

__all__ = [
    "ClassDifference",
    "DifferenceTest",
    "DrawEstimate",
    "Interval",
    "Outcomes",
    "PairedComparison",
    "Settings",
    "average_outcomes",
    "compare_outcomes",
    "expected_mean_per_class",
    "expected_over_draws",
    "interval",
    "macro_over_draws",
    "micro_over_draws",
    "rivals_of_truth",
]
