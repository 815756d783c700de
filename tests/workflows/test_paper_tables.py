"""The paper's tables as a study: what stands behind each number, and what stays blank."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main
from zsl_bench.errors import ZslBenchError
from zsl_bench.published import claimed, published_rows
from zsl_bench.splits import class_list
from zsl_bench.video import clip_policy
from zsl_bench.workflows.demo.classes import demo_classes
from zsl_bench.workflows.studies.collect import collect
from zsl_bench.workflows.studies.config import bundled_studies, load_study
from zsl_bench.workflows.studies.kinds_ablation import CLAIMS
from zsl_bench.workflows.studies.paper_report import paper_report, to_markdown, to_page
from zsl_bench.workflows.studies.paper_rows import MODELS, ROWS, TABLES
from zsl_bench.workflows.studies.paper_tables import charts, paper_cells
from zsl_bench.workflows.studies.plan import StudyRow, plan_study
from zsl_bench.workflows.studies.run import run_study
from zsl_bench.workflows.studies.state import tasks_of


@pytest.fixture(scope="module")
def plan():
    return plan_study(load_study("paper-tables", "paper-tables"))


def row(model, evaluation, dataset="ucf101", protocol="brattoli-half@1", top1=0.4, **fields):
    return StudyRow(
        **{
            "run": model, "labels": {"model": model}, "evaluation": evaluation,
            "dataset": dataset, "protocol": protocol, "top1": top1, "top5": None, "std": None,
            "trials": 10, "chance": 0.02, "complete": True, "verdict": "disjoint",
            "classes_trained": 662, "samples_trained": 9, "result": "runs/r.json", **fields,
        }
    )  # fmt: skip


def by_id(cells):
    return {cell.claim.id: cell for cell in cells}


def test_every_row_of_the_paper_is_trained_or_quoted(plan):
    own = {row.entry for row in published_rows() if row.table in TABLES and row.source_kind == "S"}
    assert {row.entry for row in ROWS} == {one for one in own if one.startswith("paper-")}
    assert len({row.entry for row in ROWS}) == len(ROWS)
    quoted = {cell.claim.entry for cell in paper_cells(plan, ()) if cell.state == "quoted"}
    assert "paper-t1-url" in quoted
    assert quoted.isdisjoint(row.entry for row in ROWS)


def test_one_clip_and_many_clips_are_the_papers():
    clips = {"one-clip": "1 clip", "many-clips": "25 clips"}
    for one in (*ROWS,):
        assert {claim.clips for claim in claimed(entry=one.entry)} == {clips[one.evaluation]}
    for (_, _, many), entry in CLAIMS.items():
        assert claimed(entry=entry)[0].clips == clips["many-clips" if many else "one-clip"]


def test_the_numbers_of_classes_that_the_notes_give():
    notes = " ".join(note for one in ROWS for note in one.open)
    assert f"keeps {len(class_list('tp1'))} classes" in notes
    assert f"keeps {len(class_list('tp2'))} classes" in notes


def test_the_bundled_plan_has_a_run_for_each_model(plan):
    assert tuple(run.id for run in plan.runs) == MODELS
    assert plan.run("e2e-sun").needs == ("sun",)
    (evaluation,) = plan.run("frozen").evaluations
    assert (evaluation.name, list(evaluation.data)) == ("one-clip", ["ucf101"])
    (evaluation,) = plan.run("e2e-605").evaluations
    assert list(evaluation.data) == ["ucf101", "hmdb51", "activitynet200"]
    configs = {task.run.id: task.config for task in tasks_of(plan)}
    networks = {name: config.model.network for name, config in configs.items()}
    for one in ROWS:
        letter = {"r": "r2plus1d_18" if "r2plus1d" in one.entry else "r3d_18", "c": "c3d"}
        ending = one.entry.rpartition("-")[2]
        if one.entry.startswith("paper-s1"):
            assert networks[one.model] == letter[ending[0]]
    assert configs["e2e-k400-400"].audit.allow_overlap
    assert configs["e2e-k400-361"].audit.remove_overlap
    assert configs["c3d-605"].data.classes == "tp2"


@pytest.mark.parametrize("name", bundled_studies())
def test_bundled_studies_have_policies_that_fit_their_models(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for one in demo_classes(0).seen:
        Path("demo/videos/train", one.name).mkdir(parents=True)
    kind = next(k for k in ("paper-tables", "classes", "videos", "diversity", "pretraining",
                            "ablation") if name.endswith(k))  # fmt: skip
    for task in tasks_of(plan_study(load_study(kind, name))):
        for evaluation in task.run.evaluations:
            if evaluation.policy is not None and task.config is not None:
                assert clip_policy(evaluation.policy).frames == task.config.clips.frames


def test_nothing_is_measured_before_anything_has_run(plan):
    cells = paper_cells(plan, ())
    assert {cell.state for cell in cells} == {"not run", "quoted"}
    assert all(cell.measured is None and cell.difference is None for cell in cells)
    assert charts([]) == []
    found = dict.fromkeys(cell.claim.table for cell in cells)
    assert tuple(found) == TABLES
    entries = dict.fromkeys(cell.claim.entry for cell in cells if cell.row is not None)
    assert tuple(entries) == tuple(row.entry for row in ROWS), "rows stand as in the paper"


def test_a_number_stands_only_beside_what_asks_the_same(plan):
    rows = [
        row("e2e-664", "many-clips", top1=0.47, top5=0.73),
        row("e2e-664", "one-clip", protocol="half@1", top1=0.99),
        row("c3d-605", "many-clips", dataset="activitynet200", complete=False, top1=0.2),
    ]
    cells = by_id(paper_cells(plan, rows))
    measured = {name: cell for name, cell in cells.items() if cell.measured is not None}
    assert {name: cell.measured for name, cell in measured.items()} == {
        "paper-t1-e2e-664-ucf-half-top1": 0.47,
        "paper-t3-e2e-multi-ucf-half-top1": 0.47,
        "paper-t3-e2e-multi-ucf-half-top5": 0.73,
        "paper-t1-c3d-605-anet-half-top1": 0.2,
    }
    assert cells["paper-t1-e2e-664-ucf-half-top1"].difference == pytest.approx(-0.01)
    assert cells["paper-t1-c3d-605-anet-half-top1"].state == "measured in part"
    assert cells["paper-t3-e2e-ucf-half-top1"].state == "not run"
    (chart,) = charts(rows)
    assert [line[:3] for line in chart.rows] == [
        ("e2e-664, many clips", "ucf101, brattoli-half", 0.48),
        ("c3d-605, many clips", "activitynet200, brattoli-half", 0.248),
    ]


def test_models_and_test_sets_may_be_left_out(plan):
    config = plan.config
    only = tuple(model for model in config.models if model.name == "e2e-605")
    evaluations = tuple(
        replace(one, data={"ucf101": "u"}) for one in config.evaluations if one.name == "many-clips"
    )
    small = plan_study(replace(config, models=only, evaluations=evaluations))
    assert [run.id for run in small.runs] == ["e2e-605"]
    assert small.notes[0].startswith("Models that the study leaves out: sun, ")
    cells = by_id(paper_cells(small, ()))
    assert cells["paper-t1-e2e-605-ucf-half-top1"].state == "not run"
    left_out = cells["paper-t1-e2e-605-anet-half-top1"]
    assert left_out.state == "not in the study"
    assert "does not evaluate many-clips activitynet200" in left_out.reason
    assert cells["paper-t1-e2e-664-ucf-half-top1"].reason == "The study has no model e2e-664."


def test_given_weights_are_evaluated_and_not_trained(plan):
    given = replace(plan.config, grid={"weights": {"e2e-sun": "path:weights/sun"}})
    made = plan_study(given)
    run = made.run("e2e-sun")
    assert (run.config, run.model, run.needs) == (None, "path:weights/sun", ())
    assert "sun" not in {one.id for one in made.runs}


@pytest.mark.parametrize("weights", [{"e2e": "path:w"}, {"e2e-sun": 3}, ["path:w"]])
def test_weights_of_no_model(plan, weights):
    with pytest.raises(ZslBenchError, match=r"grid\.weights"):
        plan_study(replace(plan.config, grid={"weights": weights}))


def test_a_model_that_no_table_has(plan):
    models = (replace(plan.config.models[0], name="e2e-666"),)
    with pytest.raises(ZslBenchError, match="model 'e2e-666', which no table has"):
        plan_study(replace(plan.config, models=models))
    alone = tuple(model for model in plan.config.models if model.name == "e2e-sun")
    with pytest.raises(ZslBenchError, match="no model 'sun'"):
        plan_study(replace(plan.config, models=alone))


def test_the_tables_as_markdown(plan):
    report = paper_report(plan)
    text = to_markdown(report)
    for name in TABLES:
        assert f"## {name}\n" in text
    for line in text.splitlines():
        if line.startswith("| E2E | R(2+1)D-18 | Kinetics-700, 605 classes") and "26.6" in line:
            assert "44.1 / - | 29.8 / - | 26.6 / -" in line
            break
    else:
        pytest.fail("no row of the 605 classes in Table 1")
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line[:1] == "|"]
    assert min(widths) >= 5
    assert "    zsl-bench train c3d --set name=paper-tables-c3d-664 " in text


def test_stars_verdicts_and_links(plan):
    rows = [
        row("e2e-664", "many-clips", complete=False),
        row("e2e-664", "many-clips", dataset="hmdb51", verdict="overlapping <b>"),
    ]
    report = replace(paper_report(plan), cells=paper_cells(plan, rows))
    first = report.tables()[0]
    line = next(one for one in first.rows if one[-1].startswith("e2e-664"))
    assert "48.0 / 40.0*" in line
    assert line[-2] == "ucf101: disjoint; hmdb51: overlapping <b>"
    page = to_page(report)
    assert "overlapping &lt;b&gt;" in page
    for target in re.findall(r'href="#([^"]*)"', page):
        assert f'id="{target}"' in page


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_in_a_browser(plan, tmp_path, browser_page, width):
    file = tmp_path / "tables.html"
    file.write_text(to_page(paper_report(plan)), encoding="utf-8")
    visit = browser_page(file, width=width)
    page = visit.page
    headings = page.locator("h2").all_inner_texts()
    assert [one for one in headings if one in TABLES] == list(TABLES)
    first = page.locator("table").first
    first.get_by_role("button", name="ucf101 half top1").click()
    numbers = [text.split()[0] for text in first.locator("td:nth-child(5)").all_inner_texts()]
    assert numbers in (sorted(numbers), sorted(numbers, reverse=True))
    first.get_by_role("link", name="c3d-605").first.click()
    assert page.url.endswith("#run-c3d-605")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert (visit.problems, visit.requests) == ([], [])


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("table", "Table 1, quoted from others"),
        ("markdown", "## supplementary Table 1"),
        ("html", "<!doctype html>"),
        ("json", '"claimed": 0.48'),
    ],
)
def test_the_command_prints_them(form, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["study", "paper-tables", "--format", form])
    assert done.exit_code == 0, done.output
    assert words in done.output
    assert list(tmp_path.iterdir()) == []


def test_other_studies_have_no_tables():
    done = CliRunner().invoke(main, ["study", "classes", "--format", "json"])
    assert done.exit_code == 1
    assert "no tables of the paper" in done.output
    done = CliRunner().invoke(main, ["study", "paper-tables", "--format", "json", "--list"])
    assert done.exit_code == 2


def test_a_row_from_weights_to_its_cell(
    finished, write_video, tmp_path, heard, one_thread, monkeypatch
):
    for number, name in enumerate(("Archery", "Diving")):
        path = f"ucf101/{name}/v_{name}_g0{number + 1}_c01.avi"
        write_video(tmp_path / path, (40 * number, 90, 90), frames=17)
    weights = tasks_of(finished[0])[0].weights
    (tmp_path / "one.toml").write_text(
        f"""
