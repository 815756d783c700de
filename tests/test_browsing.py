"""The fixture that opens pages in a browser: what it lets through and what it writes down."""

from __future__ import annotations


def test_a_page_that_needs_nothing_is_silent_and_can_be_clicked(browser_page, tmp_path):
    (tmp_path / "other.html").write_text("<!doctype html><title>other</title>")
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><title>one</title><button>0</button><a href='other.html'>other</a>"
        "<img alt='' src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>"
        "<script>const b = document.querySelector('button');"
        "b.addEventListener('click', () => { b.textContent = Number(b.textContent) + 1; });"
        "</script>"
    )
    visit = browser_page(page, width=400)
    visit.page.click("button")
    assert visit.page.text_content("button") == "1"
    assert visit.page.evaluate("window.innerWidth") == 400
    visit.page.click("a")
    visit.page.wait_for_url("**/other.html")
    assert (visit.requests, visit.problems) == ([], [])


def test_what_a_page_asks_for_is_refused_and_written_down(browser_page, tmp_path):
    page = tmp_path / "page.html"
    (tmp_path / "beside.js").write_text("document.title = 'ran';")
    page.write_text(
        "<!doctype html><title>two</title><script src='beside.js'></script>"
        "<img alt='' src='http://127.0.0.1:9/picture.png'>"
        "<script>console.error('said'); throw new Error('thrown');</script>"
    )
    visit = browser_page(page)
    assert visit.page.title() == "two"
    assert visit.requests == [(tmp_path / "beside.js").as_uri(), "http://127.0.0.1:9/picture.png"]
    assert "said" in visit.problems
    assert "thrown" in visit.problems


def test_several_pages_are_open_at_once(browser_page, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><title>three</title>")
    first, second = browser_page(page), browser_page(page)
    assert first.page.title() == second.page.title() == "three"
