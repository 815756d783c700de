"""Which candidates stand beside the test classes, for all that a model may declare."""

from __future__ import annotations

from pathlib import Path

import pytest

from zsl_bench.assessment.planning import plan_protocols
from zsl_bench.assessment.seen import seen_columns
from zsl_bench.assessment.sight import look
from zsl_bench.classes import load_class_set
from zsl_bench.errors import ProtocolError
from zsl_bench.verdict import Declared
from zsl_bench.videos import Manifest, Video

UCF = load_class_set("ucf101")
KINETICS = load_class_set("kinetics400")
MANIFEST = Manifest(
    dataset="ucf101",
    root=Path("none"),
    classes=UCF,
    videos=(Video(id="a", path="a.avi", label="Archery", group="a"),),
    split="all",
)


def planned(*references, **declared):
    return plan_protocols(MANIFEST, references, Declared(**declared), vectors=None)


@pytest.mark.parametrize(
    "declared",
    [
        {"trained_on": (UCF,)},
        {"trained_on": (UCF,), "pretrained_on": "open"},
        {"trained_on": (), "pretrained_on": ()},
        {"trained_on": (), "pretrained_on": (UCF.select(["Archery"]),)},
    ],
)
def test_no_training_class_beside_the_test_classes_is_no_error(declared):
    plan = planned("open-label", **declared)
    (protocol,) = plan.protocols
    assert protocol.trials[0].candidates == protocol.trials[0].classes == UCF.names
    assert plan.distractors is None
    assert plan.declared.names == ()
    sight = look(Declared(**declared), (), MANIFEST, vectors=None, distractors=plan.declared)
    assert sight.distractors == ()


@pytest.mark.parametrize(
    "declared",
    [
        {},
        {"trained_on": "open", "pretrained_on": "open"},
        {"trained_on": (), "pretrained_on": "open"},
        {"trained_on": None, "pretrained_on": ()},
    ],
)
def test_unknown_training_classes_are_refused(declared):
    with pytest.raises(ProtocolError, match=r"no training class is declared.*--trained-on"):
        planned("open-label", **declared)


@pytest.mark.parametrize("other", [None, "open"])
@pytest.mark.parametrize("field", ["trained_on", "pretrained_on"])
def test_one_declared_field_is_enough_and_the_other_is_told(field, other):
    fields = {"trained_on": other, "pretrained_on": other, field: (KINETICS,)}
    plan = planned("gzsl", **fields)
    assert plan.protocols[0].trials[0].distractors == plan.declared.names
    assert len(plan.declared.names) > 300
    sight = look(Declared(**fields), (), MANIFEST, vectors=None, distractors=plan.declared)
    assert len(sight.verdicts[0].silent) == 1


def test_frozen_distractors_of_another_data_set_take_no_held_out_video():
    kinetics = KINETICS.select(["washing hands", "abseiling"])
    plan = planned("fair-30", "gzsl", trained_on=(kinetics,), pretrained_on=())
    names = (*UCF.names, *plan.distractors.names)
    assert "activitynet200/Washing hands" in names
    found = seen_columns(
        ["washing hands", "abseiling"],
        Declared(trained_on=(kinetics,)),
        plan.declared,
        num_test_classes=len(UCF),
        asked="held-out videos",
    )
    assert {label: names[column] for label, column in found.items()} == {
        "washing hands": "kinetics400/washing hands",
        "abseiling": "kinetics400/abseiling",
    }


def test_nothing_is_measured_where_no_protocol_asks():
    plan = planned("1", "2", trained_on=(KINETICS,))
    assert (plan.distractors, plan.declared) == (None, None)
