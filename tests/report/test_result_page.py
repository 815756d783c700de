"""The page of results: its structure, what it holds back, and how it behaves in a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from zsl_bench.datasets import official_list
from zsl_bench.errors import DatasetError, ProtocolError
from zsl_bench.figures.chart import Chart
from zsl_bench.figures.runs import gather
from zsl_bench.report import result_page as module
from zsl_bench.report.confused import most_confused
from zsl_bench.report.result_page import PageOptions, result_page
from zsl_bench.report.sources import load_sources

SECTIONS = ["summary", "scores", "comparisons", "figures", "result-1", "result-2", "protocols"]


VOID = {"meta", "img", "input", "link", "br", "hr"}


class Reader(HTMLParser):
    """Gather ids, links, headings and tables; check that tags close."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.ids, self.links, self.headings, self.tables = [], [], [], []
        self.sources, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        assert not any(name.startswith("on") or name == "style" for name in found)
        for kept, name in ((self.ids, "id"), (self.links, "href"), (self.sources, "src")):
            kept.extend([found[name]] if name in found else [])
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag in ("h1", "h2", "h3"):
            self.headings.append([tag, ""])
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"h1", "h2", "h3"} & set(self.open):
            self.headings[-1][1] += data
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data.strip()


@pytest.fixture
def sources(files):
    return load_sources([files.a, files.b])


@pytest.fixture
def videos(sources, tmp_path, write_video):
    """Videos of a few of the mistakes of the first result."""
    (run,) = gather([sources[0].reloaded]).runs
    official = official_list("ucf101")
    for confusion in list(most_confused(run).values())[:60]:
        video = confusion.mistakes[0].video
        label = official.videos[video].label
        write_video(tmp_path / "videos" / label / f"{video}.avi", frames=17)
    return tmp_path / "videos"


def test_the_structure_of_a_page(sources, videos, monkeypatch):
    monkeypatch.setattr(Chart, "picture", lambda _, kind: kind.encode())
    page = result_page(sources, PageOptions(videos={"ucf101": videos}))
    read = Reader(page.html)
    assert len(set(read.ids)) == len(read.ids)
    assert [name for name in read.ids if name in SECTIONS] == SECTIONS
    for link in read.links:
        assert link.startswith("#")
        assert link[1:] in read.ids, link
    titles = [text for tag, text in read.headings if tag == "h2"]
    assert titles == [
        "Summary", "Scores", "Comparisons", "Figures", "alpha on ucf101", "beta on ucf101",
        "Protocols",
    ]  # fmt: skip
    drawn = [name for name in read.ids if name.startswith("figure-")]
    assert [name.partition("-")[2] for name in drawn][:5] == [
        "forest", "per-class", "best-worst", "far-classes", "confusion-difference",
    ]  # fmt: skip
    assert all(drawing.chart for drawing in page.drawings)
    assert all(source.startswith("data:image/") for source in read.sources)
    assert sum("jpeg" in source for source in read.sources) >= 1
    assert "result-1-videos" in read.ids
    for table in read.tables:
        assert {len(row) for row in table} == {len(table[0])}
    (full,) = [
        table for name, table in zip(tables_ids(read), read.tables, strict=True)
        if name == "scores-1-ucf101-brattoli-full"
    ]  # fmt: skip
    value = sources[0].result.scores["brattoli-full"]["mean"]["top1"]
    assert full[1][:2] == ["alpha", f"{100 * value:.1f}"]


def tables_ids(read):
    return [
        name for name in read.ids
        if re.match(r"comparisons-table|scores-|result-\d-(contamination-|classes$)", name)
    ]  # fmt: skip


def test_the_table_of_classes_is_the_results_own(sources):
    page = result_page(sources[:1], PageOptions(figures=False))
    read = Reader(page.html)
    (table,) = [table for table in read.tables if table[0][0] == "class"]
    per_class = sources[0].result.scores["brattoli-full"]["trials"][0]["per_class"]
    nearest = sources[0].result.zero_shot["distances"]
    seen = {entry["name"] for entry in sources[0].result.zero_shot["rules"][0]["seen"]}
    assert {row[0] for row in table[1:]} == set(per_class)
    for name, videos, top1, _, _, distance, was_seen in table[1:]:
        assert (videos, top1) == (str(per_class[name][0]), f"{100 * per_class[name][1]:.1f}")
        place = nearest["classes"].index(name)
        assert distance == f"{nearest['nearest'][place]:.3f}"
        assert (was_seen == "yes") == (name in seen)


