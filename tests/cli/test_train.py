"""``zsl-bench train``: plans, runs, what is printed, and every exit status."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
import torch
from click.testing import CliRunner

from zsl_bench.cli import main

TINY = """
[model]
network = "r2plus1d_tiny"
allow_approximate = true

[data]
dataset = "balls"
path = "videos/balls"

[clips]
frames = 8
size = 16
short_side = 18
policy = "paper-2x8"

[optimiser]
epochs = 3
batch_size = 3

[run]
device = "cpu"
workers = 0
"""


@pytest.fixture
def workplace(tmp_path, monkeypatch, write_video):
    """A folder with four classes of three videos and a configuration that trains in a second."""
    for number, name in enumerate(("red ball", "blue ball", "green ball", "grey ball")):
        for clip in range(3):
            path = tmp_path / "videos" / "balls" / name / f"{clip}.mp4"
            write_video(path, (60 * number, 80 * clip, 90), frames=9, size=(32, 24))
    (tmp_path / "tiny.toml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _one_thread():
    """Networks this small are slower on two threads, much so on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(*arguments: str):
    return CliRunner().invoke(main, ["train", *arguments])


def findings(text: str) -> dict[str, str]:
    """What is printed as a name, blanks and a value."""
    pairs = (line.split("  ", 1) for line in text.splitlines())
    return {name: value.strip() for name, value in pairs}


def test_a_dry_run_says_what_would_be_trained_and_writes_nothing(workplace):
    before = sorted(workplace.rglob("*"))
    done = run("tiny.toml", "--dry-run", "--set", "validation.held_out=0.5")
    assert done.exit_code == 0, done.output
    told = findings(done.stdout)
    assert told["would train"] == "tiny: e2e r2plus1d_tiny from random initialisation, seed 0"
    assert told["classes"] == "2 with 6 samples, and 2 held out: green ball, grey ball"
    assert told["steps"] == "2 of 3 clips in each of 3 epochs, for one process"
    assert told["verdict"] == "disjoint from ucf101, hmdb51 (rules brattoli2020, threshold 0.05)"
    assert sorted(workplace.rglob("*")) == before


def test_a_dry_run_as_json(workplace):
    plan = json.loads(run("tiny.toml", "--dry-run", "--json").stdout)
    assert (plan["name"], plan["dataset"], plan["classes"]) == ("tiny", "balls", 4)
    assert (plan["samples"], plan["steps_per_epoch"], plan["epochs"]) == (12, 4, 3)
    assert plan["audit"]["overlap"] == []


def test_words_names_the_rule_set_of_audit_training_and_card(workplace):
    told = findings(run("tiny.toml", "--words", "plain", "--dry-run").stdout)
    assert told["verdict"] == "disjoint from ucf101, hmdb51 (rules plain, threshold 0.05)"
    done = run("tiny.toml", "--words", "plain", "--set", "optimiser.epochs=1")
    assert done.exit_code == 0, done.output
    card = json.loads((workplace / "runs" / "tiny" / "weights" / "card.json").read_text())
    assert card["rules"] == "plain"
    assert [one["rules"] for one in card["trained_on"]] == ["plain"]
    wrong = run("tiny.toml", "--words", "plian")
    assert wrong.exit_code == 1
    assert wrong.stderr.count("\n") == 1
    assert "model.words = 'plian'; did you mean 'plain'?" in wrong.stderr


def test_training_ends_with_weights_that_can_be_scored(workplace):
    done = run("tiny.toml", "--samples", "2", "--set", "validation.held_out=0.5")
    assert done.exit_code == 0, done.output
    told = findings(done.stdout)
    assert told["weights"] == "runs/tiny/weights"
    assert told["classes"] == "2 with 6 samples, and 2 held out"
    assert told["steps"] == "6 in 3 epochs"
    assert told["loss"].endswith("in the last epoch")
    assert told["held out"].endswith("on 2 held-out classes, weights of epoch 3")
    assert told["verdict"].startswith("disjoint from ucf101, hmdb51")
    assert told["next"] == (
        "zsl-bench evaluate --model path:runs/tiny/weights --data ucf101=PATH --data hmdb51=PATH"
    )
    assert "MiB" in told["time"]
    assert "unreadable" not in told
    assert (workplace / "runs" / "tiny" / "metrics.csv").read_text().count("validation,") == 3
    assert {p.suffix for p in (workplace / "runs" / "tiny" / "samples").iterdir()} == {
        ".png", ".gif"}  # fmt: skip
    following = told["next"].split(" --data ")[0] + " --data balls=videos/balls"
    scored = CliRunner().invoke(
        main, [*shlex.split(following)[1:], "--protocol", "full", "--allow-approximate"]
    )
    assert scored.exit_code == 0, scored.output
    assert "overlapping" in scored.stdout


