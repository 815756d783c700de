"""The rule sets for words, ``brattoli2020`` and ``plain``, and the way from one to the other."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.classes import (
    RULE_SETS,
    ClassSet,
    bundled_class_sets,
    class_set,
    class_set_from_names,
    load_class_set,
    read_class_file,
    with_rules,
)
from zsl_bench.errors import ClassSetError
from zsl_bench.files import read_asset
from zsl_bench.overlap import audit_overlap
from zsl_bench.splits import (
    check_overlap,
    class_list,
    load_split,
    read_split,
    split_from_audit,
)
from zsl_bench.words import verb_lemma, words_of
from zsl_bench.wordvectors import load_word_vectors

FACTS = Path(__file__).parents[1] / "scripts" / "data" / "class_rules.toml"
FINGERPRINTS = {
    "activitynet200": "42f91431929ded46a7bc1b9222b04ff9914157ffb8022da44e345782f3814d0f",
    "hmdb51": "c0507dfc977c815ec7a735d3b020fe622d58cc51f9d4487e4be9b0628871ae3b",
    "kinetics400": "d52f9fcde83ff1d0c679fd78d81210f149f37c3d032bc9dd8edb4e833d138885",
    "kinetics600": "7f3c14e92c849c8cb60d88ab5d3d568dfc154d05954d5906c4beeaa97eaf4717",
    "kinetics700": "a7e863784ceff38a2ab9eceac64d0a87340cf21ba3a4019fe98544bec88320ae",
    "sun397": "e3516a9dcce4b2af2599c28a6ef4fa6fcfc96796a9e66916aa519c472f33db8d",
    "ucf101": "306f506917cfa069d195c2a9cb6401e86cd6f72c18191ebb6cea5f64fa4e882a",
}
"""Of the word lists under brattoli2020 from before there was a second rule set."""
SPLITS = {
    "tp1": "061b4674a23eb8ab3ad5cae1a8779f780c03e93c6a3dc043f90745249b5ea649",
    "tp2": "e1fee2e7621dd5089605a167e0e668aed3be96ab9f4c226f917fd9f7c3ab7275",
}
DIFFERING = {
    "activitynet200": 142,
    "hmdb51": 2,
    "kinetics400": 343,
    "kinetics600": 514,
    "kinetics700": 605,
    "sun397": 0,
    "ucf101": 55,
}
every_set = pytest.mark.parametrize("dataset", sorted(FINGERPRINTS))
names_of_ones_own = st.lists(
    st.from_regex(r"[a-z]{2,9}(ing|s|ed)?( [a-z]{3,9}s?){0,2}", fullmatch=True),
    unique=True,
    min_size=1,
    max_size=8,
)


def by_hand(words: tuple[tuple[str, ...], ...], **changes: object) -> ClassSet:
    fields = {
        "dataset": "mine",
        "version": 1,
        "names": tuple(f"class {'abc'[i]}" for i in range(len(words))),
        "words": words,
        "labels": ("x",) * len(words),
        "aliases": ((),) * len(words),
    }
    return ClassSet(**{**fields, **changes})


def spelled_out(dataset: str, name: str, facts: dict) -> list[str]:
    """Tokenise as the released code does, letter by letter, and lemmatise nothing."""
    key = {"sun397": name[3:], "activitynet200": name.replace(" ", "_")}.get(dataset, name)
    family = "kinetics" if dataset.startswith("kinetics") else dataset
    if dataset != "hmdb51" and key in facts[family]["replace"]:
        return facts[family]["replace"][key].split()
    separators = {"ucf101": "", "hmdb51": "_", "sun397": "/_"}.get(dataset, " ")
    words = [""]
    for letter in name[3:] if dataset == "sun397" else name:
        if letter in separators or (dataset == "ucf101" and letter.isupper()):
            words.append("")
        words[-1] += "" if letter in separators else letter.lower()
    if family in {"kinetics", "activitynet200"}:
        words = words[: words.index("(not")] if "(not" in words else words
        stop = ["a", "the", "of", "and", "at", "on", "in", "an", "do", "using", "with"]
        stop += ["or"] if family == "kinetics" else []
        words = [word.strip("()") for word in words if word not in stop]
    return [word for word in words if word]


@every_set
def test_the_words_of_the_released_rules_have_not_moved(dataset: str):
    classes = load_class_set(dataset)
    assert classes.fingerprint == FINGERPRINTS[dataset]
    assert (classes.version, classes.rules) == (1, "brattoli2020")


@pytest.mark.parametrize("name", sorted(SPLITS))
def test_the_bundled_splits_have_not_moved(name: str):
    assert load_split(name).sha256 == SPLITS[name]
    assert load_split(name).rules == "brattoli2020"


@every_set
def test_plain_words_are_the_names_own(dataset: str):
    facts = tomllib.loads(FACTS.read_text("utf-8"))
    classes = load_class_set(dataset, "plain")
    expected = tuple(tuple(spelled_out(dataset, name, facts)) for name in classes.names)
    assert classes.words == expected


@every_set
def test_the_rule_sets_differ_in_lemmatisation_alone(dataset: str):
    usual, plain = load_class_set(dataset), load_class_set(dataset, "plain")
    assert (plain.rules, usual.rules) == ("plain", "brattoli2020")
    assert replace(plain, words=usual.words, rules=usual.rules) == usual
    differing = [(a, b) for a, b in zip(usual.words, plain.words, strict=True) if a != b]
    assert [a for a, _ in differing] == [tuple(map(verb_lemma, b)) for _, b in differing]
    assert len(differing) == DIFFERING[dataset]
    assert plain.fingerprint != usual.fingerprint


@every_set
def test_tables_carry_a_second_list_only_where_it_differs(dataset: str):
    rows = read_asset("classes", f"{dataset}.json")["classes"]
    assert sum("plain" in row for row in rows) == DIFFERING[dataset]
    assert all(row["plain"] != row["words"] for row in rows if "plain" in row)


@every_set
def test_every_plain_word_was_looked_up_for_the_bundled_vectors(dataset: str):
    known = set(load_word_vectors(words=()).words)
    known.update(read_asset("vectors", "googlenews.json")["without_vector"])
    plain = load_class_set(dataset, "plain")
    assert {word for words in plain.words for word in words} <= known


@pytest.mark.parametrize(
    ("dataset", "name", "words"),
    [
        ("ucf101", "BabyCrawling", "baby crawling"),
        ("ucf101", "Skijet", "Skyjet"),
        ("ucf101", "StillRings", "still rings"),
        ("ucf101", "WritingOnBoard", "writing on board"),
        ("hmdb51", "shake_hands", "shake hands"),
        ("hmdb51", "clap", "clap"),
        ("activitynet200", "Mooping floor", "mop floor"),
        ("activitynet200", "Trimming branches or hedges", "trimming branches or hedges"),
        ("activitynet200", "Doing a powerbomb", "doing powerbomb"),
        ("kinetics700", "fencing (sport)", "fencing sport"),
        ("kinetics700", "playing rubiks cube", "play cube"),
        ("kinetics700", "riding mule", "riding mule"),
        ("kinetics600", "passing american football (not in game)", "passing american football"),
        ("sun397", "/f/forest/needleleaf", "forest needle leaf"),
    ],
)
def test_plain_words_by_eye(dataset: str, name: str, words: str):
    classes = load_class_set(dataset, "plain")
    assert " ".join(classes.words[classes.index(name)]) == words


@every_set
def test_official_names_without_the_bundled_set_meet_themselves(dataset: str):
    bundled = load_class_set(dataset, "plain")
    read = class_set_from_names(bundled.names, dataset="mine", source="test", rules="plain")
    assert (read.words, read.labels) == (bundled.words, bundled.labels)


def test_names_and_files_of_ones_own_under_plain(tmp_path: Path):
    path = tmp_path / "mine.txt"
    path.write_text("RidingACamel\nMooping_floor\nPeelingPotatoes\n", encoding="utf-8")
    words = (("riding", "camel"), ("mop", "floor"), ("peeling", "potatoes"))
    for classes in (
        read_class_file(path, "plain"), class_set(path, "plain"), class_list(path, "plain"),
    ):  # fmt: skip
        assert classes.words == words
        assert classes.rules == "plain"
    assert words_of("petting animal (not cat)", "plain") == ("petting", "animal")
    assert class_set("UCF-101", "plain") is load_class_set("ucf101", "plain")


@given(st.text())
def test_lemmas_of_plain_words_are_the_released_words(name: str):
    assert tuple(map(verb_lemma, words_of(name, "plain"))) == words_of(name)


@pytest.mark.parametrize(
    "ask",
    [
        lambda rules: load_class_set("ucf101", rules),
        lambda rules: class_set("ucf101", rules),
        lambda rules: class_list("tp1", rules),
        lambda rules: class_set_from_names(["a"], dataset="m", source="t", rules=rules),
        lambda rules: with_rules(load_class_set("ucf101"), rules),
        lambda rules: words_of("walk", rules),
        lambda rules: check_overlap("hmdb51", "ucf101", rules=rules),
    ],
)
def test_an_unknown_rule_set_is_one_line_with_a_near_name(ask):
    with pytest.raises(ClassSetError, match=r"^word rules 'plian': .*did you mean 'plain'\?$"):
        ask("plian")
    with pytest.raises(ClassSetError, match="choose from brattoli2020, plain"):
        ask("xyz")


@every_set
def test_a_bundled_set_goes_from_rule_set_to_rule_set_and_back(dataset: str):
    usual, plain = (load_class_set(dataset, rules) for rules in RULE_SETS)
    assert with_rules(usual, "plain") == plain
    assert with_rules(plain, "brattoli2020") == usual
    assert with_rules(plain, "plain") is plain
    part = usual.names[::-7]
    assert with_rules(usual.select(part), "plain") == plain.select(part)


def test_a_split_of_a_bundled_set_takes_its_words():
    tp1 = load_split("tp1")
    plain = with_rules(tp1.classes(), "plain")
    assert plain.words == load_class_set("kinetics700", "plain").select(tp1.kept).words
    assert (plain.dataset, plain.names) == ("kinetics700-tp1", tp1.kept)
    assert plain == class_list("tp1", "plain")


@given(names_of_ones_own)
def test_names_alone_decide_the_words(names: list[str]):
    usual, plain = (
        class_set_from_names(names, dataset="mine", source="test", rules=rules)
        for rules in RULE_SETS
    )
    assert with_rules(usual, "plain") == plain
    assert with_rules(plain, "brattoli2020") == usual
    assert usual.fingerprint != plain.fingerprint


def test_words_made_by_hand_are_never_replaced():
    mine = by_hand((("class",), ("jog", "slowly")))
    assert with_rules(mine, "brattoli2020") is mine
    with pytest.raises(ClassSetError, match=r"mine under the rule set plain: class 'class b'"):
        with_rules(mine, "plain")
    other = replace(load_class_set("hmdb51"), rules="mine")
    assert with_rules(other, "mine") is other
    with pytest.raises(ClassSetError, match=r"which the rule set mine does not yield"):
        with_rules(other, "plain")
    with pytest.raises(ClassSetError, match="'jog slowly'"):
        check_overlap(by_hand((("jog", "slowly"),)), "ucf101", rules="plain")


def test_different_rule_sets_do_not_meet_in_one_audit():
    with pytest.raises(ClassSetError, match=r"hmdb51 plain, ucf101 brattoli2020; .*with_rules"):
        audit_overlap(
            load_class_set("hmdb51", "plain"),
            [load_class_set("ucf101")],
            vectors=load_word_vectors(words=()),
        )


def test_the_training_list_decides_the_rules_and_a_given_rule_set_outranks_it():
    plain, usual = load_class_set("kinetics400", "plain"), load_class_set("kinetics400")
    by_rules = {rules: check_overlap("kinetics400", "ucf101", rules=rules) for rules in RULE_SETS}
    tests = load_class_set("ucf101"), load_class_set("ucf101", "plain")
    for test in ("ucf101", *tests):
        assert check_overlap(plain, test) == by_rules["plain"]
        assert check_overlap(usual, test) == by_rules["brattoli2020"]
        assert check_overlap(usual, test, rules="plain") == by_rules["plain"]
    assert {one.rules for one in (by_rules["plain"].train, *by_rules["plain"].tests)} == {"plain"}
    assert by_rules["plain"].to_json()["rules"] == "plain"


def test_a_split_keeps_its_rules_through_its_file(tmp_path: Path):
    audit = check_overlap("kinetics400", ["ucf101", "hmdb51"], rules="plain")
    split = split_from_audit(audit, split_id="mine")
    split.save(tmp_path / "mine.json")
    read = read_split(tmp_path / "mine.json")
    assert read == split
    assert (read.rules, read.own, len(read.kept)) == ("plain", (), 378)
    whole = load_class_set("kinetics400", "plain")
    assert read.train == ("kinetics400", whole.fingerprint)
    assert read.classes() == replace(whole.select(read.kept), dataset="mine")
    again = check_overlap(tmp_path / "mine.json", ["ucf101", "hmdb51"])
    assert (again.train.rules, again.removed) == ("plain", ())
    released = check_overlap(read, ["ucf101", "hmdb51"], rules="brattoli2020")
    assert (released.train.rules, len(released.removed)) == ("brattoli2020", 17)


def test_a_split_of_a_list_of_ones_own_keeps_plain_words(tmp_path: Path):
    listed = tmp_path / "odd.txt"
    listed.write_text("Folding_Napkins\nArchery\npeelingPotatoes\n")
    split = split_from_audit(check_overlap(listed, "ucf101", rules="plain"), split_id="mine")
    split.save(tmp_path / "mine.json")
    classes = class_list(tmp_path / "mine.json")
    assert classes.words == (("folding", "napkins"), ("peeling", "potatoes"))
    assert classes.rules == "plain"
    assert class_list(tmp_path / "mine.json", "brattoli2020").words[1] == ("peel", "potatoes")


def test_the_bundled_sets_are_the_ones_tested_here():
    assert bundled_class_sets() == tuple(sorted(FINGERPRINTS))
    assert RULE_SETS == ("brattoli2020", "plain")
