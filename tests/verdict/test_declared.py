"""Declarations: what a user's words stand for, and what they may not be."""

from __future__ import annotations

import pytest

from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.errors import ZslBenchError
from zsl_bench.model import ModelCard
from zsl_bench.splits import load_split
from zsl_bench.verdict import Declared, declared_classes, parse_declaration


def named(*names, dataset="mine"):
    return class_set_from_names(names, dataset=dataset, source="test")


def test_words_that_stand_for_no_classes():
    assert parse_declaration(()) is None
    assert parse_declaration(["open"]) == "open"
    assert parse_declaration([" OPEN ", "open"]) == "open"
    assert parse_declaration(["none"]) == ()


def test_sets_splits_and_files_each_once(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("sipping tea\nfolding napkins\n")
    sets = parse_declaration(["kinetics400", "k400", "tp1", str(mine)])
    assert [s.dataset for s in sets] == ["kinetics400", "kinetics700-tp1", "mine"]
    assert sets[1] == load_split("tp1").classes()
    assert sets[2].names == ("sipping tea", "folding napkins")


def test_a_file_called_open_is_reached_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "open").write_text("sipping tea\n")
    assert parse_declaration(["open"]) == "open"
    assert parse_declaration(["./open"])[0].names == ("sipping tea",)


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["open", "kinetics400"], "'open' beside others"),
        (["none", "kinetics400"], "'none' beside others"),
        (["none", "open"], "'none' beside others"),
        (["knetics400"], "did you mean 'kinetics400'"),
        (["opne"], "did you mean 'open'"),
        (["zzzz"], "choose from activitynet200"),
        ([""], "choose from activitynet200"),
    ],
)
def test_what_cannot_be_declared(texts, says):
    with pytest.raises(ZslBenchError) as caught:
        parse_declaration(texts)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_file_keeps_its_own_message(tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    with pytest.raises(ZslBenchError, match="no classes"):
        parse_declaration([str(empty)])


def test_declared_classes_come_once_by_name_and_by_words():
    declared = Declared(
        trained_on=(named("sipping tea", "Riding a Camel", dataset="a"),),
        pretrained_on=(named("SippingTea", "tea sipping", "flying", dataset="b"),),
    )
    together = declared_classes(declared)
    assert together.names == ("a/sipping tea", "a/Riding a Camel", "b/flying")
    assert together.dataset == "a+b"


def test_a_set_declared_twice_counts_once():
    kinetics = (load_class_set("kinetics400"),)
    declared = Declared(trained_on=kinetics, pretrained_on=kinetics)
    assert len(declared_classes(declared)) == 400


def test_no_classes_declared():
    assert declared_classes(Declared(trained_on="open", pretrained_on=())) is None
    assert declared_classes(ModelCard(name="m")) is None
