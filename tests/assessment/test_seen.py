"""Held-out videos of training classes: every declared class finds its column."""

from __future__ import annotations

import pytest

from zsl_bench.assessment.seen import seen_columns
from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.errors import DatasetError
from zsl_bench.verdict import Declared, distractor_classes

UCF = load_class_set("ucf101")
KINETICS = load_class_set("kinetics400")
LARGE = load_class_set("kinetics700")


def named(*names, dataset="mine"):
    return class_set_from_names(names, dataset=dataset, source="test")


def columns_of(labels, declared, classes=UCF):
    return seen_columns(
        labels,
        declared,
        distractor_classes(declared, classes),
        num_test_classes=len(classes),
        asked="held-out videos",
    )


def test_a_twin_of_another_training_class_has_its_column():
    declared = Declared(trained_on=(LARGE,), pretrained_on=(KINETICS,))
    twins = {
        "changing wheel": "changing wheel (not on bike)",
        "cooking sausages": "cooking sausages (not on barbeque)",
        "hugging": "hugging (not baby)",
        "making bed": "making the bed",
        "opening bottle": "opening bottle (not wine)",
        "throwing ball": "throwing ball (not baseball or American football)",
    }
    found = columns_of([*twins, *twins.values()], declared)
    names = (*UCF.names, *distractor_classes(declared, UCF).names)
    for name, twin in twins.items():
        assert found[name] == found[twin]
        assert names[found[name]] == f"kinetics700/{twin}"


def test_only_classes_that_count_as_test_classes_are_left_out():
    declared = Declared(trained_on=(LARGE,), pretrained_on=(KINETICS,))
    labels = list(dict.fromkeys((*LARGE.names, *KINETICS.names)))
    found = columns_of(labels, declared)
    near = set()
    for one in (LARGE, KINETICS):
        alone = distractor_classes(Declared(trained_on=(one,)), UCF)
        near |= {name.partition("/")[2] for name, kept in alone.candidates.items() if kept is None}
    assert set(labels) - found.keys() == near


@pytest.mark.parametrize(
    "label", ["abseiling", "Abseiling", "kinetics400/abseiling", "kinetics_400/Abseiling"]
)
def test_spellings(label):
    declared = Declared(trained_on=(KINETICS,))
    names = distractor_classes(declared, UCF).names
    assert columns_of([label], declared) == {label: 101 + names.index("kinetics400/abseiling")}


def test_a_slash_of_a_name_is_no_data_set():
    declared = Declared(
        trained_on=(named("inside", dataset="abbey"), named("abbey/inside", dataset="sun"))
    )
    found = columns_of(["abbey/inside", "inside", "sun/abbey/inside"], declared)
    assert found == {"abbey/inside": 102, "inside": 101, "sun/abbey/inside": 102}


@pytest.mark.parametrize(
    ("labels", "declared", "says"),
    [
        (["ironing", "flying"], Declared(trained_on=(named("flying"),)), "not declare: ironing"),
        (["other/flying"], Declared(trained_on=(named("flying"),)), "not declare: other/flying"),
        (["archery"], Declared(trained_on=(KINETICS,)), "only classes that count as test classes"),
        (["abseiling"], Declared(trained_on=(), pretrained_on=()), "not declare: abseiling"),
        (["abseiling"], Declared(trained_on="open"), "not declare: abseiling"),
    ],
)
def test_classes_without_a_column_are_refused(labels, declared, says):
    with pytest.raises(DatasetError, match=says):
        columns_of(labels, declared)
