from __future__ import annotations

import datetime
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sse_twisted.fleet import Device, Stage, TrackSummary
from sse_twisted.web.board import MAX_PENDING, Board
from sse_twisted.web.tiles import Column, Tile, tile_of
from tests.support.event import VirtualEvent, log_of, track
from tests.web.desk import Desk


def sailed() -> TrackSummary:
    return TrackSummary("today", datetime.date(2022, 10, 17), 1000, 1, 3_600_000, 10_000_000, 10_000)


def look_away() -> None:
    """A watcher, as each board has one here."""


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.web.board.watch(look_away)
    return desk


def changed(board: Board, since: int | None) -> list[int]:
    return [tile.id for tile in board.changes(since).tiles]


def test_a_new_reader_receives_the_whole_board(desk: Desk) -> None:
    changes = desk.web.board.changes(None)
    assert changes.since is None
    assert [tile.id for tile in changes.tiles] == [601, 602]


def test_only_later_changes_are_returned(desk: Desk) -> None:
    board = desk.web.board
    first = board.number
    desk.know(602, stage=Stage.CONNECTED)
    second = board.number
    desk.know(601, stage=Stage.CONNECTED)
    assert changed(board, first) == [601, 602]
    assert changed(board, second) == [601]
    assert changed(board, board.number) == []


def test_a_future_state_is_unknown(desk: Desk) -> None:
    board = desk.web.board
    assert board.changes(board.number + 1).since is None


def test_many_changes_at_once_are_one_state(desk: Desk) -> None:
    board = desk.web.board
    desk.know(601, stage=Stage.DOWNLOADING, downloading="a", size=1000)
    before = board.number
    for received in range(1, 500):
        desk.collector.fleet.update(601, received=received)
    desk.advance(0.2)
    assert board.number == before + 1
    tile = board.tile(601)
    assert tile is not None
    assert tile.download is not None
    assert tile.download.received == 499


def test_without_a_watcher_changes_wait_for_the_next_reader(desk: Desk) -> None:
    board = desk.web.board
    board.stop_watching(look_away)
    before = board.number
    desk.know(601, stage=Stage.CONNECTED)
    desk.advance(10.0)
    assert board.number == before
    board.watch(look_away)
    assert changed(board, before) == [601]


@pytest.mark.parametrize("is_watched", [True, False])
def test_the_tiles_of_many_devices_are_made_in_several_turns(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, is_watched: bool
) -> None:
    made: list[float] = []

    def count(*arguments: Any) -> Tile:
        made.append(0)
        return tile_of(*arguments)

    board = desk.web.board
    if not is_watched:
        board.stop_watching(look_away)
    desk.advance(1.0)
    before = board.number
    monkeypatch.setattr("sse_twisted.web.board.tile_of", count)
    most = 0
    for number in range(1001, 1001 + 3 * MAX_PENDING):
        desk.collector.fleet.update(number, stage=Stage.CONNECTED)
        most, made = max(most, len(made)), []
    for _ in range(20):
        desk.advance(0.05)
        most, made = max(most, len(made)), []
    assert most <= MAX_PENDING
    assert board.number == before + is_watched
    board.refresh()
    assert sorted(changed(board, before)) == list(range(1001, 1001 + 3 * MAX_PENDING))


