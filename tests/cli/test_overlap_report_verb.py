"""``zsl-bench overlap-report`` and the figures of class lists, as a user calls them."""

from __future__ import annotations

import csv
import json

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*arguments):
    return CliRunner().invoke(main, list(arguments))


def test_page_table_and_note(tmp_path):
    done = call("overlap-report", "kinetics400", "--against", "hmdb51")
    assert done.exit_code == 0
    assert "21.6" in done.stdout
    assert done.stderr == "page written to overlap.html\n"
    assert "overlap-report kinetics400 --against hmdb51<" in (tmp_path / "overlap.html").read_text()


def test_json_writes_no_page_unless_asked(tmp_path):
    done = call("overlap-report", "kinetics400", "--against", "hmdb51", "--json")
    data = json.loads(done.stdout)
    assert data["pairs"][0]["at"][5]["classes"] == 11
    assert list(tmp_path.iterdir()) == []
    call("overlap-report", "kinetics400", "--against", "hmdb51", "--json", "--out", "a/p.html")
    assert (tmp_path / "a" / "p.html").is_file()


def test_a_threshold_of_ones_own_stands_in_the_command(tmp_path):
    done = call("overlap-report", "kinetics400", "--against", "hmdb51", "--threshold", "0.2")
    assert "below 0.2" in done.stdout
    page = (tmp_path / "overlap.html").read_text()
    assert "--threshold 0.2<" in page
    assert 'step="0.01" value="0.2"' in page


def test_vectors_of_ones_own_stand_in_the_command(tmp_path):
    (tmp_path / "train.txt").write_text("jump\nrun\n")
    (tmp_path / "own.txt").write_text(f"2 40\njump {'1 0 ' * 20}\nrun {'0 1 ' * 20}\n")
    asked = ("overlap-report", "train.txt", "--against", "train.txt")
    for more, advised in (((), True), (("--vectors", "own.txt"), False)):
        assert call(*asked, *more).exit_code == 0
        page = (tmp_path / "overlap.html").read_text()
        assert " ".join(("zsl-bench", *asked, *more)) + "<" in page
        assert ("With all of GoogleNews" in page) is advised


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["kinetics401"], "kinetics400"),
        (["kinetics400", "--threshold", "nan"], "0 to 2"),
        (["kinetics400", "k400"], "each once"),
        (["kinetics400", "--vectors", "nowhere.bin"], "nowhere.bin"),
    ],
)
def test_errors_are_one_line(arguments, told, tmp_path):
    done = call("overlap-report", *arguments)
    assert done.exit_code == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_overlap_figure_writes_its_numbers(tmp_path):
    done = call("figure", "overlap", "kinetics400", "--format", "svg", "--closest", "5")
    assert done.exit_code == 0
    assert done.stdout.split() == [
        "figures/overlap-kinetics400.csv",
        "figures/overlap-kinetics400.svg",
    ]
    with (tmp_path / "figures" / "overlap-kinetics400.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sum(row["removed"] == "True" for row in rows) == 400 - 361


def test_class_map_takes_a_list_of_ones_own(tmp_path):
    (tmp_path / "mine.txt").write_text("archery\nfolding napkins\n")
    done = call(
        "figure", "class-map", "mine.txt", "--against", "hmdb51", "--format", "png", "--json"
    )
    (figure,) = json.loads(done.stdout)["figures"]
    assert len(figure["rows"]) == 53
    assert (tmp_path / figure["files"][1]).read_bytes().startswith(b"\x89PNG")


def test_nearer_classes_wants_two_results_and_both_sets(tmp_path, write_results):
    write_results(tmp_path)
    verb, a, b = ("figure", "nearer-classes"), "results/a.json", "results/b.json"
    assert call(*verb, a).exit_code == 2
    assert call(*verb, a, b, "--anyway", "--before", "tp1").exit_code == 2
    assert call(*verb, a, b, "--anyway", "--vectors", "v.bin").exit_code == 2
    done = call(
        *verb, a, b, "--anyway", "--before", "tp1", "--added", "sun397", "--format", "svg", "--json"
    )
    assert done.exit_code == 0
    nearer = {row[0] for row in json.loads(done.stdout)["figures"][0]["rows"] if row[4]}
    assert "Rafting" in nearer
