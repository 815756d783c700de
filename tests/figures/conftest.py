"""Results small enough to reckon by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from zsl_bench.assessment.evidence import Evidence
from zsl_bench.assessment.reload import Reloaded
from zsl_bench.classes import ClassSet
from zsl_bench.results import EvaluationResult
from zsl_bench.scoring import ScoreMatrix
from zsl_bench.verdict.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def toy() -> Callable[..., Reloaded]:
    """Return a function that makes a result of what a model names for the videos of each class."""

    def make(
        named: dict[str, list[str]],
        *,
        name: str = "m",
        dataset: str = "toy",
        policy: str = "one-clip",
        distances: object = None,
        silent: tuple[str, ...] = (),
        complete: bool = True,
        scores: np.ndarray | None = None,
    ) -> Reloaded:
        classes = tuple(named)
        labels = [row for row, others in enumerate(named.values()) for _ in others]
        columns = [classes.index(other) for others in named.values() for other in others]
        if scores is None:
            scores = np.eye(len(classes))[columns] if columns else np.zeros((0, len(classes)))
        ids = tuple(f"v{number}" for number in range(len(labels)))
        verdict = Verdict(finding="disjoint", rule="exact-name", seen=(), silent=silent)
        evidence = Evidence(
            matrix=ScoreMatrix(
                classes=classes,
                video_ids=ids,
                labels=np.array(labels, dtype=np.int64),
                scores=scores,
            ),
            groups=ids,
            classes=ClassSet(
                dataset=dataset,
                version=1,
                names=classes,
                words=tuple((one.lower(),) for one in classes),
                labels=classes,
                aliases=((),) * len(classes),
            ),
            split="all",
            expected={one: len(others) for one, others in named.items()},
            verdicts=(verdict,),
            distances=distances,
        )
        identity = {
            "model": {"name": name, "columns": columns},
            "classes": {"dataset": dataset},
            "clip_policy": policy,
            "protocols": {},
        }
        result = EvaluationResult(
            identity=identity,
            zero_shot={"headline": "disjoint (exact-name)"},
            coverage={},
            complete=complete,
            scores={},
            environment={},
        )
        return Reloaded(
            result=result, evidence=evidence, video_vectors=None, class_vectors=None, clips=None
        )

    return make
