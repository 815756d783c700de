"""Real processes stopped by Ctrl-C and SIGKILL, then run again; a disk that fills up."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest


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
    return tmp_path


@pytest.fixture
def start(place, start_slow_run):
    """Return a function that starts an evaluation of the videos."""

    def begin(out: str, *, workers: int = 1, delay: str = "0") -> subprocess.Popen[str]:
        return start_slow_run(
            place, "--data", "colours=videos", "--out", out, "--workers", str(workers),
            "--batch-size", "4", "--json", DELAY=delay,
        )  # fmt: skip

    return begin


def finish(process: subprocess.Popen[str]) -> dict:
    with process:
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
def test_a_stopped_run_goes_on_and_ends_the_same(place, start, how):
    whole = finish(start("whole"))
    with start("out", delay="0.1") as process:
        wait_for_a_block(place, "out", process)
        os.killpg(process.pid, how)
        stdout, stderr = process.communicate(timeout=60)
    assert stdout == ""
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert re.search(r"[1-9]\d* of 140 videos of colours are kept under out/vectors", stderr)
        assert "Traceback" not in stderr, stderr
    assert not list((place / "out").glob("*.json")), "no result of an unfinished run"
    resumed = finish(start("out"))
    assert "are there from before" in resumed["stderr"]
    assert resumed["identity_sha256"] == whole["identity_sha256"]
    assert resumed["scores"] == whole["scores"]
    assert resumed["arrays"] == whole["arrays"], "byte-equal vectors"


@pytest.mark.slow
def test_a_killed_decoding_process_is_one_line_and_loses_nothing(place, start):
    with start("out", workers=2, delay="0.1") as process:
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
    assert "are there from before" in finish(start("out"))["stderr"]


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(place, start):
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
        with start("small") as process:
            _, stderr = process.communicate(timeout=120)
        assert process.returncode == 1
        assert "No space left on device" in stderr
        assert "Traceback" not in stderr, stderr
        assert not list(small.glob("*.json"))
        assert not list(small.rglob("*.part"))
    finally:
        subprocess.run(["umount", str(small)], check=True)
