"""Whether features are free of leaks: only what is declared, and all that is declared."""

from __future__ import annotations

import pytest

from zsl_bench.baselines.extracted import leakage, read_clip_file
from zsl_bench.classes import load_class_set
from zsl_bench.splits import check_overlap, class_list


def found(made, dataset="ucf101", **fields):
    path, *_ = made(**fields)
    return leakage(read_clip_file(path), load_class_set(dataset))


def test_kinetics_pretraining_is_counted_as_the_audit_counts_it(made):
    kinetics = load_class_set("kinetics400")
    leak = found(made, pretrained_on=kinetics)
    # The audit looks from Kinetics at UCF101; here the test classes are counted, by a loop.
    audit = check_overlap("ucf101", ["kinetics400"])
    expected = sum(neighbour.distance < 0.05 for neighbour in audit.neighbours)
    assert expected > 10
    assert str(leak) == f"pretraining: kinetics400, {expected} of 101 test classes within 0.05"
    assert not leak.leak_free
    assert leak.to_json()["leak_free"] is False


def test_training_classes_count_as_pretraining_classes_do(made):
    one = found(made, trained_on=load_class_set("kinetics400"))
    other = found(made, pretrained_on=load_class_set("kinetics400"))
    assert str(one) == str(other)


@pytest.mark.parametrize("dataset", ["ucf101", "hmdb51"])
def test_the_papers_own_classes_and_no_classes_are_clean(made, dataset):
    assert found(made, dataset, trained_on=class_list("tp1")).leak_free
    nothing = found(made, dataset)
    assert nothing.leak_free
    assert str(nothing).startswith("pretraining: none, 0 of")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"backbone": False}, "trained_on: undeclared, pretrained_on: undeclared"),
        ({"pretrained_on": None}, "pretrained_on: undeclared"),
        ({"pretrained_on": "open"}, "pretrained_on: open"),
    ],
)
def test_silence_is_never_leak_free(made, fields, words):
    leak = found(made, **fields)
    assert words in str(leak)
    assert str(leak).endswith("not leak-free")
    assert not leak.leak_free


def test_a_leak_beside_silence_is_still_counted(made):
    leak = found(made, trained_on=["Archery"], pretrained_on="open")
    assert "1 of 101 test classes" in str(leak)
    assert leak.verdict.finding == "overlapping"
