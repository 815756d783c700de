"""Zero-shot verdicts: what a model declares, held against the test classes by separate rules."""

from __future__ import annotations

from zsl_bench.verdict.declared import Declared, declared_classes, parse_declaration
from zsl_bench.verdict.distances import (
    ClassDistances,
    Distractors,
    class_distances,
    distractor_classes,
)
from zsl_bench.verdict.rules import zero_shot_verdict, zero_shot_verdicts
from zsl_bench.verdict.types import FIELDS, Finding, SeenClass, Verdict

__all__ = [
    "FIELDS",
    "ClassDistances",
    "Declared",
    "Distractors",
    "Finding",
    "SeenClass",
    "Verdict",
    "class_distances",
    "declared_classes",
    "distractor_classes",
    "parse_declaration",
    "zero_shot_verdict",
    "zero_shot_verdicts",
]
