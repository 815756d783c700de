"""The suite over scripts that do as they are told: real processes, what is kept, what stops."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
MACHINE = "def describe_machine():\n    return {'processor': 'of the test'}\n"
SUITE = """
SUITE = tuple(
    Benchmark(name=name, shows="what " + name + " shows", page="video")
    for name in ("good", "slow", "differs", "broken", "waits")
)
"""
SCRIPT = """
import json, os, pathlib, subprocess, sys, tempfile, time
quick = "--quick" in sys.argv
assert "--json" in sys.argv
with pathlib.Path(__file__).with_name("log").open("a") as log:
    log.write(pathlib.Path(__file__).stem + " ")
"""
ENDS = {
    "good": 'print(json.dumps({"agree": True, "ratio": 2.5, "lowest": 2, "highest": 3}))',
    "slow": 'print(json.dumps([{"agree": True, "above_floor": quick}])); sys.exit(not quick)',
    "differs": 'print(json.dumps({"rows": [{"agree": True}, {"agree": False}]}))',
    "broken": 'sys.exit("the library is not there")',
    "waits": (
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "place = pathlib.Path(__file__).with_name('pids')\n"
        "left = tempfile.mkdtemp()\n"
        "place.with_suffix('.new').write_text(json.dumps([os.getpid(), child.pid, left]))\n"
        "place.with_suffix('.new').replace(place)\n"
        "time.sleep(600)"
    ),
}


@pytest.fixture
def place(tmp_path) -> Path:
    """A copy of the runner among scripts of the test."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    shutil.copy(BENCHMARKS / "run.py", folder)
    (folder / "suite.py").write_text((BENCHMARKS / "suite.py").read_text() + SUITE)
    (folder / "machine.py").write_text(MACHINE)
    for name, end in ENDS.items():
        (folder / f"{name}.py").write_text(SCRIPT + end + "\n")
    return folder


def command(place: Path, *arguments: str) -> list[str]:
    return [sys.executable, str(place / "run.py"), "--out", str(place.parent / "out"), *arguments]


def run(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(place, *arguments), capture_output=True, text=True, timeout=120, check=False
    )


def outcomes(place: Path) -> dict[str, str]:
    results = json.loads((place.parent / "out" / "results.json").read_text())
    return {each["name"]: each["status"] for each in results["benchmarks"]}


def calls(place: Path) -> list[str]:
    return (place / "log").read_text().split()


def test_each_outcome_is_told(place):
    done = run(place, "--only", "good", "slow", "differs", "broken")
    assert done.returncode == 1, done.stderr
    expected = {"good": "ok", "slow": "slow", "differs": "differs", "broken": "failed"}
    assert outcomes(place) == expected
    assert "the library is not there" in done.stdout
    table = (place.parent / "out" / "table.md").read_text()
    assert "| good |  | ratio | 2.5 | 2 to 3 |" in table
    assert "| broken | what broken shows | failed: the library is not there |" in table
    assert "of the test" in table
    results = json.loads((place.parent / "out" / "results.json").read_text())
    assert results["environment"]["packages"]["zsl-bench"]
    assert results["benchmarks"][0]["report"]["ratio"] == 2.5


def test_a_figure_below_its_floor_is_no_error_and_a_check_has_no_figures(place):
    assert run(place, "--only", "good", "slow").returncode == 3
    assert run(place, "--only", "good", "slow", "--quick").returncode == 0
    table = (place.parent / "out" / "table.md").read_text()
    assert "| good |  | ratio" not in table


