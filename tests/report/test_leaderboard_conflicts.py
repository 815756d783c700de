"""Conflicts between sources, against pairs counted by hand and by a dumber search."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.published import ProtocolLabel, published_numbers, published_row
from zsl_bench.report.conflicts import find_conflicts

LABELS = {
    name: ProtocolLabel(id=name, family=family, meaning=name, is_catalogue=known)
    for name, family, known in (("full", "all", True), ("full?", "all", False), ("half", "h", True))
}


def row(entry, value, *, protocol="full", upper=None, **fields):
    base = published_row("paper-t1-e2e-664-ucf-half-top1")
    return replace(
        base, id=f"{entry}-{protocol}", entry=entry, value=value, upper=upper, protocol=protocol,
        **fields,
    )  # fmt: skip


def test_two_sources_of_one_method_with_different_figures_are_a_conflict():
    (found,) = find_conflicts([row("a", 40.0), row("b", 37.5)], LABELS)
    assert [one.entry for one in found.rows] == ["b", "a"]
    assert found.spread == 2.5
    assert found.same_protocol


def test_equal_figures_other_families_and_other_training_are_none():
    assert not find_conflicts([row("a", 40.0), row("b", 40.0)], LABELS)
    assert not find_conflicts([row("a", 40.0), row("b", 30.0, protocol="half")], LABELS)
    for field in ("trained_on", "pretrained_on", "clips", "dataset", "metric", "method"):
        assert not find_conflicts([row("a", 40.0), row("b", 30.0, **{field: "x"})], LABELS)


def test_one_source_with_two_protocols_does_not_contradict_itself():
    same = [row("a", 40.0), row("a", 30.0, protocol="full?")]
    assert not find_conflicts(same, LABELS)
    (found,) = find_conflicts([*same, row("b", 30.0, protocol="full?")], LABELS)
    assert not found.same_protocol


def test_a_backbone_that_is_not_stated_fits_any_and_a_range_covers_what_is_in_it():
    (found,) = find_conflicts([row("a", 40.0), row("b", 30.0, backbone="")], LABELS)
    assert found.spread == 10
    assert not find_conflicts([row("a", 40.0), row("b", 30.0, backbone="C3D")], LABELS)
    assert not find_conflicts([row("a", 22.0), row("b", 21.5, upper=22.5)], LABELS)
    (wide,) = find_conflicts([row("a", 26.0), row("b", 21.5, upper=22.5)], LABELS)
    assert wide.spread == 4.5


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from((10.0, 20.0))), max_size=6))
def test_as_a_search_over_all_pairs_finds_them(pairs):
    rows = [row(entry, value) for entry, value in pairs]
    dumb = any(a[0] != b[0] and a[1] != b[1] for a in pairs for b in pairs)
    assert bool(find_conflicts(rows, LABELS)) == dumb


def test_the_known_conflicts_are_found_in_the_bundled_rows():
    numbers = published_numbers()
    found = {(c.method, c.dataset): c for c in find_conflicts(numbers.rows, numbers.protocols)}
    assert found["URL", "ucf101"].spread == 25.0
    assert found["ASR", "ucf101"].spread == 30.0
    assert round(found["CLIP", "ucf101"].spread, 1) == 13.4
    assert {row.value for row in found["ActionCLIP", "ucf101"].rows} == {58.3, 69.5, 70.0, 77.5}
    slips = [
        c
        for c in find_conflicts(numbers.rows, numbers.protocols)
        if c.method == "E2E" and c.same_protocol
    ]
    assert [[row.value for row in slip.rows] for slip in slips] == [[35.0, 35.1]]
