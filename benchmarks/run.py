"""Run the benchmarks one after the other and write one table of what they show.

    python benchmarks/run.py [--only NAME ...] [--out FOLDER] [--quick] [--again] [--limit SECONDS]
    python benchmarks/run.py --list

``--quick`` only checks that both sides of every comparison agree, on little data: no figures.

With ``--out`` every report is kept as soon as it is there, in ``FOLDER/runs/NAME.json``;
``results.json`` has all of them with machine, versions, date and command, and ``table.md`` the
ratios with their spread. The same command goes on behind those that are done, unless a script, the
package, a version or the machine has changed; ``--again`` starts anew. Ctrl-C or
SIGTERM ends the script that runs, and what is done is kept.

The exit code is 1 where two sides differ or a script fails, 3 where all agree but a figure is below
its floor, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import describe_machine
from suite import SUITE, Benchmark, Figure, read_report

import zsl_bench
from zsl_bench.files import atomic_write, sha256_file, sha256_json, write_json
from zsl_bench.provenance import environment, package_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).parent
FORMAT = 1
BAD = ("differs", "failed")
SLOW, STOPPED = 3, 130
_GRACE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of one benchmark.

    Attributes:
        name: Its name in the suite.
        key: Digest of the command, the code, the versions and the machine.
        status: ``ok``; ``slow``, where a figure is below its floor; ``differs``; or ``failed``.
        seconds: How long the script ran.
        load: Mean number of processes that wanted to run in the last minute, before and after.
        note: The last line that a script wrote that did not end well.
        figures: Its ratios; none of a check.
        report: The JSON value that it printed.
    """

    name: str
    key: str
    status: str
    seconds: float
    load: tuple[float, ...]
    note: str
    figures: tuple[Figure, ...]
    report: object

    @classmethod
    def from_file(cls, path: Path) -> Run | None:
        """Read a kept run; None where there is none that can be read."""
        try:
            kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
            figures = tuple(Figure(**figure) for figure in kept.pop("figures"))
            return cls(**{**kept, "figures": figures, "load": tuple(kept["load"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def code_digest() -> str:
    """Return the digest of the scripts and of the package."""
    files = [*FOLDER.glob("*.py"), *Path(zsl_bench.__file__).parent.rglob("*.py")]
    return sha256_json(sorted((path.name, sha256_file(path)) for path in files))


def run_key(benchmark: Benchmark, *, quick: bool, code: str, machine: dict[str, Any]) -> str:
    """Return the digest of all that the report of a benchmark depends on."""
    arguments = benchmark.quick if quick else benchmark.arguments
    return sha256_json([benchmark.file, arguments, code, machine, package_versions()])


def execute(command: Sequence[str], *, limit: float, folder: str) -> tuple[int | None, str, str]:
    """Run a command in a session of its own, so that it ends with all that it started.

    Args:
        command: Program and arguments.
        limit: Seconds after which it is ended.
        folder: Where it keeps temporary files.

    Returns:
        Exit code, None where it was ended for its time, and what it wrote to both streams.
    """
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": folder},
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            _end(process)
            return None, "", f"took more than {limit:g} s"
        except BaseException:
            _end(process)
            raise
    return process.returncode, stdout, stderr


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and those that it started, kindly at first."""
    for sign in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.communicate(timeout=_GRACE_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def run_benchmark(benchmark: Benchmark, *, key: str, quick: bool, limit: float) -> Run:
    """Run a benchmark and judge what it reports."""
    arguments = benchmark.quick if quick else benchmark.arguments
    command = [sys.executable, str(FOLDER / benchmark.file), *arguments, "--json"]
    before, started = os.getloadavg()[0], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        code, stdout, stderr = execute(command, limit=limit, folder=folder)
    try:
        report = json.loads(stdout)
        found = read_report(report)
    except ValueError:
        report, found = None, None
    if found is None:
        status = "failed"
    elif not found.agrees or (code and quick):
        status = "differs"
    else:
        status = "slow" if code or not found.fast else "ok"
    return Run(
        name=benchmark.name,
        key=key,
        status=status,
        seconds=round(time.monotonic() - started, 1),
        load=(round(before, 1), round(os.getloadavg()[0], 1)),
        note="" if status == "ok" else "".join(stderr.strip().splitlines()[-1:]),
        figures=() if quick or found is None else tuple(found.figures),
        report=report,
    )


def table(runs: Sequence[Run], about: dict[str, Any]) -> str:
    """Return the ratios and where they were measured, as Markdown."""
    lines = [f"# Benchmarks, {about['environment']['time']}", "", "| | |", "|---|---|"]
    packages = about["environment"]["packages"]
    facts = {
        **about["machine"],
        "python": about["environment"]["python"],
        "versions": ", ".join(f"{name} {version}" for name, version in packages.items()),
        "commit": (about["environment"]["git"] or {}).get("commit", "none"),
        "command": " ".join(about["environment"]["command"]),
    }
    lines += [f"| {name} | {_cell(value)} |" for name, value in facts.items()]
    lines += ["", "| benchmark | shows | outcome | seconds | load |", "|---|---|---|--:|--:|"]
    shows = {benchmark.name: benchmark.shows for benchmark in SUITE}
    for run in runs:
        outcome = run.status + (f": {_cell(run.note)}" if run.note else "")
        load = " to ".join(f"{each:g}" for each in run.load)
        lines.append(f"| {run.name} | {shows[run.name]} | {outcome} | {run.seconds:g} | {load} |")
    if any(run.figures for run in runs):
        lines += ["", "| benchmark | of | figure | value | range |", "|---|---|---|--:|--:|"]
        for run in runs:
            lines += [_line(run.name, figure) for figure in run.figures]
    return "\n".join(lines) + "\n"


def _line(name: str, figure: Figure) -> str:
    ends = (figure.lowest, figure.highest)
    spread = " to ".join(f"{end:.3g}" for end in ends if end is not None)
    cells = (name, _cell(figure.what), figure.key, f"{figure.value:.3g}", spread)
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What is run in which mode, and where it is kept.

    Attributes:
        out: Folder for reports and tables; None keeps nothing.
        quick: Whether sides are only checked, not measured.
        limit: Seconds after which a script is ended.
        about: Machine, versions, date and command.
        keys: For each benchmark the digest of all that its report depends on.
    """

    out: Path | None
    quick: bool
    limit: float
    about: dict[str, Any]
    keys: dict[str, str]

    def kept(self) -> dict[str, Run]:
        """Return the runs that were kept, went well and would come out the same."""
        if self.out is None:
            return {}
        found = {name: Run.from_file(self._place(self.out, name)) for name in self.keys}
        return {
            name: run
            for name, run in found.items()
            if run is not None and run.key == self.keys[name] and run.status not in BAD
        }

    def run(self, benchmark: Benchmark) -> Run:
        """Run one benchmark and keep what it reports."""
        key = self.keys[benchmark.name]
        run = run_benchmark(benchmark, key=key, quick=self.quick, limit=self.limit)
        if self.out is not None:
            write_json(self._place(self.out, run.name), asdict(run))
        return run

    def write(self, runs: dict[str, Run]) -> None:
        """Write all runs and their table."""
        if self.out is not None:
            ordered = [runs[each.name] for each in SUITE if each.name in runs]
            results = {**self.about, "benchmarks": [asdict(run) for run in ordered]}
            write_json(self.out / "results.json", results)
            with atomic_write(self.out / "table.md") as stream:
                stream.write(table(ordered, self.about).encode())

    @staticmethod
    def _place(out: Path, name: str) -> Path:
        return out / "runs" / f"{name}.json"


def run_all(suite: Suite, chosen: Sequence[Benchmark], *, again: bool) -> int:
    """Run some benchmarks, keep what they report, and return the exit code."""
    kept = suite.kept()
    there = {} if again else kept
    runs = dict(kept)
    try:
        for benchmark in chosen:
            name = benchmark.name
            print(f"{name:18} ", end="", flush=True)
            if name in there:
                print(f"{there[name].status}, from before", flush=True)
                continue
            runs[name] = run = suite.run(benchmark)
            print(f"{run.status} in {run.seconds:g} s {run.note}".rstrip(), flush=True)
            suite.write(runs)
    except KeyboardInterrupt:
        print("\nstopped" if suite.out is None else "\nstopped; what is done is kept", flush=True)
        return STOPPED
    suite.write(runs)
    statuses = {runs[benchmark.name].status for benchmark in chosen}
    if statuses.intersection(BAD):
        return 1
    return SLOW if "slow" in statuses else 0


def main(given: Sequence[str] | None = None) -> int:
    """Parse the arguments and run."""
    names = [benchmark.name for benchmark in SUITE]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--out", type=Path, metavar="FOLDER")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--limit", type=float, default=3600.0, metavar="SECONDS")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args(given)
    if arguments.list:
        for benchmark in SUITE:
            print(f"{benchmark.name:18} {benchmark.shows}")
        return 0
    machine, code, quick = describe_machine(), code_digest(), arguments.quick
    suite = Suite(
        out=arguments.out,
        quick=quick,
        limit=arguments.limit,
        about={"format": FORMAT, "machine": machine, "environment": environment()},
        keys={each.name: run_key(each, quick=quick, code=code, machine=machine) for each in SUITE},
    )
    chosen = [each for each in SUITE if each.name in arguments.only]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return run_all(suite, chosen, again=arguments.again)


if __name__ == "__main__":
    sys.exit(main())
