"""Claims of several processes: taken once, given up, taken over from a process that is lost."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

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
QUICK = Patience(sign=0.01, lost=0.05, poll=0.01)


def wait_for(condition) -> None:
    """Wait until a condition holds; half a minute is more than it ever takes."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


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
    with ThreadPoolExecutor(8) as pool, ExitStack() as stack:
        claims = [stack.enter_context(Claims(tmp_path)) for _ in range(8)]
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


def test_sweeping_removes_what_a_killed_process_left(tmp_path):
    for suffix in ("process", "next"):
        (tmp_path / f"dead.{suffix}").write_text('{"host": "far"}')
    with Claims(tmp_path, QUICK) as claims:
        foreign(tmp_path, '{"host": "far"}')
        claims.take("block")
        claims.sweep()
        assert len(list(tmp_path.glob("dead.*"))) == 2, "not lost yet"
        time.sleep(2 * QUICK.lost)
        claims.sweep()
    assert not list(tmp_path.iterdir())


def test_sweeping_spares_processes_that_are_there(tmp_path):
    with Claims(tmp_path) as claims, Claims(tmp_path) as other:
        other.take("done")
        claims.sweep()
        assert {path.suffix for path in tmp_path.iterdir()} == {".process"}
        assert len(list(tmp_path.iterdir())) == 2
        other.release("done")


def test_a_process_that_is_at_one_long_batch_is_not_lost(tmp_path):
    patience = Patience(sign=0.05, lost=2.0)
    with Claims(tmp_path, patience) as busy, Claims(tmp_path, patience) as other:
        assert busy.take("block")
        end = time.monotonic() + 1.5 * patience.lost
        while time.monotonic() < end:  # the busy one comes to nothing but its batch
            assert not other.take("block")
            time.sleep(0.1)


def test_signs_end_with_the_claims(tmp_path):
    before = threading.active_count()
    for fails in (False, True):
        with suppress(KeyError), Claims(tmp_path, QUICK):
            assert threading.active_count() == before + 1
            if fails:
                raise KeyError
        assert threading.active_count() == before
        time.sleep(5 * QUICK.sign)
        assert not list(tmp_path.iterdir()), "no sign comes after the end"


def test_a_sign_that_cannot_be_written_ends_nothing(tmp_path):
    folder = tmp_path / "claims"
    with Claims(folder, QUICK) as claims:
        folder.rename(tmp_path / "away")
        folder.touch()  # a file in the folder's place
        time.sleep(5 * QUICK.sign)
        folder.unlink()
        (tmp_path / "away").rename(folder)
        (path,) = folder.glob("*.process")
        before = path.read_text()
        wait_for(lambda: path.read_text() != before)
        assert claims.take("block")


def test_signs_are_given_as_seldom_as_asked(tmp_path):
    with Claims(tmp_path, Patience(sign=1000.0)):
        (path,) = tmp_path.iterdir()
        before = path.read_text()
        time.sleep(0.1)
        assert path.read_text() == before
    with Claims(tmp_path, QUICK):
        (path,) = tmp_path.iterdir()
        before = path.read_text()
        wait_for(lambda: path.read_text() != before)


def test_a_claim_that_was_taken_over_is_not_given_up_by_its_first_holder(tmp_path):
    seldom = Patience(sign=1000.0)
    with Claims(tmp_path, seldom) as first, Claims(tmp_path) as second, Claims(tmp_path) as third:
        assert first.take("block")
        (tmp_path / f"{(tmp_path / 'block.claim').read_text()}.process").unlink()
        assert second.take("block"), "the first seems lost"
        first.release("block")
        assert not third.take("block"), "the second has it"
        second.release("block")
        assert third.take("block")


def test_a_process_of_another_container_of_this_name_is_not_called_dead(tmp_path):
    """Its number says nothing here: as if it were ours, from a start or namespace of its own."""
    unused = subprocess.Popen([sys.executable, "-c", ""])
    unused.wait()
    with Claims(tmp_path) as claims:
        (path,) = tmp_path.iterdir()
        host = json.loads(path.read_text())["host"]
        foreign(tmp_path, json.dumps({"host": host, "pid": unused.pid, "signs": 3}))
        assert claims.take("block"), "one of here that no longer runs"
        claims.release("block")
        other = platform.node() if host != platform.node() else "another"
        foreign(tmp_path, json.dumps({"host": other, "pid": unused.pid, "signs": 3}))
        assert not claims.take("block")


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
def test_the_namespace_and_the_start_are_part_of_where_a_process_is(tmp_path):
    with Claims(tmp_path):
        (path,) = tmp_path.iterdir()
        host = json.loads(path.read_text())["host"]
    assert os.readlink("/proc/self/ns/pid") in host.split()  # noqa: PTH115
    start = Path("/proc/sys/kernel/random/boot_id")
    assert not start.exists() or start.read_text().strip() in host.split()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResultError, match=r"write .*file"), Claims(tmp_path / "file" / "claims"):
        pass
    with Claims(tmp_path / "claims") as claims, pytest.raises(ResultError, match="No such file"):
        claims.take("no/such/folder")
