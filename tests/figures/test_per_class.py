"""Accuracy on each class: toy results reckoned by hand, random ones in plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from zsl_bench.errors import ResultError
from zsl_bench.figures.chart import FORMATS, as_percent
from zsl_bench.figures.per_class import best_worst_chart, class_accuracies, per_class_chart
from zsl_bench.figures.runs import gather

FIRST = {"a": ["a", "a", "b", "b"], "b": ["b"], "c": ["a", "c", "c", "c"], "d": ["a"], "e": []}
SECOND = {"a": ["a", "a", "a", "a"], "b": ["a"], "c": ["c", "c", "c", "a"], "d": ["d"], "e": []}


def test_closed_form_hardest_first(toy):
    chart = per_class_chart([toy(FIRST, name="one"), toy(SECOND, name="two")])
    assert chart.header[3:] == ("place, hardest first", "class", "videos", "accuracy")
    found = {name: [row[3:] for row in chart.rows if row[0] == name] for name in ("one", "two")}
    assert found["one"] == [(1, "d", 1, 0.0), (2, "a", 4, 0.5), (3, "c", 4, 0.75), (4, "b", 1, 1.0)]
    assert found["two"] == [(1, "b", 1, 0.0), (2, "c", 4, 0.75), (3, "a", 4, 1.0), (4, "d", 1, 1.0)]


def test_worst_and_best_with_the_other_model_beside(toy):
    chart = best_worst_chart([toy(FIRST, name="one"), toy(SECOND, name="two")], number=1)
    assert chart.header[-2:] == ("accuracy of one", "accuracy of two")
    assert [(row[0], row[4], row[-2], row[-1]) for row in chart.rows] == [
        ("one", "d", 0.0, 1.0),
        ("one", "b", 1.0, 0.0),
        ("two", "b", 1.0, 0.0),
        ("two", "d", 0.0, 1.0),
    ]


def test_no_class_is_both_best_and_worst(toy):
    chart = best_worst_chart([toy(FIRST)], number=10)
    assert [row[4] for row in chart.rows] == ["d", "a", "c", "b"]
    three = {"a": ["a"], "b": ["a"], "c": ["c", "a"]}
    assert [row[4] for row in best_worst_chart([toy(three)]).rows] == ["b", "a"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("protocol", ["full", "half"])
def test_equal_to_plain_loops_over_trials(toy, seed, protocol):
    rng = np.random.default_rng(seed)
    names = [f"c{number}" for number in range(7)]
    named = {name: ["c0"] * int(rng.integers(0, 6)) for name in names}
    named["c3"] = ["c0"] * 4
    scores = rng.integers(0, 5, size=(sum(map(len, named.values())), 7)).astype(float)
    (run,) = gather([toy(named, scores=scores)], protocol=protocol).runs
    matrix = run.evidence.matrix
    expected = {}
    for trial in run.protocol.trials:
        columns = [names.index(name) for name in trial.candidates]
        for name in trial.classes:
            own = names.index(name)
            rows = [row for row in range(len(scores)) if matrix.labels[row] == own]
            right = [
                all(scores[row][other] < scores[row][own] for other in columns if other != own)
                for row in rows
            ]
            if rows:
                expected.setdefault(name, []).append(sum(right) / len(rows))
    found = {one.name: one for one in class_accuracies(run)}
    assert {name: one.accuracy for name, one in found.items()} == pytest.approx(
        {name: sum(values) / len(values) for name, values in expected.items()}
    )
    assert {name: one.videos for name, one in found.items()} == {
        name: len(named[name]) for name in expected
    }


def test_no_video_and_a_single_class_are_errors(toy):
    with pytest.raises(ResultError, match="no video"):
        per_class_chart([toy({"a": [], "b": []})])
    with pytest.raises(ResultError, match="1 classes with a video"):
        best_worst_chart([toy({"a": ["a"], "b": []})])
    with pytest.raises(ResultError, match="take 1 or more"):
        best_worst_chart([toy(FIRST)], number=0)


def test_what_a_tie_leaves_out_is_told(toy):
    named = {"a": ["b"], "b": ["b"], "c": ["c"], "d": ["a"], "e": ["a"]}
    caption = best_worst_chart([toy(named)], number=2).caption
    assert "m: of equal accuracy to the worst, but not shown: 1." in caption
    assert "to the best" not in caption


@pytest.mark.parametrize("make", [per_class_chart, best_worst_chart])
def test_it_is_drawn_in_every_format_and_again_the_same(toy, make, tmp_path):
    chart = make([toy(FIRST, name="$one$"), toy(SECOND, name="_two")])
    files = chart.save(tmp_path)
    assert [path.suffix[1:] for path in files] == ["csv", *FORMATS]
    assert all(path.stat().st_size > 100 for path in files)
    assert chart.picture("svg") == (tmp_path / f"{chart.name}.svg").read_bytes()


def test_names_of_too_many_classes_are_left_out_and_the_caption_says_so(toy):
    chart = per_class_chart([toy({f"c{n}": [f"c{n // 2}"] for n in range(131)})])
    assert "Names of 131 classes do not fit" in chart.caption
    assert chart.size[0] <= 13
    assert chart.picture("png").startswith(b"\x89PNG")


@pytest.mark.parametrize(("limit", "wanted"), [(0.04, "1.5"), (1.0, "40")])
def test_ticks_of_a_narrow_range_are_not_rounded_alike(limit, wanted):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure, axes = pyplot.subplots()
    axes.set_ylim(0, limit)
    as_percent(axes, "y")
    told = [axes.yaxis.get_major_formatter()(value) for value in axes.get_yticks()]
    pyplot.close(figure)
    assert len(set(told)) == len(told)
    assert wanted in told
