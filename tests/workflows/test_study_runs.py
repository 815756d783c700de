"""Studies that really train: done, resumed, killed, shared, failed, collected."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from zsl_bench.baselines.training import run as training
from zsl_bench.cli import main
from zsl_bench.errors import ResultError, ZslBenchError
from zsl_bench.evaluation.claims import Claims
from zsl_bench.workflows.studies import run as studies
from zsl_bench.workflows.studies.collect import collect, run_states, study_rows
from zsl_bench.workflows.studies.commands import study_lines
from zsl_bench.workflows.studies.plan import ClassList, Run, StudyPlan
from zsl_bench.workflows.studies.run import perform, run_study
from zsl_bench.workflows.studies.state import tasks_of, weights_state

pytestmark = pytest.mark.usefixtures("one_thread")


def copied(finished, tmp_path):
    """The finished study once more, to be spoiled."""
    plan = finished[0]
    shutil.copytree(plan.config.out, tmp_path / "out")
    return StudyPlan(config=replace(plan.config, out=tmp_path / "out"), runs=plan.runs)


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def measured(plan):
    """What a study measured, without the names of result files."""
    return [{**row.to_json(), "result": None} for row in study_rows(plan)]


@pytest.fixture(scope="module")
def collected(finished, tmp_path_factory):
    """The finished study without its last run, collected."""
    plan = copied(finished, tmp_path_factory.mktemp("collected"))
    shutil.rmtree(tasks_of(plan)[3].folder)
    return collect(plan)


def test_a_study_runs_whole(finished):
    plan, report = finished
    assert report.done == ("e2e-c4-s0", "frozen-c4-s0", "e2e-all-s0", "frozen-all-s0")
    assert (dict(report.failed), report.waiting, report.stopped) == ({}, (), False)
    assert not list((plan.config.out / "claims").iterdir())


def test_rows_are_what_the_result_files_say(finished):
    plan, _ = finished
    out = plan.config.out
    rows = study_rows(plan)
    assert len(rows) == 4 * 2
    for row in rows:
        content = json.loads((out / row.result).read_text())
        scores = content["scores"][row.protocol]
        assert row.top1 == scores["mean"]["top1"]
        right = [t["top1"] for t in scores["trials"]]
        assert row.top1 == pytest.approx(sum(right) / len(right))
        assert row.verdict == content["zero_shot"]["headline"] == "disjoint (brattoli2020, 0.05)"
        assert row.chance == 1 / (6 if row.protocol.startswith("full") else 3)
        assert row.trials == (1 if row.std is None else 10)
        classes = row.labels["classes"] or 8
        assert (row.classes_trained, row.samples_trained) == (classes, 2 * classes)
        assert row.complete
        assert (row.top5 is None) == row.protocol.startswith("half")


def test_what_is_done_is_left_alone(finished, monkeypatch, heard):
    plan, _ = finished
    before = files(plan.config.out / "runs")
    monkeypatch.setattr(training, "train", None)
    report = run_study(plan, progress=heard)
    assert len(report.done) == 4
    assert heard.lines == []
    assert files(plan.config.out / "runs") == before


def test_only_what_is_missing_is_done_again(finished, tmp_path, monkeypatch, heard):
    plan = copied(finished, tmp_path)
    first = tasks_of(plan)[0]
    (result,) = first.results.glob("*.json")
    stored = result.read_text()
    result.unlink()
    assert run_states(plan)[0].state == "trained"
    monkeypatch.setattr(training, "train", None)
    assert run_study(plan, progress=heard).done[0] == "e2e-c4-s0"
    assert [line.partition(": done in")[0] for line in heard.lines] == ["[1/4] e2e-c4-s0"]
    made = json.loads(result.read_text())
    assert made["scores"] == json.loads(stored)["scores"]


def test_another_setting_is_another_run_and_another_evaluation_is_not(finished, tmp_path):
    plan = copied(finished, tmp_path)
    states = {state.state for state in run_states(plan)}
    run = plan.runs[0]
    other = replace(run, overrides=(*run.overrides, "optimiser.epochs=3"))
    more = replace(run, evaluations=(replace(run.evaluations[0], policy="paper-1x8"),))
    assert states == {"done"}
    assert run_states(replace(plan, runs=(other,)))[0].state == "not begun"
    assert tasks_of(replace(plan, runs=(more,)))[0].is_trained()
    changed = replace(run, evaluations=(replace(run.evaluations[0], protocols=("open",)),))
    assert run_states(replace(plan, runs=(changed,)))[0].state == "trained"


def test_results_of_other_weights_do_not_count(finished, tmp_path):
    plan = copied(finished, tmp_path)
    one, other = tasks_of(plan)[0], tasks_of(plan)[2]
    shutil.rmtree(one.results)
    shutil.copytree(other.results, one.results)
    assert other.is_done()
    assert one.is_trained()
    assert not one.is_done()


def test_a_damaged_result_is_made_again(finished, tmp_path):
    plan = copied(finished, tmp_path)
    task = tasks_of(plan)[1]
    (path,) = task.results.glob("*.json")
    path.write_text(path.read_text().replace('"top1": ', '"top1": 1'))
    assert not task.is_done()
    assert task.run.id in run_study(plan, only=[task.run.id]).done
    assert task.is_done()


def test_collecting_writes_numbers_charts_and_a_page(collected):
    assert collected.standing == "3 of 4 runs are done; 1 are missing."
    out = collected.plan.config.out
    names = [path.relative_to(out).as_posix() for path in collected.files]
    assert [name for name in names if "/" not in name] == ["study.csv", "study.json", "study.html"]
    assert {"figures/classes.csv", "figures/classes.png", "figures/videos.svg"} <= set(names)
    with (out / "study.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [float(row["top-1"]) for row in table] == [row.top1 for row in collected.rows]
    assert {row["classes"] for row in table} == {"4", "all"}
    content = json.loads((out / "study.json").read_text())
    assert content == collected.to_json()
    assert [run["state"] for run in content["runs"]] == ["done"] * 3 + ["not begun"]
    assert (
        str(out.parent) not in (out / "study.json").read_text() + (out / "study.html").read_text()
    )
    with (out / "figures" / "classes.csv").open(newline="") as stream:
        drawn = list(csv.DictReader(stream))
    assert {(row["series"], float(row["at"])) for row in drawn} == {
        ("e2e", 4.0), ("e2e", 8.0), ("frozen", 4.0)
    }  # fmt: skip
    assert {float(row["accuracy"]) for row in drawn} == {row.top1 for row in collected.rows}


def test_the_page_opens_sorts_and_filters(collected, browser_page):
    visit = browser_page(collected.plan.config.out / "study.html")
    page = visit.page
    assert page.locator("h1").inner_text() == "Study small"
    assert page.locator("figure img").count() == 2
    rows = page.locator("#measured-table tbody tr:visible")
    assert rows.count() == 6
    page.locator("#measured-table thead button").nth(1).click()
    assert [text.split("\t")[1] for text in rows.all_inner_texts()] == ["all"] * 2 + ["4"] * 4
    page.locator("#measured-table input[type=search]").fill("frozen")
    assert rows.count() == 2
    assert (visit.problems, visit.requests) == ([], [])


def test_nothing_to_collect_is_an_error(small_study, tmp_path):
    with pytest.raises(ResultError, match="none of its 2 runs done"):
        collect(small_study(tmp_path / "none"))


def test_a_failure_is_recorded_and_the_rest_goes_on(finished, tmp_path, heard):
    plan = copied(finished, tmp_path)
    good = plan.runs[0]
    bad = replace(good, id="bad", overrides=(*good.overrides, "data.num_classes=3000"))
    needs = replace(good, id="needs", weights_from="bad")
    mixed = replace(plan, runs=(bad, needs, good))
    report = run_study(mixed, progress=heard)
    assert report.done == (good.id,)
    assert list(report.failed) == ["bad"]
    assert "3000" in report.failed["bad"]
    assert report.waiting == ("needs",)
    assert [line for line in heard.lines if line.startswith("[1/3] bad: failed: ")]
    assert [state.state for state in run_states(mixed)] == ["failed", "not begun", "done"]
    assert collect(mixed, write=False).standing == (
        "1 of 3 runs are done; 2 are missing, 1 of them because they failed."
    )
    assert list(run_study(mixed).failed) == ["bad"], "it is tried again"


def test_a_missing_test_set_is_told_before_the_training(small_study, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "train", None)
    plan = small_study(tmp_path / "out", data={"demo-unseen": str(tmp_path / "nowhere")})
    report = run_study(plan, only=["e2e-all-s0"])
    assert "nothing at" in report.failed["e2e-all-s0"]


def test_runs_start_from_weights_and_class_lists_of_the_plan(finished, tmp_path):
    plan = copied(finished, tmp_path)
    first = plan.runs[0]
    place = next(o for o in first.overrides if o.startswith("data.path=")).partition("=")[2]
    names = sorted(path.name for path in Path(place).iterdir())
    kept = tuple(override for override in first.overrides if "num_classes" not in override)
    second = replace(
        first,
        id="second",
        overrides=kept,
        weights_from=first.id,
        class_list=ClassList(name="three", classes=tuple(names[:3])),
    )
    again = Run(
        id="again", labels=first.labels, evaluations=first.evaluations, weights_from="second"
    )
    chain = replace(plan, runs=(first, second, again))
    report = run_study(chain, only=["again"])
    assert report.done == (first.id, "second", "again")
    start, trained, evaluated = tasks_of(chain)
    assert trained.training()["data"]["classes"] == 3
    assert trained.training()["start"]["source"].endswith(f"{start.weights}")
    assert not (evaluated.folder / "weights").exists()
    rows = {row.run: row.top1 for row in study_rows(chain)}
    assert rows["again"] == rows["second"]


def environment():
    """That of a process that computes on one thread and finds the command."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "OMP_NUM_THREADS": "1", "PATH": path}


