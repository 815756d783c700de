"""Results with intervals: what stands in the result file, in blocks that alone compare."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from zsl_bench.errors import ProtocolError, ResultError
from zsl_bench.figures.forest import forest_blocks, forest_chart
from zsl_bench.results import load_result


@pytest.fixture(scope="module")
def pair(write_results, tmp_path_factory):
    """Return two real results of feature files, on the same videos."""
    folder = tmp_path_factory.mktemp("forest")
    write_results(folder)
    return [load_result(folder / "results" / f"{name}.json") for name in "ab"]


def other(result, **identity):
    return replace(result, identity={**result.identity, **identity})


def test_every_figure_is_that_of_the_result_file(pair):
    chart = forest_chart(pair, anyway=True)
    rows = [dict(zip(chart.header, row, strict=True)) for row in chart.rows]
    assert [(row["protocol"], row["model"]) for row in rows] == [
        (protocol, model) for protocol in pair[0].scores for model in "ab"
    ]
    for row in rows:
        result = next(one for one in pair if one.model == row["model"])
        scores = result.scores[row["protocol"]]
        spans = scores["uncertainty"][scores["metric"]]
        assert row["value"] == scores["mean"][scores["metric"]]
        assert (row["videos_low"], row["videos_high"]) == (
            spans["groups"]["low"],
            spans["groups"]["high"],
        )
        assert (row["classes_low"], row["classes_high"]) == (
            spans["classes"]["low"],
            spans["classes"]["high"],
        )
        assert row["verdict"] == scores["verdicts"][0]["finding"]
        assert row["complete"] is False
        assert (row["std"] is None) == (len(scores["trials"]) == 1)
    assert "Hollow: incomplete" in chart.caption
    assert chart.picture("svg")


def test_each_block_is_one_data_set_and_one_protocol(pair):
    blocks = forest_blocks(pair, anyway=True)
    assert [block.title for block in blocks] == [
        "ucf101, brattoli-half v1, top-1",
        "ucf101, brattoli-full v1, top-1",
    ]
    (block,) = forest_blocks(pair, protocols=["brattoli-full"], anyway=True)
    assert [row.protocol for row in block.rows] == ["brattoli-full"] * 2


def test_another_data_set_or_other_lists_are_another_block(pair):
    first = pair[0]
    elsewhere = other(first, classes={**first.identity["classes"], "dataset": "elsewhere"})
    assert len(forest_blocks([first, elsewhere])) == 2 * len(first.scores)
    scores = deepcopy(first.scores)
    scores["brattoli-full"]["sha256"] = "0" * 64
    changed = replace(other(pair[1], precision="x"), scores=scores)
    titles = [block.title for block in forest_blocks([first, changed], anyway=True)]
    assert titles.count("ucf101, brattoli-full v1, top-1") == 2


def test_results_that_are_not_comparable_share_no_block_unless_asked(pair):
    with pytest.raises(ResultError, match=r"clip_policy \(unknown\)"):
        forest_chart(pair)
    assert "NOT COMPARABLE: nobody knows whether they agree in clip_policy" in (
        forest_chart(pair, anyway=True).caption
    )
    assert "NOT COMPARABLE" not in forest_chart(pair[:1]).caption


def test_a_harmonic_mean_has_no_interval(pair):
    scores = deepcopy(pair[0].scores)
    entry = scores["brattoli-full"]
    entry["metric"], entry["generalised"] = "harmonic_mean", {"harmonic_mean": 0.25}
    result = replace(pair[0], scores={"brattoli-full": entry}, complete=True)
    chart = forest_chart([result])
    (row,) = [dict(zip(chart.header, one, strict=True)) for one in chart.rows]
    assert row["value"] == 0.25
    assert row["videos_low"] is row["classes_high"] is row["chance"] is row["std"] is None
    assert chart.picture("png")


@pytest.mark.parametrize("finding", ["disjoint", "overlapping", "undeclared", "unjudged"])
def test_every_verdict_is_drawn_and_a_figure_that_is_not_there_is_a_dash(pair, finding):
    scores = deepcopy(pair[0].scores)
    for entry in scores.values():
        entry["verdicts"][0]["finding"] = finding
        entry["mean"]["top1"] = None
        entry["uncertainty"]["top1"] = {"groups": None, "classes": None}
    assert forest_chart([replace(pair[0], scores=scores)]).picture("png")


def test_no_result_one_twice_and_a_protocol_without_scores_are_errors(pair):
    with pytest.raises(ResultError, match="no result"):
        forest_chart([])
    with pytest.raises(ResultError, match="twice"):
        forest_chart([pair[0], pair[0]])
    with pytest.raises(ProtocolError, match="scores under brattoli-half, brattoli-full"):
        forest_chart(pair, protocols=["xu-50"])
