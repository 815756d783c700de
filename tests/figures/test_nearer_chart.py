"""What a further training set brings nearer: against a double loop, by hand, and on bad input."""

from __future__ import annotations

import numpy as np
import pytest

from zsl_bench.assessment.given import score_features
from zsl_bench.assessment.reload import reload_result
from zsl_bench.classes import load_class_set
from zsl_bench.errors import ResultError
from zsl_bench.figures.nearer import (
    NearerClass,
    TrainingSets,
    mean_gain,
    nearer_classes_chart,
)
from zsl_bench.wordvectors import class_vectors


def one(before, after, accuracy=(0.2, 0.5)):
    return NearerClass(
        name="c",
        distance_before=before,
        distance_after=after,
        accuracy_before=accuracy[0],
        accuracy_after=accuracy[1],
    )


@pytest.mark.parametrize(
    ("before", "after", "fall", "nearer"),
    [
        (0.4, 0.3, 0.25, True),
        (0.5, 0.46, 0.08, False),
        (0.5, 0.6, -0.2, False),
        (0.0, 0.0, 0, False),
    ],
)
def test_a_fall_of_more_than_a_tenth_is_nearer(before, after, fall, nearer):
    assert one(before, after).fall == pytest.approx(fall)
    assert one(before, after).is_nearer is nearer


def test_mean_gains_of_those_nearer_and_of_the_others():
    classes = [one(0.4, 0.2, (0.1, 0.4)), one(0.4, 0.3, (0.2, 0.3)), one(0.4, 0.4, (0.5, 0.4))]
    assert mean_gain(classes, nearer=True) == pytest.approx(0.2)
    assert mean_gain(classes, nearer=False) == pytest.approx(-0.1)
    assert mean_gain(classes[2:], nearer=True) is None


@pytest.fixture(scope="module")
def both(tmp_path_factory, write_results):
    folder = tmp_path_factory.mktemp("nearer")
    write_results(folder)
    return tuple(reload_result(folder / "results" / f"{name}.json") for name in "ab")


def test_given_sets_are_measured_as_by_a_double_loop(both):
    kinetics, sun = load_class_set("kinetics400"), load_class_set("sun397")
    sets = TrainingSets(before=(kinetics,), added=(sun,))
    chart = nearer_classes_chart(*both, sets=sets, anyway=True)
    tests = load_class_set("ucf101")

    def nearest(name, *against):
        words = tests.words[tests.index(name)]
        mine = class_vectors(tests, allow_approximate=True).matrix[tests.index(name)]
        found = []
        for other in against:
            theirs = class_vectors(other, allow_approximate=True).matrix
            for row, bag in zip(theirs, other.words, strict=True):
                same = sorted(bag) == sorted(words)
                found.append(0.0 if same else 1 - float(row.astype(float) @ mine.astype(float)))
        return min(found)

    for row in chart.rows[::12]:
        expected = nearest(row[0], kinetics), nearest(row[0], kinetics, sun)
        assert row[1:3] == pytest.approx(expected, abs=1e-9)
    assert all(row[2] <= row[1] for row in chart.rows)
    marked = [row[0] for row in chart.rows if row[4]]
    assert marked == [row[0] for row in chart.rows if row[1] and 1 - row[2] / row[1] > 0.1]
    assert f"the {len(marked)} of {len(chart.rows)} classes" in chart.caption


def test_distances_on_stand_ins_are_marked(both):
    kinetics, sun = load_class_set("kinetics400"), load_class_set("sun397")
    chart = nearer_classes_chart(
        *both, sets=TrainingSets(before=(kinetics,), added=(sun,)), anyway=True
    )
    tests = load_class_set("ucf101")
    lacking = class_vectors(tests, allow_approximate=True).approximate
    marked = {row[0] for row in chart.rows if row[-1]}
    without = {name for name, words in zip(tests.names, lacking, strict=True) if words}
    assert without & {row[0] for row in chart.rows} <= marked < {row[0] for row in chart.rows}
    assert f"of {len(marked)} classes a distance rests on a stand-in" in chart.caption


def test_accuracies_are_those_of_the_scores(both):
    chart = nearer_classes_chart(*both, anyway=True)
    for column, reloaded in ((5, both[0]), (6, both[1])):
        matrix = reloaded.evidence.matrix
        best = np.asarray(matrix.scores).argmax(axis=1)
        for row in chart.rows[::9]:
            of = np.flatnonzero(matrix.labels == matrix.classes.index(row[0]))
            assert row[column] == pytest.approx(np.mean(best[of] == matrix.labels[of]))


def test_distances_of_the_results_are_the_default(both):
    chart = nearer_classes_chart(*both, anyway=True)
    assert all(row[1] == row[2] and not row[4] for row in chart.rows)
    assert "the 0 of" in chart.caption
    assert "on those" not in chart.caption
    assert chart.picture("png").startswith(b"\x89PNG")


def test_many_and_odd_names_are_drawn(both):
    sets = TrainingSets(before=(load_class_set("sun397"),), added=(load_class_set("kinetics400"),))
    chart = nearer_classes_chart(*both, sets=sets, anyway=True)
    assert sum(row[4] for row in chart.rows) > 14
    assert chart.picture("svg")


def test_results_that_do_not_compare_are_refused(both):
    with pytest.raises(ResultError, match="--anyway"):
        nearer_classes_chart(*both)


def test_an_added_set_is_needed(both):
    sets = TrainingSets(before=(load_class_set("sun397"),), added=())
    with pytest.raises(ResultError, match="none added"):
        nearer_classes_chart(*both, sets=sets, anyway=True)


def test_a_model_that_declares_nothing_is_told(tmp_path, write_features, both):
    features = write_features(tmp_path / "features.npz")
    score_features(features, "ucf101", name="silent", out=tmp_path, allow_partial=True)
    (path,) = tmp_path.glob("*.json")
    with pytest.raises(ResultError, match="declares no training class"):
        nearer_classes_chart(reload_result(path), both[1], anyway=True)