@pytest.mark.slow
def test_a_killed_study_goes_on_and_ends_as_if_it_had_not_been(study_place, small_study, tmp_path):
    settings = ("optimiser.epochs=6",)
    out = tmp_path / "killed"
    plan = small_study(out, overrides=settings)
    command = [
        sys.executable, "-m", "zsl_bench", "study", "classes", study_place / "small.toml",
        "--set", *settings, "--out", out, "--run", "e2e-all-s0",
    ]  # fmt: skip
    task = next(task for task in tasks_of(plan) if task.run.id == "e2e-all-s0")
    with subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL) as process:
        while not list(task.folder.glob("checkpoints/step-*")) and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not task.is_trained()
    assert list((out / "claims").glob("*.claim")), "the claim of the killed process is there"
    whole = small_study(tmp_path / "whole", overrides=settings)
    for one in (plan, whole):
        assert run_study(one, only=["e2e-all-s0"]).done == ("e2e-all-s0",)
    ends = [next(t for t in tasks_of(one) if t.run.id == "e2e-all-s0") for one in (plan, whole)]
    states = [weights_state(end.weights, end.folder) for end in ends]
    assert states[0] == states[1]
    assert measured(plan) == measured(whole)


def as_a_shell_reads_it(line, folder):
    """The arguments of each command of a line, as bash hands them over."""
    stub = folder / "bin" / "zsl-bench"
    stub.parent.mkdir()
    stub.write_text('#!/bin/bash\nprintf "%s\\0" "$#" "$@"\n')
    stub.chmod(0o755)
    path = f"{stub.parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euc", line], env={"PATH": path}, capture_output=True, check=True
    )
    words = iter(ran.stdout.decode().split("\0")[:-1])
    return [[next(words) for _ in range(int(count))] for count in words]