def test_names_are_escaped_and_no_path_is_told(files, tmp_path):
    sources = load_sources([files.a, files.c])
    html = result_page(sources, PageOptions(figures=False, anyway=True)).html
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert str(tmp_path) not in html
    assert "Not comparable: results in one table differ in clip_policy" in html
    assert "incomplete" in html
    Reader(html)


def test_incomparable_results_stand_apart(files):
    html = result_page(load_sources([files.a, files.c]), PageOptions(figures=False)).html
    assert "Comparable results 2" in html
    assert "they differ in clip_policy" in html


def test_a_result_without_its_arrays_has_a_page(files):
    for path in files.folder.glob("*.npz"):
        path.unlink()
    (source,) = load_sources([files.a])
    assert source.reloaded is None
    page = result_page([source])
    assert "No arrays: " in page.html
    assert [drawing.name for drawing in page.drawings] == ["forest"]


def test_another_protocol_is_scored_from_the_arrays(files):
    (source,) = load_sources([files.a], protocols=["truze-v2"])
    page = result_page([source], PageOptions(protocols=("truze-v2",), figures=False))
    assert "truze-v2 v1" in page.html
    assert "brattoli-half v1" not in page.html
    (direct,) = load_sources([files.a])
    with pytest.raises(ProtocolError):
        result_page([direct], PageOptions(protocols=("truze-v2",)))


def test_videos_of_another_data_set_are_refused(sources, tmp_path, write_video):
    write_video(tmp_path / "other" / "red ball" / "one.mp4")
    with pytest.raises(DatasetError, match="videos of other for a report"):
        result_page(sources, PageOptions(videos={"other": tmp_path / "other"}))


def test_pairs_beyond_the_cap_are_told(sources, monkeypatch):
    monkeypatch.setattr(module, "MOST_COMPARISONS", 0)
    html = result_page(sources, PageOptions(figures=False)).html
    assert "1 further pairs" in html


def test_in_a_browser(sources, videos, tmp_path, browser_page):
    path = tmp_path / "report.html"
    options = PageOptions(videos={"ucf101": videos}, figures=False)
    path.write_text(result_page(sources, options).html, "utf-8")
    visit = browser_page(path)
    page = visit.page
    assert page.title() == "alpha, beta on ucf101"
    box = page.locator("#result-1-classes")
    first = box.locator("tbody tr >> nth=0 >> td >> nth=0")
    assert first.inner_text() == "ApplyEyeMakeup"
    box.get_by_role("button", name="top-1 %").click()
    values = [float(text) for text in box.locator("tbody tr td:nth-child(3)").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    box.get_by_role("button", name="top-1 %").click()
    values = [float(text) for text in box.locator("tbody tr td:nth-child(3)").all_inner_texts()]
    assert values == sorted(values)
    box.locator("input[type=search]").fill("archery")
    assert box.locator("tbody tr:visible").count() >= 1
    assert box.locator("output").inner_text().endswith("of 101 rows")
    box.locator("input[type=search]").fill("")
    box.locator("select").select_option("yes")
    seen = len(sources[0].result.zero_shot["rules"][0]["seen"])
    assert box.locator("tbody tr:visible").count() == seen
    page.locator("nav a", has_text="Protocols").click()
    assert page.evaluate("location.hash") == "#protocols"
    assert page.locator("img").count() > 0
    assert page.evaluate("[...document.images].every((one) => one.naturalWidth > 0)")
    page.locator("#result-1 details summary").first.click()
    assert page.locator("#result-1 details dl").first.is_visible()
    assert (visit.problems, visit.requests) == ([], [])


def test_a_narrow_window_needs_no_sideways_scrolling(sources, tmp_path, browser_page):
    path = tmp_path / "report.html"
    path.write_text(result_page(sources, PageOptions(figures=False)).html, "utf-8")
    visit = browser_page(path, width=400)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 400
