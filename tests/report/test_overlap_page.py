"""The page of the overlap report: its structure, what is escaped, what a browser does with it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from zsl_bench.report.overlap_page import overlap_page, published_table, rules_table, stand_in_table
from zsl_bench.report.overlap_pairs import overlap_report


@pytest.fixture(scope="module")
def report():
    return overlap_report(["kinetics700"], ["ucf101", "hmdb51"])


@pytest.fixture(scope="module")
def page(report):
    return overlap_page(report, arguments=["kinetics700", "--against", "ucf101"])


class Outline(HTMLParser):
    """Headings, ids and links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.headings, self.ids, self.links = [], [], []
        self._inside = ""

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if tag == "a" else []
        self._inside = tag if tag in ("h1", "h2", "h3") else self._inside

    def handle_endtag(self, tag):
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data):
        if self._inside:
            self.headings.append((self._inside, data))


def test_structure(page):
    outline = Outline()
    outline.feed(page)
    assert outline.headings == [
        ("h1", "What training on kinetics700 shows of ucf101, hmdb51"),
        ("h2", "Summary"),
        ("h2", "At each threshold"),
        ("h2", "Pair by pair"),
        ("h3", "kinetics700 against ucf101"),
        ("h3", "kinetics700 against hmdb51"),
        ("h2", "Other rules"),
        ("h2", "Published counts"),
        ("h2", "Word vectors, and what rests on stand-ins"),
        ("h2", "Make it again"),
    ]
    assert outline.ids == [
        "summary", "summary-table", "thresholds", "overlap-share", "thresholds-ucf101",
        "thresholds-hmdb51", "pairs", "kinetics700--ucf101", "kinetics700--hmdb51", "rules",
        "rules-table", "published", "published-table", "vectors", "stand-in-table", "again",
    ]  # fmt: skip
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.ids)
    assert "zsl-bench overlap-report kinetics700 --against ucf101\n" in re.sub("</pre>", "\n", page)


def test_the_same_report_gives_the_same_page(report, page):
    assert overlap_page(report, arguments=["kinetics700", "--against", "ucf101"]) == page


def test_without_matplotlib_the_page_says_so(report, monkeypatch):
    monkeypatch.setattr("zsl_bench.report.overlap_page.can_plot", lambda: False)
    page = overlap_page(report)
    assert "matplotlib is missing" in page
    assert "<img" not in page


def test_foreign_names_are_text(tmp_path):
    mine = tmp_path / "mine<i>.txt"
    mine.write_text("<script>alert(1)</script>\nriding horse\n")
    page = overlap_page(overlap_report([mine], ["hmdb51"]), arguments=[str(mine)])
    assert page.count("<script") == 1
    assert "<i>" not in page
    assert "alert(1)" not in page or "&lt;script&gt;" in page


def texts(table):
    return [tuple(getattr(cell, "text", cell) for cell in row) for row in table.rows]


def test_rules_are_set_against_the_distance(report):
    rows = {(row[1], row[2]): row[3:] for row in texts(rules_table(report))}
    assert rows["ucf101", "TruZe"][:6] == ("70", "30", "1", "26", "44", "0")
    assert rows["ucf101", "same words"] == (
        "26",
        "75",
        "0",
        "26",
        "0",
        "1",
        "only distance: Kayaking",
    )
    assert rows["hmdb51", "Fair ZSL"][2] == "48"
    for pair in report.pairs:
        near = {row.name for row in pair.seen(report.threshold)}
        for verdict in pair.verdicts[1:]:
            seen = {one.name for one in verdict.seen}
            title = {"exact-name": "same name", "truze-v2": "TruZe"}.get(verdict.rule)
            if title:
                found = rows[pair.test.dataset, title]
                assert found[3:5] == (str(len(near & seen)), str(len(seen - near)))


def test_published_counts_are_claimed_beside_found(report):
    rows = texts(published_table(report))
    assert ("361", "361", "yes") in [row[5:8] for row in rows]
    assert ("664", "662", "no, by 2") in [row[5:8] for row in rows]


def test_decisions_that_rest_on_stand_ins_are_counted(report):
    (ucf, _) = texts(stand_in_table(report))
    pair = report.pairs[0]
    unseen = [row for row in pair.rows if row.distance >= 0.05]
    assert ucf[2] == str(pair.at(0.0).classes)
    assert ucf[4] == str(sum(bool(row.approximate) for row in unseen))
    assert ucf[5] == str(len(unseen))


def test_all_words_with_vectors_rest_on_nothing(report):
    page = overlap_page(replace(report, approximate_words=()))
    assert "no decision rests on a stand-in" in page


def test_in_a_browser_the_threshold_hides_pairs(tmp_path, page, report, browser_page):
    file = tmp_path / "overlap.html"
    file.write_text(page, "utf-8")
    visit = browser_page(file)
    table = visit.page.locator("#kinetics700--ucf101")
    shown = table.locator("tbody > tr:visible")
    field = visit.page.get_by_label("distance below")
    pair = report.pairs[0]
    assert field.input_value() == "0.05"
    assert shown.count() == pair.at(0.05).classes
    for threshold in ("0.01", "0.2", "0.3"):
        field.fill(threshold)
        assert shown.count() == sum(row.distance < float(threshold) for row in pair.rows)
    assert table.locator("output").inner_text() == f"{shown.count()} of 101 rows"
    field.fill("")
    assert shown.count() == 101
    assert visit.page.locator("#rules-table tbody > tr:visible").count() == len(
        rules_table(report).rows
    )
    assert (visit.problems, visit.requests) == ([], [])


def test_in_a_browser_search_filter_and_sort_go_with_the_threshold(tmp_path, page, browser_page):
    file = tmp_path / "overlap.html"
    file.write_text(page, "utf-8")
    visit = browser_page(file, width=400)
    table = visit.page.locator("#kinetics700--ucf101")
    shown = table.locator("tbody > tr:visible")
    visit.page.get_by_label("distance below").fill("0.2")
    table.get_by_label("search").fill("guitar")
    assert 0 < shown.count() < 5
    table.get_by_label("search").fill("")
    table.get_by_label("same words").select_option("no")
    numbers = [float(text) for text in shown.locator("td:nth-child(4)").all_inner_texts()]
    assert numbers
    assert 0 < min(numbers) <= max(numbers) < 0.2
    table.get_by_role("button", name="distance").click()
    again = [float(text) for text in shown.locator("td:nth-child(4)").all_inner_texts()]
    assert again == sorted(numbers, reverse=True)
    wide = visit.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 400
    assert (visit.problems, visit.requests) == ([], [])
