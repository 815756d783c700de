"""The overlap charts against distances known by angle, a slow count, and what they draw."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.classes import ClassSet
from zsl_bench.errors import ClassSetError, ZslBenchError
from zsl_bench.figures.overlap import overlap_chart, removed_at
from zsl_bench.figures.overlap_share import SeenSeries, overlap_share_chart
from zsl_bench.overlap import audit_overlap
from zsl_bench.splits import check_overlap
from zsl_bench.wordvectors import WordVectors


def classes_of(dataset: str, *words: str) -> ClassSet:
    return ClassSet(
        dataset=dataset,
        version=1,
        names=words,
        words=tuple((word,) for word in words),
        labels=words,
        aliases=((),) * len(words),
    )


def audit_at(threshold=0.05, **angles):
    """Audit of classes at angles in degrees against one at 0."""
    table = {"zero": 0.0, **angles}
    rows = [[math.cos(math.radians(a)), math.sin(math.radians(a))] for a in table.values()]
    vectors = WordVectors(
        words={word: row for row, word in enumerate(table)},
        matrix=np.array(rows, dtype=np.float32),
        source="angles",
        digest="0" * 64,
    )
    train, test = classes_of("train", "zero", *angles), classes_of("test", "zero")
    return audit_overlap(train, [test], vectors=vectors, threshold=threshold)


def test_rows_are_distances_known_by_angle_nearest_first():
    chart = overlap_chart(audit_at(far=60, near=15, mid=30))
    assert [row[1] for row in chart.rows] == ["zero", "near", "mid", "far"]
    expected = [1 - math.cos(math.radians(angle)) for angle in (0, 15, 30, 60)]
    assert [row[4] for row in chart.rows] == pytest.approx(expected, abs=1e-6)
    assert [row[5] for row in chart.rows] == [True, True, False, False]
    assert [row[6] for row in chart.rows] == [True, False, False, False]
    assert "removes 2 of 4 classes, 1 of them" in chart.caption
    assert "stand-in" not in chart.caption


def test_stand_ins_are_marked_in_numbers_and_caption():
    audit = check_overlap("kinetics400", ["ucf101"])
    chart = overlap_chart(audit, closest=3)
    resting = {one.name for one in audit.neighbours if one.approximate}
    assert {row[1] for row in chart.rows if row[7]} == resting
    assert f"for {len(resting)} of all training classes" in chart.caption
    assert len(chart.rows) == 400


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(0, 42))
def test_steps_count_what_a_threshold_removes(tenths, at):
    distances = [value / 10 for value in tenths]
    steps = removed_at(distances)
    below = [number for distance, number in steps if distance < at / 10]
    assert (below[-1] if below else 0) == sum(distance < at / 10 for distance in distances)


def drawn(chart):
    from matplotlib.figure import Figure

    figure = Figure(figsize=chart.size)
    chart.draw(figure)
    return figure


def test_equal_classes_share_a_line_and_the_rest_is_named_to_the_number_asked():
    figure = drawn(overlap_chart(check_overlap("kinetics700", ["ucf101", "hmdb51"]), closest=5))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[:2] == ["36 classes with equal words", "throwing discus | JavelinThrow"]
    assert len(names) == 6
    marks = {line.get_label(): line.get_xdata() for line in figure.axes[0].get_lines()}
    assert len(marks["removed"]) == 3
    assert len(marks["kept"]) == 3


def test_removed_classes_that_are_not_drawn_are_told():
    audit = audit_at(threshold=0.5, a=10, b=20, c=30)
    assert "numbers only" not in overlap_chart(audit).caption
    chart = overlap_chart(audit, closest=1)
    assert "numbers only: 2." in chart.caption


def test_foreign_names_are_drawn_as_they_are():
    audit = audit_at(**{"$\\frac": 12, "_under": 20})
    assert overlap_chart(audit).picture("png").startswith(b"\x89PNG")


def test_no_class_to_name_is_an_error():
    with pytest.raises(ZslBenchError, match="no class to draw"):
        overlap_chart(audit_at(), closest=0)


def test_share_counts_test_classes_by_hand():
    one = SeenSeries(train="a", test="t", distances=(0.0, 0.2, 0.1, 0.1))
    chart = overlap_share_chart([one], threshold=0.05)
    assert chart.rows == (
        ("a", "t", 0.0, 1, 0.25), ("a", "t", 0.1, 3, 0.75), ("a", "t", 0.2, 4, 1.0),
    )  # fmt: skip
    figure = drawn(chart)
    line = figure.axes[0].get_lines()[0]
    assert line.get_xdata().tolist() == [0.0, 0.0, 0.1, 0.2, 0.3]
    assert line.get_ydata().tolist() == [0.0, 0.25, 0.75, 1.0, 1.0]


def test_share_has_a_panel_for_each_test_set_and_refuses_none():
    made = [SeenSeries(train=a, test=b, distances=(0.1,)) for a in "xy" for b in "st"]
    figure = drawn(overlap_share_chart(made, threshold=0.05))
    assert [axes.get_title() for axes in figure.axes] == ["s (1 classes)", "t (1 classes)"]
    with pytest.raises(ClassSetError, match="no set"):
        overlap_share_chart([], threshold=0.05)
