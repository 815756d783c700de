"""Splits: frozen outcome of an audit, hashed, saved, read, refused."""

from __future__ import annotations

import json

import pytest

from zsl_bench.errors import ClassSetError, ResultError, ZslBenchError
from zsl_bench.splits import (
    bundled_splits,
    check_overlap,
    class_list,
    load_split,
    read_split,
    split_from_audit,
)


@pytest.mark.parametrize(
    ("name", "against"),
    [
        ("kinetics700-tp1", ["ucf101", "hmdb51"]),
        ("kinetics700-tp2", ["ucf101", "hmdb51", "activitynet200"]),
    ],
)
def test_bundled_splits_are_what_the_audit_yields_today(name, against):
    split = load_split(name)
    audit = check_overlap("kinetics700", against)
    assert split.kept == tuple(n.name for n in audit.kept)
    assert set(split.removed) == {n.name for n in audit.removed}
    assert split.train == ("kinetics700", audit.train.fingerprint)
    assert split.vectors_digest == audit.vectors_digest
    assert split.sha256 == split_from_audit(audit, split_id=name).sha256


def test_short_names_are_the_training_protocols():
    assert load_split("tp1").id == "kinetics700-tp1"
    assert load_split("TP2").id == "kinetics700-tp2"
    assert set(load_split("tp2").kept) < set(load_split("tp1").kept)
    assert set(bundled_splits()) == {"kinetics700-tp1", "kinetics700-tp2"}


def test_a_split_keeps_nothing_that_overlaps():
    audit = check_overlap("tp1", ["ucf101", "hmdb51"])
    assert audit.removed == ()
    assert len(audit.train) == len(load_split("tp1").kept)


def test_a_split_survives_its_file(tmp_path):
    split = split_from_audit(check_overlap("hmdb51", ["ucf101"]), split_id="mine")
    path = tmp_path / "deep" / "mine.json"
    split.save(path)
    assert read_split(path) == split
    assert class_list(path).names == split.kept
    assert class_list(path).dataset == "mine"


def test_a_split_of_ones_own_list_can_be_used_again(tmp_path):
    listed = tmp_path / "odd.txt"
    listed.write_text("Folding_Napkins\nArchery\npeelingPotatoes\n")
    split = split_from_audit(check_overlap(listed, ["ucf101"]), split_id="mine")
    split.save(tmp_path / "mine.json")
    classes = class_list(tmp_path / "mine.json")
    assert classes.names == ("Folding_Napkins", "peelingPotatoes")
    assert classes.words == (("fold", "napkins"), ("peel", "potatoes"))
    assert check_overlap(tmp_path / "mine.json", ["ucf101"]).removed == ()


def test_splits_and_names_can_be_audited_as_they_are():
    assert check_overlap(load_split("tp1"), "ucf101").removed == ()
    audit = check_overlap(["archery", "folding napkins"], "ucf101")
    assert [n.name for n in audit.removed] == ["archery"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda data: data["kept"].append("Archery"), "SHA-256"),
        (lambda data: data.update(threshold=0.01), "SHA-256"),
        (lambda data: data.pop("rules"), "rules"),
        (lambda data: data.update(schema=99), "SHA-256"),
        (lambda data: data.update(tests=3), "read split file"),
    ],
)
def test_an_edited_split_is_refused(tmp_path, edit, words):
    path = tmp_path / "s.json"
    split_from_audit(check_overlap("hmdb51", ["ucf101"]), split_id="mine").save(path)
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))
    with pytest.raises(ResultError, match=words):
        read_split(path)


def test_no_json_is_one_line(tmp_path):
    path = tmp_path / "s.json"
    path.write_text("{")
    with pytest.raises(ResultError, match="no valid JSON"):
        read_split(path)


def test_an_audit_that_keeps_nothing_makes_no_split():
    with pytest.raises(ClassSetError, match="lower the threshold"):
        split_from_audit(check_overlap("hmdb51", ["ucf101"], threshold=2.0), split_id="none")


def test_unknown_lists_get_near_matches():
    with pytest.raises(ZslBenchError, match="did you mean 'kinetics700'"):
        class_list("kinetix700")
    with pytest.raises(ClassSetError, match="did you mean 'kinetics700-tp"):
        load_split("kinetics700-tp3")
