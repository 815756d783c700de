"""The verdict: precedence, pairs, and that silence is never called zero-shot."""

from __future__ import annotations

import pytest

from zsl_bench.classes import load_class_set
from zsl_bench.model import ModelCard
from zsl_bench.splits import load_split
from zsl_bench.verdict import zero_shot_verdict

UCF = load_class_set("ucf101")


def card(**fields) -> ModelCard:
    return ModelCard(name="m", **fields)


@pytest.mark.parametrize(
    ("trained", "pretrained", "finding"),
    [
        ((), (), "disjoint"),
        (None, (), "undeclared"),
        ((), None, "undeclared"),
        ((), "open", "undeclared"),
        ("open", "open", "undeclared"),
        (("sipping tea",), (), "disjoint"),
        (("archery",), None, "overlapping"),
        ((), ("ARCHERY",), "overlapping"),
        (None, load_class_set("kinetics400"), "overlapping"),
        (load_split("tp1").classes(), (), "disjoint"),
        (load_split("tp1").classes(), "open", "undeclared"),
        (load_split("tp1").classes(), load_class_set("kinetics400"), "overlapping"),
    ],
)
def test_precedence(trained, pretrained, finding):
    verdict = zero_shot_verdict(card(trained_on=trained, pretrained_on=pretrained), UCF)
    assert verdict.finding == finding
    assert str(verdict) == f"{finding} (brattoli2020, 0.05)"


def test_pairs_name_the_test_class_what_it_was_seen_as_and_where():
    declared = card(
        trained_on=load_class_set("hmdb51"), pretrained_on=load_class_set("kinetics400")
    )
    verdict = zero_shot_verdict(declared, UCF)
    seen = {s.name: s for s in verdict.seen}
    assert seen["Fencing"].distance == 0.0
    assert seen["Fencing"].declared_in == "trained_on"
    assert seen["Archery"].seen_as == "archery"
    assert seen["Archery"].seen_in == "kinetics400"
    assert seen["Archery"].declared_in == "pretrained_on"
    assert [s.name for s in verdict.seen] == [n for n in UCF.names if n in seen]
    assert all(s.distance < 0.05 for s in verdict.seen)


def test_silence_is_spelled_out():
    verdict = zero_shot_verdict(card(trained_on=None, pretrained_on="open"), UCF)
    assert verdict.silent == ("trained_on: undeclared", "pretrained_on: open")
