"""zsl-bench: realistic zero-shot video action recognition.

The names below load on first use, so that ``import zsl_bench`` costs nothing.

Example:
    >>> import zsl_bench
    >>> audit = zsl_bench.check_overlap("kinetics400", ["ucf101", "hmdb51"])
    >>> len(audit.kept)
    361
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsl_bench.assessment.given import score_features
    from zsl_bench.assessment.reload import rescore
    from zsl_bench.assessment.verify import Verification, verify_result
    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.baselines.training.config_files import load_config
    from zsl_bench.baselines.training.run import TrainReport, train
    from zsl_bench.classes import ClassSet, class_set, load_class_set
    from zsl_bench.errors import ZslBenchError
    from zsl_bench.evaluation import Settings, evaluate
    from zsl_bench.model import LoadOptions, ModelCard, ScoringModel, ZeroShotModel
    from zsl_bench.overlap import OverlapAudit
    from zsl_bench.registry import load_model
    from zsl_bench.results import EvaluationResult, comparable, load_result
    from zsl_bench.splits import Split, check_overlap, load_split
    from zsl_bench.video import ClipSpec
    from zsl_bench.wordvectors import ClassVectors, class_vectors

__version__ = "0.1.0"

_HOMES = {
    "ClassSet": "classes",
    "ClassVectors": "wordvectors",
    "ClipSpec": "video",
    "EvaluationResult": "results",
    "LoadOptions": "model",
    "ModelCard": "model",
    "OverlapAudit": "overlap",
    "ScoringModel": "model",
    "Settings": "evaluation",
    "Split": "splits",
    "TrainConfig": "baselines.training.config",
    "TrainReport": "baselines.training.run",
    "Verification": "assessment.verify",
    "ZeroShotModel": "model",
    "ZslBenchError": "errors",
    "check_overlap": "splits",
    "class_set": "classes",
    "class_vectors": "wordvectors",
    "comparable": "results",
    "evaluate": "evaluation",
    "load_class_set": "classes",
    "load_config": "baselines.training.config_files",
    "load_model": "registry",
    "load_result": "results",
    "load_split": "splits",
    "rescore": "assessment.reload",
    "score_features": "assessment.given",
    "train": "baselines.training.run",
    "verify_result": "assessment.verify",
}

__all__ = [
    "ClassSet",
    "ClassVectors",
    "ClipSpec",
    "EvaluationResult",
    "LoadOptions",
    "ModelCard",
    "OverlapAudit",
    "ScoringModel",
    "Settings",
    "Split",
    "TrainConfig",
    "TrainReport",
    "Verification",
    "ZeroShotModel",
    "ZslBenchError",
    "check_overlap",
    "class_set",
    "class_vectors",
    "comparable",
    "evaluate",
    "load_class_set",
    "load_config",
    "load_model",
    "load_result",
    "load_split",
    "rescore",
    "score_features",
    "train",
    "verify_result",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _HOMES:
        raise AttributeError(f"module 'zsl_bench' has no attribute {name!r}")
    return getattr(import_module(f"zsl_bench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
