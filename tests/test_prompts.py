"""Prompt sets, bundled and of one's own."""

from __future__ import annotations

import pytest

from zsl_bench.errors import ResultError
from zsl_bench.prompts import PromptSet, bundled_prompts, load_prompts


def test_bundled_sets_have_a_source_and_a_place_for_the_label():
    for each in bundled_prompts():
        assert each.source
        assert all("{label}" in template for template in each.templates)
        assert len(set(each.templates)) == len(each.templates)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", "{", "no valid JSON"),
        ("a.json", "[]", "another form of JSON"),
        ("a.json", "{}", "another form of JSON"),
        ("a.json", '{"x": "a {label}"}', "another form of JSON"),
        ("a.json", '{"x": ["a {label}", 3]}', "another form of JSON"),
        ("a.json", '{"x": []}', "no templates"),
        ("a.json", '{"x": ["a {}"]}', r"no \{label\} in 'a \{\}'"),
        ("a.json", '{"x": ["a {label}", "a {label}"]}', "twice"),
        ("a.json", '{"person": ["a {label}"]}', "the name of a bundled set"),
        ("a.txt", "# only a remark\n\n", "no templates"),
        ("a.txt", "a video\n", r"no \{label\}"),
    ],
)
def test_a_bad_prompt_file_is_one_line(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ResultError, match=words):
        load_prompts(path)


def test_a_prompt_file_that_is_missing_or_no_text(tmp_path):
    with pytest.raises(ResultError, match="no such file"):
        load_prompts(tmp_path / "none.txt")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00{label}")
    with pytest.raises(ResultError, match="no UTF-8 text"):
        load_prompts(tmp_path / "bytes.txt")


def test_a_text_file_is_one_set_named_after_it(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("# remark\na video of {label}.\n\nsomeone {label}\n")
    own = load_prompts(path)[-1]
    assert own == PromptSet(
        name="mine", templates=("a video of {label}.", "someone {label}"), source="mine.txt"
    )
    assert own.texts("{label}, {label}", ("a {b}",)) == ("a {b}, a {b}",)
