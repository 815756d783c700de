"""Claims of several processes: taken once, given up, taken over from a process that is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from zsl_bench.errors import ResultError
from zsl_bench.evaluation.claims import Claims, Patience

OTHER = """
import os, sys
from pathlib import Path
from zsl_bench.evaluation.claims import Claims
claims = Claims(Path(sys.argv[1])).__enter__()
assert claims.take("block")
print(os.getpid(), flush=True)
sys.stdin.read(1)
os._exit(9)  # as a killed process does: nothing is given up
"""
QUICK = Patience(sign=0.0, lost=0.05, poll=0.01)


def foreign(folder, sign: str) -> None:
    """Write a claim as a process of another machine does."""
    (folder / "far.process").write_text(sign)
    (folder / "block.claim").write_text("far")


def test_a_claim_is_taken_once_and_given_up(tmp_path):
    with Claims(tmp_path) as first, Claims(tmp_path) as second:
        assert first.take("block")
        assert not second.take("block")
        assert not first.take("block"), "nor by the same process again"
        second.release("block")
        assert not second.take("block"), "only its holder gives it up"
        first.release("block")
        assert second.take("block")
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_of_many_that_ask_at_once_one_gets_it(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        claims = [Claims(tmp_path).__enter__() for _ in range(8)]
        for number in range(20):
            assert sum(pool.map(lambda each, n=number: each.take(f"{n}"), claims)) == 1


def test_an_error_gives_up_the_claims(tmp_path):
    def fail() -> None:
        with Claims(tmp_path) as claims:
            claims.take("block")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not list(tmp_path.iterdir())


def test_the_claim_of_a_killed_process_is_taken_over_at_once(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline().strip() == str(other.pid)
        with Claims(tmp_path) as claims:
            assert not claims.take("block"), "it still runs"
            other.communicate("x")
            assert claims.take("block")
            claims.sweep()
            assert len(list(tmp_path.iterdir())) == 1, "its own sign of life"


def test_a_silent_process_elsewhere_is_lost_and_one_with_signs_is_not(tmp_path):
    with Claims(tmp_path, QUICK) as claims:
        for signs in range(4):
            foreign(tmp_path, json.dumps({"host": "far", "pid": os.getpid(), "signs": signs}))
            assert not claims.take("block")
            time.sleep(2 * QUICK.lost)
        assert claims.take("block"), "the last sign is too long ago"


@pytest.mark.parametrize("sign", ["", "{", "[]", '{"host": "x"}', '{"host": "x", "pid": "y"}'])
def test_a_damaged_sign_counts_as_silence(tmp_path, sign):
    foreign(tmp_path, sign)
    with Claims(tmp_path, QUICK) as claims:
        assert not claims.take("block")
        time.sleep(2 * QUICK.lost)
        assert claims.take("block")


@pytest.mark.parametrize("content", [b"", b"\0\xff", b"../../etc/passwd"])
def test_a_claim_without_an_owner_is_waited_for(tmp_path, content):
    (tmp_path / "block.claim").write_bytes(content)
    with Claims(tmp_path, QUICK) as claims:
        assert not claims.take("block"), "its process may be about to write it"
        time.sleep(2 * QUICK.lost)
        assert claims.take("block")


def test_a_claim_whose_process_took_its_leave_is_free(tmp_path):
    (tmp_path / "block.claim").write_text("gone")
    with Claims(tmp_path) as claims:
        assert claims.take("block")


def test_sweeping_spares_processes_that_are_there(tmp_path):
    with Claims(tmp_path) as claims, Claims(tmp_path) as other:
        other.take("done")
        claims.sweep()
        assert {path.suffix for path in tmp_path.iterdir()} == {".process"}
        assert len(list(tmp_path.iterdir())) == 2
        other.release("done")


def test_signs_are_given_as_seldom_as_asked(tmp_path):
    with Claims(tmp_path, Patience(sign=1000.0)) as claims:
        (path,) = tmp_path.iterdir()
        before = path.read_text()
        claims.sign()
        assert path.read_text() == before
    with Claims(tmp_path, QUICK) as claims:
        (path,) = tmp_path.iterdir()
        before = path.read_text()
        claims.sign()
        assert path.read_text() != before


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResultError, match=r"write .*file"), Claims(tmp_path / "file" / "claims"):
        pass
    with Claims(tmp_path / "claims") as claims, pytest.raises(ResultError, match="No such file"):
        claims.take("no/such/folder")
