"""Which results share a table, what stands in it, and what is set in bold."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from zsl_bench.errors import ProtocolError, ResultError
from zsl_bench.report.sources import load_sources
from zsl_bench.report.tables import Span, entry_of, separating, tabulate
from zsl_bench.results import load_result


@pytest.fixture
def results(files):
    return [load_result(path) for path in (files.a, files.b, files.c)]


def bold_of(table, metric="top1"):
    return {
        (row.name, column.protocol)
        for column in table.columns
        if column.metric == metric
        for row, entry in zip(table.rows, table.column(column), strict=True)
        if entry and entry.best
    }


def with_top1(result, value, low, high, finding="overlapping", protocol="brattoli-full"):
    """Return a result with another figure under its one protocol."""
    scores = dict(result.scores[protocol])
    span = {"low": low, "high": high}
    scores["mean"] = {**scores["mean"], "top1": value}
    scores["uncertainty"] = {
        **scores["uncertainty"],
        "top1": {"groups": span, "classes": span},
    }
    scores["verdicts"] = [{**scores["verdicts"][0], "finding": finding}]
    return replace(result, scores={protocol: scores})


def test_comparable_results_share_a_table_and_others_do_not(results):
    a, b, c = results
    first, second = tabulate(results)
    assert [row.results for row in first.rows] == [(a,), (b,)]
    assert [row.results for row in second.rows] == [(c,)]
    assert first.differs == second.differs == ()
    assert separating([first, second]) == ("clip_policy", "decoder", "precision", "resizer")
    (one,) = tabulate(results, anyway=True)
    assert len(one.rows) == 3
    assert one.differs == separating([first, second])
    assert separating([one]) == ()


def test_nothing_is_bold_where_results_are_not_comparable(results):
    a, b, c = results
    (table,) = tabulate([a, b])
    assert bold_of(table)
    (table,) = tabulate([a, b, replace(c, complete=True)], anyway=True)
    assert table.differs
    assert bold_of(table) == set()


def test_one_identity_with_two_sets_of_scores_is_an_error(files):
    result = load_result(files.a)
    other = with_top1(result, 0.99, 0.9, 1.0)
    scores = {**result.scores, **other.scores}
    changed = files.a.with_name("changed.json")
    changed.write_text(json.dumps(replace(result, scores=scores).to_json()), "utf-8")
    assert len(load_sources([files.a, files.a])) == 1
    with pytest.raises(ResultError, match="one identity and two sets of scores"):
        load_sources([files.a, changed])


def test_every_entry_is_the_results_own_figure(results):
    (table,) = tabulate(results[:2])
    found = 0
    for column in table.columns:
        for result, entry in zip(results, table.column(column), strict=False):
            scores = result.scores[column.protocol]
            around = scores["uncertainty"][column.metric]["groups"]
            assert entry.value == scores["mean"][column.metric]
            assert (entry.videos.low, entry.videos.high) == (around["low"], around["high"])
            assert (entry.std is None) == (len(scores["trials"]) == 1)
            assert entry.finding == scores["verdicts"][0]["finding"]
            found += 1
    assert found == 2 * 2 * 2
    assert {column.title for column in table.columns} == {
        f"{protocol} v1 {metric}"
        for protocol in ("brattoli-half", "brattoli-full")
        for metric in ("top-1", "top-5")
    }


@pytest.mark.parametrize(
    ("figures", "bold"),
    [
        ([(0.5, 0.4, 0.6), (0.3, 0.2, 0.35)], {"alpha"}),
        ([(0.5, 0.4, 0.6), (0.3, 0.2, 0.4)], {"alpha", "beta"}),
        ([(0.3, 0.2, 0.35), (0.5, 0.4, 0.6)], {"beta"}),
    ],
)
def test_bold_is_the_highest_and_what_its_interval_reaches(results, figures, bold):
    changed = [with_top1(one, *figure) for one, figure in zip(results, figures, strict=False)]
    (table,) = tabulate(changed)
    assert bold_of(table) == {(name, "brattoli-full") for name in bold}


def test_nothing_is_ranked_that_is_incomplete_alone_or_of_another_verdict(results):
    a, b, _ = (with_top1(one, 0.5 + n / 10, 0.4, 0.7) for n, one in enumerate(results))
    assert bold_of(tabulate([a])[0]) == set()
    assert bold_of(tabulate([a, replace(b, complete=False)])[0]) == set()
    clean = with_top1(results[1], 0.2, 0.1, 0.3, finding="disjoint")
    assert bold_of(tabulate([a, clean])[0]) == set()


def test_a_result_given_twice_counts_once_and_one_name_is_told_apart(results):
    a, b, _ = results
    (table,) = tabulate([a, a, b])
    assert [row.name for row in table.rows] == ["alpha", "beta"]
    model = {**a.identity["model"], "weights": "sha256:other"}
    twin = replace(a, identity={**a.identity, "model": model})
    (table,) = tabulate([a, twin])
    assert [row.name for row in table.rows] == [f"alpha [{one.sha256[:8]}]" for one in (a, twin)]


def test_only_the_protocols_asked_for_are_shown(results):
    (table,) = tabulate(results[:2], protocols=["brattoli-full"])
    assert {column.protocol for column in table.columns} == {"brattoli-full"}
    with pytest.raises(ProtocolError, match="truze-v2 in a report: no result"):
        tabulate(results, protocols=["truze-v2"])
    with pytest.raises(ResultError, match="no result"):
        tabulate([])


def test_other_class_lists_are_another_column(results):
    a, b, _ = results
    scores = {name: {**entry, "sha256": "0" * 64} for name, entry in b.scores.items()}
    (table,) = tabulate([a, replace(b, scores=scores)])
    assert len(table.columns) == 8
    for column in table.columns:
        assert sum(entry is not None for entry in table.column(column)) == 1


def test_nothing_scored_has_no_figure(results):
    empty = with_top1(results[0], None, 0.0, 0.0)
    entry = entry_of(empty, "brattoli-full", "top1")
    assert entry.value is None
    assert bold_of(tabulate([empty, with_top1(results[1], 0.1, 0.0, 0.2)])[0]) == set()


def test_intervals_that_touch_overlap():
    assert Span(low=0.1, high=0.2).overlaps(Span(low=0.2, high=0.3))
    assert not Span(low=0.1, high=0.2).overlaps(Span(low=0.21, high=0.3))
