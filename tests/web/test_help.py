"""The manual at /help, over HTTP and in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from sse_twisted.manual import CHAPTERS, chapter
from sse_twisted.web import help as help_page
from sse_twisted.web.security import HEADERS
from tests.support.real_event import folder_in_memory
from tests.web.browser import Theatre, Watching, box, is_in_sight, is_within_its_width, violations
from tests.web.desk import Desk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

DAY = 86_400.0  # s


class TestTheAnswer:
    def test_has_every_chapter_on_one_page(self, desk: Desk) -> None:
        page = desk.get("/help")
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        titles = [chapter(name).partition("\n")[0].removeprefix("# ") for name in CHAPTERS]
        assert re.findall(r"<h2 id=.*?>(.*?)</h2>", page.text) == titles
        contents = page.text.partition("<article>")[0]
        assert re.findall(r'<li class="level-1"><a href="#.*?">(.*?)</a>', contents) == titles

    def test_asks_for_nothing_elsewhere(self, desk: Desk) -> None:
        page = desk.get("/help")
        assert page.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
        links = re.findall(r' (?:href|src)="(.*?)"', page.text)
        assert [link for link in links if not re.match(r"[/#]", link)] == []
        assert "<script" not in page.text

    def test_is_sent_once_to_a_browser_that_keeps_it(self, desk: Desk) -> None:
        first = desk.get("/help")
        assert first.headers["cache-control"] == "no-cache"
        again = desk.get("/help", If_None_Match=first.headers["etag"])
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
        assert desk.get("/help", If_None_Match='"another"').body == first.body

    def test_is_rendered_once(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        first = desk.get("/help")
        monkeypatch.setattr(help_page, "render_manual", lambda: pytest.fail("rendered again"))
        assert desk.get("/help").body == first.body

    def test_is_another_one_on_the_next_day(self, desk: Desk) -> None:
        first = desk.get("/help")
        desk.event.utc += DAY
        next_day = desk.get("/help", If_None_Match=first.headers["etag"])
        assert next_day.status == 200
        assert 'href="/days/2022-10-18"' in next_day.text

    def test_every_page_links_to_it(self, desk: Desk) -> None:
        for path in ("/", "/days", "/days/2022-10-17", "/ranking", "/devices/601"):
            assert '<a href="/help">Help</a>' in desk.get(path).text, path


@pytest.fixture(scope="module")
def theatre(browser: Browser) -> Iterator[Theatre]:
    """One stage for all tests of the browser."""
    with folder_in_memory() as folder:
        theatre = Theatre(folder, 2)
        theatre.open()
        yield theatre
        theatre.close()


@pytest.mark.slow
class TestTheBrowser:
    @pytest.mark.slow
    def test_a_column_of_the_board_leads_to_its_meaning(self, watching: Watching) -> None:
        with watching(viewport={"width": 1366, "height": 768}) as watcher:
            page = watcher.goes_to()
            page.get_by_role("link", name="Switch off", exact=True).click()
            page.wait_for_url("**/help#switch-off")
            meaning = page.get_by_role("row").filter(has=page.locator("#switch-off"))
            assert is_in_sight(meaning)
            assert "All tracks of the device are on disk and verified." in meaning.inner_text()
            assert violations(page) == []

    def test_the_contents_stay_beside_the_text_on_a_wide_screen(self, watching: Watching) -> None:
        with watching(viewport={"width": 1366, "height": 768}) as watcher:
            page = watcher.goes_to("/help")
            contents = page.get_by_role("navigation", name="Contents")
            contents.get_by_role("link", name="Findings", exact=True).click()
            page.wait_for_url("**/help#findings")
            assert is_in_sight(page.locator("h2#findings"))
            assert is_in_sight(contents)
            assert box(contents)["x"] + box(contents)["width"] <= box(page.locator("article"))["x"]
            assert is_within_its_width(page)

    @pytest.mark.slow
    def test_a_phone_shows_rows_as_paragraphs_and_scrolls_one_way(self, watching: Watching) -> None:
        with watching(viewport={"width": 390, "height": 844}, color_scheme="dark") as watcher:
            page = watcher.goes_to("/help#keep-on")
            assert is_within_its_width(page)
            what, meaning = cells(page)
            assert box(meaning)["y"] >= box(what)["y"] + box(what)["height"]
            assert violations(page) == []

    def test_it_is_printed_with_its_contents_and_without_the_navigation(self, watching: Watching) -> None:
        with watching(viewport={"width": 680, "height": 960}) as watcher:
            page = watcher.goes_to("/help")
            page.emulate_media(media="print")
            assert page.get_by_role("navigation", name="Contents").is_visible()
            assert page.locator(".bar nav a:visible").count() == 0
            assert is_within_its_width(page)
            what, meaning = cells(page)
            assert box(meaning)["y"] == box(what)["y"]
            assert page.evaluate(
                "[...document.querySelectorAll('pre')].every(pre => pre.scrollWidth <= pre.clientWidth)"
            )
            assert page.pdf().startswith(b"%PDF")


def cells(page: Page) -> tuple[Locator, Locator]:
    """What a row of the first table is about, and what it means."""
    row = page.locator("tr").filter(has=page.locator("#keep-on")).locator("td")
    return row.nth(0), row.nth(1)
