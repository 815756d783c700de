import json

import pytest
from torchvision.models.video import R2Plus1D_18_Weights

from zsl_bench.baselines.cards import (
    backbone_classes,
    card_from_json,
    card_to_json,
    with_backbone_classes,
)
from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.errors import WeightsError
from zsl_bench.model import ModelCard
from zsl_bench.video import ClipSpec

K400 = "R2Plus1D_18_Weights.KINETICS400_V1"


def minimal(**changes):
    return {"schema": 1, "name": "m", "trained_on": None, "pretrained_on": [], **changes}


@pytest.mark.parametrize(
    "declared",
    [
        None,
        "open",
        (),
        (load_class_set("hmdb51"),),
        (class_set_from_names(["RidingACamel", "YoYo"], dataset="mine", source="me"),),
    ],
    ids=["undeclared", "open", "nothing", "bundled", "own"],
)
def test_a_card_survives_json(declared):
    card = ModelCard(
        name="m",
        clip=ClipSpec(frames=8, size=64, short_side=72, dtype="float32", antialias=True),
        policy="uniform-8",
        pooling="mean-of-unit",
        trained_on=declared,
        pretrained_on="open",
        licence="MIT",
        citation="c",
        description="d",
    )
    text = json.dumps(card_to_json(card, training={"epochs": 3}))
    again = card_from_json(json.loads(text), asked="card")
    assert card_to_json(again) == card_to_json(card)
    if declared and declared != "open":
        assert [s.fingerprint for s in again.trained_on] == [s.fingerprint for s in declared]
    else:
        assert again.trained_on == declared
    assert again.revision is None


def test_a_card_keeps_its_rules_for_words():
    plain = load_class_set("hmdb51", "plain")
    card = ModelCard(name="m", rules="plain", trained_on=(plain,))
    again = card_from_json(json.loads(json.dumps(card_to_json(card))), asked="card")
    assert again.rules == "plain"
    assert again.trained_on[0].fingerprint == plain.fingerprint
    assert card_from_json(minimal(), asked="card").rules == "brattoli2020"
    entries = [
        {"dataset": "ucf101", "classes": ["BabyCrawling"], "rules": "plain"},
        {"dataset": "mine", "classes": ["peeling potatoes"], "rules": "plain"},
    ]
    first, second = card_from_json(minimal(trained_on=entries), asked="card").trained_on
    assert (first.words, first.rules) == ((("baby", "crawling"),), "plain")
    assert (second.words, second.rules) == ((("peeling", "potatoes"),), "plain")


def test_classes_without_words_get_the_bundled_or_the_rules_words():
    entries = [
        {"dataset": "ucf101", "classes": ["YoYo", "Archery"]},
        {"dataset": "mine", "classes": ["folding napkins"]},
    ]
    first, second = card_from_json(minimal(trained_on=entries), asked="card").trained_on
    assert first.fingerprint == load_class_set("ucf101").select(["YoYo", "Archery"]).fingerprint
    assert second.words == load_class_set("kinetics700").select(["folding napkins"]).words


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "no JSON object"),
        (minimal(schema=2), "schema 2; this version reads schema 1"),
        ({"schema": 1, "name": "m", "pretrained_on": []}, "no trained_on; add it"),
        (minimal(trainedon=[]), "unknown field 'trainedon'; did you mean 'trained_on'"),
        (minimal(trained_on="kinetics400"), "trained_on is str"),
        (minimal(trained_on=["kinetics400"]), "not {dataset, classes}"),
        (minimal(trained_on=[{"dataset": "kinetics400"}]), "KeyError('classes')"),
        (minimal(trained_on=[{"dataset": "x", "classes": "abc", "words": 3}]), "not iterable"),
        (minimal(trained_on=[{"dataset": "x", "classes": [1]}]), "1 is not text"),
        (minimal(trained_on=[{"dataset": "ucf101", "classes": ["Yo"]}]), "did you mean 'YoYo'"),
        (minimal(rules="plian"), "rules 'plian'; did you mean 'plain'"),
        (minimal(rules=3), "rules is not text"),
        (
            minimal(trained_on=[{"dataset": "x", "classes": ["a b"], "rules": "plian"}]),
            "trained_on: no rule set of that name; did you mean 'plain'",
        ),
        (minimal(trained_on=[{"dataset": "x", "classes": ["a", "a"]}]), "twice"),
        (minimal(licence=3), "licence is not text"),
        (minimal(clip=3), "clip is no object"),
        (minimal(clip={"frame": 3}), "clip.frame; did you mean 'frames'"),
        (minimal(policy="paper"), "paper"),
        (minimal(policy="uniform-8"), "clips of 8 frames"),
        (minimal(pooling="max"), "pooling 'max'"),
        (minimal(name=""), "empty name"),
    ],
)
def test_a_malformed_card_is_refused_in_one_line(value, message):
    with pytest.raises(WeightsError) as caught:
        card_from_json(value, asked="card.json of weights folder w")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_torchvision_says_what_its_backbone_has_seen():
    seen = backbone_classes(K400)
    categories = R2Plus1D_18_Weights.KINETICS400_V1.meta["categories"]
    assert len(seen) == 400
    assert [seen.find(category) for category in categories] == list(seen.names)


@pytest.mark.parametrize(
    "name",
    ["R2Plus1D_18_Weights.KINETICS", "Nothing.V1", "resnet", "ResNet18_Weights.IMAGENET1K_V1"],
)
def test_unknown_or_other_backbones_are_refused(name):
    with pytest.raises(WeightsError, match="torchvision weights"):
        backbone_classes(name)


def test_a_backbones_classes_cannot_be_left_out():
    seen = backbone_classes(K400)
    hmdb = load_class_set("hmdb51")
    assert with_backbone_classes(None, None, asked="x") is None
    assert [s.fingerprint for s in with_backbone_classes(None, K400, asked="x")] == [
        seen.fingerprint
    ]
    assert with_backbone_classes((hmdb, seen), K400, asked="x") == (hmdb, seen)
    for silent in ((), "open", (hmdb,)):
        with pytest.raises(WeightsError, match="leaves out the classes of the backbone"):
            with_backbone_classes(silent, K400, asked="x")
