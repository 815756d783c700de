"""Which results share a panel, and how they are called there."""

from __future__ import annotations

import pytest

from zsl_bench.errors import ProtocolError, ResultError
from zsl_bench.figures.runs import (
    file_part,
    gather,
    names,
    not_comparable,
    shortened,
    shown,
)

NAMED = {"a": ["a", "b"], "b": ["b"], "c": ["c"], "d": ["a"]}


def test_every_class_is_a_candidate_unless_a_protocol_is_named(toy):
    (run,) = gather([toy(NAMED)]).runs
    assert run.protocol.id.startswith("full@")
    assert [trial.trial.candidates for trial in run.ranked] == [("a", "b", "c", "d")]
    (half,) = gather([toy(NAMED)], protocol="half").runs
    assert len(half.ranked) == 10


def test_a_stored_id_with_the_digest_of_its_classes_is_known(toy):
    known = gather([toy(NAMED)], protocol="half").runs[0].protocol.id
    assert "@" in known
    assert gather([toy(NAMED)], protocol=known).runs[0].protocol.id == known


def test_results_that_differ_are_refused_or_told_apart_in_the_caption(toy):
    one, other = toy(NAMED, name="one"), toy(NAMED, name="other", policy="25-clips")
    with pytest.raises(ResultError, match=r"clip_policy.*--anyway"):
        gather([one, other])
    caption = gather([one, other], anyway=True).caption("Told.")
    assert caption.startswith("Told. Data set and protocol: toy, full@")
    assert "NOT COMPARABLE: the results differ in clip_policy." in caption
    assert "NOT COMPARABLE" not in gather([one, toy(NAMED, name="x")]).caption()


def test_what_nobody_knows_is_not_called_a_difference():
    text = not_comparable(("decoder (unknown)", "scored"))
    assert text == (
        "NOT COMPARABLE: the results differ in scored; nobody knows whether they agree in decoder."
    )


def test_other_class_lists_are_refused_whatever_is_asked(toy):
    with pytest.raises(ResultError, match="different class lists"):
        gather([toy(NAMED), toy({"a": ["a"], "x": ["x"]}, name="n")], anyway=True)


@pytest.mark.parametrize("number", [0, 7])
def test_too_few_and_too_many_are_refused(toy, number):
    with pytest.raises(ResultError, match="give 1 to 6"):
        gather([toy(NAMED, name=str(one)) for one in range(number)])


def test_one_result_twice_is_refused(toy):
    with pytest.raises(ResultError, match="twice"):
        gather([toy(NAMED), toy(NAMED)])


def test_an_unknown_protocol_and_custom_without_scores_are_refused(toy):
    with pytest.raises(ProtocolError):
        gather([toy(NAMED)], protocol="no-such")
    with pytest.raises(ProtocolError, match="not scored under it"):
        gather([toy(NAMED)], protocol="custom")


def test_custom_takes_the_classes_of_the_result(toy):
    one = toy(NAMED)
    one.result.scores["custom"] = {"classes": [["a", "b"]]}
    (run,) = gather([one], protocol="custom").runs
    assert run.ranked[0].trial.candidates == ("a", "b")


def test_incomplete_results_are_named(toy):
    assert (
        "Incomplete, of the videos at hand only: half."
        in gather([toy(NAMED, name="half", complete=False)]).caption()
    )


def test_equal_names_get_digits_also_where_only_the_files_would_be_equal(toy):
    results = [
        toy(NAMED, name="A b").result,
        toy({**NAMED, "d": ["b"]}, name="a/b").result,
        toy(NAMED, name="c").result,
    ]
    found = names(results)
    assert found[2] == "c"
    assert found[0] == f"A b [{results[0].sha256[:8]}]"
    assert len({file_part(name) for name in found}) == 3


def test_foreign_text_is_one_line_and_drawn_as_it_is():
    assert shown("$x$") == r"\$x\$"
    assert shown("_hidden") == " _hidden"
    assert shortened("abcdefgh", 7) == "abc…fgh"
    assert shortened("abcdefgh", 8) == "abcdefgh"
    assert len(shortened("long " * 40)) <= 44
    assert "\n" not in shortened("two\nlines")
