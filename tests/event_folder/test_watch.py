"""What a collector says and does while its event folder is away; in virtual time, with a real folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sse_twisted.event_folder.lock import FolderLock
from sse_twisted.visits.verdict import Verdict, give_verdict
from tests.support.courses import S1, write_courses
from tests.support.event import MORNING, VirtualEvent, log_of

GONE = "CRITICAL Event folder gone: "


@pytest.fixture
def event(tmp_path: Path) -> VirtualEvent:
    """Its folder can be renamed."""
    (tmp_path / "event").mkdir()
    return VirtualEvent(tmp_path / "event")


def conditions(event: VirtualEvent) -> dict[str, bool]:
    assert event.collector is not None
    return {condition.subject: condition.ok for condition in event.collector.conditions()}


def take_away(event: VirtualEvent) -> Path:
    moved = event.root.rename(event.root.with_name("moved"))
    event.until(GONE)
    return moved


def test_a_folder_that_is_renamed_is_not_made_anew_and_collection_goes_on_when_it_is_back(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601), log_of(601, MORNING + 3_600_000, 20_000))
    device.bytes_per_second = 100_000
    event.arrive(601)
    event.start()
    event.until("downloaded")
    event.advance(3)
    moved = take_away(event)
    assert not conditions(event)["folder"]
    assert not conditions(event)["downloads"]
    event.until("motion-601 must stay connected - ")
    event.advance(60)
    assert not event.root.exists()
    assert not event.said("can be disconnected")
    assert len(event.said("CRITICAL")) == 2  # the folder, and the pause of downloads
    moved.rename(event.root)
    event.until("WARN Event folder is back")
    event.until("WARN Downloads resume")
    event.until("motion-601 can be disconnected")
    assert all(conditions(event).values())
    assert sorted(event.tracks().values(), key=len) == [log.content for log in device.logs]
    event.stop()
    kept = (event.folder.logs / "server.log").read_text()
    for line in (line for line in event.lines if not line.startswith("DEBUG")):
        assert line.partition(" ")[2] in kept


def test_the_roster_is_not_blamed_for_a_folder_that_is_away(event: VirtualEvent) -> None:
    event.collect(601)
    moved = take_away(event)
    event.advance(30)
    assert conditions(event)["roster"]
    assert not event.said("Cannot read the roster")
    moved.rename(event.root)
    event.until("Event folder is back")
    event.advance(10)
    assert conditions(event)["roster"]
    event.stop()


def test_the_roster_of_another_folder_at_its_path_is_not_read(event: VirtualEvent) -> None:
    event.spares()
    event.collect(601)
    moved = take_away(event)
    event.people = [person for person in event.people if person["Motion ID"] != "601"]
    event.write_roster()
    event.advance(30)
    assert not event.said("Roster: removed")
    shutil.rmtree(event.root)
    moved.rename(event.root)
    event.until("WARN Event folder is back")
    event.advance(30)
    assert event.collector is not None
    assert event.collector.live.roster.of(601)
    event.stop()


def test_no_verdict_rests_on_a_file_that_is_away(event: VirtualEvent) -> None:
    """All tracks are stored and the listing is asked for once more when the folder goes."""
    event.collect(601)
    event.lines.clear()
    moved = event.root.rename(event.root.with_name("moved"))
    event.wake_all()
    event.until("motion-601 must stay connected - ")
    event.advance(30)
    assert not event.said("can be disconnected")
    moved.rename(event.root)
    event.until("motion-601 can be disconnected")
    event.stop()


def test_the_folder_that_goes_between_the_comparison_and_the_verdict_is_missed(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event.device(601, log_of(601))
    moved = event.root.with_name("moved")

    def too_late(*args: Any) -> Verdict:
        verdict = give_verdict(*args)
        if verdict.collected and not event.said("must stay"):
            event.root.rename(moved)
        return verdict

    monkeypatch.setattr("sse_twisted.visits.runner.give_verdict", too_late)
    event.arrive(601)
    event.start()
    event.until("motion-601 must stay connected - tracks can't be stored: the event folder is not there")
    assert not event.said("can be disconnected")
    moved.rename(event.root)
    event.until("motion-601 can be disconnected")
    event.stop()


def test_the_state_is_written_anew_when_the_folder_is_back(event: VirtualEvent) -> None:
    event.collect(601)
    event.advance(5)
    state = event.folder.state_file
    moved = take_away(event)
    (moved / state.relative_to(event.root)).write_text("old")
    moved.rename(event.root)
    event.until("Event folder is back")
    event.advance(10)
    assert "601" in json.loads(state.read_bytes())["devices"]
    event.stop()


def test_a_disk_that_comes_back_without_a_track_raises_an_alarm(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known by the event's random name, but it is as it was an hour ago."""
    event.device(602, log_of(602))
    event.arrive(602)
    event.collect(601)
    event.until("motion-602 can be disconnected")
    event.leave(601)
    event.until("motion-601 has been disconnected")
    moved = take_away(event)
    shutil.copytree(moved, event.root)
    for track in (event.root / "gpslogs").rglob("*.oao"):
        track.unlink()
    event.advance(10)
    assert not event.said("Event folder is back")
    monkeypatch.setattr(FolderLock, "is_writable", lambda _: False)
    event.until("Event folder is back")
    event.until("ERROR motion-601 was collected, but its tracks are not all in the folder that came back - ")
    event.lines.clear()
    event.until("motion-602 can be disconnected")
    assert [Path(name).name for name in event.tracks()] == ["ABC602XYZ_602_20221017_090000.oao"]
    assert event.known(601).left_early
    event.stop()


