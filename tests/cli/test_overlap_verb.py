"""``zsl-bench check-overlap``: table, JSON, split file, strictness, lists of one's own."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main
from zsl_bench.splits import read_split


def run(*arguments: str):
    return CliRunner().invoke(main, ["check-overlap", *arguments])


def as_json(*arguments: str) -> dict:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_first_command_of_the_readme_tells_the_truth():
    done = run("kinetics700", "--against", "ucf101", "--against", "hmdb51")
    assert done.exit_code == 0
    text = " ".join(done.stdout.split())
    assert "38 of 700 classes of kinetics700 overlap with ucf101, hmdb51" in text
    assert "662 are kept" in text
    assert "Closest call: canoeing or kayaking at 0.047" in text


def test_json_holds_what_is_promised():
    data = as_json("kinetics700", "--against", "ucf101", "--against", "hmdb51")
    assert (data["num_train"], data["num_kept"], data["num_removed"]) == (700, 662, 38)
    assert data["closest_call"]["name"] == "canoeing or kayaking"
    assert data["threshold"] == 0.05
    first = data["removed"][0]
    assert set(first) >= {"name", "nearest_class", "nearest_set", "distance"}
    assert data["approximate_words"] == sorted(data["approximate_words"])
    assert data["vectors"]


def test_strict_fails_with_status_three_only_on_overlap():
    assert run("kinetics700", "--against", "ucf101", "--strict").exit_code == 3
    assert run("tp1", "--against", "ucf101", "--against", "hmdb51", "--strict").exit_code == 0
    done = run("kinetics700", "--against", "ucf101", "--strict", "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)["num_removed"] > 0


def test_out_writes_a_split_that_can_be_used_again(tmp_path):
    path = tmp_path / "mine.json"
    done = run("kinetics600", "--against", "hmdb51", "--out", str(path))
    assert done.exit_code == 0
    split = read_split(path)
    data = as_json(str(path), "--against", "hmdb51")
    assert data["num_train"] == len(split.kept)
    assert data["num_removed"] == 0


def test_lists_of_ones_own_in_any_spelling(tmp_path):
    text = tmp_path / "classes.txt"
    text.write_text("ApplyEyeMakeup\nplaying_guitar\nwalking with a dog\nfolding napkins\n")
    data = as_json(str(text), "--against", "ucf101")
    nearest = {e["name"]: (e["nearest_class"], e["distance"]) for e in data["removed"]}
    assert nearest["ApplyEyeMakeup"] == ("ApplyEyeMakeup", 0.0)
    assert nearest["playing_guitar"] == ("PlayingGuitar", 0.0)
    assert [e["name"] for e in data["kept"]] == ["folding napkins"] or len(data["kept"]) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "classes"), ("archery\nbowling\narchery\n", "archery"), ("!!!\n", "!!!")],
)
def test_a_bad_list_is_one_line(tmp_path, content, words):
    path = tmp_path / "bad.txt"
    path.write_text(content)
    done = run(str(path), "--against", "ucf101")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert str(path) in done.stderr


def test_all_shows_every_training_class():
    done = run("hmdb51", "--against", "ucf101", "--all")
    assert "brush_hair" in done.stdout
    assert "wave" in done.stdout


def test_an_unwritable_split_leaves_nothing(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("x")
    done = run("hmdb51", "--against", "ucf101", "--out", str(blocker / "split.json"))
    assert done.exit_code == 1
    assert "write" in done.stderr
    assert list(tmp_path.iterdir()) == [blocker]


def test_words_names_the_rule_set_and_the_split_keeps_it(tmp_path):
    path = tmp_path / "plain.json"
    arguments = ("--against", "ucf101", "--against", "hmdb51", "--words", "plain")
    done = run("kinetics700", *arguments, "--out", str(path))
    assert done.exit_code == 0
    text = " ".join(done.stdout.split())
    assert "22 of 700 classes of kinetics700 overlap" in text
    assert "678 are kept" in text
    assert "rules plain)" in text
    assert read_split(path).rules == "plain"
    again = as_json(str(path), "--against", "ucf101", "--against", "hmdb51")
    assert (again["rules"], again["num_train"], again["num_removed"]) == ("plain", 678, 0)
    released = as_json(str(path), *arguments[:4], "--words", "brattoli2020")
    assert (released["rules"], released["num_kept"]) == ("brattoli2020", 662)


def test_an_unknown_rule_set_is_one_line():
    done = run("kinetics700", "--against", "ucf101", "--words", "plian")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "'plian'" in done.stderr
    assert "did you mean 'plain'?" in done.stderr
