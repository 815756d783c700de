"""Processes that decode, and what they print when the other side goes away."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
