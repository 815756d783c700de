"""The commands of docs/scale.md in real processes: each gives the vectors of one process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SRUN = """#!/bin/bash
# Starts SLURM_NTASKS processes, as srun does.
for task in $(seq 0 $((SLURM_NTASKS - 1))); do
    SLURM_PROCID=$task SLURM_LOCALID=$task "$@" &
done
wait
"""


def block(language: str, beginning: str) -> str:
    """Return the one example of the page that has such a line."""
    found = [
        code
        for name, code in FENCE.findall(PAGE.read_text("utf-8"))
        if name == language and beginning in code
    ]
    assert len(found) == 1, beginning
    return found[0]


@pytest.fixture(scope="module")
def place(tmp_path_factory, write_video) -> Path:
    """Six blocks of videos, the page's model, and the result of one process."""
    folder = tmp_path_factory.mktemp("recipes")
    for number in range(12):
        name = ("red ball", "blue ball", "green ball", "grey ball")[number % 4]
        path = folder / "videos" / "mine" / name / f"{number:02d}.mp4"
        write_video(path, (20 * number, 60, 9), frames=17, size=(64, 48))
    (folder / "corner_colours.py").write_text(block("python", "# file: corner_colours.py"))
    tools = folder / "tools"
    tools.mkdir()
    (tools / "srun").write_text(SRUN)
    (tools / "srun").chmod(0o755)
    run(folder, block("sh", "--out results-alone"))
    return folder


def environment(**variables: str) -> dict[str, str]:
    programs = os.pathsep.join(["tools", str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": programs, "OMP_NUM_THREADS": "1", **variables}


def small(script: str) -> str:
    """Return a script for blocks of two videos and a worker."""
    script = script.replace("--workers 7", "--workers 1")
    return script.replace("--workers 1", "--workers 1 --batch-size 8")


def start(place: Path, script: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", small(script)],
        cwd=place,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    stdout, stderr = process.communicate(timeout=180)
    assert process.returncode in (0, 3), stderr
    return stdout


def run(place: Path, script: str, **variables: str) -> str:
    return finish(start(place, script, **variables))


def result(place: Path, out: str) -> dict[str, object]:
    (found,) = [
        read
        for path in (place / out).glob("*.json")
        if "arrays" in (read := json.loads(path.read_text()))
    ]
    return found


def kept(place: Path, out: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (place / out).glob("vectors/*/*.npz")}


def assert_same(place: Path, out: str, *, processes: int) -> None:
    found, alone = result(place, out), result(place, "results-alone")
    assert found["environment"]["processes"] == processes
    for part in ("identity_sha256", "scores", "arrays"):
        assert found[part] == alone[part]
    assert kept(place, out) == kept(place, "results-alone")
    assert len(kept(place, out)) == 6


@pytest.mark.slow
def test_torchrun_on_one_machine(place):
    run(place, block("", "--out results-torchrun"))
    assert_same(place, "results-torchrun", processes=2)


@pytest.mark.slow
def test_array_whose_tasks_begin_when_they_can(place):
    script = block("", "--out results-array")
    tasks = [{"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": "3"} for task in range(3)]
    assert run(place, script, **tasks[1]) == "", "only the first task prints"
    assert len(kept(place, "results-array")) == 6, "and one task alone does all that is there"
    run(place, script, **tasks[0])
    run(place, script, **tasks[2])
    assert_same(place, "results-array", processes=3)


@pytest.mark.slow
def test_job_through_srun(place):
    run(
        place,
        block("", "--out results-job"),
        SLURM_NTASKS="2",
        SLURM_NTASKS_PER_NODE="2",
    )
    assert_same(place, "results-job", processes=2)
