"""The study of pretraining on images: with and without it, on ever fewer classes (paper Fig. 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.errors import ZslBenchError
from zsl_bench.figures.studies import WITH, WITHOUT, pretraining_chart
from zsl_bench.figures.study_points import study_points
from zsl_bench.workflows.studies.plan import Kind, Run, StudyPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zsl_bench.figures.chart import Chart
    from zsl_bench.workflows.studies.config import StudyConfig, StudyModel
    from zsl_bench.workflows.studies.plan import StudyRow

FIRST = "pretraining"
_COUNTS = (50, 100, 200, 400, "all")


def expand(config: StudyConfig) -> StudyPlan:
    """Train once on images, then every other model with and without those weights.

    The grid has ``first``, the name of the model that is trained first and only lends its weights;
    ``counts`` of training classes and ``seeds``. Both trainings of a pair have the same seed and
    the same subset of the classes.

    Raises:
        ZslBenchError: There is no such model, or no other one.
    """
    first = config.model(config.text("first", FIRST))
    others = [model for model in config.models if model.name != first.name]
    if not others:
        raise ZslBenchError(
            f"study {config.name}",
            found=f"no model beside {first.name}",
            fix="name the model that is trained with and without it",
        )
    labels = dict.fromkeys(("model", "pretraining", "classes", "seed"))
    lends = Run(
        id=first.name,
        labels={**labels, "model": first.name},
        evaluations=(),
        config=first.config,
        overrides=first.overrides,
    )
    counts, seeds = config.counts("counts", _COUNTS), config.numbers("seeds", (0,), least=0)
    runs = [
        run
        for count in counts
        for seed in seeds
        for model in others
        for run in _pair(config, model, lends, count=count, seed=seed)
    ]
    return StudyPlan(config=config, runs=(lends, *runs))


def _pair(
    config: StudyConfig, model: StudyModel, lends: Run, *, count: int | None, seed: int
) -> Iterator[Run]:
    size = () if count is None else (f"data.num_classes={count}", f"data.subset_seed={seed}")
    for pretraining in (None, lends.id):
        end = f"-after-{pretraining}" if pretraining else ""
        yield Run(
            id=f"{model.name}-{'all' if count is None else f'c{count}'}-s{seed}{end}",
            labels={
                "model": model.name,
                "pretraining": pretraining,
                "classes": count,
                "seed": seed,
            },
            evaluations=config.evaluations,
            config=model.config,
            overrides=(*model.overrides, *size, f"run.seed={seed}"),
            weights_from=pretraining,
        )


def charts(rows: Sequence[StudyRow]) -> list[Chart]:
    """Draw accuracy with and without pretraining and the gain, one chart a model."""
    made = []
    for model in dict.fromkeys(str(row.labels["model"]) for row in rows):
        points = study_points(
            [row for row in rows if row.labels["model"] == model],
            at=lambda row: row.classes_trained,
            series=lambda row: _series(row.labels["pretraining"]),
        )
        if points:
            made.append(pretraining_chart(points, name=f"pretraining-{model}"))
    return made


def _series(pretraining: object) -> str:
    return WITH if pretraining else WITHOUT


PRETRAINING = Kind(
    name="pretraining",
    text="What pretraining on clips made from images gains (paper Fig. 6, section 5.3).",
    expand=expand,
    charts=charts,
    grid=("first", "counts", "seeds"),
)
