"""Training under the rule set ``plain``: what is audited, trained to, written down and resumed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from zsl_bench.baselines.training.run import prepare, train
from zsl_bench.baselines.weights import load_weights, save_weights
from zsl_bench.classes import RULE_SETS, class_set_from_names, load_class_set, with_rules
from zsl_bench.errors import ClassSetError, ModelError
from zsl_bench.evaluation import evaluate
from zsl_bench.splits import read_split
from zsl_bench.verdict import zero_shot_verdict
from zsl_bench.wordvectors import class_vectors

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = {"words": "plain"}
ONE_EPOCH = {"epochs": 1}


def names(*listed: str, rules: str = "plain"):
    return class_set_from_names(listed, dataset="mine", source="test", rules=rules)


def test_a_run_under_plain_carries_its_rules_to_the_evaluation(tiny_config, tmp_path: Path):
    config = tiny_config(model=PLAIN, optimiser=ONE_EPOCH, validation={"held_out": 0.34})
    report = train(config, tmp_path / "run")
    model = load_weights(report.weights)
    (trained,) = model.card.trained_on
    assert (model.card.rules, trained.rules) == ("plain", "plain")
    assert trained.words == names(*trained.names).words
    card = json.loads((report.weights / "card.json").read_text())
    assert card["rules"] == "plain"
    assert card["training"]["config"]["model"]["words"] == "plain"
    assert card["training"]["audit"]["rules"] == "plain"
    assert json.loads((tmp_path / "run" / "audit.json").read_text())["rules"] == "plain"
    split = read_split(tmp_path / "run" / "split.json")
    assert (split.rules, split.classes().rules) == ("plain", "plain")
    tests = with_rules(load_class_set("hmdb51"), model.card.rules)
    expected = class_vectors(load_class_set("hmdb51", "plain"), allow_approximate=True).matrix
    model.allow_approximate = True
    assert torch.equal(model.embed_classes(tests), torch.from_numpy(expected))
    assert zero_shot_verdict(model.card, tests).finding == "disjoint"
    assert zero_shot_verdict(model.card, tests).rules == "plain"


def test_the_network_is_trained_to_the_vectors_of_the_plain_words(tiny_config, tmp_path: Path):
    runs = {}
    for rules in RULE_SETS:
        config = tiny_config(model={"words": rules}, optimiser=ONE_EPOCH)
        prepared = prepare(config)
        by_hand = class_vectors(names(*prepared.training_set.classes.names, rules=rules)).matrix
        assert np.array_equal(prepared.classes.matrix, by_hand)
        assert prepared.audit.training.train.rules == rules
        assert {test.rules for test in prepared.audit.training.tests} == {rules}
        runs[rules] = train(config, tmp_path / rules)
    states = [load_weights(run.weights).state_dict()["head.weight"] for run in runs.values()]
    assert not torch.equal(*states)
    assert runs["plain"].loss != runs["brattoli2020"].loss


def test_held_out_classes_are_scored_by_their_plain_words(tiny_config):
    prepared = prepare(tiny_config(model=PLAIN, validation={"held_out": 0.34}))
    held_out = prepared.training_set.held_out.classes
    assert prepared.held_out.classes == held_out
    assert held_out.words == names(*held_out.names).words


def test_the_rules_decide_what_overlaps(tiny_config, tmp_path: Path):
    tests = tmp_path / "tests.txt"
    tests.write_text("swim\nyoga\n")
    audit = {"against": (str(tests),)}
    with pytest.raises(ClassSetError, match=r"swimming \(mine\) = swim \(tests\)"):
        prepare(tiny_config(audit=audit))
    assert prepare(tiny_config(audit=audit, model=PLAIN)).audit.overlap == ()


def test_other_words_are_another_run(tiny_config, tmp_path: Path):
    train(tiny_config(model=PLAIN, optimiser=ONE_EPOCH), tmp_path / "run")
    with pytest.raises(ModelError, match=r"model\.words was plain and is brattoli2020"):
        train(tiny_config(optimiser=ONE_EPOCH), tmp_path / "run", resume=True)


def test_what_the_starting_weights_have_seen_is_audited_under_the_runs_rules(
    tiny_config, tmp_path: Path
):
    first = train(
        tiny_config(optimiser=ONE_EPOCH, data={"exclude": ("swimming",)}), tmp_path / "first"
    )
    second = prepare(tiny_config(model={"weights": str(first.weights), **PLAIN}))
    (seen,) = second.start.pretrained_on
    assert seen.rules == "plain"
    assert seen.words == names(*seen.names).words
    assert [audit.train.rules for audit in second.audit.pretraining] == ["plain"]
    model = load_weights(first.weights)
    (seen,) = model.card.trained_on
    own = replace(seen, words=(("something", "else"), *seen.words[1:]))
    model.card = replace(model.card, trained_on=(own,))
    save_weights(model, tmp_path / "own")
    with pytest.raises(ClassSetError, match="'something else', which the rule set brattoli2020"):
        prepare(tiny_config(model={"weights": str(tmp_path / "own"), **PLAIN}))


def test_an_unknown_rule_set_is_told_before_anything_is_trained(tiny_config, tmp_path: Path):
    with pytest.raises(ClassSetError, match="did you mean 'plain'"):
        train(tiny_config(model={"words": "plian"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_own_word_vectors_are_saved_for_both_rule_sets(tiny_config, tmp_path: Path):
    sets = [load_class_set(d, r) for d in ("hmdb51", "ucf101") for r in RULE_SETS]
    sets.append(names("archery", "bowling", "juggling balls", "milking cow", "surfing water",
                      "swimming"))  # fmt: skip
    words = sorted({word for classes in sets for listed in classes.words for word in listed})
    rows = np.random.default_rng(0).normal(size=(len(words), 300))
    lines = [" ".join((word, *map(str, row))) for word, row in zip(words, rows, strict=True)]
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("\n".join((f"{len(words)} 300", *lines)))
    config = tiny_config(model={"vectors": str(vectors), **PLAIN}, optimiser=ONE_EPOCH)
    model = load_weights(train(config, tmp_path / "run").weights)
    for rules in RULE_SETS:
        assert model.class_vectors(load_class_set("ucf101", rules)).approximate_words == ()


@pytest.mark.parametrize(("asked", "rules"), [(None, "plain"), ("brattoli2020", "brattoli2020")])
def test_an_evaluation_goes_by_the_cards_rules_unless_told_otherwise(
    tiny_config, training_videos: Path, tmp_path: Path, asked, rules
):
    report = train(tiny_config(model=PLAIN, optimiser=ONE_EPOCH), tmp_path / "run")
    (result,) = evaluate(
        f"path:{report.weights}",
        data={"mine": training_videos},
        protocols="full",
        device="cpu",
        workers=0,
        words=asked,
    )
    assert result.identity["classes"]["rules"] == rules
    assert result.zero_shot["headline"].startswith(f"overlapping ({rules}, ")
