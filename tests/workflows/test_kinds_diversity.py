"""Diversity: clusters of class vectors, draws within one, and the plan that trains on them."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.classes import class_set_from_names
from zsl_bench.errors import ClassSetError, ZslBenchError
from zsl_bench.files import read_json
from zsl_bench.wordvectors import ClassVectors
from zsl_bench.workflows.studies import clusters as clusters_module
from zsl_bench.workflows.studies.clusters import cluster_classes, draw_classes, mean_distance
from zsl_bench.workflows.studies.collect import collect
from zsl_bench.workflows.studies.config import Evaluation, StudyConfig, StudyModel, load_study
from zsl_bench.workflows.studies.plan import find_kind, plan_study
from zsl_bench.workflows.studies.run import run_study

pytest.importorskip("sklearn")

SIZES = (7, 5, 3)
WORDS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"


def toy() -> ClassVectors:
    """Three bundles of unit vectors around orthogonal axes, their classes mixed up."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(range(3), SIZES))
    matrix = np.eye(3)[labels] + rng.normal(scale=0.05, size=(15, 3))
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return ClassVectors(
        classes=class_set_from_names(WORDS.split(), dataset="toy", source="toy"),
        matrix=matrix.astype(np.float32),
        source="toy",
        digest="toy",
        approximate=((),) * 15,
    )


def study(*models, **grid):
    return StudyConfig(
        kind="diversity",
        name="d",
        out=Path("out"),
        models=models or (StudyModel(name="e2e", config="e2e-kinetics700-tp1"),),
        evaluations=(Evaluation(name="test", data={"ucf101": "u"}),),
        grid=grid,
    )


def test_bundles_are_found_the_largest_first():
    vectors = toy()
    found = cluster_classes(vectors, 3, seed=0)
    axes = vectors.matrix.argmax(axis=1)
    expected = [
        tuple(n for n, axis in zip(vectors.classes.names, axes, strict=True) if axis == wanted)
        for wanted in range(3)
    ]
    assert sorted(found) == sorted(expected)
    assert [len(group) for group in found] == list(SIZES)
    assert cluster_classes(vectors, 3, seed=5) == found
    assert cluster_classes(vectors, 1, seed=0) == (vectors.classes.names,)


def test_more_clusters_than_vectors():
    with pytest.raises(ClassSetError, match="15 different class vectors"):
        cluster_classes(toy(), 16, seed=0)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setattr(clusters_module, "find_spec", {}.get)
    assert len(cluster_classes(toy(), 1, seed=0)) == 1
    with pytest.raises(ZslBenchError, match=r"pip install 'zsl-bench\[plots\]'"):
        cluster_classes(toy(), 2, seed=0)


def test_the_mean_distance_is_that_of_all_pairs():
    vectors = toy()
    names = vectors.classes.names[2:9]
    rows = [vectors.matrix[vectors.classes.index(name)].astype(float) for name in names]
    expected = np.mean([1 - a @ b for a, b in combinations(rows, 2)])
    assert mean_distance(vectors, names) == pytest.approx(expected)
    assert mean_distance(vectors, names[:1]) == 0


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 99))
def test_a_draw_lies_in_one_cluster(classes, repeats, seed):
    vectors = toy()
    groups = cluster_classes(vectors, 3, seed=seed)
    draws = draw_classes(vectors, 3, classes=classes, repeats=repeats, seed=seed)
    large = [n for n, group in enumerate(groups) if len(group) >= classes]
    for number, draw in enumerate(draws):
        assert draw.cluster == large[number % len(large)]
        assert len(set(draw.classes)) == classes
        assert set(draw.classes) <= set(groups[draw.cluster])
        assert draw.diversity == mean_distance(vectors, draw.classes)
    assert draws == draw_classes(vectors, 3, classes=classes, repeats=repeats, seed=seed)


def test_small_clusters_are_passed_over_and_small_ones_alone_are_an_error():
    draws = draw_classes(toy(), 3, classes=5, repeats=4, seed=0)
    assert [draw.cluster for draw in draws] == [0, 1, 0, 1]
    with pytest.raises(ClassSetError, match="the largest cluster has 7"):
        draw_classes(toy(), 3, classes=8, repeats=1, seed=0)


