"""Curated judgements: the lists, their sources, and when they speak of a model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.files import asset_path, sha256_file
from zsl_bench.protocols import resolve_protocol
from zsl_bench.splits import load_split
from zsl_bench.verdict import Declared, zero_shot_verdicts
from zsl_bench.verdict.curated import curated_lists

if TYPE_CHECKING:
    from pathlib import Path

UCF = load_class_set("ucf101")
KINETICS = (load_class_set("kinetics400"),)
COUNTS = {
    ("truze-v2", "ucf101"): (70, 31),
    ("truze-v2", "hmdb51"): (29, 22),
    ("truze-v1", "ucf101"): (67, 34),
    ("fair-30", "ucf101"): (0, 8),
    ("fair-30", "hmdb51"): (0, 3),
    ("fair-30", "activitynet200"): (0, 19),
}
HASHES = {
    "fair-30": "2c461952584784c75493782b997c48480ee096535b0699a4e090d25aa8560dc0",
    "truze-v1": "83dfbef7165e71bfcf53000ac761507a6c3b1d2841e7aedebc8b4aa25b5673e0",
    "truze-v2": "40a5a9890296f294dde8c95463735632d52d349356f8e11478c5ac7da2be9986",
}
SPELLINGS = {
    "Basketball Shooting": "Basketball",
    "Salsa Spins": "SalsaSpin",
    "Swing Basketball": "swing_baseball",
}


def curated(declared, classes, rule):
    return next((v for v in zero_shot_verdicts(declared, classes) if v.rule == rule), None)


@pytest.mark.parametrize("name", HASHES)
def test_a_list_is_frozen(name):
    assert sha256_file(asset_path("curated", f"{name}.json")) == HASHES[name]


def test_counts_and_names():
    found = {
        (listed.id, dataset): (len(listed.overlapping[dataset]), len(clean))
        for listed in curated_lists()
        for dataset, clean in listed.clean.items()
    }
    assert found == COUNTS
    for listed in curated_lists():
        for dataset, clean in listed.clean.items():
            judged = (*listed.overlapping[dataset], *clean)
            assert len(set(judged)) == len(judged)
            assert set(judged) <= set(load_class_set(dataset).names)
            assert listed.source


def test_the_versions_of_truze_differ_in_three_classes():
    by_id = {listed.id: listed for listed in curated_lists()}
    old, new = by_id["truze-v1"].clean["ucf101"], by_id["truze-v2"].clean["ucf101"]
    assert set(old) - set(new) == {"BaseballPitch", "CuttingInKitchen", "Punch"}
    assert set(new) < set(old)


def _published(path: Path) -> dict[tuple[str, str], list[str]]:
    found = {}
    for dataset, block in zip(
        ("ucf101", "hmdb51"), path.read_text().split("##HMDB51"), strict=True
    ):
        for part in ("Training", "Testing"):
            body = re.search(rf"{part} \((\d+) classes\):(.*?)\.\s", block + "\n", re.DOTALL)
            names = [" ".join(name.split()) for name in body[2].split(",")]
            assert len(names) == int(body[1])
            classes = load_class_set(dataset)
            found[dataset, part] = [classes.find(SPELLINGS.get(name, name)) for name in names]
    return found


@pytest.mark.datasets
def test_truze_follows_from_the_published_file(shared_data):
    published = _published(shared_data / "splits" / "truze" / "ZSL.txt")
    listed = next(listed for listed in curated_lists() if listed.id == "truze-v2")
    for dataset in ("ucf101", "hmdb51"):
        assert sorted(published[dataset, "Training"]) == sorted(listed.overlapping[dataset])
        assert sorted(published[dataset, "Testing"]) == sorted(listed.clean[dataset])


@pytest.mark.parametrize(("rule", "dataset"), COUNTS)
def test_the_protocol_of_a_list_tests_its_clean_classes(rule, dataset):
    listed = next(listed for listed in curated_lists() if listed.id == rule)
    protocol = resolve_protocol(rule, load_class_set(dataset))
    assert [sorted(trial.classes) for trial in protocol.trials] == [sorted(listed.clean[dataset])]


@pytest.mark.parametrize("dataset", ["kinetics400", "kinetics600", "kinetics700"])
def test_truze_speaks_of_a_model_that_saw_a_whole_kinetics(dataset):
    verdict = curated(Declared(trained_on=(load_class_set(dataset),)), UCF, "truze-v2")
    assert str(verdict) == "overlapping (truze-v2)"
    assert len(verdict.seen) == 70
    assert {seen.declared_in for seen in verdict.seen} == {"trained_on"}
    assert {seen.seen_in for seen in verdict.seen} == {dataset}
    assert {(seen.seen_as, seen.distance) for seen in verdict.seen} == {(None, None)}
    assert f"a whole Kinetics set: {dataset}" in verdict.note


@pytest.mark.parametrize(
    ("trained", "test", "rule", "refuted"),
    [
        ("kinetics400", "ucf101", "truze-v2", ()),
        ("kinetics600", "ucf101", "truze-v2", ("JumpingJack",)),
        ("kinetics700", "ucf101", "truze-v1", ("JumpingJack",)),
        ("kinetics700", "hmdb51", "truze-v2", ()),
    ],
)
def test_a_class_called_clean_and_declared_all_the_same_is_unjudged(trained, test, rule, refuted):
    declared = Declared(trained_on=(load_class_set(trained),), pretrained_on=())
    verdict = curated(declared, load_class_set(test), rule)
    assert verdict.unjudged == refuted
    assert all(name in verdict.note for name in refuted)
    assert ("calls clean" in verdict.note) == bool(refuted)


@pytest.mark.parametrize(
    ("trained", "refuted"),
    [
        ("kinetics400", {"Drinking beer", "Cleaning shoes", "Washing hands"}),
        ("kinetics700", {"Cleaning shoes", "Washing hands"}),
    ],
)
def test_fair_30_names_classes_that_kinetics_has(trained, refuted):
    activitynet = load_class_set("activitynet200")
    declared = Declared(trained_on=(load_class_set(trained),), pretrained_on=())
    verdict = curated(declared, activitynet, "fair-30")
    listed = next(of for of in curated_lists() if of.id == "fair-30").clean["activitynet200"]
    assert set(listed) & set(verdict.unjudged) == refuted


def test_a_whole_set_may_be_declared_in_another_spelling_or_in_two_fields():
    names = [name.replace(" ", "_").upper() for name in KINETICS[0].names]
    spelt = class_set_from_names(names, dataset="mine", source="test")
    assert len(curated(Declared(pretrained_on=(spelt,)), UCF, "truze-v2").seen) == 70
    halves = [
        (class_set_from_names(part, dataset="mine", source="test"),)
        for part in (names[:200], names[200:])
    ]
    verdict = curated(Declared(trained_on=halves[0], pretrained_on=halves[1]), UCF, "truze-v2")
    assert {seen.declared_in for seen in verdict.seen} == {"trained_on and pretrained_on"}


@pytest.mark.parametrize(
    ("trained", "says"),
    [
        ((load_split("tp1").classes(),), "kinetics700-tp1 is only a part of one"),
        ((load_class_set("hmdb51"),), "the declared classes hold none"),
        ((), "the declared classes hold none"),
        ((KINETICS[0].select(KINETICS[0].names[:399]),), "kinetics400 is only a part"),
    ],
)
@pytest.mark.parametrize("rule", ["truze-v2", "truze-v1", "fair-30"])
def test_a_list_that_does_not_speak_of_a_model_never_reads_as_disjoint(trained, says, rule):
    verdict = curated(Declared(trained_on=trained, pretrained_on=()), UCF, rule)
    assert str(verdict) == f"unjudged ({rule})"
    assert verdict.unjudged == UCF.names
    assert verdict.seen == ()
    assert says in verdict.note


def test_fair_30_judges_its_classes_only():
    verdict = curated(Declared(trained_on=KINETICS, pretrained_on=()), UCF, "fair-30")
    assert verdict.finding == "unjudged"
    assert len(verdict.unjudged) == 93
    assert "PizzaTossing" not in verdict.unjudged
    few = UCF.select(["PizzaTossing", "IceDancing"])
    declared = Declared(trained_on=KINETICS, pretrained_on=())
    assert curated(declared, few, "fair-30").finding == "disjoint"
    silent = Declared(trained_on=KINETICS, pretrained_on="open")
    assert curated(silent, few, "fair-30").finding == "undeclared"


def test_data_beside_kinetics_is_not_judged():
    beside = (load_class_set("sun397"),)
    declared = Declared(trained_on=KINETICS, pretrained_on=beside)
    few = UCF.select(["PizzaTossing", "IceDancing"])
    verdict = curated(declared, few, "fair-30")
    assert verdict.finding == "unjudged"
    assert "says nothing of sun397" in verdict.note


def test_a_list_is_silent_on_data_sets_that_it_does_not_know():
    declared = Declared(trained_on=KINETICS, pretrained_on=())
    assert curated(declared, load_class_set("activitynet200"), "truze-v2") is None
    assert curated(declared, load_class_set("hmdb51"), "truze-v1") is None
    assert len(zero_shot_verdicts(declared, load_class_set("sun397"))) == 3
