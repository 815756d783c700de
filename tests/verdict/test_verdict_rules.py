"""The rules beside the headline: names, words, precedence, and that they are never merged."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from zsl_bench.classes import class_set_from_names, fold, load_class_set, with_rules
from zsl_bench.splits import load_split
from zsl_bench.verdict import (
    Declared,
    SeenClass,
    Verdict,
    zero_shot_verdict,
    zero_shot_verdicts,
)

UCF = load_class_set("ucf101")
TESTS = ("ucf101", "hmdb51", "activitynet200")
SEEN = {
    ("kinetics400", "ucf101"): (27, 22, 26),
    ("kinetics400", "hmdb51"): (11, 2, 11),
    ("kinetics400", "activitynet200"): (76, 66, 74),
}


def rules(declared, classes):
    return {verdict.rule: verdict for verdict in zero_shot_verdicts(declared, classes)}


def named(*names, dataset="mine"):
    return class_set_from_names(names, dataset=dataset, source="test")


def test_the_headline_comes_first_and_alone_is_the_same():
    declared = Declared(trained_on=(load_class_set("kinetics400"),), pretrained_on=())
    verdicts = zero_shot_verdicts(declared, UCF)
    assert [v.rule for v in verdicts[:3]] == ["brattoli2020", "exact-name", "same-words"]
    assert verdicts[0] == zero_shot_verdict(declared, UCF)
    assert str(verdicts[0]) == "overlapping (brattoli2020, 0.05)"
    assert str(verdicts[1]) == "overlapping (exact-name)"


@pytest.mark.parametrize(("train", "test"), SEEN)
def test_counts_by_rule(train, test):
    found = rules(Declared(trained_on=(load_class_set(train),)), load_class_set(test))
    counts = tuple(len(found[r].seen) for r in ("brattoli2020", "exact-name", "same-words"))
    assert counts == SEEN[train, test]


@pytest.mark.parametrize("train", ["kinetics600", "kinetics700", "tp1"])
@pytest.mark.parametrize("test", TESTS)
def test_name_and_word_rules_against_plain_loops(train, test):
    classes = load_class_set(test)
    seen = load_split(train).classes() if train == "tp1" else load_class_set(train)
    found = rules(Declared(pretrained_on=(seen,)), classes)
    by_name = [n for n in classes.names if any(fold(n) == fold(m) for m in seen.names)]
    by_words = [
        n
        for n, words in zip(classes.names, classes.words, strict=True)
        if any(Counter(words) == Counter(other) for other in seen.words)
    ]
    assert [s.name for s in found["exact-name"].seen] == by_name
    assert [s.name for s in found["same-words"].seen] == by_words
    assert set(by_words) <= {s.name for s in found["brattoli2020"].seen}


def test_the_rules_disagree_on_the_papers_own_training_classes():
    found = rules(Declared(trained_on=(load_split("tp1").classes(),), pretrained_on=()), UCF)
    assert found["brattoli2020"].finding == "disjoint"
    assert found["same-words"].finding == "disjoint"
    assert {s.name: s.seen_as for s in found["exact-name"].seen} == {
        "PullUps": "pull ups",
        "Shotput": "shot put",
        "SkateBoarding": "skateboarding",
        "SkyDiving": "skydiving",
        "TaiChi": "tai chi",
    }


@pytest.mark.parametrize(
    ("trained", "pretrained", "finding"),
    [
        ((), (), "disjoint"),
        ((named("flying"),), (), "disjoint"),
        ((named("flying"),), "open", "undeclared"),
        (None, (named("flying"),), "undeclared"),
        (None, None, "undeclared"),
        ("open", "open", "undeclared"),
        ((named("ARCHERY"),), "open", "overlapping"),
        (None, (named("flying"), named("archery", dataset="other")), "overlapping"),
    ],
)
def test_precedence_holds_for_every_rule(trained, pretrained, finding):
    declared = Declared(trained_on=trained, pretrained_on=pretrained)
    found = rules(declared, UCF)
    for rule in ("brattoli2020", "exact-name", "same-words"):
        assert found[rule].finding == finding
    silent = finding == "undeclared" or "open" in (trained, pretrained)
    for rule in ("truze-v2", "truze-v1", "fair-30"):
        assert found[rule].finding == ("undeclared" if silent or trained is None else "unjudged")


def test_pairs_say_where_the_class_was_declared():
    declared = Declared(
        trained_on=(named("flying"),),
        pretrained_on=(named("archery"), named("Archery", dataset="b")),
    )
    (seen,) = rules(declared, UCF)["exact-name"].seen
    assert (seen.name, seen.seen_as, seen.seen_in) == ("Archery", "archery", "mine")
    assert (seen.declared_in, seen.distance) == ("pretrained_on", None)


def test_declared_classes_are_counted_once():
    kinetics = (load_class_set("kinetics400"),)
    found = rules(Declared(trained_on=kinetics, pretrained_on=kinetics), UCF)
    assert {verdict.num_declared for verdict in found.values()} == {400}
    assert {v.num_declared for v in zero_shot_verdicts(Declared(), UCF)} == {0}


def test_declared_words_follow_the_rule_set_of_the_test_classes():
    plain = with_rules(UCF, "plain")
    declared = Declared(trained_on=(load_class_set("kinetics400"),))
    same = Declared(trained_on=(load_class_set("kinetics400", "plain"),))
    assert zero_shot_verdicts(declared, plain)[:3] == zero_shot_verdicts(same, plain)[:3]
    assert zero_shot_verdict(declared, plain).rule == "plain"


def test_a_verdict_as_json():
    told = zero_shot_verdict(Declared(trained_on=(named("archery"),)), UCF).to_json()
    assert told["finding"] == "overlapping"
    assert told["rule"] == told["rules"] == "brattoli2020"
    assert told["seen"][0]["distance"] == 0.0
    assert told["unjudged"] == ()


def test_a_verdict_stays_the_same_through_json():
    kinetics, sun = (load_class_set("kinetics400"),), (load_class_set("sun397"),)
    for verdict in zero_shot_verdicts(Declared(trained_on=kinetics, pretrained_on=sun), UCF):
        told = json.loads(json.dumps(verdict.to_json()))
        seen = tuple(SeenClass(**entry) for entry in told.pop("seen"))
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
        assert Verdict(seen=seen, **fields) == verdict
