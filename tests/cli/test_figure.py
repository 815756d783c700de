"""``zsl-bench figure``: what is written and told, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main

BOTH = ("results/a.json", "results/b.json", "--anyway")
FIGURES = {
    "per-class": 2 * 101,
    "best-worst": 2 * 20,
    "confusion-difference": None,
    "far-classes": None,
    "forest": 4,
}


@pytest.fixture
def place(write_results, tmp_path, monkeypatch):
    write_results(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["figure", *arguments])


def read(path):
    with Path(path).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_written_with_its_numbers_and_told(place, name):
    done = run(name, *BOTH, "--format", "png")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [f"figures/{name}.csv", f"figures/{name}.png"]
    assert (place / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
    rows = read(f"figures/{name}.csv")
    assert FIGURES[name] in (None, len(rows))
    assert "NOT COMPARABLE: nobody knows" in done.stderr


def test_confusion_has_a_figure_for_each_result_and_the_pairs(place):
    done = run("confusion", *BOTH[:2], "--format", "png", "--out", "there")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[-5:] == [
        "there/confusion-a.csv",
        "there/confusion-a.png",
        "there/confusion-b.csv",
        "there/confusion-b.png",
        "there/most-confused.csv",
    ]
    entries = read("there/confusion-b.csv")
    assert len(entries) == 101**2
    pairs = [row for row in read("there/most-confused.csv") if row["model"] == "b"]
    wrong = [row for row in entries if row["class"] != row["named"]]
    best = max(float(row["share of the class's videos"]) for row in wrong)
    assert float(pairs[0]["share of the class's videos"]) == best
    assert pairs[0]["named"] in done.stdout


def test_json_has_the_files_the_caption_and_the_numbers(place):
    done = run("per-class", "results/a.json", "--json", "--format", "svg")
    (told,) = json.loads(done.stdout)["figures"]
    assert told["files"] == ["figures/per-class.csv", "figures/per-class.svg"]
    assert [list(map(str, row)) for row in told["rows"]] == [
        list(row.values()) for row in read("figures/per-class.csv")
    ]
    assert told["header"][-1] == "accuracy"
    pairs = json.loads(run("confusion", "results/a.json", "--json", "--format", "svg").stdout)
    assert pairs["also"] == ["figures/most-confused.csv"]


def test_another_protocol_is_scored_from_the_arrays(place):
    done = run("forest", "results/a.json", "--protocol", "xu-50", "--json", "--format", "png")
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)["figures"]
    (row,) = [dict(zip(told["header"], row, strict=True)) for row in told["rows"]]
    assert (row["protocol"], row["model"]) == ("xu-50", "a")
    done = run("per-class", "results/a.json", "--protocol", "truze-v2", "--format", "png")
    assert {row["protocol"] for row in read("figures/per-class.csv")} == {"truze-v2"}
    assert len(read("figures/per-class.csv")) == 31


def test_without_matplotlib_the_numbers_are_written_and_one_line_says_how_to_get_it(
    place, monkeypatch
):
    monkeypatch.setattr("zsl_bench.figures.chart.can_plot", lambda: False)
    monkeypatch.setattr("zsl_bench.cli.figure_options.can_plot", lambda: False)
    done = run("forest", "results/a.json")
    assert done.exit_code == 0
    assert done.stdout == "figures/forest.csv\n"
    assert "matplotlib is missing; pip install 'zsl-bench[plots]' brings it" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("per-class", *BOTH[:2]), 1, "--anyway"),
        (("per-class", "nowhere.json"), 1, "nowhere.json"),
        (("per-class",), 2, "RESULT"),
        (("far-classes", "results/a.json", "--format", "gif"), 2, "'gif' is none of svg, pdf, png"),
        (("far-classes", "results/a.json", "--format", ","), 2, "none of svg"),
        (("confusion-difference", "results/a.json"), 1, "give 2 to 4"),
        (("per-clas", "results/a.json"), 2, "did you mean 'per-class'"),
        (("forest", "results/a.json", "--protocol", "xu-5"), 1, "did you mean"),
        (("best-worst", "results/a.json", "--number", "0"), 2, "--number"),
    ],
)
@pytest.mark.usefixtures("place")
def test_what_is_refused_and_how(arguments, status, words):
    done = run(*arguments)
    assert done.exit_code == status
    assert words in done.stderr
    assert done.stdout == ""
    assert not Path("figures").exists()