def test_the_tiles_of_many_devices_are_made_in_turns_of_the_reactor_for_a_reader(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = desk.web.board
    board.stop_watching(look_away)
    numbers = range(1001, 1001 + 3 * MAX_PENDING)
    for number in numbers:
        desk.collector.fleet.update(number, stage=Stage.CONNECTED)
    board.refresh()
    made: list[int] = []

    def count(device: Device, *arguments: Any) -> Tile:
        made.append(device.identifier)
        return tile_of(device, *arguments)

    monkeypatch.setattr("sse_twisted.web.board.tile_of", count)
    desk.reactor.advance(86_400)
    caught_up = Deferred.fromCoroutine(board.catch_up())
    assert len(made) == MAX_PENDING
    desk.advance(0.1)
    assert caught_up.called
    board.refresh()
    assert sorted(made) == [601, 602, *numbers]


def test_a_tile_that_has_not_changed_is_not_rendered_again(desk: Desk) -> None:
    board = desk.web.board
    before = board.tile(601), board.tile(602)
    desk.collector.live.change()
    desk.collector.fleet.update(602, battery=50)
    board.refresh()
    assert board.tile(601) is before[0]
    assert board.tile(602) is not before[1]


def test_the_download_rate_is_measured_from_its_first_bytes(desk: Desk) -> None:
    desk.collector.fleet.update(601, stage=Stage.DOWNLOADING, downloading="a", size=10**6, received=0)
    desk.advance(2.0)
    desk.collector.fleet.update(601, received=600_000)
    desk.advance(0.1)
    tile = desk.web.board.tile(601)
    assert tile is not None
    assert tile.download is not None
    assert 250_000 < tile.download.rate <= 300_000


def test_the_rate_of_a_stalled_download_falls_without_a_change_of_the_device(desk: Desk) -> None:
    desk.listen()
    desk.collector.fleet.update(601, stage=Stage.DOWNLOADING, downloading="a", size=10**7, received=0)
    desk.advance(2.0)
    desk.know(601, received=600_000)
    rates = []
    for _ in range(4):
        tile = desk.web.board.tile(601)
        assert tile is not None
        assert tile.download is not None
        rates.append(tile.download.rate)
        desk.advance(4.0)
    assert rates[0] > rates[1] > rates[2] > rates[3] == 0


def test_a_resumed_download_has_the_rate_of_what_arrives(event: VirtualEvent) -> None:
    size = len(track(601, fixes=12_000))
    device = event.device(601, log_of(601, fixes=12_000))
    device.bytes_per_second, device.supports_range = 20_000, True
    desk = Desk(event)
    event.arrive(601)
    event.until("motion-601 ABC601XYZ_601_20221017_090000.oao queued")
    event.advance(size / 20_000 * 0.7)
    event.leave(601)
    event.until("motion-601 left too early", 300)
    event.arrive(601)
    desk.advance(8)
    desk.web.board.refresh()
    tile = desk.web.board.tile(601)
    assert tile is not None
    assert tile.download is not None
    assert tile.download.received > 0.5 * size
    assert tile.download.rate < 30_000
    desk.close()


def test_a_device_that_leaves_the_roster_is_removed(desk: Desk) -> None:
    board = desk.web.board
    desk.event.spares()
    desk.advance(5.0)
    before = board.number
    desk.event.people.pop(1)
    desk.event.write_roster()
    desk.advance(5.0)
    assert board.changes(before).removed == (602,)
    assert changed(board, None) == [601, 701, 702, 703, 704]


def test_a_removed_device_that_is_assigned_again_is_on_the_board_again(desk: Desk) -> None:
    board = desk.web.board
    desk.event.spares()
    desk.advance(5.0)
    person = desk.event.people.pop(1)
    desk.event.write_roster()
    desk.advance(5.0)
    before = board.number
    desk.event.people.append(person)
    desk.event.write_roster()
    desk.advance(5.0)
    assert (changed(board, before), board.changes(before).removed) == ([602], ())


def test_all_devices_are_expected_again_the_next_day(desk: Desk) -> None:
    desk.know(601, stage=Stage.GONE, tracks=(sailed(),))
    assert desk.web.board.summary.columns["gone"] == 1
    listening = desk.listen()
    desk.reactor.advance(86_400)
    desk.advance(1.5)
    summary = desk.web.board.summary
    assert (summary.columns["gone"], summary.columns["expected"], summary.collected) == (0, 2, 0)
    last = {tile["id"]: tile["column"] for told in listening.boards for tile in told["devices"]}
    assert last == {601: "expected", 602: "expected"}


def test_a_single_request_after_midnight_shows_the_new_day(desk: Desk) -> None:
    desk.know(601, stage=Stage.GONE, tracks=(sailed(),))
    desk.reactor.advance(86_400)
    summary = desk.get("/api/v1/fleet").json["summary"]
    assert (summary["columns"]["gone"], summary["columns"]["expected"], summary["collected"]) == (0, 2, 0)


def test_a_device_that_left_without_a_track_of_today_is_not_collected(desk: Desk) -> None:
    desk.know(601, stage=Stage.COLLECTED)
    assert desk.web.board.summary.collected == 1
    desk.know(601, stage=Stage.GONE)
    summary = desk.web.board.summary
    assert (summary.columns["expected"], summary.collected) == (2, 0)
    assert "left 17:00:" in desk.get("/").text
    assert 601 in [missing.identifier for missing in desk.collector.commands.missing()]


def test_waived_devices_are_not_collected(desk: Desk) -> None:
    desk.know(601, stage=Stage.GONE, waived="lost")
    desk.know(602, stage=Stage.GONE, tracks=(sailed(),))
    assert desk.web.board.summary.collected == 1


def test_collected_devices_are_to_switch_off_or_gone(desk: Desk) -> None:
    desk.know(601, stage=Stage.COLLECTED)
    desk.know(602, stage=Stage.GONE, tracks=(sailed(),))
    summary = desk.web.board.summary
    assert (summary.collected, summary.to_switch_off, summary.gone, summary.waived) == (2, 1, 1, 0)
    desk.know(602, waived="lost")
    summary = desk.web.board.summary
    assert (summary.collected, summary.to_switch_off, summary.gone, summary.waived) == (1, 1, 0, 1)


def test_unassigned_devices_are_counted_separately(desk: Desk) -> None:
    desk.know(777, stage=Stage.COLLECTED)
    summary = desk.web.board.summary
    assert (summary.collected, summary.to_switch_off, summary.others) == (0, 0, 1)


def test_a_condition_that_changes_is_seen_by_a_single_request(desk: Desk) -> None:
    board, disk = desk.web.board, desk.collector.disk
    for trouble in ("No space left on device", ""):
        disk.trouble = trouble
        board.refresh()
        (downloads,) = (condition for condition in board.summary.conditions if condition.subject == "downloads")
        assert downloads.ok is (trouble == "")


def test_a_device_whose_roster_line_cannot_be_read_is_expected(desk: Desk) -> None:
    """Else the board would say that all are collected while it is not."""
    desk.event.people.append(desk.event.people[1] | {"Motion ID": "603", "File ID": "NEW1", "End Date": "2022-11-31"})
    desk.event.write_roster()
    desk.advance(10)
    tile = desk.web.board.tile(603)
    assert tile is not None
    assert (tile.column, tile.file_id) == (Column.EXPECTED, "")
    assert tile.roster_trouble.startswith("roster line 4: invalid End Date '2022-11-31'")
    assert desk.web.board.summary.expected == 3
    assert "roster line unreadable" in desk.get("/").text
    assert "roster line 4: invalid End Date" in desk.get("/devices/603").text
    assert [(each["identifier"], each["sailor"]) for each in desk.get("/api/v1/missing").json][-1] == (603, "")
    assert desk.command("devices/603/not-expected", {"reason": "at home"}).status == 200
    desk.advance(1)
    assert desk.web.board.summary.expected == 2
    assert desk.command("devices/603/expect", {}).status == 200
    desk.know(603, stage=Stage.COLLECTED)
    assert (desk.web.board.summary.collected, desk.web.board.summary.others) == (1, 0)


def test_a_device_is_expected_if_only_its_line_of_today_cannot_be_read(desk: Desk) -> None:
    before = desk.event.people[1] | {"Motion ID": "603", "File ID": "NEW1", "End Date": "2022-10-16"}
    of_today = before | {"Start Date": "2022-10-17", "End Date": "2022-11-31", "File ID": "NEW2"}
    desk.event.people += [before, of_today]
    desk.event.write_roster()
    desk.advance(10)
    tile = desk.web.board.tile(603)
    assert tile is not None
    assert (tile.column, tile.is_assigned) == (Column.EXPECTED, True)
    assert desk.web.board.summary.expected == 3


def test_a_device_with_an_owner_today_is_in_no_trouble_for_another_line(desk: Desk) -> None:
    desk.event.people.append(desk.event.people[1] | {"Start Date": "2022-11-01", "End Date": "2022-11-31"})
    desk.event.write_roster()
    desk.advance(10)
    tile = desk.web.board.tile(602)
    assert tile is not None
    assert (tile.file_id, tile.roster_trouble) == ("ABC602XYZ", "")
