"""Clean and overlapping rows: hand-made cases, brute force, empty groups, laws."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.assessment.contamination import CANDIDATES, GROUPS, contamination
from zsl_bench.protocols import Protocol, Trial, rank_trials
from zsl_bench.scoring import ScoreMatrix
from zsl_bench.verdict import SeenClass, Verdict

NAMES = ("a", "b", "c", "d", "x", "y", "z")


def matrix_of(labels, scores, names=NAMES):
    labels = np.asarray(labels, dtype=np.int64)
    return ScoreMatrix(
        classes=names,
        video_ids=tuple(f"v{i}" for i in range(len(labels))),
        labels=labels,
        scores=np.asarray(scores, dtype=np.float64),
    )


def protocol_of(*trials, distractors=()):
    return Protocol(
        id="test",
        version=1,
        dataset="made",
        trials=tuple(Trial(classes=t, videos=None, distractors=distractors) for t in trials),
        title="",
        metric="top1",
        averaging="",
        source="",
    )


def verdict_of(seen=(), unjudged=(), silent=(), num_declared=1):
    return Verdict(
        finding="overlapping" if seen else "disjoint",
        rule="test",
        seen=tuple(
            SeenClass(name=n, seen_as=n, seen_in="s", declared_in="trained_on") for n in seen
        ),
        unjudged=tuple(unjudged),
        silent=silent,
        num_declared=num_declared,
    )


def told(matrix, protocol, verdict, groups=None):
    if groups is None:
        groups = np.arange(len(matrix.labels))
    return contamination(matrix, rank_trials(matrix, protocol), protocol, verdict, groups)


def test_two_clean_and_two_overlapping_classes_by_hand():
    """Clean rows lose to overlapping classes, and win among themselves."""
    names = ("a", "b", "x", "y")
    scores = [
        [3, 1, 4, 0],  # a, beaten by x
        [3, 1, 2, 0],  # a, right
        [5, 3, 4, 0],  # b, beaten by a and x
        [0, 1, 3, 2],  # x, right
        [0, 1, 3, 2],  # y, beaten by x
    ]
    matrix = matrix_of([0, 0, 1, 2, 3], scores, names)
    found = told(matrix, protocol_of(names), verdict_of(seen=("x", "y")))
    (trial,) = found["trials"]
    clean, seen = trial["groups"]["clean"], trial["groups"]["overlapping"]
    assert trial["groups"]["unjudged"] is None
    assert trial["common_size"] == 2
    assert clean["all_candidates"] == {
        "num_candidates": 4,
        "chance": 0.25,
        "num_classes": 2,
        "num_videos": 3,
        "top1": pytest.approx(1 / 3),
        "mean_per_class": pytest.approx(1 / 4),
    }
    assert clean["own_candidates"]["top1"] == pytest.approx(2 / 3)
    assert clean["own_candidates"]["mean_per_class"] == pytest.approx(1 / 2)
    assert clean["own_candidates"]["chance"] == 0.5
    assert seen["all_candidates"]["top1"] == seen["own_candidates"]["top1"] == 0.5
    for group in (clean, seen):
        assert group["common_size"] == group["own_candidates"]
    assert found["mean"]["clean"]["all_candidates"]["num_trials"] == 1


def test_random_candidate_sets_of_the_common_size_by_hand():
    """One rival among three other clean classes: right in 2 of 3 pairs."""
    names = ("a", "b", "c", "d", "x", "y")
    matrix = matrix_of([0, 4], [[1, 2, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0]], names)
    found = told(matrix, protocol_of(names), verdict_of(seen=("x", "y")))
    clean = found["trials"][0]["groups"]["clean"]
    assert clean["own_candidates"]["top1"] == 0.0
    assert clean["common_size"]["top1"] == pytest.approx(2 / 3)
    assert clean["common_size"]["num_candidates"] == 2
    assert clean["common_size"]["chance"] == 0.5


def test_a_tie_never_helps():
    matrix = matrix_of([0, 2], [[1, 1, 0], [0, 0, 1]], ("a", "b", "x"))
    found = told(matrix, protocol_of(("a", "b", "x")), verdict_of(seen=("x",)))
    clean = found["trials"][0]["groups"]["clean"]
    assert clean["all_candidates"]["top1"] == clean["own_candidates"]["top1"] == 0.0
    assert clean["common_size"] == {**clean["own_candidates"], "num_candidates": 1, "chance": 1.0,
                                    "top1": 1.0, "mean_per_class": 1.0}  # fmt: skip


def test_a_draw_with_an_empty_group_gives_none_and_not_zero():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(7), 6)
    matrix = matrix_of(labels, rng.normal(size=(42, 7)))
    trials = (("a", "b", "c"), ("a", "x", "y"), ("x", "y", "z"))
    found = told(matrix, protocol_of(*trials), verdict_of(seen=("x", "y", "z")))
    first, second, third = (trial["groups"] for trial in found["trials"])
    assert first["overlapping"] is None
    assert third["clean"] is None
    assert first["clean"]["common_size"] is None
    assert [trial["common_size"] for trial in found["trials"]] == [None, 1, None]
    mean = found["mean"]
    for group, having in (("clean", (first, second)), ("overlapping", (second, third))):
        assert mean[group]["all_candidates"]["num_trials"] == 2
        assert mean[group]["common_size"]["num_trials"] == 1
        values = [trial[group]["all_candidates"]["top1"] for trial in having]
        assert mean[group]["all_candidates"]["top1"] == pytest.approx(np.mean(values))


def test_a_group_whose_classes_have_no_video_is_empty():
    matrix = matrix_of([0, 1], [[1, 0, 0], [0, 1, 0]], ("a", "b", "x"))
    found = told(matrix, protocol_of(("a", "b", "x")), verdict_of(seen=("x",)))
    assert found["trials"][0]["groups"]["overlapping"] is None
    assert found["mean"]["overlapping"] is None
    assert found["mean"]["clean"]["all_candidates"]["num_candidates"] == 3
    assert found["mean"]["clean"]["common_size"] is None


def test_distractors_are_candidates_among_all_only():
    names = ("a", "b", "x", "made/far")
    matrix = matrix_of([0, 1, 2], [[1, 0, 0, 2], [0, 1, 0, 2], [0, 0, 1, 2]], names)
    protocol = protocol_of(("a", "b", "x"), distractors=("made/far",))
    found = told(matrix, protocol, verdict_of(seen=("x",)))
    clean = found["trials"][0]["groups"]["clean"]
    assert found["trials"][0]["num_distractors"] == 1
    assert (clean["all_candidates"]["top1"], clean["all_candidates"]["num_candidates"]) == (0.0, 4)
    assert (clean["own_candidates"]["top1"], clean["own_candidates"]["num_candidates"]) == (1.0, 2)


def test_unjudged_rows_stand_apart_and_only_among_all_candidates():
    rng = np.random.default_rng(1)
    matrix = matrix_of(np.repeat(np.arange(7), 3), rng.normal(size=(21, 7)))
    verdict = verdict_of(seen=("x",), unjudged=("y", "z"))
    groups = told(matrix, protocol_of(NAMES), verdict)["trials"][0]["groups"]
    assert groups["unjudged"]["all_candidates"]["num_classes"] == 2
    assert groups["unjudged"]["own_candidates"] is None
    assert groups["clean"]["own_candidates"]["num_candidates"] == 4
    assert groups["clean"]["common_size"]["num_candidates"] == 1


@pytest.mark.parametrize(
    ("verdict", "note"),
    [
        (verdict_of(unjudged=NAMES), "no class of the protocol is judged"),
        (verdict_of(silent=("trained_on: open",), num_declared=0), "no class is declared"),
    ],
)
def test_a_rule_that_judged_nothing_gives_no_figures(verdict, note):
    matrix = matrix_of([0, 1], np.eye(7)[:2])
    found = told(matrix, protocol_of(NAMES), verdict)
    assert (found["applies"], found["note"]) == (False, note)
    assert found["trials"] == []
    assert found["mean"] == {}


def test_clean_is_not_known_where_a_field_is_silent():
    matrix = matrix_of([0, 4], np.eye(7)[[0, 4]])
    silent = verdict_of(seen=("x",), silent=("pretrained_on: open",))
    assert told(matrix, protocol_of(NAMES), silent)["clean_is_known"] is False
    assert told(matrix, protocol_of(NAMES), verdict_of(seen=("x",)))["clean_is_known"] is True
    nothing = verdict_of(num_declared=0)
    found = told(matrix, protocol_of(NAMES), nothing)
    assert found["applies"]
    assert found["mean"]["clean"]["all_candidates"]["num_videos"] == 2


def test_no_video_at_all():
    matrix = matrix_of([], np.zeros((0, 7)))
    found = told(matrix, protocol_of(NAMES), verdict_of(seen=("x",)))
    assert found["mean"] == dict.fromkeys(GROUPS)


def test_an_interval_stands_beside_every_mean_and_encloses_it():
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(7), 40)
    scores = rng.normal(size=(280, 7))
    scores[np.arange(280), labels] += 1.5
    matrix = matrix_of(labels, scores)
    trials = (NAMES, ("a", "b", "x", "y"), ("c", "d", "z"))
    found = told(
        matrix, protocol_of(*trials), verdict_of(seen=("x", "y", "z")), np.arange(280) // 4
    )
    for group in ("clean", "overlapping"):
        for kind in CANDIDATES:
            mean = found["mean"][group][kind]
            for name in ("top1", "mean_per_class"):
                span = mean["intervals"][name]
                assert 0.0 <= span["low"] < mean[name] < span["high"] <= 1.0
                assert span["level"] == 0.95
                assert span["num_units"] == (40 if group == "clean" else 30)


def brute_force(matrix, trial, members):
    """Accuracy of the rows of ``members`` in a trial: all, own, and every subset of each size."""
    column = {name: i for i, name in enumerate(matrix.classes)}
    rows = [i for i, label in enumerate(matrix.labels) if matrix.classes[label] in members]

    def right(row, candidates):
        own = matrix.scores[row, matrix.labels[row]]
        others = [c for c in candidates if column[c] != matrix.labels[row]]
        return all(matrix.scores[row, column[c]] < own for c in others)

    def common(row, size):
        truth = matrix.classes[matrix.labels[row]]
        others = [c for c in members if c != truth]
        draws = list(combinations(others, size - 1))
        return np.mean([right(row, (truth, *draw)) for draw in draws])

    everything = [right(row, trial) for row in rows]
    own = [right(row, members) for row in rows]
    return rows, everything, own, common


def per_class(matrix, rows, values):
    labels = matrix.labels[rows]
    return np.mean([np.mean(np.array(values)[labels == c]) for c in np.unique(labels)])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_against_brute_force(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count = data.draw(st.integers(1, 25))
    matrix = matrix_of(rng.integers(0, 7, count), rng.integers(0, 5, (count, 7)))
    seen = data.draw(st.sets(st.sampled_from(NAMES)))
    trials = [
        tuple(sorted(data.draw(st.sets(st.sampled_from(NAMES), min_size=1)))) for _ in range(3)
    ]
    found = told(matrix, protocol_of(*trials), verdict_of(seen=seen), np.zeros(count, int))
    for trial, entry in zip(trials, found["trials"], strict=True):
        members = {
            "clean": [c for c in trial if c not in seen],
            "overlapping": [c for c in trial if c in seen],
        }
        both = all(
            any(matrix.classes[label] in of for label in matrix.labels) for of in members.values()
        )
        size = min(map(len, members.values())) if both else None
        assert entry["common_size"] == size
        for group, of in members.items():
            rows, everything, own, common = brute_force(matrix, trial, of)
            figures = entry["groups"][group]
            if not rows:
                assert figures is None
                continue
            expected = {"all_candidates": everything, "own_candidates": own}
            if size is not None:
                expected["common_size"] = [common(row, size) for row in rows]
            for kind, values in expected.items():
                assert figures[kind]["top1"] == pytest.approx(np.mean(values))
                assert figures[kind]["mean_per_class"] == pytest.approx(
                    per_class(matrix, rows, values)
                )
                assert figures[kind]["num_videos"] == len(rows)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sets(st.sampled_from(NAMES)))
def test_laws(seed, seen):
    rng = np.random.default_rng(seed)
    matrix = matrix_of(rng.integers(0, 7, 30), rng.integers(0, 4, (30, 7)))
    protocol, verdict = protocol_of(NAMES), verdict_of(seen=seen)
    groups = rng.integers(0, 9, 30)
    found = told(matrix, protocol, verdict, groups)
    ranked = rank_trials(matrix, protocol)
    figures = [of for of in found["trials"][0]["groups"].values() if of is not None]
    hits = sum(of["all_candidates"]["top1"] * of["all_candidates"]["num_videos"] for of in figures)
    assert hits == pytest.approx((ranked[0].ranks == 0).sum())
    for of in figures:
        assert of["own_candidates"]["top1"] >= of["all_candidates"]["top1"]
        if of["common_size"]:
            assert of["common_size"]["top1"] >= of["own_candidates"]["top1"] - 1e-12
    rows, columns = rng.permutation(30), rng.permutation(7)
    shuffled = ScoreMatrix(
        classes=tuple(NAMES[c] for c in columns),
        video_ids=tuple(matrix.video_ids[r] for r in rows),
        labels=np.argsort(columns)[matrix.labels[rows]],
        scores=matrix.scores[np.ix_(rows, columns)],
    )
    again = told(shuffled, protocol, verdict, groups[rows])
    for trial, other in zip(found["trials"], again["trials"], strict=True):
        for group in GROUPS:
            if trial["groups"][group] is None:
                assert other["groups"][group] is None
                continue
            for kind in CANDIDATES:
                assert other["groups"][group][kind] == pytest.approx(trial["groups"][group][kind])