@pytest.mark.slow
def test_listed_commands_leave_the_same_study(small_study, finished, tmp_path):
    plan = small_study(tmp_path / "listed", only=("e2e", "frozen"))
    line = study_lines(plan)[0]
    for arguments in as_a_shell_reads_it(line, tmp_path):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
    assert [state.state for state in run_states(plan)][:2] == ["done", "not begun"]
    theirs = [row for row in measured(finished[0]) if row["run"] == "e2e-c4-s0"]
    assert measured(plan) == theirs


def test_a_run_of_another_process_is_waited_for(finished, tmp_path, monkeypatch):
    plan = copied(finished, tmp_path)
    task = tasks_of(plan)[0]
    kept = tmp_path / "kept"
    task.results.rename(kept)
    others = Claims(plan.config.out / "claims")
    waited = []

    def other_process(_seconds):
        waited.append(task.is_done())
        kept.rename(task.results)
        others.release(task.folder.name)

    with others:
        assert others.take(task.folder.name)
        monkeypatch.setattr(studies.time, "sleep", other_process)
        monkeypatch.setattr(studies, "perform", None)
        assert task.run.id in run_study(plan).done
    assert waited == [False]


def test_sigterm_leaves_a_checkpoint_and_ends_the_study(small_study, tmp_path, monkeypatch):
    plan = small_study(tmp_path / "out")
    begun = []

    def stopped(config, out, **given):
        begun.append((config.name, given["resume"]))
        return SimpleNamespace(stopped=True)

    monkeypatch.setattr(training, "train", stopped)
    report = run_study(plan)
    assert (report.stopped, report.done, dict(report.failed)) == (True, (), {})
    assert report.waiting == ("e2e-c4-s0", "e2e-all-s0")
    assert begun == [("small-e2e-c4-s0", True)]


def test_ctrl_c_leaves_no_claim(finished, tmp_path, monkeypatch):
    plan = copied(finished, tmp_path)
    task = tasks_of(plan)[0]
    shutil.rmtree(task.results)

    def stop(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(studies, "perform", stop)
    with pytest.raises(KeyboardInterrupt):
        run_study(plan)
    assert not list((plan.config.out / "claims").iterdir())
    assert task.failure() is None


def test_results_that_do_not_compare_are_named(finished, tmp_path, monkeypatch):
    plan = copied(finished, tmp_path)
    assert collect(plan, write=False).notes == ()
    monkeypatch.setattr(
        "zsl_bench.workflows.studies.collect.comparable",
        lambda a, b: ("manifest.digest",) * (a is not b),
    )
    notes = collect(plan, write=False).notes
    assert len(notes) == 3
    assert notes[0] == (
        "Results of e2e-c4-s0 and frozen-c4-s0 on demo-unseen do not compare: they differ in "
        "manifest.digest."
    )


def test_weights_that_are_not_there_are_told(tmp_path, finished, heard):
    plan = copied(finished, tmp_path)
    run = plan.runs[0]
    alone = Run(id="x", labels=run.labels, evaluations=run.evaluations, weights_from=run.id)
    task = tasks_of(replace(plan, runs=(run, alone)))[1]
    shutil.rmtree(tasks_of(plan)[0].folder)
    with pytest.raises(ZslBenchError, match="train them first"):
        perform(task, heard)
