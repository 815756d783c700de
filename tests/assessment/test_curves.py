"""The two curves: by hand, against plain loops at any threshold, and their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.assessment.curves import curves, point_at
from zsl_bench.errors import ResultError
from zsl_bench.protocols import Protocol, Trial, rank_trials
from zsl_bench.scoring import ScoreMatrix
from zsl_bench.verdict import ClassDistances

NAMES = ("a", "b", "c", "d")


def matrix_of(labels, scores, names=NAMES):
    return ScoreMatrix(
        classes=names,
        video_ids=tuple(f"v{i}" for i in range(len(labels))),
        labels=np.asarray(labels, dtype=np.int64),
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


def distances_of(nearest, mean=None, names=NAMES, neighbours=10):
    return ClassDistances(
        nearest=np.asarray(nearest, dtype=float),
        nearest_mean=np.asarray(nearest if mean is None else mean, dtype=float),
        neighbours=neighbours,
        classes=names,
        num_declared=400,
    )


def told(matrix, protocol, distances, **options):
    found = curves(matrix, rank_trials(matrix, protocol), protocol, distances, **options)
    return found["curves"]


SCORES = [[2, 1, 0, 0], [2, 1, 0, 0], [0, 0, 2, 1], [0, 0, 2, 1]]


def test_the_overlap_curve_by_hand():
    overlap, _ = told(
        matrix_of([0, 1, 2, 3], SCORES), protocol_of(NAMES), distances_of([0.0, 0.2, 0.2, 0.7])
    )
    assert overlap["kind"] == "overlap"
    assert [p["threshold"] for p in overlap["points"]] == [0.0, 0.2, 0.7]
    assert [p["num_classes"] for p in overlap["points"]] == [4, 3, 1]
    assert [p["num_videos"] for p in overlap["points"]] == [4, 3, 1]
    assert [p["num_candidates"] for p in overlap["points"]] == [4, 4, 4]
    assert [p["chance"] for p in overlap["points"]] == [0.25] * 3
    assert [p["top1"] for p in overlap["points"]] == [0.5, pytest.approx(1 / 3), 0.0]


def test_restricted_candidates_by_hand():
    overlap, _ = told(
        matrix_of([0, 1, 2, 3], SCORES),
        protocol_of(NAMES),
        distances_of([0.0, 0.2, 0.2, 0.7]),
        restricted=True,
    )
    assert [p["num_candidates"] for p in overlap["points"]] == [4, 3, 1]
    assert [p["top1"] for p in overlap["points"]] == [0.5, pytest.approx(2 / 3), 1.0]


def test_the_curve_of_fig_7_exceeds_and_does_not_meet():
    _, nearest = told(
        matrix_of([0, 1, 2, 3], SCORES),
        protocol_of(NAMES),
        distances_of([0, 0, 0, 0], [0.3, 0.4, 0.4, 0.9]),
    )
    assert nearest["name"] == "mean distance to the 10 nearest declared classes (paper Fig. 7)"
    assert [p["threshold"] for p in nearest["points"]] == [0.0, 0.3, 0.4]
    assert [p["num_classes"] for p in nearest["points"]] == [4, 3, 1]
    assert nearest["end"] == 0.9


def test_a_curve_is_known_at_every_threshold():
    overlap, nearest = told(
        matrix_of([0, 1, 2, 3], SCORES),
        protocol_of(NAMES),
        distances_of([0.0, 0.2, 0.2, 0.7], [0.3, 0.4, 0.4, 0.9]),
    )
    at = [point_at(overlap, t) for t in (0.0, 0.1, 0.2, 0.21, 0.7, 0.71)]
    assert [p and p["num_classes"] for p in at] == [4, 3, 3, 1, 1, None]
    at = [point_at(nearest, t) for t in (0.0, 0.29, 0.3, 0.4, 0.89, 0.9, 1.0)]
    assert [p and p["num_classes"] for p in at] == [4, 4, 3, 1, 1, None, None]


def test_distractors_stay_unless_candidates_are_restricted():
    names = (*NAMES, "made/far")
    matrix = matrix_of([0, 2], [[2, 0, 0, 0, 3], [0, 0, 2, 0, 3]], names)
    protocol = protocol_of(NAMES, distractors=("made/far",))
    distances = distances_of([0.1, 0.2, 0.3, 0.4])
    for restricted, candidates, top1 in ((False, 5, 0.0), (True, 4, 1.0)):
        overlap, _ = told(matrix, protocol, distances, restricted=restricted)
        assert overlap["points"][0]["num_candidates"] == candidates
        assert overlap["points"][0]["top1"] == top1


def test_trials_that_have_no_row_left_do_not_count():
    overlap, _ = told(
        matrix_of([0, 1, 2, 3], SCORES),
        protocol_of(("a", "b"), ("c", "d")),
        distances_of([0.1, 0.2, 0.3, 0.4]),
    )
    assert [p["num_trials"] for p in overlap["points"]] == [2, 2, 1, 1]
    assert [p["top1"] for p in overlap["points"]] == [0.5, 0.25, 0.5, 0.0]


def test_thresholds_that_leave_no_row_have_no_point():
    overlap, nearest = told(
        matrix_of([0, 1], SCORES[:2]), protocol_of(NAMES), distances_of([0.1, 0.2, 0.3, 0.4])
    )
    assert [p["threshold"] for p in overlap["points"]] == [0.1, 0.2]
    assert overlap["end"] == 0.2
    assert [p["threshold"] for p in nearest["points"]] == [0.0, 0.1]
    assert nearest["end"] == 0.2
    assert point_at(overlap, 0.25) is point_at(nearest, 0.2) is None


def test_no_video_at_all():
    for curve in told(matrix_of([], np.zeros((0, 4))), protocol_of(NAMES), distances_of([0] * 4)):
        assert curve["points"] == []
        assert point_at(curve, 0.0) is None


def test_distances_of_other_classes_are_refused():
    with pytest.raises(ResultError, match="no distance for 'd'"):
        told(
            matrix_of([0], SCORES[:1]),
            protocol_of(NAMES),
            distances_of([0.1, 0.2, 0.3], names=NAMES[:3]),
        )


def expected_at(matrix, trials, distances, threshold, *, kind, restricted):
    """Return (top-1, per class) at a threshold, with loops; None where no trial has a row."""
    figures = []
    values = distances.nearest if kind == "overlap" else distances.nearest_mean
    of = dict(zip(distances.classes, values, strict=True))
    for trial in trials:
        kept = [
            c for c in trial if (of[c] >= threshold if kind == "overlap" else of[c] > threshold)
        ]
        part = matrix.restrict(kept if restricted else trial) if kept else None
        hits = {}
        for i in range(len(part.labels) if part else 0):
            name = part.classes[part.labels[i]]
            if name in kept:
                own = part.scores[i, part.labels[i]]
                hits.setdefault(name, []).append((part.scores[i] >= own).sum() == 1)
        if hits:
            rows = [hit for of_class in hits.values() for hit in of_class]
            figures.append((np.mean(rows), np.mean([np.mean(h) for h in hits.values()])))
    return tuple(np.mean(figures, axis=0)) if figures else None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_against_plain_loops(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count = data.draw(st.integers(1, 20))
    matrix = matrix_of(rng.integers(0, 4, count), rng.integers(0, 4, (count, 4)))
    distances = distances_of(rng.integers(0, 5, 4) / 4, rng.integers(0, 5, 4) / 4)
    trials = [
        tuple(sorted(data.draw(st.sets(st.sampled_from(NAMES), min_size=1)))) for _ in range(2)
    ]
    restricted = data.draw(st.booleans())
    found = told(matrix, protocol_of(*trials), distances, restricted=restricted)
    for curve in found:
        for threshold in (0.0, 0.1, 0.25, 0.5, 0.6, 0.75, 0.99, 1.0, 1.5):
            wanted = expected_at(
                matrix, trials, distances, threshold, kind=curve["kind"], restricted=restricted
            )
            point = point_at(curve, threshold)
            if wanted is None:
                assert point is None
            else:
                assert (point["top1"], point["mean_per_class"]) == pytest.approx(wanted)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_restricting_candidates_never_lowers(seed):
    rng = np.random.default_rng(seed)
    matrix = matrix_of(rng.integers(0, 4, 30), rng.normal(size=(30, 4)))
    distances = distances_of(rng.random(4), rng.random(4))
    protocol = protocol_of(NAMES)
    everything = told(matrix, protocol, distances)
    kept = told(matrix, protocol, distances, restricted=True)
    for a, b in zip(everything, kept, strict=True):
        assert a["points"][0]["top1"] == b["points"][0]["top1"]
        for p, q in zip(a["points"], b["points"], strict=True):
            assert q["top1"] >= p["top1"]
            assert q["chance"] >= p["chance"]
