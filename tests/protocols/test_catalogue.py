"""Finding a protocol and making it ready for a class set and its videos."""

from __future__ import annotations

import json

import numpy as np
import pytest

from zsl_bench.classes import ClassSet, load_class_set
from zsl_bench.errors import ClassSetError, ProtocolError
from zsl_bench.files import asset_path
from zsl_bench.protocols import (
    Protocol,
    Trial,
    custom_protocol,
    distractor_class_set,
    load_definition,
    resolve_protocol,
)


def small_set(count: int, dataset: str = "mine") -> ClassSet:
    names = tuple(f"class {chr(97 + i)}" for i in range(count))
    return ClassSet(
        dataset=dataset,
        version=1,
        names=names,
        words=tuple(tuple(name.split()) for name in names),
        labels=names,
        aliases=((),) * count,
    )


def drawn_by_hand(names: list[str], seed: int) -> list[str]:
    state = np.random.RandomState()
    state.seed(seed)
    order = state.permutation(len(names))
    ordered = sorted(names)
    half = len(names) // 2
    return [ordered[order[i]] for i in range(half)]


def test_the_aliases_are_the_papers_protocols_or_the_recipes():
    assert resolve_protocol("1", load_class_set("ucf101")).id == "brattoli-half"
    assert resolve_protocol("2", load_class_set("hmdb51")).id == "brattoli-full"
    mine = small_set(7)
    half, full = resolve_protocol("1", mine), resolve_protocol("2", mine)
    assert half.id == f"half@{mine.fingerprint[:12]}"
    assert full.id == f"full@{mine.fingerprint[:12]}"
    assert [len(trial.classes) for trial in half.trials] == [3] * 10
    assert [sorted(t.classes) for t in half.trials] == [
        sorted(drawn_by_hand(list(mine.names), s)) for s in range(10)
    ]
    assert [t.classes for t in full.trials] == [mine.names]


def test_a_recipe_never_takes_a_published_id():
    ucf = load_class_set("ucf101")
    recipe, frozen = resolve_protocol("half", ucf), resolve_protocol("1", ucf)
    assert recipe.id != frozen.id
    assert [set(t.classes) for t in recipe.trials] == [set(t.classes) for t in frozen.trials]
    assert recipe.sha256 != frozen.sha256


def test_custom_is_never_a_published_protocol():
    ucf = load_class_set("ucf101")
    custom = custom_protocol(ucf, ["Archery", "Diving"])
    assert custom.id == "custom"
    assert custom.trials == (Trial(classes=("Archery", "Diving"), videos=None),)


def test_bad_requests_say_what_to_do():
    ucf = load_class_set("ucf101")
    with pytest.raises(ProtocolError, match="did you mean 'brattoli-half'"):
        resolve_protocol("bratoli-half", ucf)
    with pytest.raises(ProtocolError, match="use the recipe half or full"):
        resolve_protocol("brattoli-half", small_set(8))
    with pytest.raises(ProtocolError, match="testlist01"):
        resolve_protocol("1", ucf, videos="testlist01")
    with pytest.raises(ProtocolError, match="fewer than 4"):
        resolve_protocol("half", small_set(3))
    with pytest.raises(ProtocolError, match="without"):
        resolve_protocol("1", small_set(8, dataset="ucf101"))


def test_a_list_that_was_edited_is_refused(monkeypatch):
    definition = json.loads(asset_path("protocols", "brattoli-half.json").read_text("utf-8"))
    definition["datasets"]["ucf101"]["trials"][0][0] = "Diving"
    monkeypatch.setattr("zsl_bench.protocols.catalogue.read_asset", lambda *_: definition)
    load_definition.cache_clear()
    with pytest.raises(ProtocolError, match="do not match their SHA-256"):
        load_definition("brattoli-half")
    load_definition.cache_clear()


def test_a_resolved_protocol_carries_its_definition():
    protocol = resolve_protocol("1", load_class_set("hmdb51"))
    assert (protocol.id, protocol.aliases, protocol.metric) == ("brattoli-half", ("1",), "top1")
    assert protocol.drawn_size == 25
    assert protocol.title
    assert protocol.notes
    assert {trial.videos for trial in protocol.trials} == {"all"}
    frozen = load_definition("brattoli-half")["datasets"]["hmdb51"]
    assert protocol.sha256 == frozen["sha256"]
    assert resolve_protocol("2", load_class_set("hmdb51")).drawn_size is None


