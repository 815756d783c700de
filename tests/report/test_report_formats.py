"""Markdown, LaTeX, CSV and JSON of tables, with names that would break each."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.errors import one_line
from zsl_bench.report.formats import (
    apart,
    latex,
    markdown,
    text_table,
    to_csv,
    to_json,
    to_latex,
    to_markdown,
)
from zsl_bench.report.tables import tabulate
from zsl_bench.results import load_result

COMMANDS = {
    "begin", "end", "centering", "small", "toprule", "midrule", "bottomrule", "cmidrule",
    "multicolumn", "textbf", "caption", "pm", "dagger", "textbackslash", "textasciitilde",
    "textasciicircum", "textless", "textgreater", "textbar", "textquotedbl",
    "textasciigrave",
}  # fmt: skip
TOKEN = re.compile(r"\\([a-zA-Z]+|.)|([{}&%$#_^~])|([^\\{}&%$#_^~]+)", re.DOTALL)


@pytest.fixture
def tables(files):
    return tabulate([load_result(path) for path in (files.a, files.b, files.c)])


class LatexReader:
    """Reads LaTeX strictly: known commands, closed groups, no special sign that stands alone."""

    def __init__(self, text):
        self.body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
        self.depth, self.environments, self.maths = 0, [], False
        self.cells, self.rows = 0, []
        tokens = list(TOKEN.finditer(self.body))
        assert "".join(token[0] for token in tokens) == self.body
        for token in tokens:
            command, sign, _ = token.groups()
            if command:
                self.command(command, self.body[token.end() :])
            elif sign:
                self.sign(sign)
        assert (self.depth, self.environments, self.maths) == (0, [], False)

    def command(self, command, rest):
        if command == "begin":
            self.environments.append(re.match(r"\{([a-z*]+)\}", rest)[1])
        elif command == "end":
            assert self.environments.pop() == re.match(r"\{([a-z*]+)\}", rest)[1]
        elif command == "\\":
            assert (self.environments[-1], self.depth) == ("tabular", 0)
            assert not re.match(r"\s*[\[*]", rest)
            self.rows.append(self.cells + 1)
            self.cells = 0
        else:
            assert command in COMMANDS or not command.isalpha()

    def sign(self, sign):
        assert sign in "{}$&^", f"{sign!r} stands alone"
        self.depth += {"{": 1, "}": -1}.get(sign, 0)
        assert self.depth >= 0
        self.maths ^= sign == "$"
        assert sign != "^" or self.maths
        if sign == "&":
            assert self.environments[-1] == "tabular"
            self.cells += 1


def latex_lines(text):
    """Return for each row of a table its number of cells."""
    return LatexReader(text).rows


def test_latex_holds_together_with_any_name(tables):
    text = to_latex(tables)
    rows = latex_lines(text)
    columns = 1 + 1 + 4
    assert rows == [2, columns, columns, columns, 2, columns, columns]
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 2
    assert r"\textbf{" in text
    assert r"\textless{}script\textgreater{}" in text


@given(st.text(max_size=30))
def test_any_text_is_plain_in_latex(text):
    body = f"\\begin{{tabular}}{{l}}\n{latex(text)} \\\\\n{latex(text)} \\\\\n\\end{{tabular}}"
    assert latex_lines(body) == [1, 1]


def read_row(line):
    """Split a row of a pipe table where no backslash stands before the pipe."""
    assert line.startswith("| ")
    assert line.endswith(" |")
    return re.split(r"(?<!\\)(?:\\\\)* \| ", line[2:-2])


def test_markdown_rows_have_the_columns_of_their_heading(tables):
    blocks = [
        [line for line in part.splitlines() if line.startswith("|")]
        for part in to_markdown(tables).split("\n\n")
    ]
    found = [block for block in blocks if block]
    assert [len(block) for block in found] == [4, 3]
    for block in found:
        assert {len(read_row(line)) for line in block} == {6}
    assert "<script>" not in to_markdown(tables).replace("\\<script\\>", "")


@given(st.text(max_size=30))
def test_markdown_reads_back(text):
    escaped = markdown(text)
    assert re.sub(r"\\([\\`*_\[\]<>#|~$&])", r"\1", escaped) == one_line(text)
    assert "\n" not in escaped
    assert not re.search(r"(?<!\\)(?:\\\\)*[|<>*_`]", escaped)


def test_dashes_in_names_stay_dashes_in_latex():
    assert latex("a--b---c-d `e") == r"a-{}-b-{}-{}-c-d \textasciigrave{}e"


def test_no_name_is_a_formula_in_csv(files):
    name = '=HYPERLINK("x")'
    result = load_result(files.a)
    model = {**result.identity["model"], "name": name}
    named = replace(result, identity={**result.identity, "model": model})
    tables = tabulate([named])
    assert {row["model"] for row in to_json(tables)["rows"]} == {name}
    assert {row["model"] for row in csv.DictReader(io.StringIO(to_csv(tables)))} == {f"'{name}"}


def test_csv_and_json_hold_every_figure_in_full(tables, files):
    rows = list(csv.DictReader(io.StringIO(to_csv(tables))))
    content = to_json(tables)
    assert json.loads(json.dumps(content)) == content
    assert len(rows) == len(content["rows"]) == 3 * 2 * 3
    for row, record in zip(rows, content["rows"], strict=True):
        assert row["model"] == record["model"]
        assert float(row["value"]) == record["value"]
    assert {row["table"] for row in rows} == {"1", "2"}
    a = load_result(files.a)
    (full,) = [
        record
        for record in content["rows"]
        if (record["model"], record["protocol"], record["metric"])
        == ("alpha", "brattoli-full", "top1")
    ]
    assert full["value"] == a.scores["brattoli-full"]["mean"]["top1"]
    assert full["identity_sha256"] == a.sha256
    assert full["best"] is True
    assert content["separated_by"]


def test_what_is_wrong_stands_below(tables, files):
    assert "they differ in clip_policy" in apart(tables)
    assert apart(tables[:1]) == ""
    assert any("incomplete" in note for note in text_table(tables[1]).notes)
    together = tabulate([load_result(path) for path in (files.a, files.c)], anyway=True)
    assert "NOT COMPARABLE: the results differ in clip" in text_table(together[0]).notes[-1]
