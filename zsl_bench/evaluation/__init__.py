"""Running a model over videos and turning its vectors into results."""

from __future__ import annotations

from zsl_bench.evaluation.api import evaluate
from zsl_bench.evaluation.settings import Progress, Settings, SettingsArguments, Silent

__all__ = [
    "Progress",
    "Settings",
    "SettingsArguments",
    "Silent",
    "evaluate",
]