def test_the_listing_of_a_device_that_is_here_is_stored_on_another_disk_in_its_place(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event.collect(601)
    moved = take_away(event)
    shutil.copytree(moved, event.root)
    listing = event.folder.device_folder(601) / "logs.json"
    listing.unlink()
    monkeypatch.setattr(FolderLock, "is_writable", lambda _: False)
    event.until("Event folder is back")
    event.advance(10)
    assert listing.read_bytes() == (moved / listing.relative_to(event.root)).read_bytes()
    event.stop()


def test_it_stops_in_time_while_the_folder_is_away(event: VirtualEvent) -> None:
    event.collect(601)
    moved = take_away(event)
    event.stop()
    assert not event.root.exists()
    assert "Collector stopped" in (moved / "logs" / "server.log").read_text()


def test_courses_of_another_folder_in_its_place_are_neither_taken_nor_kept(event: VirtualEvent) -> None:
    collector = event.start()
    event.advance(5)
    moved = take_away(event)
    write_courses(event.root, S1={key: S1[key] for key in S1 if key != "Start Line"} | {"Start Buoys": [601, 602]})
    (event.root / ".sse_twisted").mkdir()
    event.advance(60)
    assert not collector.live.buoys
    assert not list((event.root / ".sse_twisted").iterdir())
    shutil.rmtree(event.root)
    moved.rename(event.root)
    event.until("WARN Event folder is back")
    event.stop()


def test_a_command_that_cannot_be_saved_says_so_and_is_saved_later(event: VirtualEvent) -> None:
    event.person(601)
    event.person(602)
    event.device(602, log_of(602))
    event.arrive(602)
    commands = event.start().commands
    event.until("motion-602 is connected")
    event.leave(602)
    event.until("left too early")
    moved = take_away(event)
    said: list[str] = []
    for saving in (commands.not_expected(601, "ill"), commands.waive(602, "sold")):
        saving.addErrback(lambda failure: said.append(failure.getErrorMessage()))
    event.advance(1)
    why = "the event folder is not there: No such file or directory"
    assert [text.partition(" (")[0] for text in said] == [
        f"not expected, but not saved yet: {why}",
        f"waived, but not saved yet: {why}",
    ]
    moved.rename(event.root)
    event.until("WARN Downloads resume")
    event.advance(5)
    assert b"sold" in event.folder.state_file.read_bytes()
    assert b"ill" in event.folder.kept_roster.read_bytes()
    event.stop()
