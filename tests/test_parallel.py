from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zsl_bench.errors import VideoError, ZslBenchError
from zsl_bench.parallel import Died, default_jobs, run_parallel

FUNCTIONS = """
import ctypes, os, signal, sys, time
from pathlib import Path
from zsl_bench.errors import VideoError

def double(item):
    return 2 * item

def process(item):
    time.sleep(0.02)
    return os.getpid()

def die_at_threes(item):
    if item % 10 == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item

def read_address_zero(item):
    if item == 1:
        ctypes.string_at(0)
    return item

def leave(item):
    os._exit(item)

def die_once(path):
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGTERM)
    return "alive"

def refuse(item):
    if item == 5:
        raise VideoError("read five", found="five", fix="take six")
    return item

def unpicklable(item):
    return lambda: item

class OddError(Exception):
    def __init__(self, one, two):
        super().__init__(one)

def fail_oddly(item):
    raise OddError("a", "b")

def talk(item):
    print("said", item)
    os.write(1, b"wrote\\n")
    return sys.stdin.read()

def sleep_long(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)

def nothing(item):
    time.sleep(0.05)
"""


@pytest.fixture
def functions(tmp_path, monkeypatch):
    """A module that processes can import, and its folder."""
    (tmp_path / "functions_of_parallel.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("functions_of_parallel", None)
    import functions_of_parallel

    return functions_of_parallel


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition):
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("waited in vain")


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_every_item_gives_its_outcome_once(functions, count, jobs):
    found = list(run_parallel(functions.double, range(count), jobs=jobs))
    assert sorted(found) == [(i, 2 * i) for i in range(count)]


def test_work_is_done_in_as_many_processes_as_asked_for_and_not_in_this_one(functions):
    alone = {pid for _, pid in run_parallel(functions.process, range(4), jobs=1)}
    together = {pid for _, pid in run_parallel(functions.process, range(40), jobs=3)}
    assert (len(alone), len(together)) == (1, 3)
    assert os.getpid() not in alone | together


def test_large_messages_pass(functions):
    items = [b"x" * 3_000_000, b"y" * 100]
    assert dict(run_parallel(functions.double, items, jobs=2)) == {0: 2 * items[0], 1: 2 * items[1]}


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_item_that_kills_its_process_is_told_and_the_others_are_not_affected(functions, jobs):
    found = dict(run_parallel(functions.die_at_threes, range(35), jobs=jobs))
    dead = {3, 13, 23, 33}
    assert {i for i, outcome in found.items() if isinstance(outcome, Died)} == dead
    assert {found[i].reason for i in dead} == {"the process died (SIGKILL)"}
    assert all(found[i] == i for i in range(35) if i not in dead)


def test_a_crash_in_native_code_is_one_of_an_item(functions):
    found = dict(run_parallel(functions.read_address_zero, range(3), jobs=1))
    assert found == {0: 0, 1: Died(status=-signal.SIGSEGV), 2: 2}


def test_an_exit_is_told_with_its_status(functions):
    found = dict(run_parallel(functions.leave, [7], jobs=1))
    assert found == {0: Died(status=7)}
    assert found[0].reason == "the process died (exit status 7)"
    assert Died(status=-200).reason == "the process died (signal 200)"


def test_an_item_gets_a_second_chance_alone(functions, tmp_path):
    found = list(run_parallel(functions.die_once, [str(tmp_path / "seen")], jobs=2))
    assert found == [(0, "alive")]


def test_what_the_function_raises_is_raised_here_with_its_traceback(functions):
    with pytest.raises(VideoError, match="read five: five; take six"):
        list(run_parallel(functions.refuse, range(10), jobs=2))
    with pytest.raises(TypeError) as caught:
        list(run_parallel(functions.double, [{}], jobs=1))
    assert "in double" in caught.value.__notes__[0]


@pytest.mark.parametrize("name", ["unpicklable", "fail_oddly"])
def test_what_cannot_be_sent_back_is_an_error_too(functions, name):
    with pytest.raises(Exception, match=r"lambda|OddError"):
        list(run_parallel(getattr(functions, name), [1], jobs=1))


def test_a_function_that_no_process_can_import_is_an_error(functions, monkeypatch):
    monkeypatch.setattr(functions.double, "__module__", "functions_of_parallel")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != sys.path[0]])
    with pytest.raises(ModuleNotFoundError, match="functions_of_parallel"):
        list(run_parallel(functions.double, [1], jobs=1))


@pytest.mark.parametrize("jobs", [0, -1])
def test_no_jobs_are_refused_at_once(functions, jobs):
    with pytest.raises(ZslBenchError, match="give 1 or more"):
        run_parallel(functions.double, [1], jobs=jobs)


def test_a_process_that_cannot_start_is_told_in_one_line(functions, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ZslBenchError, match="No such file or directory"):
        list(run_parallel(functions.double, [1], jobs=1))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ZslBenchError, match="exit status 1"):
        list(run_parallel(functions.double, [1], jobs=1))


def test_what_is_printed_goes_to_stderr_and_there_is_no_input(functions, capfd):
    assert list(run_parallel(functions.talk, [1], jobs=1)) == [(0, "")]
    told = capfd.readouterr()
    assert told.out == ""
    assert sorted(told.err.split()) == ["1", "said", "wrote"]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks up processes in /proc")
def test_closing_ends_the_processes(functions, tmp_path):
    running = run_parallel(functions.process, range(1000), jobs=2)
    pids = {next(running)[1] for _ in range(20)}
    running.close()
    assert not any(is_running(pid) for pid in pids)


def test_jobs_are_the_processors_that_may_be_used():
    if hasattr(os, "sched_getaffinity"):
        assert default_jobs() == len(os.sched_getaffinity(0))
    assert default_jobs() >= 1


SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
from functions_of_parallel import {function}
from zsl_bench.parallel import run_parallel
print(list(run_parallel({function}, {items!r}, jobs=2)), flush=True)
"""


def script(tmp_path, function, items):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(folder=str(tmp_path), function=function, items=items))
    return [sys.executable, str(path)]


def test_a_script_needs_no_guard(functions, tmp_path):
    done = subprocess.run(
        script(tmp_path, "double", [1, 2]), capture_output=True, text=True, check=True
    )
    assert sorted(eval(done.stdout)) == [(0, 2), (1, 4)]  # noqa: S307
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks up processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_an_interrupted_script(functions, tmp_path, how):
    files = [tmp_path / "a.pid", tmp_path / "b.pid"]
    command = script(tmp_path, "sleep_long", [str(file) for file in files])
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        wait_until(lambda: all(file.exists() and file.read_text() for file in files))
        process.send_signal(how)
        process.wait(20)
    pids = [int(file.read_text()) for file in files]
    wait_until(lambda: not any(is_running(pid) for pid in pids))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks up processes in /proc")
def test_processes_end_by_themselves_when_the_script_is_killed(functions, tmp_path):
    command = script(tmp_path, "nothing", list(range(10_000)))
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(lambda: len(children.read_text().split()) == 2)
        pids = [int(pid) for pid in children.read_text().split()]
        time.sleep(0.5)
        process.kill()
        wait_until(lambda: not any(is_running(pid) for pid in pids))
        assert process.stderr.read() == b""
