"""Pretraining and ablation: their plans, and both carried out on images and videos made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zsl_bench.errors import ZslBenchError
from zsl_bench.files import read_json
from zsl_bench.workflows.studies.collect import collect
from zsl_bench.workflows.studies.config import Evaluation, StudyConfig, StudyModel, load_study
from zsl_bench.workflows.studies.kinds_ablation import CLAIMS
from zsl_bench.workflows.studies.plan import StudyRow, find_kind, plan_study
from zsl_bench.workflows.studies.run import run_study


def config(kind, *names, evaluations=("test",), **grid):
    return StudyConfig(
        kind=kind,
        name="s",
        out=Path("out"),
        models=tuple(StudyModel(name=name, config="demo") for name in names),
        evaluations=tuple(Evaluation(name=e, data={"ucf101": "u"}) for e in evaluations),
        grid=grid,
    )


def row(labels, *, evaluation="test", top1=0.3, classes=50, **fields):
    return StudyRow(
        **{
            "run": "r", "labels": labels, "evaluation": evaluation, "dataset": "ucf101",
            "protocol": "brattoli-full@1", "top1": top1, "top5": None, "std": None, "trials": 1,
            "chance": 0.01, "complete": True, "verdict": "disjoint", "classes_trained": classes,
            "samples_trained": 500, "result": "r.json", **fields,
        }
    )  # fmt: skip


def test_both_of_a_pair_train_on_the_same_classes():
    plan = plan_study(config("pretraining", "pretraining", "e2e", counts=[2, "all"], seeds=[0, 4]))
    first, *pairs = plan.runs
    assert (first.id, first.evaluations, first.weights_from) == ("pretraining", (), None)
    assert [run.id for run in pairs[:4]] == [
        "e2e-c2-s0", "e2e-c2-s0-after-pretraining", "e2e-c2-s4", "e2e-c2-s4-after-pretraining",
    ]  # fmt: skip
    for without, after in zip(pairs[::2], pairs[1::2], strict=True):
        assert without.overrides == after.overrides
        assert (without.weights_from, after.weights_from) == (None, "pretraining")
    assert pairs[2].overrides == ("data.num_classes=2", "data.subset_seed=4", "run.seed=4")
    assert pairs[-1].overrides == ("run.seed=4",)


def test_pretraining_needs_two_models():
    with pytest.raises(ZslBenchError, match="no model beside pretraining"):
        plan_study(config("pretraining", "pretraining"))
    with pytest.raises(ZslBenchError, match="no model 'pretraining'"):
        plan_study(config("pretraining", "e2e"))


def test_the_gain_is_drawn_for_each_model():
    labels = {"model": "e2e", "pretraining": None, "classes": 50, "seed": 0}
    rows = [
        row(labels),
        row({**labels, "pretraining": "pretraining"}, top1=0.36),
        row({**labels, "model": "frozen"}),
    ]
    first, second = find_kind("pretraining").charts(rows)
    assert (first.name, second.name) == ("pretraining-e2e", "pretraining-frozen")
    assert [line[-1] for line in first.rows] == [None, pytest.approx(0.06)]


def test_three_trainings_and_two_ways_of_looking():
    plan = plan_study(
        config("ablation", "frozen", "e2e", "pretraining",
               evaluations=("one-clip", "many-clips"), seeds=[0, 1])
    )  # fmt: skip
    assert [run.id for run in plan.runs] == [
        "pretraining", "frozen-s0", "e2e-s0", "e2e-s0-after-pretraining",
        "frozen-s1", "e2e-s1", "e2e-s1-after-pretraining",
    ]  # fmt: skip
    assert [run.weights_from for run in plan.runs[1:4]] == [None, None, "pretraining"]


def test_an_ablation_needs_its_parts():
    with pytest.raises(ZslBenchError, match="no evaluation 'many-clips'"):
        plan_study(config("ablation", "frozen", "e2e", "pretraining", evaluations=("one-clip",)))
    with pytest.raises(ZslBenchError, match="no model 'frozen'"):
        plan_study(config("ablation", "e2e", evaluations=("one-clip", "many-clips")))


def test_the_ablation_stands_beside_table_3():
    labels = {"model": "e2e", "e2e": "yes", "pretraining": "yes", "seed": 0}
    rows = [
        row(labels, evaluation="many-clips"),
        row({**labels, "e2e": "no", "pretraining": "no"}, evaluation="many-clips"),
        row(labels, evaluation="one-clip", protocol="half@1"),
    ]
    (chart,) = find_kind("ablation").charts(rows)
    claims = {line[:4]: line[7:9] for line in chart.rows}
    assert claims == {
        (True, True, True, "ucf101, brattoli-full@1"): (pytest.approx(0.398), pytest.approx(0.656)),
        (False, False, True, "ucf101, brattoli-full@1"): (None, None),
        (True, True, False, "ucf101, half@1"): (None, None),
    }
    assert len(CLAIMS) == 5


@pytest.fixture
def images(tmp_path):
    """Four pictures of two scenes."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("beach", "kitchen"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(2):
            pixels = rng.integers(0, 255, size=(60, 80, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.jpg")
    return tmp_path / "images"


def test_an_ablation_from_images_to_its_chart(study_place, images, tmp_path, heard, one_thread):
    settings = (study_place / "small.toml").read_text().partition("set = [")[2].partition("]\n[")[0]
    videos = f'"data.path={study_place}/videos/train"'
    assert videos in settings
    path = tmp_path / "ablation.toml"
    settings = settings.replace(videos + ",", "").replace("epochs=2", "epochs=1")
    path.write_text(
        f"""
kind = "ablation"
set = [{settings}]
[models]
e2e = {{ config = "demo", set = [{videos}] }}
frozen = {{ config = "demo", set = [{videos}, "model.family=frozen"] }}
[models.pretraining]
config = "demo"
set = ["data.kind=images", "data.dataset=scenes", "data.path={images}"]
[test]
demo-unseen = "{study_place}/videos/test"
[evaluations.one-clip]
protocols = ["full"]
policy = "first-8"
workers = 0
[evaluations.many-clips]
protocols = ["full"]
policy = "paper-2x8"
workers = 0
"""
    )
    plan = plan_study(load_study("ablation", path, out=tmp_path / "out"))
    report = run_study(plan, progress=heard)
    assert report.failed == {}
    found = collect(plan, write=False)
    assert found.missing == 0
    assert [(r.run, r.evaluation) for r in found.rows] == [
        (run, evaluation)
        for run in ("frozen-s0", "e2e-s0", "e2e-s0-after-pretraining")
        for evaluation in ("one-clip", "many-clips")
    ]
    (chart,) = found.charts
    assert len(chart.rows) == 6
    weights = next((tmp_path / "out" / "runs").glob("e2e-s0-after-*")) / "weights" / "card.json"
    card = read_json(weights, what="card")
    assert all(scene in str(card["pretrained_on"]) for scene in ("beach", "kitchen"))
    again = run_study(plan, progress=heard)
    assert len(again.done) == 4
    assert sum("done in" in line for line in heard.lines) == 4
