"""The pages of the course in real Chromium, while simulated devices come in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.real_event import folder_in_memory
from tests.web.browser import Theatre, Watching, is_within_its_width, violations

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def theatre(browser: Browser) -> Iterator[Theatre]:
    """One stage for all tests: 601 and 602 have sailed the course, each other test has a device of its own."""
    with folder_in_memory() as folder:
        theatre = Theatre(folder, count=8)
        theatre.open()
        for number in (601, 602):
            theatre.play(f"arrive {number}")
            theatre.hears(f"motion-{number} can be disconnected")
        yield theatre
        theatre.close()


def sailors(page: Page) -> Locator:
    """The first ranking."""
    return page.locator("section.ranking").first.locator("tbody tr")


def count_of(page: Page, number: int) -> None:
    """Wait for so many sailors in the first ranking."""
    page.wait_for_function(
        "number => document.querySelector('section.ranking')?.querySelectorAll('tbody tr').length >= number", arg=number
    )


def test_the_ranking_fills_without_a_reload_while_a_device_comes_in(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        page = watcher.goes_to("/course")
        count_of(page, 2)
        page.evaluate("window.still_the_same = true")
        before = sailors(page).count()
        theatre.play("arrive 603")
        count_of(page, before + 1)
        assert page.evaluate("window.still_the_same")
        assert "devices may still bring a track" in page.locator(".as-of").inner_text()


def test_without_javascript_the_page_reloads_itself(watching: Watching, theatre: Theatre) -> None:
    with watching(java_script_enabled=False) as watcher:
        page = watcher.goes_to("/course")
        sailors(page).nth(1).wait_for()
        assert page.locator("meta[http-equiv=refresh]").count() == 1
        page.locator("button:visible").first.wait_for(state="hidden")  # once the style is there
        before = sailors(page).count()
        theatre.play("arrive 604")
        sailors(page).nth(before).wait_for()


def test_a_run_is_excluded_and_that_is_undone_with_name_reason_and_token(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        page = watcher.goes_to("/course")
        count_of(page, 2)
        sailors(page).get_by_role("link").first.click()
        runs = page.get_by_role("button", name="Exclude…")
        number = runs.count()
        runs.first.click()
        page.get_by_label("Your name").fill("Bob")
        page.get_by_label("Reason").fill("false start")
        page.get_by_label("Token").fill("not the token at all")
        page.keyboard.press("Enter")
        page.get_by_text("Wrong token.").wait_for()
        page.get_by_label("Token").fill(theatre.token)
        page.keyboard.press("Enter")
        page.get_by_role("region", name="Decisions").get_by_text("false start").wait_for()
        theatre.hears("Bob decided: exclude S1 ")
        assert page.get_by_text("false start (Bob)").count() == 1
        runs.nth(number - 2).wait_for()  # a button has no role while the dialog is still there
        assert runs.count() == number - 1
        page.get_by_role("button", name="Undo…").click()
        assert page.get_by_label("Token").is_hidden()
        assert page.get_by_label("Your name").input_value() == "Bob"
        page.get_by_label("Reason").fill("it was another")
        page.keyboard.press("Enter")
        page.get_by_role("region", name="Decisions").get_by_text("undone at").wait_for()
        runs.nth(number - 1).wait_for()
        assert runs.count() == number


def test_the_hours_of_a_course_are_set_anew_in_a_dialog(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        page = watcher.goes_to("/course")
        page.get_by_role("button", name="Set line or hours…").click()
        assert page.get_by_label("Start Time").input_value() == "00:00:00"
        assert page.get_by_label("Start Line").input_value() == "[[50.57,-2.468],[50.57,-2.465]]"
        page.get_by_label("Distance").fill("far")
        page.get_by_label("Your name").fill("Bob")
        page.get_by_label("Reason").fill("a short day")
        page.get_by_label("Token").fill(theatre.token)
        page.keyboard.press("Enter")
        page.get_by_text('S1: Distance: expected a number of metres, such as 500, not "far"').wait_for()
        page.get_by_label("Distance").fill("250")
        page.keyboard.press("Enter")
        page.get_by_text("set S1 anew: Distance 250").wait_for()
        page.get_by_role("button", name="Undo…").first.click()
        page.get_by_label("Reason").fill("a mistake")
        page.keyboard.press("Enter")
        page.get_by_text("undone at").first.wait_for()


def test_a_course_is_drawn_on_a_day_without_one(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        page = watcher.goes_to("/course/2024-10-07")
        page.get_by_role("button", name="Draw a course…").click()
        page.get_by_text("such as [[50.57579,-2.45726],[50.57413,-2.46265]]").wait_for()
        assert page.get_by_label("Direction", exact=True).get_attribute("aria-describedby") == "ask-example-Direction"
        assert page.locator("#ask-example-Direction").inner_text() == "such as 334.2"
        for label, text in (
            ("Course", "H1"),
            ("Start Time", "10:00"),
            ("End Time", "16:00"),
            ("Start Line", "[[50.57, -2.468], [50.57, -2.465]]"),
            ("Your name", "Bob"),
            ("Reason", "a new day"),
            ("Token", theatre.token),
        ):
            page.get_by_label(label, exact=True).fill(text)
        page.keyboard.press("Enter")
        page.get_by_text("H1: Direction: missing").wait_for()
        page.get_by_label("Direction", exact=True).fill("0")
        page.keyboard.press("Enter")
        page.get_by_text("set H1 anew: Start Time 10:00, End Time 16:00").wait_for()
        assert 'Write there {"H1": {"Start Time": "10:00:00"' in page.locator("section.look").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(watching: Watching, scheme: Any) -> None:
    pytest.importorskip("axe_playwright_python", reason="no axe here")
    with watching(color_scheme=scheme) as watcher:
        page = watcher.goes_to("/course")
        count_of(page, 2)
        sailor = sailors(page).get_by_role("link").first.get_attribute("href") or ""
        for path in ("/course", "/course?show", sailor):
            assert violations(watcher.goes_to(path)) == [], path
        page.get_by_role("button", name="Exclude…").first.click()
        assert violations(page) == []


def test_on_a_phone_nothing_is_wider_than_the_screen(watching: Watching) -> None:
    with watching(viewport={"width": 360, "height": 740}, has_touch=True) as watcher:
        page = watcher.goes_to("/course")
        count_of(page, 2)
        assert is_within_its_width(page)
        table = page.locator("section.ranking .wide").first
        assert table.evaluate("list => list.scrollWidth <= list.clientWidth")
        sailors(page).get_by_role("link").first.click()
        page.get_by_role("heading", name="Passages of the line").wait_for()
        assert is_within_its_width(page)


def test_it_prints_the_rankings_and_nothing_for_the_screen(watching: Watching) -> None:
    with watching(viewport={"width": 700, "height": 1000}) as watcher:  # of a sheet of A4 within its margins
        page = watcher.goes_to("/course")
        count_of(page, 2)
        page.emulate_media(media="print")
        navigation = page.get_by_role("navigation")
        navigation.get_by_role("link").first.wait_for(state="hidden")
        assert navigation.inner_text().startswith("event-")  # the name of the folder
        page.locator("button:visible").first.wait_for(state="hidden")  # once the style is there
        assert sailors(page).first.is_visible()
        assert sailors(page).first.evaluate("row => row.getBoundingClientRect().right") <= 700


@pytest.mark.parametrize("size", [(360, 740), (1024, 768)])
def test_the_button_for_the_full_screen_lies_over_nothing(watching: Watching, size: tuple[int, int]) -> None:
    with watching(viewport=dict(zip(("width", "height"), size, strict=True))) as watcher:
        page = watcher.goes_to("/course?show")
        page.locator("#full").wait_for()
        covered = """() => {
            const button = document.getElementById("full").getBoundingClientRect();
            const lines = [...document.querySelectorAll("h1, .as-of")].flatMap((each) => [...each.getClientRects()]);
            return lines.filter((line) => line.right > button.left && line.top < button.bottom).length;
        }"""
        assert page.evaluate(covered) == 0


def test_on_a_projector_a_long_list_is_shown_screen_by_screen(watching: Watching) -> None:
    with watching(viewport={"width": 1920, "height": 300}) as watcher:
        watcher.page.clock.install()
        page = watcher.goes_to("/course?show")
        count_of(page, 2)
        assert page.locator("nav").is_hidden()
        size = sailors(page).first.evaluate("row => parseFloat(getComputedStyle(row).fontSize)")
        assert size >= 30
        page.clock.run_for(8000)
        page.wait_for_function("window.scrollY > 100")
        for _ in range(10):
            page.clock.run_for(8000)
            if page.evaluate("window.scrollY") == 0:
                break
        assert page.evaluate("window.scrollY") == 0


def test_the_dialog_shows_a_whole_line_and_is_as_large_as_the_page(watching: Watching) -> None:
    with watching(viewport={"width": 1920, "height": 1080}) as watcher:
        page = watcher.goes_to("/course")
        count_of(page, 2)
        page.get_by_role("button", name="Set line or hours").first.click()
        line = page.get_by_role("dialog").get_by_label("Start Line")
        assert line.evaluate("input => input.scrollWidth <= input.clientWidth")
        size = "element => parseFloat(getComputedStyle(element).fontSize)"
        assert line.evaluate(size) == page.locator("main").evaluate(size)
