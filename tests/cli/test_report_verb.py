"""``zsl-bench report``: every format, where it goes, and what it refuses."""

from __future__ import annotations

import csv
import io
import json

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main
from zsl_bench.figures import chart


@pytest.fixture
def place(tmp_path, monkeypatch, write_results):
    write_results(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["report", *arguments])


def test_a_table_tells_figures_verdict_and_what_is_incomplete(place):
    done = run("results/a.json", "--protocol", "brattoli-full")
    assert done.exit_code == 0, done.output
    result = json.loads((place / "results" / "a.json").read_text())
    value = result["scores"]["brattoli-full"]["mean"]["top1"]
    assert f"{100 * value:.1f} †" in done.stdout
    assert "overlapping (brattoli2020, 0.05)" in done.stdout
    assert "a on ucf101 is incomplete, 333 of 13,320 videos, and not ranked" in done.stdout
    assert "brattoli-half" not in done.stdout


def test_results_that_are_not_comparable_need_anyway(place):
    apart = run("results/a.json", "results/b.json", "--json")
    assert json.loads(apart.stdout)["num_tables"] == 2
    together = json.loads(run("results/a.json", "results/b.json", "--json", "--anyway").stdout)
    assert together["num_tables"] == 1
    assert "clip_policy (unknown)" in together["differs"][0]
    assert not any(row["best"] for row in together["rows"])


@pytest.mark.parametrize(("kind", "start"), [("markdown", "| model"), ("latex", "% needs")])
def test_text_goes_to_stdout_or_to_a_file(place, kind, start):
    shown = run("results/a.json", "--format", kind)
    assert shown.stdout.startswith(start)
    written = run("results/a.json", "--format", kind, "--out", "made")
    assert (place / written.stdout.strip()).read_text() == shown.stdout


def test_csv_holds_full_precision(place):
    rows = list(csv.DictReader(io.StringIO(run("results/a.json", "--format", "csv").stdout)))
    result = json.loads((place / "results" / "a.json").read_text())
    for row in rows:
        assert float(row["value"]) == result["scores"][row["protocol"]]["mean"][row["metric"]]


def test_a_page_and_its_figures_are_written(place, monkeypatch):
    monkeypatch.setattr(chart.Chart, "picture", lambda _, kind: kind.encode())
    done = run("results/a.json", "--format", "html", "--figures", "--protocol", "brattoli-full")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == ["report/report.html"]
    assert "<title>a on ucf101</title>" in (place / "report" / "report.html").read_text()
    made = {path.name for path in (place / "report" / "figures").iterdir()}
    for name in ("forest", "per-class", "best-worst", "far-classes", "confusion"):
        assert {f"{name}.{kind}" for kind in ("csv", "svg", "pdf", "png")} <= made


def test_without_matplotlib_the_page_says_so(place, monkeypatch):
    monkeypatch.setattr(chart, "can_plot", lambda: False)
    monkeypatch.setattr("zsl_bench.report.pictures.can_plot", lambda: False)
    done = run("results/a.json", "--format", "html", "--figures")
    assert done.exit_code == 0
    assert "no figure figures-missing: matplotlib is missing" in done.stderr
    assert "pip install" in (place / "report" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["nowhere.json"], 1, "nowhere.json"),
        (["results/a.json", "--protocol", "truze"], 1, "truze"),
        (["results/a.json", "--videos", "ucf101=videos"], 2, "--videos is for --format html"),
        ([], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(place, arguments, status, words):
    done = run(*arguments)
    assert done.exit_code == status
    assert words in done.stderr
    assert done.stdout == ""
