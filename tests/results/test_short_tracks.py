from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from sse_twisted.config.filing import FilingRules
from sse_twisted.config.roster import parse_roster
from sse_twisted.config.settings import Expected, Filters, Settings
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.naming import event_tracks
from sse_twisted.fleet import Device, TrackSummary
from sse_twisted.results.days import Day, State, reconcile
from sse_twisted.results.short_tracks import Recorded, Total, recorded_on, short_tracks, total_of
from tests.support.courses import S1, write_courses
from tests.support.event import MORNING, VirtualEvent, log_of

AFTERNOON = MORNING / 1000 + 8 * 3600  # s
HOUR = 3_600_000
USUAL = (4.0, 5.0, 6.0, 5.0, 5.0)  # hours


def days(*hours: float | tuple[float, ...]) -> dict[int, Total | None]:
    """Tracks of devices from 601 on with these hours, at 10 km/h."""
    return {
        601 + number: total_of(
            [
                Recorded(f"{letter}.oao", value, value * 10.0)
                for letter, value in zip("abc", [each] if isinstance(each, float) else each, strict=False)
            ]
        )
        for number, each in enumerate(hours)
    }


class TestComparison:
    def test_much_less_than_the_median_is_short_and_names_the_track(self) -> None:
        found = short_tracks(days(*USUAL, 1.9), Expected(short_hours=40))
        assert found == {606: "short track a.oao: 1.9 hours, the median is 5.0"}

    def test_exactly_the_threshold_is_not_short(self) -> None:
        assert short_tracks(days(*USUAL, 2.0), Expected(short_hours=40)) == {}

    def test_a_much_shorter_distance_is_short_too(self) -> None:
        found = short_tracks(days(*USUAL) | {606: total_of([Recorded("a.oao", 5.0, 3.0)])}, Expected())
        assert found == {606: "short track a.oao: 3.0 km, the median is 50.0"}

    def test_two_halves_with_a_lunch_between_them_are_not_short(self) -> None:
        assert short_tracks(days(*USUAL, (1.8, 1.8)), Expected(short_hours=40)) == {}

    def test_ten_minutes_in_the_evening_after_a_whole_day_are_not_short(self) -> None:
        assert short_tracks(days(*USUAL, (5.0, 0.17)), Expected()) == {}

    def test_the_longest_of_several_short_tracks_is_named(self) -> None:
        found = short_tracks(days(*USUAL, (0.2, 1.0, 0.1)), Expected())
        assert found == {606: "short track b.oao and 2 more: 1.3 hours, the median is 5.0"}

    @pytest.mark.parametrize("hours", [(5.0, 5.0, 5.0, 0.1), (0.0, 0.0, 5.0, 5.0, 5.0, 0.1)])
    def test_a_few_devices_are_not_compared(self, hours: tuple[float, ...]) -> None:
        assert short_tracks(days(*hours), Expected()) == {}

    def test_devices_that_were_only_switched_on_do_not_change_the_median(self) -> None:
        assert short_tracks(days(*USUAL, *[0.0] * 20, 0.5), Expected()) == {
            626: "short track a.oao: 0.5 hours, the median is 5.0"
        }

    def test_a_device_with_a_track_of_unknown_length_is_not_compared(self) -> None:
        flat = [Recorded("a.oao", 0.5, 5.0), Recorded("b.oao", 0.0, 0.0, known=False)]
        assert short_tracks(days(*USUAL) | {606: total_of(flat)}, Expected()) == {}

    def test_a_threshold_of_zero_turns_it_off(self) -> None:
        assert short_tracks(days(*USUAL, 0.1), Expected(short_hours=0, short_distance=0)) == {}


FOUND_IN_2022 = {
    18: {634: "short track DNK112CTT_634_20221018_124924.oao: 2.2 km, the median is 35.8"},
    21: {643: "short track UQU120XLR_643_20221021_144009.oao: 1.9 hours, the median is 6.6"},
}


