"""``zsl-bench study``: what it prints, where, and its exit statuses."""

from __future__ import annotations

import json
import subprocess

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main
from zsl_bench.workflows.studies import run as studies
from zsl_bench.workflows.studies.run import StudyReport

CONFIG = """
[models]
e2e = "demo"
[test]
demo-unseen = "videos"
[grid]
counts = [4, "all"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def study(*arguments):
    return CliRunner().invoke(main, ["study", *arguments])


def told(monkeypatch, **fields):
    """Let the study end with a report."""
    report = StudyReport(**{"done": (), "failed": {}, "waiting": (), **fields})
    monkeypatch.setattr(studies, "run_study", lambda *_, **__: report)


def test_a_dry_run_says_what_would_be_run(folder):
    done = study("classes", "mine.toml", "--dry-run")
    assert done.exit_code == 0
    assert "2 trainings with 28 epochs in all, 2 evaluations, in studies/mine" in done.stdout
    assert ["1", "e2e-c4-s0", "e2e", "4", "0", "-", "not", "begun"] in [
        line.split() for line in done.stdout.splitlines()
    ]
    assert not (folder / "studies").exists()


def test_a_dry_run_as_json(folder):
    done = study("classes", "mine.toml", "--dry-run", "--json", "--out", "there")
    content = json.loads(done.stdout)
    assert (content["trainings"], content["epochs"], content["evaluations"]) == (2, 28, 2)
    assert content["states"] == {
        "done": 0, "trained": 0, "failed": 0, "begun": 0, "not begun": 2
    }  # fmt: skip
    assert [run["labels"]["classes"] for run in content["runs"]] == [4, None]
    assert content["runs"][0]["folder"].startswith("there/runs/e2e-c4-s0-")


def test_the_bundled_configuration_is_the_default():
    by_name, by_default = (study("videos", *more, "--dry-run") for more in ((), ("videos",)))
    assert by_name.exit_code == 0
    assert by_name.stdout == by_default.stdout


def test_a_list_is_one_command_a_run(folder):
    done = study("classes", "mine.toml", "--list", "--set", "run.seed=3")
    first, second = done.stdout.splitlines()
    assert first.startswith("zsl-bench train demo --set name=mine-e2e-c4-s0 ")
    assert all("--set run.seed=3" in line for line in (first, second))


def test_a_slurm_script_calls_this_study_again(folder):
    given = ("--set", "audit.against=['a b']", "--data", "demo-unseen=x", "--out", "there")
    done = study("classes", "mine.toml", *given, "--slurm", "job.sh")
    assert done.stdout == "job.sh\n"
    assert "2 runs; submit it with: sbatch job.sh" in done.stderr
    script = (folder / "job.sh").read_text()
    subprocess.run(["bash", "-n", "job.sh"], check=True)
    stub = folder / "zsl-bench"
    stub.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    stub.chmod(0o755)
    ran = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": f"{folder}:/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines() == ["study", "classes", "mine.toml", *given, "--run", "2"]
    assert "#SBATCH --output=there/slurm-%A_%a.out" in script
    assert (folder / "there").is_dir()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["clases"], 2, "'clases' is not one of"),
        (["classes", "demo-clases"], 1, "did you mean 'demo-classes'"),
        (["classes", "mine.toml", "--list", "--dry-run"], 2, "give one of --dry-run, --list"),
        (["classes", ""], 1, "study configuration: no readable TOML"),
        (["classes", "mine.toml", "--data", "demo-unsen=x"], 1, "did you mean 'demo-unseen'"),
        (["classes", "mine.toml", "--data", "x"], 2, "'x' is not DATASET=PATH"),
        (["classes", "mine.toml", "--run", "9"], 1, "no such run among 2"),
        (["classes", "mine.toml", "--collect"], 1, "none of its 2 runs done"),
        (["classes", "mine.toml", "--set", "run.sed=1"], 1, "did you mean 'seed'"),
        (["videos", "demo-classes", "--list"], 1, "a study of classes; zsl-bench study classes"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(folder, arguments, status, words):
    done = study(*arguments)
    assert done.exit_code == status
    assert words in done.stderr
    assert done.stdout == ""


def test_failures_are_told_and_the_status_is_1(folder):
    done = study("classes", "mine.toml")
    assert done.exit_code == 1
    assert done.stderr.count("failed: test set demo-unseen of run") == 2
    assert "2 runs failed: e2e-c4-s0 (test set" in done.stderr
    assert done.stdout == ""
    again = study("classes", "mine.toml", "--dry-run")
    assert "failed: test set demo-unseen" in again.stdout


def test_single_runs_say_what_became_of_them(folder, monkeypatch):
    told(monkeypatch, done=("e2e-c4-s0",), failed={"e2e-all-s0": "why"}, waiting=("w",))
    done = study("classes", "mine.toml", "--run", "1", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "done": ["e2e-c4-s0"], "failed": {"e2e-all-s0": "why"}, "waiting": ["w"]
    }  # fmt: skip
    assert study("classes", "mine.toml", "--run", "1").stdout == "e2e-c4-s0: done\n"


def test_ctrl_c_is_130_and_sigterm_143(folder, monkeypatch):
    def stop(plan, **given):
        raise KeyboardInterrupt

    told(monkeypatch, stopped=True)
    done = study("classes", "mine.toml")
    assert (done.exit_code, "stopped by SIGTERM" in done.stderr) == (143, True)
    monkeypatch.setattr(studies, "run_study", stop)
    done = study("classes", "mine.toml")
    assert (done.exit_code, "stopped by Ctrl-C" in done.stderr) == (130, True)
