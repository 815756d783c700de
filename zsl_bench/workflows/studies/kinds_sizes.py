"""How the size of the training set matters: its number of classes, its number of videos.

Paper Fig. 4 and section 5.2: training classes are picked at random, 2 at first and all at last;
beside that, training videos are picked at random whatever their class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.workflows.studies.plan import Kind, Run, StudyPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zsl_bench.figures.chart import Chart
    from zsl_bench.workflows.studies.config import StudyConfig
    from zsl_bench.workflows.studies.plan import StudyRow

CLASS_COUNTS = (2, 4, 10, 25, 50, 100, 200, 400, "all")
"""The paper's, section 5.2."""
_GRID = ("counts", "seeds")


def expand_classes(config: StudyConfig) -> StudyPlan:
    """Return one training a model, number of classes and seed; the seed picks the classes.

    Raises:
        ZslBenchError: The grid is malformed.
    """
    runs = _runs(config, label="classes", letter="c", setting="data.num_classes")
    return StudyPlan(config=config, runs=tuple(runs))


def expand_videos(config: StudyConfig) -> StudyPlan:
    """Return one training a model, number of videos and seed; the seed picks the videos.

    All classes are kept as long as one of their videos is picked.

    Raises:
        ZslBenchError: The grid is malformed.
    """
    runs = _runs(config, label="videos", letter="v", setting="data.num_samples")
    return StudyPlan(config=config, runs=tuple(runs))


def _runs(config: StudyConfig, *, label: str, letter: str, setting: str) -> Iterator[Run]:
    default = CLASS_COUNTS if label == "classes" else None
    counts, seeds = config.counts("counts", default), config.numbers("seeds", (0,), least=0)
    for count in counts:
        size = "all" if count is None else f"{letter}{count}"
        # However often all of them are picked, they are the same.
        for seed in seeds if count is not None else seeds[:1]:
            picked = (f"{setting}={count}", f"data.subset_seed={seed}") if count else ()
            for model in config.models:
                yield Run(
                    id=f"{model.name}-{size}-s{seed}",
                    labels={"model": model.name, label: count, "seed": seed},
                    config=model.config,
                    overrides=(*model.overrides, *picked),
                    evaluations=config.evaluations,
                )


def charts_of_sizes(rows: Sequence[StudyRow]) -> list[Chart]:
    """Return accuracy against the number of training classes and of training videos (paper Fig. 4).

    Both numbers are those that were really trained on, after the audit and what held them back.

    Args:
        rows: Rows of finished runs, of one study or of both.
    """
    from zsl_bench.figures.studies import size_charts

    return size_charts(rows)


CLASSES = Kind(
    name="classes",
    text="Accuracy against the number of training classes (paper Fig. 4, section 5.2).",
    expand=expand_classes,
    charts=charts_of_sizes,
    grid=_GRID,
)
VIDEOS = Kind(
    name="videos",
    text="Accuracy against the number of training videos (paper Fig. 4, section 5.2).",
    expand=expand_videos,
    charts=charts_of_sizes,
    grid=_GRID,
)
