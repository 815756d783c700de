"""Real processes stopped by Ctrl-C and SIGKILL, then run again; a disk that fills up."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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

    def embed_classes(self, classes):
        return torch.tensor([[len(n), n.count("e"), 1.0] for n in classes.names])

    def embed_clips(self, clips):
        time.sleep(float(os.environ["DELAY"]))
        return clips.float().mean(dim=(1, 3, 4))

def load():
    return Slow()
"""


@pytest.fixture
def place(tmp_path, write_video):
    """Several blocks of videos in four classes, and a model that takes its time."""
    for number in range(140):
        name = ("red", "green", "blue", "grey")[number % 4]
        write_video(
            tmp_path / "videos" / name / f"{number:03d}.avi",
            (number, 50, 90),
            frames=4,
            size=(48, 32),
        )
    (tmp_path / "slow.py").write_text(MODEL)
    return tmp_path


PROGRAM = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts with it ignored
runpy.run_module("zsl_bench", run_name="__main__")
"""


def command(out: str, *, workers: int = 1) -> list[str]:
    return [
        sys.executable, "-c", PROGRAM, "evaluate", "--model", "py:slow:load",
        "--data", "colours=videos", "--out", out, "--workers", str(workers),
        "--batch-size", "4", "--json",
    ]  # fmt: skip


def start(place: Path, arguments: list[str], *, delay: str = "0") -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place), "DELAY": delay},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(place: Path, out: str) -> dict:
    with start(place, command(out)) as process:
        stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    return {**json.loads(stdout)[0], "stderr": stderr}


def wait_for_a_block(place: Path, out: str, process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 90
    while not list((place / out / "vectors").glob("*/*.npz")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < limit, "no block was written"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_a_stopped_run_goes_on_and_ends_the_same(place, how):
    whole = finish(place, "whole")
    with start(place, command("out"), delay="0.1") as process:
        wait_for_a_block(place, "out", process)
        os.killpg(process.pid, how)
        stdout, stderr = process.communicate(timeout=60)
    assert stdout == ""
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert re.search(r"[1-9]\d* of 140 videos of colours are kept under out/vectors", stderr)
        assert "Traceback" not in stderr, stderr
    assert not list((place / "out").glob("*.json")), "no result of an unfinished run"
    resumed = finish(place, "out")
    assert "are there from before" in resumed["stderr"]
    assert resumed["identity_sha256"] == whole["identity_sha256"]
    assert resumed["scores"] == whole["scores"]
    assert resumed["arrays"] == whole["arrays"], "byte-equal vectors"


@pytest.mark.slow
def test_a_killed_decoding_process_is_one_line_and_loses_nothing(place):
    with start(place, command("out", workers=2), delay="0.1") as process:
        wait_for_a_block(place, "out", process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.exists():
            process.kill()
            pytest.skip("this system does not list a process's children")
        os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "a decoding process died" in stderr, stderr
    assert "Traceback" not in stderr, stderr
    assert "are there from before" in finish(place, "out")["stderr"]


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(place):
    small = place / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(small)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small tmpfs here: {mounted.stderr.strip()}")
    try:
        with start(place, command("small")) as process:
            _, stderr = process.communicate(timeout=120)
        assert process.returncode == 1
        assert "No space left on device" in stderr
        assert "Traceback" not in stderr, stderr
        assert not list(small.glob("*.json"))
        assert not list(small.rglob("*.part"))
    finally:
        subprocess.run(["umount", str(small)], check=True)
