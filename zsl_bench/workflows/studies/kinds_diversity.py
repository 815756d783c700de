"""The study of class diversity: the same number of classes, more or less alike (paper Fig. 5)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.classes import ClassSet, bundled_name, class_set_from_names, load_class_set
from zsl_bench.errors import ClassSetError
from zsl_bench.figures.studies import density_chart, diversity_chart
from zsl_bench.figures.study_points import study_points
from zsl_bench.splits import class_list
from zsl_bench.wordvectors import BUNDLED, ClassVectors, class_vectors
from zsl_bench.workflows.studies.clusters import Draw, draw_classes
from zsl_bench.workflows.studies.plan import ClassList, Kind, Run, StudyPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.baselines.training.config import TrainConfig
    from zsl_bench.figures.chart import Chart
    from zsl_bench.workflows.studies.config import StudyConfig
    from zsl_bench.workflows.studies.plan import StudyRow

_CLUSTERS, _CLASSES, _REPEATS = (1, 2, 3, 6), 50, 10


def expand(config: StudyConfig) -> StudyPlan:
    """Draw the classes of every number of clusters and repeat; all models train on the same draws.

    The grid has ``clusters``, ``classes``, ``repeats``, ``seed`` and ``vectors``, the word vectors
    that the clusters are made of. The repeat's number is added to the seed of its training.

    Raises:
        ZslBenchError: No cluster of some number is large enough, the models would be trained on
            different class lists, or scikit-learn is missing.
    """
    seed = config.number("seed", 0, least=0)
    number, repeats = config.number("classes", _CLASSES), config.number("repeats", _REPEATS)
    vectors, notes = _drawable(config)
    runs = []
    for clusters in config.numbers("clusters", _CLUSTERS):
        draws = draw_classes(vectors, clusters, classes=number, repeats=repeats, seed=seed)
        runs += [_run(config, name, draw, seed) for draw in draws for name in _names(config)]
        used = len({draw.cluster for draw in draws})
        if used < clusters:
            notes.append(
                f"Of {clusters} clusters {used} are drawn from: the others have fewer than "
                f"{number} classes, or there are fewer repeats than clusters."
            )
    return StudyPlan(config=config, runs=tuple(runs), notes=tuple(notes))


def _names(config: StudyConfig) -> list[str]:
    return [model.name for model in config.models]


def _run(config: StudyConfig, name: str, draw: Draw, seed: int) -> Run:
    model = config.model(name)
    drawn = f"{draw.clusters}-clusters-draw-{draw.repeat}"
    return Run(
        id=f"{name}-{drawn}",
        labels={
            "model": name,
            "clusters": draw.clusters,
            "cluster": draw.cluster,
            "repeat": draw.repeat,
            "diversity": round(draw.diversity, 6),
        },
        evaluations=config.evaluations,
        config=model.config,
        overrides=(*model.overrides, f"run.seed={seed + draw.repeat}"),
        class_list=ClassList(name=drawn, classes=draw.classes),
    )


def _drawable(config: StudyConfig) -> tuple[ClassVectors, list[str]]:
    """Return the vectors of the classes that may be drawn, and notes on the others."""
    from zsl_bench.baselines.training.config_files import load_config

    trainings = [load_config(model.config, overrides=model.overrides) for model in config.models]
    classes, *others = [_classes(config, training) for training in trainings]
    if any(other != classes for other in others):
        raise ClassSetError(
            f"study {config.name}",
            found="models that are trained on different classes",
            fix="give them one data.classes and one data set",
        )
    source = config.text("vectors", BUNDLED)
    whole = class_vectors(classes, source, allow_approximate=True)
    lacking = whole.approximate_classes
    if not lacking:
        return whole, []
    known = _without(classes, lacking)
    note = (
        f"{len(lacking)} of {len(classes)} classes are not drawn: a word of theirs has no vector "
        f"in {whole.source}. With the whole file as grid.vectors they are."
    )
    return class_vectors(known, source), [note]


def _without(classes: ClassSet, lacking: Sequence[str]) -> ClassSet:
    left = set(lacking)
    return classes.select(name for name in classes.names if name not in left)


def _classes(config: StudyConfig, training: TrainConfig) -> ClassSet:
    """Return the classes that a training may take, before any audit."""
    data, rules = training.data, training.model.words
    if data.classes is not None:
        return class_list(data.classes, rules)
    name = bundled_name(data.dataset)
    if name is not None:
        return load_class_set(name, rules)
    folder = Path(data.path)
    names = sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
    if not names:
        raise ClassSetError(
            f"study {config.name}",
            found=f"no list of the classes of {data.dataset}, and no class folders in {folder}",
            fix="name a list as data.classes, or mend data.path",
        )
    return class_set_from_names(names, dataset=data.dataset, source="class folders", rules=rules)


def charts(rows: Sequence[StudyRow]) -> list[Chart]:
    """Draw accuracy against the number of clusters, and against the distance between classes."""
    points = study_points(
        rows,
        at=lambda row: float(row.labels["clusters"] or 1),
        series=lambda row: str(row.labels["model"]),
    )
    sizes = sorted({row.classes_trained for row in rows if row.classes_trained is not None})
    text = "some" if not sizes else " to ".join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))
    return [diversity_chart(points, classes=text), density_chart(points)]


DIVERSITY = Kind(
    name="diversity",
    text="Does it help when the training classes differ from one another (paper Fig. 5, "
    "supplementary Fig. 2)?",
    expand=expand,
    charts=charts,
    grid=("clusters", "classes", "repeats", "seed", "vectors"),
)
