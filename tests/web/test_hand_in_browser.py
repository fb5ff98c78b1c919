"""The page on which tracks are handed in, in real Chromium."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.real_event import folder_in_memory
from tests.tracks import written
from tests.web.browser import Theatre, Watching, is_within_its_width, violations

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

MAKERS = {
    "sbp": written.sbp,
    "sbn": written.sbn,
    "ubx": written.ubx,
    "gpy": written.gpy,
    "fit": written.fit,
    "gpx": written.gpx,
}


@pytest.fixture(scope="module")
def theatre(browser: Browser) -> Iterator[Theatre]:
    """One stage for all tests; no device comes."""
    with folder_in_memory() as folder:
        theatre = Theatre(folder, count=4)
        theatre.open()
        yield theatre
        theatre.close()


@pytest.fixture(scope="module")
def file_ids(theatre: Theatre) -> list[str]:
    with (theatre.folder / "config/motions.csv").open(encoding="utf-8") as file:
        return [row["File ID"] for row in csv.DictReader(file)]


def made(name: str, delay: int) -> bytes:
    """A track of the last minutes, other than those with another delay in s."""
    start = (int(time.time()) - 300 - delay) * 1000
    return MAKERS[name.rpartition(".")[2]](written.points(100, rate=1, start=start))


def files(tmp_path: Path, names: list[str], delay: int) -> list[str]:
    paths = []
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(made(name, delay + number))
        paths.append(str(tmp_path / name))
    return paths


def settled(page: Page, count: int) -> list[str]:
    """Wait until nothing is under way, and return what the page says of each file."""
    lines = page.locator("#files li")
    lines.nth(count - 1).wait_for()
    page.locator("#files progress").first.wait_for(state="detached")
    while page.locator("#files progress").count():
        page.wait_for_timeout(50)
    return lines.all_inner_texts()


def test_24_files_of_six_formats_at_once_are_with_their_riders_or_ask_for_them(
    watching: Watching, theatre: Theatre, file_ids: list[str], tmp_path: Path
) -> None:
    owned = [f"{file_id} {extension}.{extension}" for file_id in file_ids[:3] for extension in MAKERS]
    unknown = [f"activity.{extension}" for extension in MAKERS]
    with watching(viewport={"width": 1366, "height": 768}) as watcher:
        page = watcher.goes_to("/hand-in")
        page.locator("#hand-in [name=token]").fill(theatre.token)
        page.locator("input[type=file]").set_input_files(files(tmp_path, owned + unknown, 0))
        page.get_by_role("button", name="Hand in").click()
        said = settled(page, 24)
        for name in owned:
            assert any(line.strip().startswith(f"{name}: ") and "/" in line for line in said), name
        assert sum("whose is this?" in line for line in said) == 6
        page.locator(".whose").nth(5).wait_for()
        assert is_within_its_width(page)
        assert violations(page) == []


def test_files_are_dropped_and_an_owner_is_said_with_a_click(
    watching: Watching, theatre: Theatre, file_ids: list[str]
) -> None:
    with watching() as watcher:
        page = watcher.goes_to("/hand-in")
        page.locator("#hand-in [name=token]").fill(theatre.token)
        dropped = page.evaluate_handle(
            """bytes => {
                const dropped = new DataTransfer();
                dropped.items.add(new File([new Uint8Array(bytes)], "dropped.sbp"));
                return dropped;
            }""",
            list(made("dropped.sbp", 60)),
        )
        page.dispatch_event("#hand-in", "drop", {"dataTransfer": dropped})
        assert "dropped.sbp: whose is this?" in settled(page, 1)[0]
        whose = page.locator(".whose", has_text="dropped.sbp")
        assert whose.get_by_label("It is of").input_value() == ""
        assert whose.get_by_role("button", name="Say so").is_hidden()
        whose.get_by_label("It is of").select_option(file_ids[3])
        whose.get_by_role("button", name="Say so").click()
        page.locator("#ask-who").fill("Ann")
        page.locator("#ask-do").click()
        page.get_by_text("Whose is dropped.sbp: done.").wait_for()
        row = page.locator("table.lines tr", has_text="dropped.sbp")
        assert file_ids[3] in row.inner_text()
        assert "said by Ann" in row.inner_text()


def test_the_page_shows_what_came_by_another_way_and_keeps_what_was_chosen(
    watching: Watching, theatre: Theatre, file_ids: list[str], tmp_path: Path
) -> None:
    with watching() as watcher, watching() as other:
        for each, name, delay in ((watcher, "first.sbp", 300), (other, "second.sbp", 400)):
            page = each.goes_to("/hand-in")
            page.locator("#hand-in [name=token]").fill(theatre.token)
            page.locator("input[type=file]").set_input_files(files(tmp_path, [name], delay))
            page.get_by_role("button", name="Hand in").click()
            page.locator(".whose", has_text=name).wait_for()
            if each is watcher:
                page.locator(".whose", has_text=name).get_by_label("It is of").select_option(file_ids[2])
        first = watcher.page.locator(".whose", has_text="first.sbp")
        watcher.page.locator(".whose", has_text="second.sbp").wait_for()
        assert first.get_by_label("It is of").input_value() == file_ids[2]
        assert first.get_by_role("button", name="Say so").is_visible()


def test_a_wrong_token_and_an_empty_file_are_named(watching: Watching, theatre: Theatre, tmp_path: Path) -> None:
    (tmp_path / "empty.fit").touch()
    with watching() as watcher:
        page = watcher.goes_to("/hand-in")
        page.locator("#hand-in [name=token]").fill("no token at all, but long")
        paths = [*files(tmp_path, ["a.sbp"], 90), str(tmp_path / "empty.fit")]
        page.locator("input[type=file]").set_input_files(paths)
        page.get_by_role("button", name="Hand in").click()
        first, second = settled(page, 2)
        assert "a.sbp: wrong token" in first
        assert "empty.fit: not kept: the file is empty" in second


def test_a_phone_without_a_script_hands_in_by_a_form(
    watching: Watching, theatre: Theatre, file_ids: list[str], tmp_path: Path
) -> None:
    with watching(java_script_enabled=False, viewport={"width": 390, "height": 844}, is_mobile=True) as watcher:
        page = watcher.goes_to("/hand-in")
        page.locator("#hand-in [name=token]").fill(theatre.token)
        page.locator("#hand-in [name=file_id]").select_option(file_ids[0])
        page.locator("input[type=file]").set_input_files(files(tmp_path, ["phone.gpx"], 120))
        page.get_by_role("button", name="Hand in").click()
        page.locator("ul.files[role=status] li").first.wait_for()
        assert f"{file_ids[0]}_601_" in page.locator("ul.files[role=status]").inner_text()
        assert is_within_its_width(page)


def test_a_phone_without_a_script_says_whose_a_track_is(
    watching: Watching, theatre: Theatre, file_ids: list[str], tmp_path: Path
) -> None:
    with watching(java_script_enabled=False, viewport={"width": 390, "height": 844}, is_mobile=True) as watcher:
        page = watcher.goes_to("/hand-in")
        page.locator("#hand-in [name=token]").fill(theatre.token)
        page.locator("input[type=file]").set_input_files(files(tmp_path, ["run.sbp"], 150))
        page.get_by_role("button", name="Hand in").click()
        page.locator(".whose", has_text="run.sbp").get_by_role("link", name="Say whose it is").click()
        assert is_within_its_width(page)
        for who, others in ((file_ids[1], file_ids[2]), (file_ids[2], file_ids[1])):
            page.get_by_label("Token").fill(theatre.token)
            page.get_by_label("Your name").fill("Ann")
            page.get_by_label("It is of").select_option(who)
            page.locator("button[value=owner]").click()
            said = page.locator("[role=status]").inner_text()
            assert who in said
            assert others not in said
        assert is_within_its_width(page)


def test_it_prints_no_form(watching: Watching, theatre: Theatre, tmp_path: Path) -> None:
    with watching() as watcher:
        page = watcher.goes_to("/hand-in")
        page.locator("#hand-in [name=token]").fill(theatre.token)
        page.locator("input[type=file]").set_input_files(files(tmp_path, ["paper.sbp"], 500))
        page.get_by_role("button", name="Hand in").click()
        page.locator(".whose", has_text="paper.sbp").wait_for()
        page.emulate_media(media="print")
        page.locator("form").first.wait_for(state="hidden")
        assert page.locator(":is(button, input, select, form):visible").count() == 0
        assert page.get_by_role("heading", name="paper.sbp").is_visible()


def test_the_page_of_a_hand_in_remembers_token_and_name(
    watching: Watching, theatre: Theatre, file_ids: list[str], tmp_path: Path
) -> None:
    with watching() as watcher:
        page = watcher.goes_to("/hand-in")
        page.locator("#hand-in [name=token]").fill(theatre.token)
        page.locator("#hand-in [name=who]").fill("Ann")
        page.locator("#hand-in [name=file_id]").select_option(file_ids[3])
        page.locator("input[type=file]").set_input_files(files(tmp_path, ["walk.sbp"], 180))
        page.get_by_role("button", name="Hand in").click()
        assert file_ids[3] in settled(page, 1)[0]
        page.get_by_role("row", name="walk.sbp").get_by_role("link", name="Correct").click()
        page.get_by_label("Reason").fill("the watch was ashore")
        page.get_by_role("button", name="Do not count it").click()
        page.get_by_text("does not count, decided").wait_for()
        assert violations(page) == []
