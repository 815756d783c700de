"""The map of classes: what lies together, what repeats, and which names are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.classes import load_class_set
from zsl_bench.errors import ClassSetError, ZslBenchError
from zsl_bench.figures.class_map import class_map_chart, map_classes, spread_out
from zsl_bench.splits import check_overlap

ANIMALS = ["dog", "cat", "horse", "cow", "sheep", "goat"]
MUSIC = ["guitar", "piano", "violin", "drum", "trumpet", "flute"]


@pytest.fixture(scope="module")
def audit():
    return check_overlap([*ANIMALS, *MUSIC], "hmdb51")


def test_every_class_has_a_place_a_set_and_a_kind(audit):
    chart = class_map_chart(audit)
    assert [row[0] for row in chart.rows] == [*audit.train.names, *audit.tests[0].names]
    assert {row[1] for row in chart.rows[12:]} == {"hmdb51"}
    assert [row[2] for row in chart.rows[12:]] == ["test"] * 51
    assert np.isfinite([row[3:5] for row in chart.rows]).all()


def test_the_same_classes_give_the_same_map(audit):
    first = map_classes(audit).points
    assert np.array_equal(first, map_classes(audit).points)


def test_classes_of_one_kind_lie_together(audit):
    points = map_classes(audit).points[:12]

    def spread(rows):
        return np.linalg.norm(points[rows] - points[rows].mean(axis=0), axis=1).mean()

    together = (spread(range(6)) + spread(range(6, 12))) / 2
    assert together < spread(range(12))


def test_removed_classes_are_those_of_the_audit():
    audit = check_overlap(["archery", "kissing", "unicycle racing", "knitting"], "ucf101")
    laid = map_classes(audit)
    removed = {n for n, kind in zip(laid.names, laid.kinds, strict=True) if kind == "removed"}
    assert removed == {one.name for one in audit.removed} == {"archery", "knitting"}
    labels = class_map_chart(audit).caption
    assert "the 2 of 4 that are closer than 0.05" in labels


def test_it_draws_and_the_legend_counts():
    audit = check_overlap(["archery", "kissing", "unicycle racing", "knitting"], ["ucf101"])
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 6))
    class_map_chart(audit).draw(figure)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "given, kept (2)", "given, removed (2)", "ucf101 (101)",
    ]  # fmt: skip
    assert 5 < len(figure.axes[0].texts) <= 25


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 99))
def test_one_point_of_each_cell_is_chosen(number, cells, seed):
    points = np.random.default_rng(seed).normal(size=(number, 2))
    chosen = spread_out(points, cells)
    low, high = points.min(axis=0), points.max(axis=0)
    wide = np.where(high > low, high - low, 1.0)
    cell = [tuple(np.minimum(((p - low) / wide * cells).astype(int), cells - 1)) for p in points]
    assert len({cell[one] for one in chosen}) == len(chosen) == len(set(cell))


def test_two_classes_are_too_few():
    small = check_overlap(["knitting"], load_class_set("ucf101").select(["Archery"]))
    with pytest.raises(ClassSetError, match="too few"):
        map_classes(small)


def test_other_vectors_than_the_audits_are_refused(tmp_path, audit):
    path = tmp_path / "mine.txt"
    path.write_text("horse 1 0\nrun 0 1\n")
    with pytest.raises(ZslBenchError, match="give the same to both"):
        map_classes(audit, vectors=path)


def test_a_missing_library_is_told(monkeypatch, audit):
    monkeypatch.setattr("zsl_bench.figures.class_map.find_spec", lambda _: None)
    with pytest.raises(ZslBenchError, match=r"scikit-learn is missing; pip install"):
        map_classes(audit)
