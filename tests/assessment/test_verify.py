"""Result files held against everything that can be made again; forgeries are found by name."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.assessment.verify import verify_result
from zsl_bench.assessment.verify.checks import differences
from zsl_bench.classes import load_class_set
from zsl_bench.errors import WordVectorError

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def states(path, **at_hand):
    return {check.name: check.state for check in verify_result(path, **at_hand).checks}


def failures(path, **at_hand):
    return {check.name for check in verify_result(path, **at_hand).failed}


def test_a_sound_result_passes_whatever_can_be_checked():
    (golden,) = GOLDEN.glob("*.json")
    verified = verify_result(golden)
    assert verified.ok
    assert not verified.fully
    assert [check.name for check in verified.of("not possible")] == ["word-vectors"]
    assert {check.name for check in verified.of("pass")} >= {
        *("schema", "identity-hash", "file-hash", "array-hash", "file-name", "contents"),
        *("coverage", "expected-counts", "video-list", "labels", "manifest", "complete"),
        *("protocols", "scores", "intervals", "contamination", "verdict", "distances"),
    }
    assert verified.to_json()["identity_sha256"] == verified.result.sha256


def test_saving_anew_changes_nothing(forger):
    assert failures(forger.save(scored_again=True)) == set()


def test_a_change_without_new_hashes_is_named_by_its_hash(forger):
    forger.save()
    forger.data["coverage"]["notes"] = ["something"]
    forger.path.write_text(json.dumps(forger.data))
    assert states(forger.path) == {
        "schema": "pass", "identity-hash": "pass", "file-hash": "fail",
    }  # fmt: skip
    forger.identity["clip_policy"] = "other"
    forger.path.write_text(json.dumps(forger.data))
    assert failures(forger.path) == {"identity-hash", "file-hash"}


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "evaluation"}', '{"kind": 1', "\0"])
def test_what_is_no_result_fails_the_schema(content, tmp_path):
    (tmp_path / "x.json").write_text(content)
    verified = verify_result(tmp_path / "x.json")
    assert {check.name for check in verified.failed} == {"schema"}
    assert verified.result is None
    assert failures(tmp_path / "absent.json") == {"schema"}


def set_trial(scores):
    scores["brattoli-full"]["trials"][0]["top1"] += 0.01


def set_class(scores):
    per_class = scores["truze-v2"]["trials"][0]["per_class"]
    first = next(iter(per_class))
    per_class[first] = {"forged": 1}


def set_mean(scores):
    scores["truze-v2"]["mean"]["top5"] -= 1e-6


def set_interval(scores):
    scores["brattoli-full"]["uncertainty"]["top1"]["classes"]["low"] += 0.001


def set_clean(scores):
    scores["brattoli-full"]["contamination"][1]["mean"]["clean"]["all_candidates"]["top1"] = 0.9


def set_rule(scores):
    scores["truze-v2"]["verdicts"][1]["finding"] = "undeclared"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (set_trial, "scores"),
        (set_class, "scores"),
        (set_mean, "scores"),
        (set_interval, "intervals"),
        (set_clean, "contamination"),
        (set_rule, "contamination"),
        (lambda scores: scores["truze-v2"].pop("mean"), "scores"),
        (lambda scores: scores["truze-v2"].update(metric="top5"), "protocols"),
        (lambda scores: scores["truze-v2"]["classes"][0].pop(), "protocols"),
        (lambda scores: scores.pop("brattoli-full"), "protocols"),
    ],
)
def test_a_changed_number_is_found_where_it_stands(change, name, forger):
    change(forger.data["scores"])
    assert failures(forger.save()) == {name}


def test_a_dropped_field_of_an_older_version_is_not_possible(forger):
    for entry in forger.data["scores"].values():
        del entry["uncertainty"]
    found = states(forger.save())
    assert found["intervals"] == "not possible"
    assert found["scores"] == "pass"


def test_other_class_lists_are_found_and_their_scores_told_as_not_made_again(forger):
    forger.identity["protocols"]["truze-v2"]["sha256"] = "0" * 64
    found = states(forger.save())
    assert found["protocols"] == "fail"
    assert found["scores"] == found["intervals"] == "not possible"


def test_a_whitewashed_verdict_is_found(forger):
    rule = forger.data["zero_shot"]["rules"][1]
    assert rule["finding"] == "overlapping"
    rule.update(finding="disjoint", seen=[])
    assert failures(forger.save(scored_again=True)) == {"verdict"}


def test_a_finding_against_what_was_seen_is_found(forger):
    forger.data["zero_shot"]["rules"][1]["finding"] = "disjoint"
    (failed,) = verify_result(forger.save(scored_again=True)).failed
    assert failed.name == "verdict"
    assert "exact-name: disjoint, where what it saw makes it overlapping" in failed.told


def test_stand_ins_that_are_not_told_or_made_up_are_found(forger):
    forger.data["zero_shot"]["approximate_words"] = ["fencing"]
    (failed,) = verify_result(forger.save()).failed
    assert failed.name == "verdict"
    assert failed.told == "approximate_words: 1 entries, made again 0"


def test_other_word_rules_of_a_verdict_are_found(forger):
    forger.data["zero_shot"]["rules"][0]["rules"] = "other"
    assert "verdict" in failures(forger.save(scored_again=True))


def test_a_headline_of_its_own_is_found(forger):
    forger.data["zero_shot"]["headline"] = "disjoint (brattoli2020, 0.1)"
    assert failures(forger.save()) == {"verdict"}


def test_a_declaration_cut_short_is_found_by_verdict_and_distances(forger):
    declared = forger.identity["model"]["declared"]
    names = declared["trained_on"][0]["classes"][:300]
    made = load_class_set("kinetics700").select(names)
    declared["trained_on"] = [
        {"dataset": "mine", "fingerprint": made.fingerprint, "classes": list(names)}
    ]
    assert failures(forger.save()) == {"verdict", "distances"}


def test_a_declared_set_of_unknown_words_makes_the_verdict_not_possible(forger):
    forger.identity["model"]["declared"]["trained_on"][0]["fingerprint"] = "0" * 64
    found = states(forger.save())
    assert (found["verdict"], found["distances"]) == ("not possible", "not possible")
    forger.data["zero_shot"]["rules"][1]["finding"] = "disjoint"
    assert states(forger.save(scored_again=True))["verdict"] == "fail"


def test_changed_distances_are_found(forger):
    forger.data["zero_shot"]["distances"]["nearest_mean"][7] += 0.01
    assert failures(forger.save()) == {"distances"}


def test_word_vectors_that_are_not_here_make_it_not_possible(forger, tmp_path):
    forger.data["zero_shot"]["rules"][0].update(vectors="mine.bin", vectors_digest="1" * 64)
    forger.data["zero_shot"]["headline"] = "disjoint (brattoli2020, 0.05, mine.bin)"
    assert states(forger.save(scored_again=True))["verdict"] == "not possible"
    with pytest.raises(WordVectorError):
        verify_result(forger.path, vectors=tmp_path / "absent.bin")


def leaves(value, place=()):
    if isinstance(value, (dict, list)) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from leaves(inner, (*place, key))
    else:
        yield place


ODD = (None, -1, "odd", [], {}, 10**400, True)
UNCHECKED = ("note", "vectors", "rules", "notes", "extra", "reason", "source")


def test_no_odd_value_of_a_score_passes_or_stops_the_checks(forger):
    rng = np.random.default_rng(0)
    forger.data["scores"] = {"truze-v2": forger.data["scores"]["truze-v2"]}
    forger.identity["protocols"] = {"truze-v2": forger.identity["protocols"]["truze-v2"]}
    sound = copy.deepcopy(forger.data)
    for part in ("scores", "coverage", "zero_shot"):
        places = [p for p in leaves(sound[part]) if p[-1] not in UNCHECKED]
        for number in rng.choice(len(places), size=8, replace=False):
            forger.data = copy.deepcopy(sound)
            *outer, last = places[number]
            inner = forger.data[part]
            for key in outer:
                inner = inner[key]
            odd = ODD[int(rng.integers(len(ODD)))]
            if inner[last] == odd:
                continue
            inner[last] = odd
            verified = verify_result(forger.save())
            assert verified.failed, (part, places[number], odd)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 1) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)


@given(JSON)
def test_nothing_differs_from_itself(value):
    assert list(differences(value, copy.deepcopy(value))) == []


@given(JSON, JSON)
def test_what_differs_is_told_from_both_sides(one, other):
    assert bool(list(differences(one, other))) == bool(list(differences(other, one)))
    if json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True):
        assert not list(differences(one, other))


@pytest.mark.parametrize(
    ("stored", "made", "differs"),
    [
        (0.5, 0.5 + 1e-10, False),
        (0.5, 0.5 + 1e-8, True),
        (0.0, 1e-13, False),
        (1, 1.0, False),
        (1, True, True),
        (None, 0, True),
        ([1], [1, 2], True),
        ({"a": 1}, {}, True),
    ],
)
def test_only_the_rounding_of_sums_is_forgiven(stored, made, differs):
    assert bool(list(differences(stored, made))) == differs
