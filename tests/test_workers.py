"""Processes that decode, and what they print when the other side goes away."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from zsl_bench.errors import ZslBenchError
from zsl_bench.workers import death_told, signal_kept

BROKEN_OFF = """
import os, socket, sys, threading
from multiprocessing import resource_sharer
from zsl_bench.workers import keep_quiet

if sys.argv[1] == "quiet":
    keep_quiet()
told = threading.Event()
hook = sys.excepthook
sys.excepthook = lambda *error: (hook(*error), told.set())
read, write = os.pipe()
address, _ = resource_sharer.DupFd(read)._id
with socket.socket(socket.AF_UNIX) as client:
    client.connect(address)
if not told.wait(20):
    sys.exit("nothing was broken off")
"""


@pytest.mark.parametrize("how", ["quiet", "as-it-was"])
def test_a_transfer_that_is_broken_off_is_no_news(how):
    ran = subprocess.run(
        [sys.executable, "-c", BROKEN_OFF, how], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ("Traceback" in ran.stderr) is (how == "as-it-was")


def test_other_errors_are_told():
    program = "from zsl_bench.workers import keep_quiet; keep_quiet(); raise ValueError('mine')"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "ValueError: mine" in ran.stderr


@pytest.mark.parametrize(
    "told",
    [
        "DataLoader worker (pid 12) is killed by signal: Killed.",
        "DataLoader worker (pid(s) 12, 13) exited unexpectedly",
        "Pin memory thread exited unexpectedly",
        "unable to open shared memory object </torch_1> in read-write mode",
    ],
)
def test_a_death_is_told_in_one_line(told):
    with pytest.raises(ZslBenchError, match="a decoding process died"), death_told(2):
        raise RuntimeError(told)


def test_another_error_is_no_death():
    with pytest.raises(RuntimeError, match="mat1 and mat2"), death_told(2):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_the_handler_of_dead_children_is_kept_after_an_error_too():
    before = signal.getsignal(signal.SIGCHLD)

    def fails():
        with signal_kept():
            signal.signal(signal.SIGCHLD, lambda *_: None)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fails()
    assert signal.getsignal(signal.SIGCHLD) is before
