"""Real processes under torchrun: byte-equal to one process, also after a killed one and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = """
import os
import time
import torch
import zsl_bench

class Slow:
    card = zsl_bench.ModelCard(
        name="slow", revision="1", policy="first-16", trained_on=(), pretrained_on=(),
        clip=zsl_bench.ClipSpec(frames=16, size=32, short_side=40),
    )

    def __init__(self):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.layer = torch.nn.Conv3d(3, 24, (3, 7, 7), stride=(1, 4, 4))

    def embed_classes(self, classes):
        return torch.tensor([[len(n), n.count("e"), 1.0] * 8 for n in classes.names])

    def embed_clips(self, clips):
        time.sleep(float(os.environ.get("DELAY", "0")))
        if os.environ.get("BREAK") in ("all", os.environ.get("RANK", "none")):
            return torch.full((len(clips), 24), float("nan"))
        return self.layer(clips.transpose(1, 2).float() / 255).relu().mean(dim=(2, 3, 4))

def load():
    return Slow()
"""
NUM_VIDEOS = 60
EVALUATE = (
    "-m", "zsl_bench", "evaluate", "--model", "py:slow:load", "--data", "colours=videos",
    "--workers", "1", "--batch-size", "1", "--json", "--out",
)  # fmt: skip
ALONE = (sys.executable, *EVALUATE)


@pytest.fixture(scope="module")
def place(tmp_path_factory, write_video) -> Path:
    """Eight blocks of videos in four classes, a model, and the result of one process."""
    folder = tmp_path_factory.mktemp("sharded")
    for number in range(NUM_VIDEOS):
        name = ("red", "green", "blue", "grey")[number % 4]
        path = folder / "videos" / name / f"{number:03d}.avi"
        write_video(path, (3 * number, 50, 90), frames=4, size=(48, 32))
    (folder / "slow.py").write_text(MODEL)
    stdout, stderr, code = finish(folder, (*ALONE, "whole"))
    assert code == 0, stderr
    (folder / "whole.json").write_text(stdout)
    return folder


def torchrun(processes: int, out: str) -> tuple[str, ...]:
    return (
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
        str(processes), *EVALUATE, out,
    )  # fmt: skip


@contextmanager
def started(
    place: Path, command: tuple[str, ...], **variables: str
) -> Iterator[subprocess.Popen[str]]:
    environment = {"PYTHONPATH": str(place), "OMP_NUM_THREADS": "1", **variables}
    with subprocess.Popen(
        command,
        cwd=place,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def finish(place: Path, command: tuple[str, ...], **variables: str) -> tuple[str, str, int]:
    with started(place, command, **variables) as process:
        stdout, stderr = process.communicate(timeout=120)
    return stdout, stderr, process.returncode


def wait_for(condition, process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 90
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < limit, "it never came"
        time.sleep(0.02)


def blocks(place: Path, out: str) -> dict[str, bytes]:
    found = {}
    for path in (place / out / "vectors").glob("*/*.npz"):
        found[f"{path.parent.name}/{path.name}"] = path.read_bytes()
    return found


def claimants(place: Path, out: str) -> dict[int, str]:
    """The processes that have a claim: their number and their session."""
    found = {}
    for path in (place / out / "vectors").glob("*/claims/*.claim"):
        try:
            session = path.read_text()
            sign = json.loads((path.parent / f"{session}.process").read_text())
        except (OSError, ValueError):
            continue
        found[sign["pid"]] = session
    return found


def rank_of(pid: int) -> str:
    if not Path("/proc/self/environ").exists():
        pytest.skip("this system does not show a process's variables")
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    (rank,) = (each for each in variables if each.startswith(b"RANK="))
    return rank.removeprefix(b"RANK=").decode()


def assert_equals_one_process(place: Path, out: str, stdout: str) -> None:
    (result,), (whole,) = json.loads(stdout), json.loads((place / "whole.json").read_text())
    assert result["identity_sha256"] == whole["identity_sha256"]
    assert result["scores"] == whole["scores"]
    assert result["arrays"] == whole["arrays"], "byte-equal vectors"
    assert len(blocks(place, "whole")) == 8
    assert blocks(place, out) == blocks(place, "whole"), "under the same names as well"
    assert not list((place / out / "vectors").glob("*/claims/*.claim"))


@pytest.mark.slow
def test_processes_share_and_end_as_one(place):
    out, command = "shared", torchrun(3, "shared")
    with started(place, command, DELAY="0.05") as process:
        workers: set[int] = set()
        while process.poll() is None:
            workers |= claimants(place, out).keys()
            time.sleep(0.05)
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert len(workers) > 1, "more than one process had a claim"
    assert_equals_one_process(place, out, stdout)
    assert json.loads(stdout)[0]["environment"]["processes"] == 3
    for line in (f"colours, all: {NUM_VIDEOS}", f"colours: {NUM_VIDEOS} of {NUM_VIDEOS}"):
        assert stderr.count(line) == 1, "one process tells how it goes"
    assert not list((place / out / "vectors").glob("*/claims/*")), "nothing is left behind"


@pytest.mark.slow
def test_survivors_do_the_work_of_a_killed_process(place):
    places = [
        {"RANK": str(rank), "WORLD_SIZE": "2", "DELAY": "0.2" if rank else "0.05"}
        for rank in (0, 1)
    ]
    with started(place, (*ALONE, "lost"), **places[1]) as helper:
        wait_for(lambda: blocks(place, "lost") and claimants(place, "lost"), helper)
        with started(place, (*ALONE, "lost"), **places[0]) as leader:
            wait_for(lambda: leader.pid in claimants(place, "lost"), leader)
            helper.kill()
            helper.wait()
            stdout, stderr = leader.communicate(timeout=120)
    assert leader.returncode == 0, stderr
    assert_equals_one_process(place, "lost", stdout)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed rank"])
def test_a_stopped_run_goes_on_and_ends_the_same(place, how):
    out = f"stopped{how.value}"
    with started(place, torchrun(2, out), DELAY="0.2") as process:
        wait_for(lambda: blocks(place, out) and len(claimants(place, out)) == 2, process)
        if how is signal.SIGINT:
            process.send_signal(how)
        else:
            os.kill(next(p for p in claimants(place, out) if rank_of(p) == "1"), how)
        stdout, stderr = process.communicate(timeout=90)
    assert process.returncode != 0
    assert stdout == ""
    assert not list((place / out).glob("*.json")), "no result of an unfinished run"
    if how is signal.SIGINT:
        assert stderr.count("videos of colours are kept under") == 1, stderr
    assert 0 < len(blocks(place, out)) < 8
    again = (*ALONE, out) if how is signal.SIGINT else torchrun(2, out)
    stdout, stderr, code = finish(place, again)
    assert code == 0, stderr
    assert stderr.count("are there from before") == 1, stderr
    assert_equals_one_process(place, out, stdout)


@pytest.mark.slow
def test_an_error_of_one_process_is_told_once(place):
    stdout, stderr, code = finish(place, torchrun(2, "broken"), BREAK="1", DELAY="0.15")
    assert code == 1
    assert stdout == ""
    assert stderr.count("zsl-bench: ") == 1, stderr
    assert stderr.count("vectors that are not finite") == 1, stderr


@pytest.mark.slow
def test_an_error_of_all_processes_is_told_once(place):
    stdout, stderr, code = finish(place, (*torchrun(2, "wrong"), "--protocol", "nonesuch"))
    assert code == 1
    assert stdout == ""
    assert stderr.count("zsl-bench: ") == 1, stderr
    assert stderr.count("nonesuch") == 1, stderr
