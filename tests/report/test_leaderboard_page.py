"""The site: its structure, what it escapes, and what a browser makes of it."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

from zsl_bench.cli import main
from zsl_bench.published import published_rows
from zsl_bench.report.leaderboard import HEADER, build_leaderboard
from zsl_bench.report.leaderboard_page import page_name, write_site
from zsl_bench.report.submissions import Gathered, Submission
from zsl_bench.results import load_result

EVIL = "<script>alert(1)</script>&\"'\x1b[31m"


class Outline(HTMLParser):
    """Ids, links, headings and tables of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.headings, self.tables = [], [], [], 0
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        self.tables += tag == "table"
        self._inside = tag

    def handle_data(self, data):
        if re.fullmatch("h[123]", self._inside):
            self.headings.append((self._inside, data))
            self._inside = ""


@pytest.fixture
def results(tmp_path, write_results):
    write_results(tmp_path)
    return tmp_path / "results"


@pytest.fixture(scope="module")
def made(tmp_path_factory, write_results):
    """The folder of a site, and what the verb said when it made it."""
    folder = tmp_path_factory.mktemp("leaderboard")
    write_results(folder)
    (folder / "results" / "broken.json").write_text("{", "utf-8")
    out = folder / "site"
    return out, CliRunner().invoke(
        main, ["leaderboard", str(folder / "results"), "--out", str(out)]
    )


@pytest.fixture
def site(made):
    return made[0]


def test_the_verb_writes_a_site_and_says_so(made):
    out, done = made
    assert done.exit_code == 0, done.output
    assert "not listed: broken.json" in done.stderr
    assert str(out / "index.html") in done.stdout
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    kept = {name for name in names if not name.startswith("results/")}
    assert kept == {
        "index.html", "data.csv", "data.json", "board-ucf101.html", "board-hmdb51.html",
        "board-activitynet200.html", "board-kinetics400.html", "board-kinetics600.html",
        "board-kinetics700.html",
    }  # fmt: skip
    assert len(names - kept) == 2


def test_json_alone_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["leaderboard", "--json"])
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told.keys() == {"rows", "lists", "conflicts", "not_listed"}
    assert len(told["rows"]) == len(published_rows())
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_one_line():
    done = CliRunner().invoke(main, ["leaderboard", "nowhere"])
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1


def test_the_structure_of_the_index(site):
    page = Outline((site / "index.html").read_text("utf-8"))
    assert [text for tag, text in page.headings if tag == "h2"] == [
        "Boards",
        "Files not listed",
        "Where sources disagree",
        "All figures",
        "What the words mean",
    ]
    assert page.tables == 4
    assert len(set(page.ids)) == len(page.ids)


def test_every_link_of_every_page_leads_somewhere(site):
    pages = {
        path.relative_to(site).as_posix(): Outline(path.read_text("utf-8"))
        for path in site.rglob("*.html")
    }
    for name, page in pages.items():
        for link in page.links:
            target, _, anchor = link.partition("#")
            target = target or name
            assert (site / target).is_file(), link
            assert not anchor or anchor in pages[target].ids, link


def test_a_page_of_a_data_set_has_a_section_a_protocol(site):
    page = Outline((site / "board-ucf101.html").read_text("utf-8"))
    protocols = [text for tag, text in page.headings if tag == "h2"]
    assert protocols[:2] == ["brattoli-half", "brattoli-full"]
    expected = {row.protocol for row in published_rows() if row.dataset == "ucf101"}
    assert set(protocols) == {*expected, "Where sources disagree", "What the words mean"}
    assert page.headings.count(("h3", "Claimed, not ranked")) == len(expected)
    assert page.headings.count(("h3", "Measured, top-1, comparable with no other")) == 2


def test_the_rows_as_data_are_those_of_the_json(site):
    rows = list(csv.DictReader(io.StringIO((site / "data.csv").read_text("utf-8"))))
    told = json.loads((site / "data.json").read_text("utf-8"))["rows"]
    assert tuple(rows[0]) == HEADER
    assert len(rows) == len(told) == len(published_rows()) + 4
    for row, other in zip(rows, told, strict=True):
        assert row["value"] == ("" if other["value"] is None else str(other["value"]))


def test_foreign_text_is_escaped_and_never_a_formula_or_a_path(results, tmp_path):
    base = load_result(results / "a.json")
    identity = {
        **base.identity,
        "model": {**base.identity["model"], "name": f"=1+1{EVIL}"},
        "classes": {**base.identity["classes"], "dataset": f"../../up{EVIL}"},
    }
    scores = {f"half@{EVIL}": base.scores["brattoli-half"]}
    identity["protocols"] = {f"half@{EVIL}": {"sha256": "0"}}
    result = replace(base, identity=identity, scores=scores)
    submission = Submission(
        source="s", file="f.json", path=tmp_path, result=result, verified=True, told="<b>"
    )
    board = build_leaderboard(Gathered(submissions=(submission,), not_listed=(), others=0))
    out = tmp_path / "site"
    for path in write_site(board, out, title="<script>alert(1)</script>"):
        assert path.parent == out
        text = path.read_text("utf-8")
        assert "\x1b" not in text
        assert path.suffix != ".html" or "<script>alert" not in text
    line = (out / "data.csv").read_text("utf-8").splitlines()[1]
    assert "'=1+1" in line


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "", "UCF101", "ucf-101", "a/b", "..", "index"]
)
def test_a_page_is_called_by_a_plain_name_of_its_own(name):
    made = page_name(name)
    assert re.fullmatch(r"board-[a-z0-9-]*\.html", made)
    assert made != page_name("ucf101")


def test_in_a_browser(site, browser_page):
    visit = browser_page(site / "index.html")
    page = visit.page
    figures = page.locator("#figures")
    total = len(published_rows()) + 4
    assert figures.locator("output").inner_text() == f"{total} of {total} rows"
    figures.locator("select").nth(0).select_option("measured")
    assert figures.locator("output").inner_text() == f"4 of {total} rows"
    figures.locator("select").nth(0).select_option("claimed")
    figures.locator("select").nth(1).select_option("hmdb51")
    figures.locator("select").nth(2).select_option("brattoli-half")
    expected = [
        row
        for row in published_rows()
        if (row.dataset, row.protocol) == ("hmdb51", "brattoli-half")
    ]
    assert figures.locator("output").inner_text() == f"{len(expected)} of {total} rows"
    figures.locator("th button", has_text="%").first.click()
    shown = figures.locator("tbody tr:visible td:nth-child(6)").all_inner_texts()
    assert [float(text) for text in shown] == sorted((r.value for r in expected), reverse=True)
    figures.locator("input[type=search]").fill("C3D")
    wanted = [row for row in expected if row.backbone == "C3D"]
    assert figures.locator("tbody tr:visible").count() == len(wanted)
    page.get_by_role("link", name="brattoli-half").first.click()
    assert page.url.endswith("board-ucf101.html#protocol-brattoli-half")
    page.locator("#alone-protocol-brattoli-half-top1 a").first.click()
    assert "/results/" in page.url
    assert visit.problems == []
    assert visit.requests == []


@pytest.mark.parametrize("name", ["index.html", "board-ucf101.html"])
def test_a_narrow_window_scrolls_tables_only(site, browser_page, name):
    visit = browser_page(site / name, width=400)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 400
    assert visit.problems == []