def test_the_report_as_json_alone_is_on_stdout(workplace):
    done = run("tiny.toml", "--out", "elsewhere", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["weights"] == "elsewhere/weights"
    assert (report["steps"], report["classes"], report["stopped"]) == (12, 4, False)
    assert not (workplace / "runs").exists()
    assert "epoch 3 of 3 done" in done.stderr


def test_only_the_first_of_several_processes_prints(workplace, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    done = run("tiny.toml")
    assert done.exit_code == 0
    assert done.output == ""


def test_unreadable_samples_are_counted_and_listed(workplace):
    (workplace / "videos" / "balls" / "red ball" / "broken.mp4").write_bytes(b"no video")
    done = run("tiny.toml", "--set", "data.max_unreadable=0.5", "--set", "optimiser.batch_size=13")
    assert done.exit_code == 0, done.output
    told = findings(done.stdout)
    assert told["unreadable"] == "1 sample, listed in runs/tiny/unreadable.csv"
    assert "red ball/broken.mp4" in (workplace / "runs/tiny/unreadable.csv").read_text()


def test_an_overlap_stops_the_run_or_is_named_for_ever(workplace):
    (workplace / "videos" / "balls" / "red ball").rename(workplace / "videos" / "balls" / "Archery")
    done = run("tiny.toml")
    assert done.exit_code == 1
    assert "Archery (balls) = Archery (ucf101)" in done.stderr
    assert not (workplace / "runs").exists()
    done = run("tiny.toml", "--dry-run", "--set", "audit.allow_overlap=true")
    assert findings(done.stdout)["verdict"] == (
        "overlapping with ucf101, hmdb51: 1 class seen and allowed: Archery (ucf101)"
    )
    done = run("tiny.toml", "--dry-run", "--set", "audit.remove_overlap=true")
    assert findings(done.stdout)["verdict"] == (
        "disjoint from ucf101, hmdb51 (rules brattoli2020, threshold 0.05); "
        "1 overlapping class left out"
    )


def test_open_pretraining_is_never_called_disjoint(workplace):
    assert run("tiny.toml").exit_code == 0
    more = ("--set", "model.weights=runs/tiny/weights/model.safetensors", "--set", "name=more")
    card = workplace / "runs" / "tiny" / "weights" / "card.json"
    content = json.loads(card.read_text())
    card.write_text(json.dumps({**content, "pretrained_on": "open"}))
    assert "open" in run("tiny.toml", *more, "--dry-run").stderr
    done = run("tiny.toml", *more, "--dry-run", "--set", "audit.allow_overlap=true")
    assert done.exit_code == 0, done.output
    assert findings(done.stdout)["verdict"] == "not disjoint: the pretraining data is open"


def test_a_finished_run_is_not_overwritten(workplace):
    assert run("tiny.toml").exit_code == 0
    again = run("tiny.toml")
    assert again.exit_code == 1
    assert "--resume" in again.stderr
    assert run("tiny.toml", "--resume").exit_code == 0
    other = run("tiny.toml", "--resume", "--set", "run.seed=1")
    assert other.exit_code == 1
    assert "run.seed" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["e2e-kinetics700-tp9"], 1, "did you mean"),
        (["tiny.toml", "--set", "optimizer.epochs=1"], 1, "did you mean 'optimiser'?"),
        (["tiny.toml", "--set", "optimiser.epochs"], 1, "section.field=value"),
        (["tiny.toml", "--set", "data.path=nowhere"], 1, "nowhere"),
        (["tiny.toml", "--dry-run", "--set", "optimiser.batch_size=99"], 1, "12 samples"),
        (["tiny.toml", "--set", "model.allow_approximate=false"], 1, "without a vector"),
        (["tiny.toml", "--samples", "-1"], 2, "--samples"),
        (["tiny.toml", "--resume", "--out", "tiny.toml"], 2, "tiny.toml"),
        ([], 2, "CONFIG"),
    ],
)
def test_what_is_wrong_is_said(workplace, arguments, status, words):
    done = run(*arguments)
    assert done.exit_code == status, done.output
    assert words in done.stderr
    assert done.stdout == ""
    if status == 1:
        assert done.stderr.count("\n") == 1


def begin(*arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "zsl_bench", "train", "tiny.toml", *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("number", "status", "name"), [(signal.SIGTERM, 143, "SIGTERM"), (signal.SIGINT, 130, "Ctrl-C")]
)
def test_a_stopped_run_says_how_to_go_on_and_does(workplace, number, status, name):
    run_folder = workplace / "runs" / "tiny"
    more = ("--set", "optimiser.epochs=20")
    with begin(*more) as process:
        deadline = time.monotonic() + 120
        while not list(run_folder.glob("checkpoints/step-*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert out == ""
    assert err.splitlines()[-1] == (
        f"stopped by {name}; the same command with --resume goes on from the checkpoint in "
        "runs/tiny"
    )
    assert not (run_folder / "weights").exists()
    done = run("tiny.toml", "--resume", *more)
    assert done.exit_code == 0, done.output
    assert "going on at epoch " in done.stderr
    assert findings(done.stdout)["steps"] == "80 in 20 epochs"


@pytest.mark.slow
def test_under_torchrun_one_process_prints(workplace):
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "zsl_bench", "train", "tiny.toml", "--json",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 6
    assert done.stderr.count("epoch 3 of 3 done") == 1
