"""``zsl-bench list``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main


def as_json(*arguments: str):
    done = CliRunner().invoke(main, ["list", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_classes_of_a_set():
    rows = as_json("classes", "ucf101")
    assert len(rows) == 101
    assert set(rows[0]) == {"name", "words", "label", "aliases"}
    by_name = {row["name"]: row for row in rows}
    assert by_name["HandstandPushups"]["words"] == ["handstand", "pushups"]
    assert "HandStandPushups" in by_name["HandstandPushups"]["aliases"]


@pytest.mark.parametrize(
    ("name", "count"),
    [("hmdb51", 51), ("activitynet200", 200), ("kinetics400", 400), ("kinetics600", 600),
     ("kinetics700", 700), ("sun397", 397), ("tp1", 662)],
)  # fmt: skip
def test_sizes(name, count):
    assert len(as_json("classes", name)) == count


def test_words_of_another_rule_set():
    rows = {row["name"]: row for row in as_json("classes", "ucf101", "--words", "plain")}
    assert rows["BabyCrawling"]["words"] == ["baby", "crawling"]
    assert rows["CleanAndJerk"]["words"] == ["weight", "lift"]
    split = {row["name"]: row for row in as_json("classes", "tp1", "--words", "plain")}
    assert split["riding mule"]["words"] == ["riding", "mule"]
    differing = {row["name"]: row["differing"] for row in as_json("classes", "--words", "plain")}
    assert differing == {
        "activitynet200": 142, "hmdb51": 2, "kinetics400": 343, "kinetics600": 514,
        "kinetics700": 605, "sun397": 0, "ucf101": 55,
    }  # fmt: skip
    for name in ((), ("ucf101",)):
        done = CliRunner().invoke(main, ["list", "classes", *name, "--words", "plian"])
        assert done.exit_code == 1
        assert done.stderr.count("\n") == 1
        assert "did you mean 'plain'?" in done.stderr


def test_the_overviews():
    assert {row["name"] for row in as_json("classes")} >= {"ucf101", "sun397"}
    assert {row["name"] for row in as_json("splits")} == {"kinetics700-tp1", "kinetics700-tp2"}
    assert {m["name"] for m in as_json("models")["models"]} >= {"e2e", "e2e-random", "frozen"}
    assert {p["name"] for p in as_json("policies")} >= {"paper-25", "official-25", "first-16"}


def test_training_configurations():
    rows = {row["name"]: row for row in as_json("configs")}
    assert set(rows) >= {"e2e-kinetics700-tp1", "sun397-pretrain", "c3d"}
    assert rows["c3d"]["network"] == "c3d"
    assert rows["sun397-pretrain"]["data"] == "sun397"
    assert all(row["description"] for row in rows.values())
    done = CliRunner().invoke(main, ["list", "configs"])
    assert all(row["description"] in done.stdout for row in rows.values())


def test_tables_show_whole_names_in_a_pipe():
    done = CliRunner().invoke(main, ["list", "classes", "kinetics700"])
    assert "passing American football (not in game)" in done.stdout