def test_all_videos_serve_every_list_and_a_list_serves_itself():
    ucf, hmdb = load_class_set("ucf101"), load_class_set("hmdb51")
    three = resolve_protocol("xclip-3splits", ucf)
    assert [t.videos for t in three.trials] == ["testlist01", "testlist02", "testlist03"]
    with pytest.raises(ProtocolError, match="testlist02, testlist03"):
        resolve_protocol("xclip-3splits", ucf, videos="testlist01")
    assert resolve_protocol("weng-half-list01", ucf, videos="testlist01").dataset == "ucf101"
    assert resolve_protocol("weng-half", hmdb, videos="split1-train+test").drawn_size == 25
    with pytest.raises(ProtocolError, match="split1-train"):
        resolve_protocol("weng-half", hmdb, videos="split1-test")


def test_video_rules_do_not_serve_each_other():
    anet = load_class_set("activitynet200")
    assert resolve_protocol("1", anet, videos="anet13-segments-v1").trials
    assert resolve_protocol("wu-half", anet, videos="anet13-video").trials
    for reference, videos in (("1", "anet13-video"), ("wu-half", "all"), ("1", "all")):
        with pytest.raises(ProtocolError, match="where the protocol takes anet13"):
            resolve_protocol(reference, anet, videos=videos)
    for videos in ("anet13-video", "anet13-segments-v1"):
        assert resolve_protocol("fair-30", anet, videos=videos).trials[0].videos is None
    k600 = load_class_set("kinetics600")
    assert len(resolve_protocol("er-k600", k600, videos="my.csv").trials) == 3


@pytest.mark.parametrize("reference", ["open-label", "gzsl", "open"])
def test_declared_training_classes_become_distractors(reference):
    hmdb = load_class_set("hmdb51")
    with pytest.raises(ProtocolError, match="--trained-on"):
        resolve_protocol(reference, hmdb)
    none = resolve_protocol(reference, hmdb, distractors=())
    some = resolve_protocol(reference, hmdb, distractors=["kinetics400/abseiling"])
    assert none.trials[0].candidates == hmdb.names
    assert some.trials[0].candidates == (*hmdb.names, "kinetics400/abseiling")
    assert some.trials[0].classes == hmdb.names
    assert some.sha256 != none.sha256
    with pytest.raises(ProtocolError, match="'kiss' twice"):
        resolve_protocol(reference, hmdb, distractors=["kiss"])


def test_other_protocols_ignore_what_a_model_declares():
    hmdb = load_class_set("hmdb51")
    plain = resolve_protocol("truze-v2", hmdb)
    declared = resolve_protocol("truze-v2", hmdb, distractors=["kinetics400/abseiling"])
    assert plain == declared
    assert plain.trials[0].distractors == ()


def test_frozen_distractors_have_words_of_their_own_data_set():
    protocol = resolve_protocol("fair-30", load_class_set("hmdb51"))
    names = protocol.trials[0].distractors
    classes = distractor_class_set(names)
    assert classes.names == names
    words = dict(zip(classes.names, classes.words, strict=True))
    assert words["ucf101/HandstandPushups"] == ("handstand", "pushups")
    with pytest.raises(ClassSetError, match="did you mean"):
        distractor_class_set(["ucf11/Archery"])


def test_no_trial_is_empty_and_no_metric_is_unknown():
    with pytest.raises(ProtocolError, match="no classes"):
        Trial(classes=())
    fields = {"id": "x", "version": 1, "dataset": "d", "title": "t", "averaging": "", "source": ""}
    with pytest.raises(ProtocolError, match="no trials"):
        Protocol(**fields, trials=(), metric="top1")
    with pytest.raises(ProtocolError, match="metric 'f1'"):
        Protocol(**fields, trials=(Trial(classes=("a",)),), metric="f1")


def test_protocols_without_lists_for_a_set_name_the_recipe():
    with pytest.raises(ProtocolError, match="use the recipe open"):
        resolve_protocol("open-label", small_set(8))
    with pytest.raises(ProtocolError, match="class lists for kinetics600 only"):
        resolve_protocol("er-k600", load_class_set("ucf101"))