kind = "paper-tables"
[models]
e2e-664 = "demo"
[grid.weights]
e2e-664 = "path:{weights}"
[test]
ucf101 = "{tmp_path}/ucf101"
[evaluations.many-clips]
protocols = ["2"]
policy = "paper-2x8"
workers = 0
allow_partial = true
allow_approximate = true
"""
    )
    config = load_study("paper-tables", tmp_path / "one.toml", out=tmp_path / "out")
    plan = plan_study(config)
    report = run_study(plan, progress=heard)
    assert report.failed == {}
    found = collect(plan)
    cells = by_id(paper_cells(plan, found.rows))
    cell = cells["paper-t2-e2e-664-ucf-full-top1"]
    assert (cell.state, cell.measured) == ("measured in part", found.rows[0].top1)
    assert cell.verdict == found.rows[0].verdict
    assert (tmp_path / "out" / cell.result).is_file()
    told = json.loads((tmp_path / "out" / "study.json").read_text())["extra"]["tables"]
    assert sum(one["measured"] is not None for one in told) == 4
    monkeypatch.chdir(tmp_path)
    line = ["study", "paper-tables", "one.toml", "--out", "out", "--format", "markdown"]
    printed = CliRunner().invoke(main, line)
    assert "4 of 72 numbers are measured" in printed.output
    assert Path("out/figures/paper-tables.csv").is_file()
