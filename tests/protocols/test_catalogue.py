"""The frozen class lists, re-derived from their recipe by independent code."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import numpy as np
import pytest

from zsl_bench.classes import ClassSet, load_class_set
from zsl_bench.errors import ProtocolError
from zsl_bench.files import asset_path
from zsl_bench.protocols import custom_protocol, list_protocols, load_definition, resolve_protocol

SIZES = {"ucf101": (101, 50), "hmdb51": (51, 25), "activitynet200": (200, 100)}


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


@pytest.mark.parametrize("dataset", SIZES)
def test_brattoli_half_is_what_its_recipe_draws(dataset):
    names = list(load_class_set(dataset).names)
    trials = load_definition("brattoli-half")["datasets"][dataset]["trials"]
    assert len(trials) == 10
    for seed, trial in enumerate(trials):
        assert len(set(trial)) == SIZES[dataset][1]
        if dataset == "activitynet200":
            underscored = {name.replace(" ", "_"): name for name in names}
            assert trial == [underscored[n] for n in drawn_by_hand(list(underscored), seed)]
        else:
            assert trial == drawn_by_hand(names, seed)


@pytest.mark.parametrize("dataset", SIZES)
def test_brattoli_full_has_every_class_once(dataset):
    (trial,) = load_definition("brattoli-full")["datasets"][dataset]["trials"]
    assert len(trial) == SIZES[dataset][0]
    assert Counter(trial) == Counter(load_class_set(dataset).names)


def test_spaces_or_underscores_change_seven_of_ten_activitynet_draws():
    names = list(load_class_set("activitynet200").names)
    frozen = load_definition("brattoli-half")["datasets"]["activitynet200"]["trials"]
    differing = [s for s in range(10) if set(drawn_by_hand(names, s)) != set(frozen[s])]
    assert differing == [0, 3, 4, 5, 7, 8, 9]


@pytest.mark.parametrize("protocol", ["brattoli-half", "brattoli-full"])
def test_hashes_are_those_of_the_lists(protocol):
    definition = json.loads(asset_path("protocols", f"{protocol}.json").read_text("utf-8"))
    assert protocol in list_protocols()
    for dataset, frozen in definition["datasets"].items():
        body = {
            "dataset": dataset,
            "id": protocol,
            "trials": frozen["trials"],
            "version": definition["version"],
        }
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(text.encode()).hexdigest() == frozen["sha256"]


def test_the_aliases_are_the_papers_protocols_or_the_recipes():
    assert resolve_protocol("1", load_class_set("ucf101")).id == "brattoli-half"
    assert resolve_protocol("2", load_class_set("hmdb51")).id == "brattoli-full"
    mine = small_set(7)
    half, full = resolve_protocol("1", mine), resolve_protocol("2", mine)
    assert half.id == f"half@{mine.fingerprint[:12]}"
    assert full.id == f"full@{mine.fingerprint[:12]}"
    assert [len(trial) for trial in half.trials] == [3] * 10
    assert [sorted(t) for t in half.trials] == [
        sorted(drawn_by_hand(list(mine.names), s)) for s in range(10)
    ]
    assert full.trials == (mine.names,)


def test_a_recipe_never_takes_a_published_id():
    ucf = load_class_set("ucf101")
    recipe, frozen = resolve_protocol("half", ucf), resolve_protocol("1", ucf)
    assert recipe.id != frozen.id
    assert [set(t) for t in recipe.trials] == [set(t) for t in frozen.trials]
    assert recipe.sha256 != frozen.sha256


def test_custom_is_never_a_published_protocol():
    ucf = load_class_set("ucf101")
    custom = custom_protocol(ucf, ["Archery", "Diving"])
    assert custom.id == "custom"
    assert custom.trials == (("Archery", "Diving"),)


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
