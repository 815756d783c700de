"""The ablation study: end-to-end training, pretraining on images, many clips (paper Table 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.errors import ZslBenchError, near_matches
from zsl_bench.figures.ablation import AblationPoint, ablation_chart
from zsl_bench.figures.study_points import panel_of
from zsl_bench.published import claimed
from zsl_bench.workflows.studies.plan import Kind, Run, StudyPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.figures.chart import Chart
    from zsl_bench.workflows.studies.config import StudyConfig
    from zsl_bench.workflows.studies.plan import StudyRow

FROZEN, E2E, FIRST = "frozen", "e2e", "pretraining"
ONE_CLIP, MANY_CLIPS = "one-clip", "many-clips"
CLAIMS = {
    (False, False, False): "paper-t3-baseline",
    (True, False, False): "paper-t3-e2e",
    (True, True, False): "paper-t3-e2e-sun",
    (True, False, True): "paper-t3-e2e-multi",
    (True, True, True): "paper-t3-e2e-sun-multi",
}
"""Published entry of each row of Table 3: end to end, pretrained, many clips."""


def expand(config: StudyConfig) -> StudyPlan:
    """Train three models for every seed, each of which is evaluated on one clip and on many.

    The configuration has the models ``frozen``, ``e2e`` and ``pretraining``, whose weights ``e2e``
    starts from the second time, and the evaluations ``one-clip`` and ``many-clips``. The grid has
    ``seeds``. The frozen model on many clips is a row that the paper does not have.

    Raises:
        ZslBenchError: A model or an evaluation is missing.
    """
    names = {evaluation.name for evaluation in config.evaluations}
    for needed in (ONE_CLIP, MANY_CLIPS):
        if needed not in names:
            raise ZslBenchError(
                f"study {config.name}",
                found=f"no evaluation {needed!r}",
                fix=near_matches(needed, names),
            )
    frozen, e2e, first = (config.model(name) for name in (FROZEN, E2E, FIRST))
    none = dict.fromkeys(("e2e", "pretraining", "seed"))
    runs = [
        Run(
            id=first.name,
            labels={"model": first.name, **none},
            evaluations=(),
            config=first.config,
            overrides=first.overrides,
        )
    ]
    for seed in config.numbers("seeds", (0,), least=0):
        for model, pretraining in ((frozen, None), (e2e, None), (e2e, first.name)):
            runs.append(
                Run(
                    id=f"{model.name}-s{seed}" + (f"-after-{pretraining}" if pretraining else ""),
                    labels={
                        "model": model.name,
                        "e2e": "yes" if model is e2e else "no",
                        "pretraining": "yes" if pretraining else "no",
                        "seed": seed,
                    },
                    evaluations=config.evaluations,
                    config=model.config,
                    overrides=(*model.overrides, f"run.seed={seed}"),
                    weights_from=pretraining,
                )
            )
    return StudyPlan(config=config, runs=tuple(runs))


def charts(rows: Sequence[StudyRow]) -> list[Chart]:
    """Draw the settings beside the figures that the paper claims for UCF101."""
    return [ablation_chart([_point(row) for row in rows])]


def _point(row: StudyRow) -> AblationPoint:
    setting = (
        row.labels["e2e"] == "yes",
        row.labels["pretraining"] == "yes",
        row.evaluation == MANY_CLIPS,
    )
    claims = {
        claim.metric: claim.fraction
        for claim in claimed(
            entry=CLAIMS.get(setting, ""),
            dataset=row.dataset,
            protocol=row.protocol.partition("@")[0],
        )
    }
    return AblationPoint(
        e2e=setting[0],
        pretraining=setting[1],
        many_clips=setting[2],
        test=panel_of(row, several=False),
        top1=row.top1,
        top5=row.top5,
        claimed_top1=claims.get("top1"),
        claimed_top5=claims.get("top5"),
        seed=int(row.labels["seed"] or 0),
        verdict=row.verdict,
        complete=row.complete,
        run=row.run,
    )


ABLATION = Kind(
    name="ablation",
    text="What end-to-end training, pretraining on images and many clips add (paper Table 3).",
    expand=expand,
    charts=charts,
    grid=("seeds",),
)
