"""The support bundle from the board: over HTTP in virtual time, and with the button in a real browser."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import Deferred

from sse_twisted.fleet import Stage
from sse_twisted.runtime.disk import Disk
from sse_twisted.web import bundle
from tests.support.real_event import folder_in_memory
from tests.web.browser import Theatre, Watching
from tests.web.desk import Desk

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_it_needs_the_token(busy: Desk) -> None:
    assert busy.ask("POST", "/bundle.zip", {}).status == 401
    assert busy.get("/bundle.zip").status == 405


def test_it_has_what_the_collector_knows_and_no_names(busy: Desk) -> None:
    busy.know(602, stage=Stage.ATTENTION, reason="Sailor 602 fell", tries=3)
    got = busy.ask("POST", "/bundle.zip", {}, Authorization=f"Bearer {busy.token}")
    assert (got.status, got.headers["content-type"]) == (200, "application/zip")
    assert got.headers["content-disposition"].startswith('attachment; filename="sse-bundle-2022')
    with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    slow = json.loads(files["reports/slow.json"])
    assert slow["reactor_delay_s"]["longest"] >= 0
    assert slow["tries"] == {"motion-602": 3}
    assert json.loads(files["reports/conditions.json"])[0]["subject"] == "scanning"
    assert [device["name"] for device in json.loads(files["reports/fleet.json"])] == ["motion-601", "motion-602"]
    assert b"sse_condition_ok" in files["reports/metrics.txt"]
    everything = b"".join(files.values())
    for private in (b"Sailor 60", b"ABC601XYZ", busy.token.encode()):
        assert private not in everything


def test_two_at_once_are_not_made(busy: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ready: Deferred[None] = Deferred()
    answers: list[Any] = []

    async def late(_: Disk, function: Any, *args: Any) -> Any:
        await ready
        return function(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "run", late)
        busy.begin("/bundle.zip").addCallback(answers.append)
        assert busy.ask("POST", "/bundle.zip", {}, Authorization=f"Bearer {busy.token}").status == 503
    ready.callback(None)
    busy.advance(1)
    assert [answer.code for answer in answers] == [200]


def test_a_disk_that_fails_is_told(busy: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle, "write_bundle", fail)
    got = busy.ask("POST", "/bundle.zip", {}, Authorization=f"Bearer {busy.token}")
    assert (got.status, got.json["detail"]) == (500, "cannot make the support bundle: No space left on device")
    monkeypatch.undo()
    assert busy.ask("POST", "/bundle.zip", {}, Authorization=f"Bearer {busy.token}").status == 200


@pytest.fixture(scope="module")
def theatre(browser: Browser) -> Iterator[Theatre]:
    with folder_in_memory() as folder:
        theatre = Theatre(folder, count=2)
        theatre.open()
        yield theatre
        theatre.close()


def test_the_button_downloads_it(watching: Watching, theatre: Theatre) -> None:
    with watching() as watcher:
        page = watcher.goes_to("/support")
        page.get_by_role("button", name="Download the bundle…").click()
        page.get_by_label("Token").fill("a wrong token")
        page.get_by_role("button", name="Confirm").click()
        page.get_by_text("Wrong token.").wait_for()
        page.get_by_label("Token").fill(theatre.token)
        with page.expect_download() as downloading:
            page.get_by_role("button", name="Confirm").click()
        with zipfile.ZipFile(downloading.value.path()) as archive:
            assert "reports/slow.json" in archive.namelist()
        page.locator("#done", has_text="is downloaded").wait_for()
