"""The overlap audit against a double loop, against published counts, and on bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zsl_bench.classes import ClassSet, load_class_set
from zsl_bench.errors import ClassSetError, ZslBenchError
from zsl_bench.overlap import audit_overlap, distance_matrix
from zsl_bench.splits import check_overlap
from zsl_bench.wordvectors import WordVectors, class_vectors, load_word_vectors


def classes_of(dataset: str, *words: str) -> ClassSet:
    return ClassSet(
        dataset=dataset,
        version=1,
        names=tuple(words),
        words=tuple(tuple(name.split()) for name in words),
        labels=tuple(words),
        aliases=((),) * len(words),
    )


def vectors_at(**angles: float) -> WordVectors:
    """Word vectors in the plane, at angles in degrees."""
    rows = [[math.cos(math.radians(a)), math.sin(math.radians(a))] for a in angles.values()]
    return WordVectors(
        words={word: i for i, word in enumerate(angles)},
        matrix=np.array(rows, dtype=np.float32),
        source="angles",
        digest="0" * 64,
    )


def slow_distance(a: list[str], b: list[str], table: dict[str, list[float]]) -> float:
    def mean(words):
        total = [math.fsum(table[w][d] for w in words) for d in range(len(table[words[0]]))]
        length = math.sqrt(math.fsum(x * x for x in total))
        return [x / length for x in total]

    return 1.0 - math.fsum(x * y for x, y in zip(mean(a), mean(b), strict=True))


def test_distances_equal_a_double_loop_over_the_bundled_vectors():
    ucf, hmdb = load_class_set("ucf101"), load_class_set("hmdb51")
    words = {w for s in (ucf, hmdb) for ws in s.words for w in ws}
    loaded = load_word_vectors(words=words)
    exact_ucf = ucf.select(
        [n for n, ws in zip(ucf.names, ucf.words, strict=True) if all(w in loaded for w in ws)]
    )
    exact_hmdb = hmdb.select(
        [n for n, ws in zip(hmdb.names, hmdb.words, strict=True) if all(w in loaded for w in ws)]
    )
    table = {w: loaded.vector(w).tolist() for w in words if w in loaded}
    fast = distance_matrix(class_vectors(exact_ucf, loaded), class_vectors(exact_hmdb, loaded))
    for i in range(0, len(exact_ucf), 7):
        for j in range(len(exact_hmdb)):
            slow = slow_distance(list(exact_ucf.words[i]), list(exact_hmdb.words[j]), table)
            assert fast[i, j] == pytest.approx(slow, abs=2e-6)


@pytest.mark.parametrize(
    ("train", "against", "kept"),
    [
        ("kinetics400", ["ucf101", "hmdb51"], 361),
        ("kinetics700", ["ucf101", "hmdb51"], 662),
        ("activitynet200", ["ucf101", "hmdb51"], 200 - 23),
    ],
)
def test_published_counts(train, against, kept):
    audit = check_overlap(train, against)
    assert len(audit.kept) == kept
    assert len(audit.kept) + len(audit.removed) == len(audit.train)


@pytest.mark.parametrize(
    ("train", "against", "kept", "plain"),
    [
        ("kinetics400", ["ucf101", "hmdb51"], 361, 378),
        ("kinetics600", ["ucf101", "hmdb51"], 562, 578),
        ("kinetics700", ["ucf101", "hmdb51"], 662, 678),
        ("activitynet200", ["ucf101", "hmdb51"], 177, 180),
        ("kinetics700", ["ucf101", "hmdb51", "activitynet200"], 586, 605),
    ],
)
def test_counts_under_both_rule_sets_as_the_manual_has_them(train, against, kept, plain):
    audits = [check_overlap(train, against, rules=rules) for rules in ("brattoli2020", "plain")]
    assert [len(audit.kept) for audit in audits] == [kept, plain]
    names = [{n.name for n in audit.kept} for audit in audits]
    assert names[0] < names[1]


def test_what_the_training_protocols_keep_is_kept_under_plain_too():
    assert check_overlap("tp1", ["ucf101", "hmdb51"], rules="plain").removed == ()
    three = ["ucf101", "hmdb51", "activitynet200"]
    assert check_overlap("tp2", three, rules="plain").removed == ()


def test_the_closest_calls_of_kinetics700():
    audit = check_overlap("kinetics700", ["ucf101", "hmdb51"])
    calls = [(n.name, n.nearest, round(n.distance, 3)) for n in audit.closest_calls(4)]
    assert calls[:2] == [
        ("canoeing or kayaking", "Kayaking", 0.047),
        ("throwing discus", "JavelinThrow", 0.043),
    ]
    assert [(name, d) for name, _, d in calls[2:]] == [
        ("swinging baseball bat", 0.077),
        ("playing clarinet", 0.079),
    ]
    assert len(audit.identical) == 36


def test_the_threshold_itself_is_kept_and_below_it_removed():
    train = classes_of("train", "a", "b", "c")
    test = classes_of("test", "t")
    vectors = vectors_at(a=0.0, b=60.0, c=90.0, t=0.0)
    distance = float(1.0 - np.float64(vectors.matrix[1, 0]))
    audit = audit_overlap(train, [test], vectors=vectors, threshold=distance)
    assert [n.name for n in audit.removed] == ["a"]
    assert [n.name for n in audit.kept] == ["b", "c"]
    assert audit.closest_call.name == "b"
    assert audit.margin == 0.0
    wider = audit_overlap(train, [test], vectors=vectors, threshold=distance + 1e-9)
    assert [n.name for n in wider.removed] == ["a", "b"]


def test_equal_words_meet_at_exactly_zero_in_any_order_and_without_a_vector():
    train = classes_of("train", "unheard words", "far thing")
    test = ClassSet(
        dataset="test",
        version=1,
        names=("Other",),
        words=(("words", "unheard"),),
        labels=("other",),
        aliases=((),),
    )
    vectors = vectors_at(far=10.0, thing=20.0)
    audit = audit_overlap(train, [test], vectors=vectors)
    assert audit.neighbours[0].distance == 0.0
    assert audit.neighbours[0].approximate == ("unheard", "words")
    assert audit.approximate_words == ("unheard", "words")
    assert [n.name for n in audit.identical] == ["unheard words"]


def test_a_threshold_of_zero_removes_nothing_and_of_two_nearly_all():
    assert len(check_overlap("hmdb51", "ucf101", threshold=0.0).removed) == 0
    assert len(check_overlap("hmdb51", "ucf101", threshold=2.0).kept) == 0


def test_classes_of_one_set_that_share_words_are_reported():
    train = classes_of("train", "a b", "b a", "c")
    audit = audit_overlap(
        train, [classes_of("test", "t")], vectors=vectors_at(a=0, b=50, c=90, t=180)
    )
    assert audit.duplicates == (("train", ("a b", "b a")),)


@pytest.mark.parametrize("threshold", [-0.01, 2.01, math.nan, math.inf])
def test_a_threshold_that_is_no_distance_is_refused(threshold):
    with pytest.raises(ZslBenchError, match="0 to 2"):
        check_overlap("hmdb51", ["ucf101"], threshold=threshold)


def test_no_test_set_or_the_same_twice_is_refused():
    with pytest.raises(ClassSetError, match="no test set"):
        check_overlap("hmdb51", [])
    with pytest.raises(ClassSetError, match="twice"):
        check_overlap("hmdb51", ["ucf101", "ucf101"])


def test_json_counts_agree_with_its_lists():
    data = check_overlap("kinetics600", ["ucf101", "hmdb51", "activitynet200"]).to_json()
    assert data["num_train"] == 600 == data["num_kept"] + data["num_removed"]
    assert len(data["kept"]) == data["num_kept"]
    assert len(data["removed"]) == data["num_removed"]
    assert all(entry["distance"] < data["threshold"] for entry in data["removed"])
    assert all(entry["distance"] >= data["threshold"] for entry in data["kept"])
    assert {e["nearest_set"] for e in data["kept"]} <= {"ucf101", "hmdb51", "activitynet200"}