def test_what_is_done_is_not_run_again(place):
    chosen = ("--only", "good", "broken")
    run(place, *chosen)
    again = run(place, *chosen)
    assert "from before" in again.stdout
    assert calls(place) == ["good", "broken", "broken"], "what failed is tried again"
    run(place, *chosen, "--again")
    assert calls(place)[3:] == ["good", "broken"]
    (place / "good.py").write_text((place / "good.py").read_text() + "# changed\n")
    run(place, "--only", "good")
    assert calls(place)[5:] == ["good"], "another script, another run"
    assert outcomes(place) == {"good": "ok"}
    (place / "slow.py").write_text((place / "slow.py").read_text() + "# changed\n")
    run(place, "--only", "slow", "good")
    run(place, "--only", "slow")
    assert outcomes(place) == {"good": "ok", "slow": "slow"}, "all that is kept and holds"
    (place / "log").write_text(" ".join(calls(place)[:6]) + " ")
    (place.parent / "out" / "runs" / "good.json").write_text("{")
    run(place, "--only", "good")
    assert calls(place)[6:] == ["good"], "a damaged file is no run"


def test_a_script_that_takes_too_long_is_ended(place):
    done = run(place, "--only", "waits", "--limit", "6")
    assert done.returncode == 1
    assert "took more than 6 s" in done.stdout
    assert_gone(place)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_stopped(place, how):
    with subprocess.Popen(
        command(place, "--only", "good", "waits"), stdout=subprocess.PIPE, text=True
    ) as process:
        limit = time.monotonic() + 60
        while not (place / "pids").exists():
            assert time.monotonic() < limit
            time.sleep(0.05)
        process.send_signal(how)
        stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what is done is kept" in stdout
    assert outcomes(place) == {"good": "ok"}
    assert_gone(place)


def assert_gone(place: Path) -> None:
    *pids, left = json.loads((place / "pids").read_text())
    limit = time.monotonic() + 30
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < limit, "a process was left behind"
        time.sleep(0.05)
    assert not Path(left).exists(), "temporary files were left behind"


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(scope="module")
def suite():
    spec = importlib.util.spec_from_file_location("suite_under_test", BENCHMARKS / "suite.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_ratios_are_found_wherever_they_stand(suite):
    found = suite.read_report(
        {
            "rows": [
                {"video": "ucf", "ways": {"ours": {"cpu_ratio": 9, "cpu_ratio_range": [8, 11]}}},
                {"way": "loop", "ratio": {"median": 2.0, "low": 1.5, "high": 3.0}},
                {"way": "plain", "ratio": 4.0, "ratios": [5.0, 3.0]},
                {"way": "itself", "ratio": 1.0, "lowest": 1.0, "highest": 1.0},
                {"way": "none", "ratio": None, "seconds": 3.0, "operation": 1},
            ],
            "overhead": 0.02,
            "within_limit": True,
            "ties_agree": True,
        }
    )
    assert found.agrees
    assert found.fast
    assert [(f.what, f.key, f.value, f.lowest, f.highest) for f in found.figures] == [
        ("", "overhead", 0.02, None, None),
        ("ucf, ours", "cpu_ratio", 9, 8, 11),
        ("loop", "ratio", 2.0, 1.5, 3.0),
        ("plain", "ratio", 4.0, 3.0, 5.0),
    ]


@pytest.mark.parametrize(
    ("report", "agrees", "fast"),
    [
        ({"a": [{"b": {"agree": False}}]}, False, True),
        ({"ties_agree": False, "above_floor": False}, False, False),
        ([{"above_floor": False}], True, False),
        ([], True, True),
        (3, True, True),
    ],
)
def test_verdicts_are_found_at_any_depth(suite, report, agrees, fast):
    found = suite.read_report(report)
    assert (found.agrees, found.fast) == (agrees, fast)


def test_the_suite_has_every_script_and_its_page(suite):
    scripts = {
        path.name
        for path in BENCHMARKS.glob("*.py")
        if '__name__ == "__main__"' in path.read_text("utf-8")
    }
    assert {each.file for each in suite.SUITE} == scripts - {"run.py", "loader_workers.py"}
    names = [each.name for each in suite.SUITE]
    assert len(names) == len(set(names))
    listed = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    for each in suite.SUITE:
        assert (ROOT / "docs" / f"{each.page}.md").is_file(), each.page
        assert f"`benchmarks/{each.file}`" in listed