def test_classes_of_one_cluster_are_more_alike():
    whole = draw_classes(toy(), 1, classes=5, repeats=5, seed=0)
    close = draw_classes(toy(), 3, classes=5, repeats=5, seed=0)
    assert min(d.diversity for d in whole) > 5 * max(d.diversity for d in close)


def test_the_plan_trains_all_models_on_the_same_draws():
    models = (
        StudyModel(name="e2e", config="e2e-kinetics700-tp1", overrides=("run.seed=9",)),
        StudyModel(name="frozen", config="frozen-kinetics700-tp1"),
    )
    plan = plan_study(study(*models, clusters=[1, 2], classes=50, repeats=2, seed=3))
    assert [run.id for run in plan.runs[:3]] == [
        "e2e-1-clusters-draw-0", "frozen-1-clusters-draw-0", "e2e-1-clusters-draw-1",
    ]  # fmt: skip
    assert len(plan.runs) == 8
    e2e, frozen, second = plan.runs[:3]
    assert e2e.class_list == frozen.class_list
    assert len(e2e.class_list.classes) == 50
    assert e2e.class_list != second.class_list
    assert (e2e.overrides[-1], second.overrides[-1]) == ("run.seed=3", "run.seed=4")
    (note,) = plan.notes
    assert note.startswith("153 of 662 classes are not drawn")


def test_the_plan_says_which_clusters_are_too_small():
    plan = plan_study(study(clusters=[6], classes=60, repeats=6))
    assert any(note.startswith("Of 6 clusters") for note in plan.notes)
    with pytest.raises(ClassSetError, match="the largest cluster has"):
        plan_study(study(clusters=[6], classes=400, repeats=1))


def test_models_on_different_classes():
    models = (
        StudyModel(name="a", config="e2e-kinetics700-tp1"),
        StudyModel(name="b", config="e2e-kinetics700-tp2"),
    )
    with pytest.raises(ClassSetError, match="trained on different classes"):
        plan_study(study(*models, clusters=[1]))


def test_class_folders_are_a_class_list(tmp_path):
    for name in ("gold star falling", "wine house flying", "green moon rocking"):
        (tmp_path / "v" / name).mkdir(parents=True)
    model = StudyModel(
        name="e2e",
        config="demo",
        overrides=(f"data.path={tmp_path}/v", "data.classes=none"),
    )
    plan = plan_study(study(model, clusters=[1], classes=2, repeats=1))
    assert set(plan.runs[0].class_list.classes) < {
        "gold star falling",
        "wine house flying",
        "green moon rocking",
    }
    nowhere = replace(model, overrides=(f"data.path={tmp_path}/nowhere",))
    with pytest.raises(ClassSetError, match="no class folders"):
        plan_study(study(nowhere, clusters=[1], classes=2, repeats=1))


def test_a_grid_with_an_unknown_name():
    with pytest.raises(ZslBenchError, match=r"unknown field grid\.cluster"):
        plan_study(study(cluster=[1]))
    assert find_kind("diversity").name == "diversity"


def test_a_draw_is_what_is_trained_on(study_place, tmp_path, heard, one_thread):
    text = (study_place / "small.toml").read_text()
    settings = text.partition("set = [")[2].partition("]\n[")[0].replace("epochs=2", "epochs=1")
    path = tmp_path / "diversity.toml"
    path.write_text(
        f"""
kind = "diversity"
set = [{settings}]
[models]
e2e = "demo"
[test]
demo-unseen = "{study_place}/videos/test"
[evaluations.test]
protocols = ["full"]
workers = 0
[grid]
clusters = [2]
classes = 3
repeats = 1
"""
    )
    plan = plan_study(load_study("diversity", path, out=tmp_path / "out"))
    assert run_study(plan, progress=heard).failed == {}
    found = collect(plan, write=False)
    (run,) = plan.runs
    (row,) = found.rows
    assert row.classes_trained == 3
    assert row.labels["diversity"] == run.labels["diversity"]
    split = read_json(next((tmp_path / "out" / "runs").glob("*/split.json")), what="split")
    assert tuple(split["kept"]) == run.class_list.classes
    assert [chart.name for chart in found.charts] == ["diversity", "diversity-density"]
