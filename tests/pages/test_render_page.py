"""Pages: what is escaped, what a browser may do with them, and how tables sort and filter."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from zsl_bench.pages import Cell, PageTable, number_cell, picture_source, render_page
from zsl_bench.pages.render import _environment

TEMPLATE = (
    '{% extends "base.html.j2" %}{% from "base.html.j2" import table, pairs with context %}'
    "{% block main %}{{ table(content) }}{{ pairs(facts) }}{% endblock %}"
)


def render(content, title="A page", facts=()):
    template = _environment().from_string(TEMPLATE)
    return template.render(title=title, content=content, facts=facts)


def example():
    return PageTable(
        name="scores",
        caption="All of them",
        link="#scores",
        header=("model", "top-1 %", "verdict"),
        rows=(
            ("ten 10", number_cell(0.31), Cell(text="disjoint", tone="good")),
            ("ten 9", number_cell(0.405), Cell(text="overlapping", tone="bad", detail="27 seen")),
            ("none", number_cell(None), Cell(text="disjoint", tone="good", strong=True)),
        ),
        filters=("verdict",),
        search=True,
    )


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_no_text_becomes_markup(text):
    marked = f"<b>{text}</b>\"'&"
    cell = Cell(text=marked, title=marked, detail=marked, tone="good")
    table = PageTable(
        name="t", caption=marked, header=(marked,), rows=((cell,), (marked,)), filters=(marked,)
    )
    html = render(table, title=marked, facts=((marked, marked),))
    assert "<b>" not in html
    plain = render(PageTable(name="t", header=("h",), rows=()))
    assert html.count("<script") == plain.count("<script") == 1


def test_only_its_own_script_and_style_may_run():
    html = render(example())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("script", "style"):
        body = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in unescape(policy)


def test_cells_say_what_they_are():
    assert number_cell(0.405).text == "40.5"
    assert number_cell(0.1234, digits=3, scale=1.0).text == "0.123"
    assert number_cell(None).text == "-"
    assert picture_source(b"x", "jpg") == "data:image/jpeg;base64,eA=="
    html = render(example())
    assert '<td data-tone="bad">overlapping<small>27 seen</small></td>' in html
    assert "<strong>disjoint</strong>" in html
    assert '<a href="#scores">All of them</a>' in html
    assert html.count('<th scope="col" class="number"') == 1
    assert re.findall(r"<option>(.*?)</option>", html) == ["disjoint", "overlapping"]


def test_a_template_that_lacks_something_is_an_error():
    with pytest.raises(UndefinedError):
        render_page("report.html.j2", title="nothing else")


def test_sorting_and_filtering_in_a_browser(browser_page, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(render(example()), "utf-8")
    visit = browser_page(path)
    page = visit.page

    def shown():
        return page.locator("tbody tr:visible td:first-child").all_inner_texts()

    assert page.locator("output").inner_text() == "3 of 3 rows"
    page.get_by_role("button", name="top-1 %").click()
    assert shown() == ["ten 9", "ten 10", "none"]
    page.get_by_role("button", name="top-1 %").click()
    assert shown() == ["none", "ten 10", "ten 9"]
    page.get_by_role("button", name="model").press("Enter")
    assert shown() == ["none", "ten 9", "ten 10"]
    assert page.locator("th[aria-sort=ascending]").count() == 1
    page.locator("select").select_option("disjoint")
    assert shown() == ["none", "ten 10"]
    page.locator("input[type=search]").fill("TEN")
    assert shown() == ["ten 10"]
    assert page.locator("output").inner_text() == "1 of 3 rows"
    page.locator("input[type=search]").press("Enter")
    assert page.url == path.as_uri()
    assert (visit.problems, visit.requests) == ([], [])
