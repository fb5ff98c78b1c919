"""The board in real Chromium while simulated devices arrive and leave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.real_event import folder_in_memory
from tests.web.browser import Theatre, Watching, box, is_in_sight, is_within_its_width, violations
from tests.web.stage import COUNT, EVIL, WITH_OLD

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def theatre(browser: Browser) -> Iterator[Theatre]:
    """One stage for all tests: each has devices of its own."""
    with folder_in_memory() as folder:
        theatre = Theatre(folder)
        theatre.open()
        yield theatre
        theatre.close()


def test_a_device_goes_through_all_columns(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        page = watcher.goes_to()
        watcher.sees(601, "expected")
        theatre.play("rate 601 200000", "arrive 601")
        watcher.sees(601, "working")
        bar = page.locator("#device-601 progress")
        bar.wait_for()
        assert "track 1 of 2" in page.locator("#device-601").inner_text()
        theatre.play("rate 601 0")
        watcher.sees(601, "switch-off")
        assert "SWITCH OFF" in page.locator("#device-601").inner_text()
        assert EVIL in page.locator("#device-601").inner_text()
        assert page.title().endswith(f" collected · {theatre.folder.name}")
        theatre.play("depart 601")
        watcher.sees(601, "gone")


def test_a_device_to_keep_on_shows_why_and_the_next_try(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        page = watcher.goes_to()
        theatre.play("cut 602", "arrive 602")
        tile = page.locator("#keep-on #device-602").filter(has_text="keep on").filter(has_text="Next try in")
        tile.filter(has_text="2 of 2 missing").filter(has_text="connection lost after 50,000 bytes").wait_for()
        theatre.play("mend 602")
        watcher.sees(602, "switch-off")
        assert page.locator("#device-602 .headline").count() == 0


def test_an_alarm_is_waived_with_a_reason_and_a_token_by_keyboard_alone(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        page = watcher.goes_to()
        theatre.play("cut 603", "arrive 603")
        watcher.sees(603, "keep-on")
        theatre.play("depart 603")
        watcher.sees(603, "left-early")
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "waive-603":
                break
        page.keyboard.press("Enter")
        sailor = page.locator("#device-603 .sailor").inner_text()
        page.get_by_role("heading", name=f"Waive the missing tracks of 603, {sailor}").wait_for()
        page.keyboard.type("it fell into the water")
        page.keyboard.press("Tab")
        page.keyboard.type("not the token at all")
        page.keyboard.press("Enter")
        page.get_by_text("Wrong token.").wait_for()
        page.keyboard.press("Control+A")
        page.keyboard.type(theatre.token)
        page.keyboard.press("Enter")
        watcher.sees(603, "gone")
        assert "waived" in page.locator("#device-603").inner_text()
        theatre.hears("motion-603 is waived - it fell into the water (")
        page.locator("#left-early").wait_for(state="hidden")
        page.locator("#device-603 .number:focus").wait_for()


def test_a_device_is_not_expected_and_expected_again_on_its_page(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        page = watcher.goes_to("/devices/610")
        page.get_by_role("button", name="Not expected today…").click()
        page.get_by_label("Reason").fill("ill")
        page.get_by_label("Token").fill("not the token at all")
        page.keyboard.press("Enter")
        page.get_by_text("Wrong token.").wait_for()
        page.get_by_role("textbox", name="Token").fill(theatre.token)
        page.keyboard.press("Enter")
        page.get_by_text("Status: not expected today (ill)").wait_for()
        theatre.hears("motion-610 is not expected today - ill")
        assert watcher.goes_to().locator("#device-610").count() == 0
        assert "1 not expected" in page.locator(".facts").inner_text()
        page = watcher.goes_to("/devices/610")
        page.get_by_role("button", name="Expect it again today…").click()
        assert page.get_by_label("Token").is_hidden()
        page.get_by_role("button", name="Confirm").click()
        page.get_by_role("button", name="Not expected today…").wait_for()


def test_a_change_that_waits_is_confirmed_on_the_page_of_the_roster(watching: Watching, theatre: Theatre) -> None:
    roster = theatre.folder / "config" / "motions.csv"
    whole = roster.read_bytes()
    roster.write_bytes(b"".join(whole.splitlines(keepends=True)[:6]))
    theatre.hears("Roster: the roster lacks ")
    with watching() as watcher:
        page = watcher.goes_to()
        page.get_by_text("Check the roster").wait_for()
        page.locator(".trouble").get_by_role("link", name="Roster").click()
        page.get_by_role("heading", name="Waiting for you").wait_for()
        page.get_by_role("button", name="Refuse the change…").click()
        page.get_by_label("Token").fill(theatre.token)
        page.get_by_role("button", name="Confirm", exact=True).click()
        page.get_by_role("heading", name="Refused until the roster changes").wait_for()
        roster.write_bytes(whole)
        page = watcher.goes_to()
        page.get_by_text("Check the roster").wait_for(state="hidden")
        assert page.get_by_text("Check the roster").count() == 0


def test_the_token_is_asked_for_once(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        page = watcher.goes_to()
        for name, token in (("Pause downloads…", theatre.token), ("Resume downloads…", "")):
            page.get_by_role("button", name=name).click()
            if token:
                page.get_by_label("Token").fill(token)
            else:
                assert page.get_by_label("Token").is_hidden()
            page.get_by_role("button", name="Confirm").click()
            page.locator("#ask").wait_for(state="hidden")
            paused = page.get_by_text("requested by an operator")
            paused.wait_for(state="visible" if token else "hidden")


def test_the_page_of_a_device_retries_and_fetches(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        page = watcher.goes_to(f"/devices/{WITH_OLD}")
        assert page.get_by_role("button", name="Inspect again…").count() == 0
        theatre.play(f"arrive {WITH_OLD}")
        theatre.hears(f"motion-{WITH_OLD} can be disconnected")
        page = watcher.goes_to(f"/devices/{WITH_OLD}")
        page.get_by_role("button", name="Inspect again…").click()
        page.get_by_label("Token").fill("not the token at all")
        page.get_by_role("button", name="Confirm").click()
        page.get_by_text("Wrong token.").wait_for()
        page.get_by_label("Token").fill(theatre.token)
        page.get_by_role("button", name="Confirm").click()
        page.get_by_text(f"Inspect motion-{WITH_OLD} again: done.").wait_for()
        theatre.hears(f"motion-{WITH_OLD} retry requested")
        page.get_by_role("button", name="Download…").click()
        page.get_by_role("button", name="Confirm").click()
        page.get_by_text(re.compile(rf"Download \S+ of motion-{WITH_OLD}: done\.")).wait_for()
        assert page.get_by_role("button", name="Download…").count() == 0
        assert page.get_by_role("row").filter(has_text="completed").count() == 3
        theatre.play(f"depart {WITH_OLD}")


def test_a_command_that_fails_says_why(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        theatre.play("arrive 612")
        watcher.goes_to()
        watcher.sees(612, "switch-off")
        page = watcher.goes_to("/devices/612")
        page.get_by_role("button", name="Inspect again…").click()
        theatre.play("depart 612")
        theatre.hears("motion-612 has been disconnected")
        page.get_by_label("Token").fill(theatre.token)
        page.get_by_role("button", name="Confirm").click()
        page.get_by_text("motion-612 is not connected").wait_for()


def test_the_page_survives_a_restart_and_warns_while_it_is_stale(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        page = watcher.goes_to()
        theatre.play("arrive 604")
        watcher.sees(604, "switch-off")
        theatre.play("depart 604")
        watcher.sees(604, "gone")
        theatre.close()
        page.get_by_text("No data from the collector since").wait_for()
        assert "is-stale" in (page.locator("body").get_attribute("class") or "")
        assert page.locator(".conditions").is_hidden()
        assert page.title().startswith("Stale since ")
        theatre.open()
        page.locator("#lost").wait_for(state="hidden")
        watcher.sees(604, "gone")
        assert "is-stale" not in (page.locator("body").get_attribute("class") or "")
        theatre.play("arrive 605")
        watcher.sees(605, "switch-off")


def test_the_page_becomes_stale_even_if_the_clock_is_set_back(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        page = watcher.goes_to()
        watcher.sees(606, "expected")
        page.evaluate(
            """() => {
                source.close();
                listen = () => {};
                const [clock, steady] = [Date.now, performance.now.bind(performance)];
                Date.now = () => clock() - 3_600_000;
                performance.now = () => steady() + 20_000;
            }"""
        )
        page.get_by_text("No data from the collector since").wait_for(timeout=5000)


def test_without_javascript_the_page_reloads_itself(watching: Watching, theatre: Theatre) -> None:
    with watching(java_script_enabled=False) as watcher:
        page = watcher.goes_to()
        watcher.sees(606, "expected")
        assert page.locator("button:visible").count() == 0
        theatre.play("arrive 606")
        watcher.sees(606, "switch-off")


def test_on_a_phone_the_counts_stay_in_sight_and_link_to_their_columns(watching: Watching, theatre: Theatre) -> None:
    with watching(viewport={"width": 390, "height": 844}, has_touch=True) as watcher:
        page = watcher.goes_to()
        counts = page.get_by_role("navigation", name="Columns")
        assert is_in_sight(counts)
        assert len(counts.get_by_role("link").all()) >= 5
        theatre.play("arrive 610")
        watcher.sees(610, "switch-off")
        for link in counts.get_by_role("link").all():
            column = page.locator(link.get_attribute("href") or "")
            assert link.locator(".count").inner_text() == column.locator(".count").inner_text()
            assert int(link.locator(".count").inner_text()) == column.locator(".tile").count()
            link.click()
            assert is_in_sight(counts)
            assert is_in_sight(column.locator("h2"))
            assert box(column.locator("h2"))["y"] >= box(counts)["y"] + box(counts)["height"]


def test_on_a_phone_nothing_is_wider_than_the_screen(watching: Watching, theatre: Theatre) -> None:
    with watching(viewport={"width": 360, "height": 740}, has_touch=True) as watcher:
        for path in ("/", "/devices/601", "/ranking"):
            assert is_within_its_width(watcher.goes_to(path)), path
        day = watcher.page.get_by_role("link", name="Today", exact=True).get_attribute("href") or ""
        for path in ("/days", day):
            page = watcher.goes_to(path)
            assert is_within_its_width(page), path
            assert page.locator(".wide").evaluate("list => list.scrollWidth <= list.clientWidth"), path
        theatre.play("arrive 607")
        page = watcher.goes_to()
        watcher.sees(607, "switch-off")
        number = page.locator("#device-607 .number").bounding_box()
        assert number is not None
        assert number["height"] >= 40
        page = watcher.goes_to("/devices/607")
        too_wide = "all => all.filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.ariaLabel)"
        assert page.locator(".wide").count() >= 4
        assert page.locator(".wide").evaluate_all(too_wide) == []
        page.get_by_role("region", name="Tracks of the event").get_by_role(
            "link", name=re.compile("607_")
        ).first.click()
        page.get_by_role("link", name="Device 607").wait_for()
        assert page.locator("img").evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 0
        assert is_within_its_width(page)
        page.get_by_role("link", name="Device 607").click()
        page.get_by_role("heading", name="motion-607").wait_for()


def test_on_a_projector_no_column_of_a_day_lies_outside(watching: Watching, theatre: Theatre) -> None:
    with watching(viewport={"width": 1024, "height": 768}) as watcher:
        page = watcher.goes_to()
        page = watcher.goes_to(page.get_by_role("link", name="Today", exact=True).get_attribute("href") or "")
        assert is_in_sight(page.get_by_role("columnheader", name="Remark"))
        assert page.locator(".wide").evaluate("list => list.scrollWidth <= list.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(watching: Watching, theatre: Theatre, scheme: str) -> None:
    pytest.importorskip("axe_playwright_python", reason="no axe here")
    theatre.play("cut 608", "arrive 608")
    with watching(color_scheme=scheme, reduced_motion="reduce") as watcher:
        page = watcher.goes_to()
        watcher.sees(608, "keep-on")
        day = page.get_by_role("link", name="Today", exact=True).get_attribute("href") or ""
        for path in ("/", "/devices/608", day, "/days", "/ranking", "/roster"):
            assert violations(watcher.goes_to(path)) == [], path
        watcher.goes_to()
        page.get_by_role("button", name="Pause downloads…").click()
        assert violations(page) == []


def test_a_verdict_plays_a_sound_if_sound_is_on(watching: Watching, theatre: Theatre) -> None:
    count = """
        window.tones = 0;
        const start = OscillatorNode.prototype.start;
        OscillatorNode.prototype.start = function (...when) { window.tones += 1; start.apply(this, when); };
    """
    with watching() as watcher:
        watcher.page.add_init_script(count)
        page = watcher.goes_to()
        page.get_by_role("button", name="Sound: off").click()
        assert page.get_by_role("button", name="Sound: on").get_attribute("aria-pressed") == "true"
        tried = page.evaluate("window.tones")
        theatre.play("arrive 609")
        watcher.sees(609, "switch-off")
        assert page.evaluate("window.tones") > tried
        page.get_by_role("status").get_by_text("609 can be switched off").wait_for(state="attached")


def test_the_ranking_prints_no_list_torn_that_has_room_in_a_column(theatre: Theatre, watching: Watching) -> None:
    with watching() as watcher:
        page = watcher.goes_to("/ranking")
        page.emulate_media(media="print")
        breaks = page.locator(".rankings section").evaluate_all(
            "all => all.map((each) => getComputedStyle(each).breakInside)"
        )
        assert set(breaks) == {"avoid"}


def test_the_list_of_a_day_prints_without_screen_elements(theatre: Theatre, watching: Watching) -> None:
    with watching() as watcher:
        page = watcher.goes_to()
        theatre.play("arrive 610")
        watcher.sees(610, "switch-off")
        page.get_by_role("link", name="Today", exact=True).click()
        page.get_by_role("region", name="Devices").wait_for()
        page.set_viewport_size({"width": 700, "height": 1000})  # of a sheet of A4 within its margins
        page.emulate_media(media="print")
        page.get_by_role("navigation").get_by_role("link").first.wait_for(state="hidden")
        table = page.get_by_role("region", name="Devices").get_by_role("table")
        assert table.evaluate("table => table.getBoundingClientRect().right") < 700.5  # a line of a border
        assert page.get_by_role("region", name="Devices").get_by_role("row").count() == 1 + COUNT
        starts = [start.inner_text() for start in table.locator(".on-paper").all()]
        assert starts
        assert all(re.fullmatch(r"\d\d:\d\d(, \d\d:\d\d)*", start) for start in starts)
        assert not table.get_by_role("link", name=re.compile(r"\.oao$")).count()  # their names say nothing more
