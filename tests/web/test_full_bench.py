"""Benches with more devices than the simulator can run, in real Chromium."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from sse_twisted.fleet import Stage, TrackSummary
from sse_twisted.web.rendering import static_files
from tests.support.event import VirtualEvent
from tests.web.browser import is_within_its_width
from tests.web.desk import AFTERNOON, Desk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.slow

ADDRESS: Final = "http://bench.test/"
LEGIBLE: Final = 28  # px; see test_crowded_bench
NAMES: Final = (
    "Jo Ng",
    "Sophie de la Rochefoucauld",
    "Świętosława Brzęczyszczykiewicz-Łękawska",
    "山本健太郎 (横浜セーリングクラブ)",
)
SOME: Final = {"left-early": 1, "keep-on": 2, "switch-off": 9, "working": 5, "expected": 2, "gone": 1}
MANY: Final = {"left-early": 2, "keep-on": 5, "switch-off": 24, "working": 10, "expected": 9, "gone": 10}
MOST: Final = {"left-early": 3, "keep-on": 8, "switch-off": 45, "working": 16, "expected": 8, "gone": 20}
READABLE: Final = 15  # px of a headline in a tile of 8 side by side


def known(column: str, number: int, event: VirtualEvent) -> dict[str, Any]:
    name = f"ABC{number}XYZ_{number}_20221017_113600.oao"
    track = TrackSummary(name, event_day(event), 1000, 1, 3_600_000, 10_000_000, 10_000)
    held: dict[str, Any] = {"tracks": (track,), "wanted": 1, "battery": 20 + number % 80}
    held["findings"] = ("firmware is not approved (9001)", f"{name} has 3 damaged frames") if number % 3 == 0 else ()
    missing = held | {"missing": (name,)}
    match column:
        case "left-early":
            return missing | {"stage": Stage.GONE, "left_early": f"Sailor {number}: 1 of 1 track missing ({name})"}
        case "keep-on":
            reason = "1 of 1 track missing (the answer ends after 12,345 of 1,800,000 bytes)"
            return missing | {"stage": Stage.ATTENTION, "reason": reason, "retry_at": AFTERNOON + 30, "tries": 2}
        case "working":
            return missing | {"stage": Stage.DOWNLOADING, "downloading": name, "size": 1000, "received": 500}
        case "idle":  # it left without a track
            return {"stage": Stage.GONE}
        case "switch-off":
            return held | {"stage": Stage.COLLECTED}
        case _:
            return held | {"stage": Stage.GONE}


def event_day(event: VirtualEvent) -> Any:
    assert event.collector is not None
    return event.collector.commands.today


@contextmanager
def bench(
    browser: Browser, event: VirtualEvent, counts: dict[str, int], names: Sequence[str] = (), **options: Any
) -> Iterator[Page]:
    """The page of so many devices in each column, whose numbers are mixed; `names` take turns."""
    columns = [column for column, count in counts.items() for _ in range(count)]
    numbers = random.Random(1).sample(range(601, 601 + len(columns)), len(columns))
    for number in numbers:
        event.person(number)
        if names:
            event.people[-1]["First Name"], event.people[-1]["Family Name"] = "", names[number % len(names)]
    event.write_roster()
    desk = Desk(event)
    for number, column in zip(numbers, columns, strict=True):
        if column != "expected":
            desk.collector.fleet.update(number, **known(column, number, event))
    desk.advance(0.3)
    html = desk.get("/").text
    desk.close()
    files = static_files()

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ADDRESS}static/")
        if name in files and not name.endswith(".js"):
            route.fulfill(body=files[name].body, content_type=files[name].media_type)
        elif route.request.url == ADDRESS:
            route.fulfill(body=html, content_type="text/html")
        else:
            route.abort()

    context = browser.new_context(**options)
    page = context.new_page()
    page.route("**/*", answer)
    page.goto(ADDRESS)
    page.evaluate("document.documentElement.classList.add('has-script')")
    yield page
    context.close()


def in_sight(page: Page, column: str) -> list[float]:
    """The sizes of the numbers that are in sight, in px."""
    found: list[float] = page.evaluate(
        """column => [...document.querySelectorAll(`#${column} .number`)].filter((number) => {
            const { top, bottom } = number.getBoundingClientRect();
            return top >= 0 && bottom <= window.innerHeight;
        }).map((number) => parseFloat(getComputedStyle(number).fontSize))""",
        column,
    )
    return found


@pytest.mark.parametrize(
    "counts",
    [
        {"keep-on": 7, "switch-off": 30, "expected": 20, "gone": 31},
        {"keep-on": 16, "switch-off": 4, "expected": 40, "gone": 10},
        {"keep-on": 4, "switch-off": 20, "working": 20, "expected": 30, "gone": 20},
        {"left-early": 7, "keep-on": 3, "switch-off": 8, "working": 5, "expected": 20, "gone": 41},
        {"left-early": 1, "keep-on": 9, "switch-off": 50, "working": 8, "expected": 5, "gone": 3},
        {"left-early": 1, "keep-on": 2, "switch-off": 9, "working": 5, "expected": 2, "gone": 1},
        {"keep-on": 4, "switch-off": 45, "working": 6, "expected": 8, "gone": 20},
        MOST,
    ],
    ids=["an empty column", "a pause", "twenty and twenty", "alarms", "a flood", "some", "many collected", "most"],
)
@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080)])
def test_every_device_is_in_sight(
    browser: Browser, event: VirtualEvent, counts: dict[str, int], size: tuple[int, int]
) -> None:
    with bench(browser, event, counts, NAMES, viewport=dict(zip(("width", "height"), size, strict=True))) as page:
        assert is_within_its_width(page)
        for column in ("left-early", "keep-on", "switch-off", "working"):
            sizes = in_sight(page, column)
            assert len(sizes) == counts.get(column, 0), column
            assert min(sizes, default=LEGIBLE) >= LEGIBLE, column


@pytest.mark.parametrize("width", [390, 1366])
def test_a_device_that_left_without_a_track_fits_into_its_column(
    browser: Browser, event: VirtualEvent, width: int
) -> None:
    with bench(browser, event, {"idle": 2, "expected": 2}, viewport={"width": width, "height": 768}) as page:
        assert page.locator("#expected .mark").count() == 2
        assert is_within_its_width(page)


def test_an_alarm_moves_no_tile_of_switch_off(browser: Browser, event: VirtualEvent) -> None:
    counts = {"keep-on": 2, "switch-off": 12, "working": 5, "expected": 10}
    where = "() => [...document.querySelectorAll('#switch-off .tile')].map((tile) => tile.getBoundingClientRect().top)"
    with bench(browser, event, counts, viewport={"width": 1366, "height": 768}) as page:
        before = page.evaluate(where)
        page.evaluate("document.getElementById('left-early').hidden = false")
        tile = "document.querySelector('#keep-on .tile')"
        page.evaluate(f"document.querySelector('#left-early .tiles').append({tile})")
        assert page.evaluate(where) == before


def test_a_tile_has_a_legible_headline(browser: Browser, event: VirtualEvent) -> None:
    counts = {"keep-on": 7, "switch-off": 30, "working": 1}
    with bench(browser, event, counts, viewport={"width": 1366, "height": 768}) as page:
        headlines = page.locator("#keep-on .headline").all()
        assert {headline.inner_text() for headline in headlines} == {"1 of 1 missing"}
        sizes = "element => [parseFloat(getComputedStyle(element).fontSize), element.getBoundingClientRect().height]"
        for headline in headlines:
            size, height = headline.evaluate(sizes)
            assert size >= READABLE
            assert height < 1.5 * size
        words = page.locator("#switch-off .findings .text").all_inner_texts()
        assert set(words) == {"firmware is not approved (9001)", "11:36 has 3 damaged frames"}


@pytest.mark.parametrize("counts", [SOME, MANY, MOST], ids=["some", "many", "most"])
@pytest.mark.parametrize("size", [(1280, 720), (1366, 768), (1920, 1080), (1024, 768), (390, 844)])
def test_nothing_lies_over_a_border(
    browser: Browser, event: VirtualEvent, counts: dict[str, int], size: tuple[int, int]
) -> None:
    viewport = dict(zip(("width", "height"), size, strict=True))
    with bench(browser, event, counts, NAMES, viewport=viewport) as page:
        assert is_within_its_width(page)
        assert (
            beyond(page, ".zone:not(.side) .tile", ".number, .say, .sailor, .file, .battery, .findings, button") == []
        )
        assert beyond(page, ".column h2", ".title, .count, .icon") == []
        assert cut(page, ".column:not(.left-early) .title") == []  # that one may take two lines


@pytest.mark.parametrize(
    "counts",
    [
        {"keep-on": 2, "switch-off": 5, "working": 3, "expected": 10, "gone": 4},
        {"keep-on": 7, "switch-off": 30, "working": 1},
        {"left-early": 1, "keep-on": 9, "switch-off": 12, "working": 4, "expected": 5, "gone": 3},
        {"left-early": 1, "keep-on": 9, "switch-off": 50, "working": 8, "expected": 5, "gone": 3},
        {"keep-on": 16, "switch-off": 4, "expected": 40, "gone": 10},
    ],
    ids=["few", "many collected", "some alarms", "a flood", "a pause"],
)
def test_a_projector_shows_why_devices_are_kept_on_with_whole_headings_and_hints(
    browser: Browser, event: VirtualEvent, counts: dict[str, int]
) -> None:
    with bench(browser, event, counts, NAMES[:2], viewport={"width": 1024, "height": 768}) as page:
        reasons = page.locator("#keep-on .why").all()
        assert len(reasons) == counts["keep-on"]
        assert all(reason.is_visible() for reason in reasons)
        assert len(in_sight(page, "keep-on")) == counts["keep-on"]
        assert beyond(page, ".column h2", ".title, .count") == []
        assert cut(page, ".column :is(.title, .hint)") == []


def beyond(page: Page, outer: str, inner: str) -> list[str]:
    """What is visible inside of an element and crosses its border to the right, by its text."""
    found: list[str] = page.evaluate(
        """([outer, inner]) => [...document.querySelectorAll(outer)].flatMap((box) => {
            const right = box.getBoundingClientRect().right - 3;  // its border
            return [...box.querySelectorAll(inner)].filter((element) => {
                const place = element.getBoundingClientRect();
                return place.width > 1 && place.right > right;
            }).map((element) => `${box.textContent.trim().slice(0, 20)}: ${element.className}`);
        })""",
        [outer, inner],
    )
    return found


def cut(page: Page, what: str) -> list[str]:
    """The texts that are longer than their places."""
    found: list[str] = page.evaluate(
        """what => [...document.querySelectorAll(what)].filter((element) =>
            element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1
        ).map((element) => element.textContent)""",
        what,
    )
    return found


@pytest.mark.parametrize("counts", [SOME, MANY], ids=["some", "many"])
def test_names_take_two_lines_where_there_is_room(
    browser: Browser, event: VirtualEvent, counts: dict[str, int]
) -> None:
    with bench(browser, event, counts, NAMES[:2], viewport={"width": 1366, "height": 768}) as page:
        assert cut(page, "#switch-off .sailor") == []
        shown = in_sight(page, "switch-off")
        assert len(shown) == counts["switch-off"]


def test_numbers_are_as_large_as_there_is_room(browser: Browser, event: VirtualEvent) -> None:
    with bench(browser, event, SOME, viewport={"width": 1366, "height": 768}) as page:
        for column in ("left-early", "keep-on", "switch-off"):
            assert min(in_sight(page, column)) >= 2 * LEGIBLE
            assert len(in_sight(page, column)) == SOME[column]
        bottoms = "() => [...document.querySelectorAll('.tile')].map((tile) => tile.getBoundingClientRect().bottom)"
        assert 0.8 * 768 < max(page.evaluate(bottoms)) <= 768


def test_the_score_has_one_line_beside_a_long_name_of_the_event(browser: Browser, event: VirtualEvent) -> None:
    with bench(browser, event, MANY, viewport={"width": 1366, "height": 768}) as page:
        page.evaluate("document.documentElement.classList.add('has-script')")  # shows the buttons
        names = page.get_by_text(event.root.name, exact=True)
        assert [name.is_visible() for name in names.all()].count(True) == 1
        heights = "score => [score, score.firstElementChild].map((each) => each.getBoundingClientRect().height)"
        score, number = page.locator(".score").evaluate(heights)
        assert score < 1.2 * number


def test_many_signs_leave_room_for_the_tiles(browser: Browser, event: VirtualEvent) -> None:
    with bench(browser, event, SOME, viewport={"width": 1366, "height": 768}) as page:
        page.evaluate("""() => {
            for (let number = 0; number < 6; number += 1) {
                const sign = document.createElement("p");
                sign.className = "trouble";
                sign.textContent = "downloads paused: requested by an operator";
                document.getElementById("top").append(sign);
            }
        }""")
        top = page.locator("#switch-off").evaluate("element => element.getBoundingClientRect().top")
        assert top < 768 / 3
        assert is_within_its_width(page)