@pytest.mark.parametrize("day", range(15, 22))
def test_on_the_days_of_a_real_event_the_board_and_the_reconciliation_find_the_same(captures: Path, day: int) -> None:
    """Two in the week: few enough to check each."""
    folder, date = EventFolder(captures / "event-2022"), datetime.date(2022, 10, day)
    roster = parse_roster(folder.roster.read_bytes())
    totals = {}
    for identifier in folder.identifiers():
        rules = FilingRules(roster.of(identifier), roster.days, Filters().best_500m, folder.timezone(identifier))
        tracks = event_tracks(identifier, folder.listing(identifier), rules)
        summaries = tuple(
            TrackSummary(t.name, t.day, t.log.length, t.log.end_date, t.log.duration, t.log.distance, 0)
            for t in tracks
            if not t.skipped
        )
        totals[identifier] = total_of(recorded_on(date, Device(identifier, tracks=summaries)))
    found = short_tracks(totals, Expected())
    assert found == FOUND_IN_2022.get(day, {})
    ledgers = {number: json.loads(folder.ledger_path(number).read_text()) for number in folder.identifiers()}
    lines = reconcile(date, roster.assignments, ledgers, {}, {}, {}, Expected(), today=date).lines
    assert {line.id: line.remark for line in lines if line.state is State.SHORT} == found


def records_of(event: VirtualEvent) -> Day:
    assert event.collector is not None
    today = event.collector.commands.today
    found: list[Day] = []
    Deferred.fromCoroutine(event.collector.records.day(today, today)).addCallback(found.append)
    return found[0]


class TestFinding:
    @pytest.fixture
    def short(self, event: VirtualEvent) -> VirtualEvent:
        """Four devices with 80 s of a track, and 605 with 28 s."""
        event.utc = AFTERNOON
        for identifier in (601, 602, 603, 604):
            event.device(identifier, log_of(identifier))
        event.device(605, log_of(605, fixes=140))
        return event

    def test_it_is_on_the_device_and_in_the_log_once(self, short: VirtualEvent) -> None:
        short.start()
        short.arrive(601, 602, 603, 604, 605)
        short.until("motion-605 short track ABC605XYZ_605_20221017_090000.oao: 0.0 hours, the median is 0.0")
        short.leave(605)
        short.advance(30.0)
        short.arrive(605)
        short.until("motion-605 has been disconnected")
        short.advance(30.0)
        assert [finding for finding in short.known(605).findings if finding.startswith("short")] != []
        assert len(short.said("motion-605 short track")) == 1
        assert not any(short.known(identifier).findings for identifier in (601, 602, 603, 604))

    def test_it_is_withdrawn_when_the_others_are_short_too(self, short: VirtualEvent) -> None:
        for identifier in range(606, 612):
            short.device(identifier, log_of(identifier, fixes=140))
        short.start()
        short.arrive(601, 602, 603, 604, 605)
        short.until("motion-605 short track")
        short.arrive(*range(606, 612))
        short.until("motion-611 can be disconnected")
        short.advance(5.0)
        assert not short.known(605).findings

    def test_it_is_withdrawn_when_the_other_half_of_the_day_is_listed(self, short: VirtualEvent) -> None:
        short.start()
        short.arrive(601, 602, 603, 604, 605)
        short.until("motion-605 short track")
        short.servers[605].device.logs.append(log_of(605, MORNING + 3 * HOUR, fixes=140))
        short.wake_all()
        short.advance(5.0)
        assert not short.known(605).findings

    def test_a_device_on_a_buoy_has_none(self, short: VirtualEvent) -> None:
        write_courses(short.root, S1=S1 | {"Start Line": None, "Start Buoys": [604, 605]})
        short.device(606, log_of(606))
        short.start()
        short.arrive(*range(601, 607))
        short.until("motion-605 can be disconnected")
        short.advance(5.0)
        assert not short.said("short track")
        (line, *_) = (line for line in records_of(short).buoys if line.id == 605)
        assert line.state is State.COLLECTED

    def test_without_a_threshold_there_is_none(self, short: VirtualEvent) -> None:
        short.settings = Settings(expected=Expected(short_hours=0, short_distance=0))
        short.start()
        short.arrive(601, 602, 603, 604, 605)
        short.until("motion-605 can be disconnected")
        short.advance(5.0)
        assert not short.said("short track")
