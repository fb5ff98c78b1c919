from __future__ import annotations

import csv
import datetime
import io
import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from sse_twisted.config.roster import Assignment, parse_roster
from sse_twisted.config.settings import Expected
from sse_twisted.fleet import Device, Stage
from sse_twisted.results.days import (
    MAX_DAYS,
    MAX_UNASSIGNED,
    Day,
    DayCount,
    State,
    count_days,
    day_as_csv,
    reconcile,
    sailed_on,
)

DAY = datetime.date(2022, 10, 17)
BEFORE = DAY - datetime.timedelta(days=1)
AFTER = DAY + datetime.timedelta(days=1)
ANN = Assignment(601, DAY, DAY, "AAA601", "Ann", "7", 2)


def entry(status: str = "completed", hours: float = 4.0, **more: Any) -> dict[str, Any]:
    figures = {"duration": round(hours * 3_600_000), "distance": round(hours * 10_000_000), "500m_best": 10_288}
    return figures | {"status": status, "size": 1_000_000} | more


def track(number: int = 1, identifier: int = 601, day: datetime.date = DAY, owner: str = "AAA601") -> str:
    return f"{owner}_{identifier}_{day:%Y%m%d}_{number:02}0000.oao"


UNFINALISED = entry(sha256="a", end_date=0, duration=0, distance=0) | {"500m_best": 0}


def measured(hours: float, **more: Any) -> dict[str, Any]:
    """The report of a track that was sailed at 10 km/h."""
    best = {"kn": 25.0, "km/h": 46.3, "m/s": 12.861}
    session = {"start": 0, "end": round(hours * 3_600_000), "distance_m": hours * 10_000, "bests": {"500m": [best]}}
    return {"sha256": "a", "claimed": {}, "session": session | {"5x10s": None}} | more


def of_ann(
    entries: dict[str, dict[str, Any]] | None = None,
    seen: bool = True,
    device: Device | None = None,
    others: dict[int, dict[str, dict[str, Any]]] | None = None,
    results: dict[int, dict[str, dict[str, Any]]] | None = None,
    today: datetime.date = DAY,
) -> tuple[State, str]:
    ledgers = (others or {}) | {601: entries or {}}
    met = {601: math.inf} if seen else {}
    devices = {601: device} if device else {}
    (line,) = reconcile(DAY, [ANN], ledgers, results or {}, met, devices, Expected(), today=today).lines
    return line.state, line.remark


class TestState:
    def test_a_device_with_all_tracks_stored_is_collected(self) -> None:
        assert of_ann({track(1): entry(), track(2): entry("skipped")}) == (State.COLLECTED, "")

    @pytest.mark.parametrize("status", ["queued", "failed"])
    def test_a_known_track_that_is_not_stored_is_missing(self, status: str) -> None:
        assert of_ann({track(1): entry(), track(2): entry(status)}) == (State.MISSING, "1 known track missing")

    def test_what_its_device_no_longer_lists_is_missing_and_waking_it_does_not_help(self) -> None:
        gone, other = entry("failed", unlisted=True), entry("failed")
        one = "1 known track missing: the device no longer lists it, ask its sailor"
        assert of_ann({track(1): entry(), track(2): gone}) == (State.MISSING, one)
        both = "2 known tracks missing: the device no longer lists them, ask its sailor"
        assert of_ann({track(1): gone, track(2): gone}) == (State.MISSING, both)
        some = "2 known tracks missing: the device no longer lists 1 of them"
        assert of_ann({track(1): gone, track(2): other}) == (State.MISSING, some)

    @pytest.mark.parametrize("ledger", [{track(1, day=BEFORE): entry()}, {track(1): entry("skipped")}])
    def test_a_device_without_a_track_of_a_day_that_is_over_has_no_track(
        self, ledger: dict[str, dict[str, Any]]
    ) -> None:
        """It may not have sailed; only what a device has listed can be missing."""
        answer = (State.NO_TRACK, "it was seen later, but has no track of this day")
        assert of_ann(ledger, today=AFTER) == answer
        assert of_ann(seen=False, today=AFTER) == (State.NO_TRACK, "")

    def test_a_device_without_a_track_of_today_is_still_expected(self) -> None:
        answer = (State.EXPECTED, "it was here, but has no track of this day")
        assert of_ann(device=Device(601, stage=Stage.GONE)) == answer
        assert of_ann(seen=False) == (State.EXPECTED, "")
        assert of_ann(seen=False, today=BEFORE) == (State.EXPECTED, "")

    def test_a_device_that_is_here_is_collected_by_its_verdict_even_without_a_track(self) -> None:
        here = Device(601, stage=Stage.COLLECTED)
        assert of_ann(device=here) == (State.COLLECTED, "it has no track of this day")

    @pytest.mark.parametrize(("missing", "state"), [((), State.EXPECTED), (("x",), State.MISSING)])
    def test_a_device_that_responds_incorrectly_misses_what_it_has_listed(
        self, missing: tuple[str, ...], state: State
    ) -> None:
        device = Device(601, oddity="no response within 10 s", missing=missing)
        remark = "it is on but not responding correctly: no response within 10 s"
        assert of_ann(seen=False, device=device) == (state, remark)

    def test_a_device_that_came_back_did_not_leave_early(self) -> None:
        back = Device(601, stage=Stage.ATTENTION, left_early="x", reason="1 of 1 track missing", missing=("x",))
        assert of_ann(device=back) == (State.MISSING, "1 of 1 track missing")

    def test_a_device_that_left_early_did_so_whatever_its_ledger_says(self) -> None:
        gone = Device(601, stage=Stage.GONE, left_early="Ann: 1 of 2 tracks missing (x)")
        assert of_ann({track(1): entry()}, device=gone) == (State.LEFT_EARLY, "Ann: 1 of 2 tracks missing (x)")

    def test_a_waived_device_is_not_missing(self) -> None:
        gone = Device(601, stage=Stage.GONE, waived="drowned (x)")
        assert of_ann({track(1): entry("failed")}, device=gone) == (State.WAIVED, "drowned (x)")

    def test_a_connected_device_is_collected_only_by_its_verdict(self) -> None:
        ledger = {track(1): entry()}
        assert of_ann(ledger, device=Device(601, stage=Stage.INSPECTING)) == (State.EXPECTED, "in progress")
        assert of_ann(ledger, device=Device(601, stage=Stage.COLLECTED))[0] is State.COLLECTED

    def test_a_day_much_shorter_than_those_of_others_is_short(self) -> None:
        others = {number: {track(1, number, owner=f"X{number}"): entry(hours=5.0)} for number in range(602, 607)}
        state, remark = of_ann({track(1): entry(hours=0.5)}, others=others)
        assert (state, remark) == (State.SHORT, f"short track {track(1)}: 0.5 hours, the median is 5.0")

    def test_two_halves_of_a_day_are_not_short_and_skipped_tracks_do_not_count(self) -> None:
        others = {number: {track(1, number, owner=f"X{number}"): entry(hours=5.0)} for number in range(602, 607)}
        halves = {track(1): entry(hours=1.8), track(2): entry(hours=1.8), track(3): entry("skipped", hours=0.1)}
        assert of_ann(halves, others=others) == (State.COLLECTED, "")
        in_the_van = {track(1): entry(hours=0.5), track(2): entry("skipped", hours=5.0)}
        assert of_ann(in_the_van, others=others)[0] is State.SHORT

    def test_a_track_that_was_never_finalised_is_as_long_as_its_fixes_say(self) -> None:
        others = {number: {track(1, number, owner=f"X{number}"): entry(hours=5.0)} for number in range(602, 607)}
        ledger = {track(1): UNFINALISED}
        assert of_ann(ledger, others=others)[0] is State.COLLECTED
        whole, scrap = ({601: {track(1): measured(hours)}} for hours in (5.0, 0.5))
        assert of_ann(ledger, others=others, results=whole)[0] is State.COLLECTED
        remark = f"short track {track(1)}: 0.5 hours, the median is 5.0"
        assert of_ann(ledger, others=others, results=scrap) == (State.SHORT, remark)

    def test_damage_is_a_remark(self) -> None:
        ledger = {track(1): entry(outcome="damaged", damage="bad frame at byte 512")}
        assert of_ann(ledger) == (State.COLLECTED, "bad frame at byte 512")


def test_each_device_has_one_line_for_the_first_on_the_roster() -> None:
    late = Assignment(601, DAY, DAY, "BBB601", "Bo", "", 3)
    other = Assignment(601, BEFORE, BEFORE, "CCC601", "Cy", "", 4)
    day = reconcile(DAY, [other, ANN, late], {}, {}, {}, {}, Expected(), today=DAY)
    assert [line.sailor for line in day.lines] == ["Ann"]


@pytest.mark.parametrize("name", [f"motion-601_{DAY:%Y%m%d}_200000.oao", f"logger-601_{DAY:%Y%m%d}_200000.dat"])
def test_unassigned_tracks_are_listed_apart(name: str) -> None:
    ledgers = {601: {track(1): entry(), name: entry()}}
    day = reconcile(DAY, [ANN], ledgers, {}, {601: math.inf}, {}, Expected(), today=DAY)
    assert day.unassigned == (name,)
    assert day.lines[0].tracks == (track(1),)
    assert [sailed.track for sailed in sailed_on(DAY, [ANN], ledgers, {})] == [track(1)]


def test_the_csv_can_be_read_and_has_no_formulas() -> None:
    evil = Assignment(601, DAY, DAY, "AAA601", '=HYPERLINK("http://x")', "+7", 2)
    day = reconcile(DAY, [evil], {601: {track(1): entry()}}, {}, {601: math.inf}, {}, Expected(), today=DAY)
    data = day_as_csv(day)
    assert data.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
    assert row["Sailor"] == '\'=HYPERLINK("http://x")'
    assert (row["Tally"], row["State"], row["Hours"], row["Knots (500m)"]) == ("'+7", "collected", "4.00", "20.00")


def test_a_spreadsheet_that_splits_at_semicolons_finds_no_formula_either() -> None:
    evil = Assignment(601, DAY, DAY, "AAA601", "Ada;=1+1", "x\t@a", 2)
    data = day_as_csv(
        reconcile(DAY, [evil], {601: {track(1): entry()}}, {}, {601: math.inf}, {}, Expected(), today=DAY)
    )
    for separator in (",", ";", "\t"):
        for row in csv.reader(io.StringIO(data.decode("utf-8-sig")), delimiter=separator):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


def test_figures_of_a_track_that_was_never_finalised_are_measured_and_marked() -> None:
    ledgers = {601: {track(1): UNFINALISED, track(2): entry(end_date=1)}}
    results = {601: {track(1): measured(3.0), track(2): measured(7.0)}}
    day = reconcile(DAY, [ANN], ledgers, results, {601: math.inf}, {}, Expected(), today=DAY)
    (line,) = day.lines
    assert (line.hours, line.km, line.measured) == (7.0, 70.0, True)
    assert line.knots == pytest.approx(25.0, abs=0.01)
    (row,) = csv.DictReader(io.StringIO(day_as_csv(day).decode("utf-8-sig")))
    assert (row["Hours"], row["km"], row["Measured"]) == ("7.00", "70.00", "yes")


@pytest.mark.parametrize("report", [measured(3.0, sha256="b"), measured(3.0, session=None)])
def test_a_report_of_an_earlier_version_or_without_fixes_is_ignored(report: dict[str, Any]) -> None:
    day = reconcile(
        DAY, [ANN], {601: {track(1): UNFINALISED}}, {601: {track(1): report}}, {}, {}, Expected(), today=DAY
    )
    assert (day.lines[0].hours, day.lines[0].measured) == (0.0, False)


def test_invalid_figures_in_a_ledger_count_as_0() -> None:
    odd = {track(1): {"status": "completed", "duration": "x", "distance": None, "500m_best": True}}
    day = reconcile(DAY, [ANN], {601: odd}, {}, {601: math.inf}, {}, Expected(), today=DAY)
    assert (day.lines[0].state, day.lines[0].hours, day.lines[0].knots) == (State.COLLECTED, 0.0, 0.0)


def test_a_day_of_a_real_event_has_its_tracks(captures: Path) -> None:
    event = captures / "event-2022"
    assignments = parse_roster((event / "config" / "motions.csv").read_bytes()).assignments
    ledgers = {
        int(path.parent.name.partition("-")[2]): json.loads(path.read_text())
        for path in event.glob("motions/motion-*/downloads.json")
    }
    day: Day = reconcile(DAY, assignments, ledgers, {}, dict.fromkeys(ledgers, math.inf), {}, Expected(), today=DAY)
    completed = [
        name
        for entries in ledgers.values()
        for name, found in entries.items()
        if f"_{DAY:%Y%m%d}_" in name and found["status"] == "completed"
    ]
    assert sum(len(line.tracks) for line in day.lines) + len(day.unassigned) == len(completed) > 10
    assert not day.count(State.LEFT_EARLY)


def counts(
    ledgers: dict[int, dict[str, dict[str, Any]]] | None = None,
    assignments: tuple[Assignment, ...] = (ANN,),
    met: dict[int, float] | None = None,
    devices: dict[int, Device] | None = None,
    more_days: Collection[datetime.date] = (),
) -> dict[datetime.date, DayCount]:
    known = {DAY: devices or {}}
    days = count_days(DAY, assignments, ledgers or {}, {}, met or {}, known, Expected(), more_days=more_days)
    assert [day.day for day in days] == sorted((day.day for day in days), reverse=True)
    return {day.day: day for day in days}


class TestAllDays:
    WEEK = Assignment(601, BEFORE, DAY + datetime.timedelta(days=1), "AAA601", "Ann", "7", 2)
    BO = Assignment(602, BEFORE, DAY, "BBB602", "Bo", "", 3)

    def test_are_those_of_the_roster_and_of_stored_tracks(self) -> None:
        names = [f"2022101{number}" for number in range(1, 4)]
        ledger = {
            f"motion-601_{date}_100000.oao": entry(status)
            for date, status in zip(names, ("completed", "skipped", "queued"), strict=True)
        }
        ledger["motion-601_20221399_100000.oao"] = ledger["motion-601_undated_17.oao"] = entry()
        days = counts({601: ledger}, (self.WEEK,))
        assert [f"{day:%m%d}" for day in days] == ["1018", "1017", "1016", "1011"]
        assert days[datetime.date(2022, 10, 11)].unassigned == 1

    def test_have_the_same_counts_as_the_page_of_the_day(self) -> None:
        morning = datetime.datetime.combine(DAY, datetime.time(10), datetime.UTC).timestamp()
        ledgers = {
            601: {track(1): entry(), track(1, day=BEFORE): entry()},
            602: {track(1, 602, BEFORE, "BBB602"): entry("failed")},
        }
        devices = {602: Device(602, stage=Stage.GONE, left_early="1 of 1 tracks missing")}
        days = counts(ledgers, (self.WEEK, self.BO), {601: morning, 602: morning}, devices)
        assert days[DAY] == DayCount(DAY, 2, 1, 0, 0, 1, 0, 0, 0)
        assert days[BEFORE] == DayCount(BEFORE, 2, 1, 0, 1, 0, 0, 0, 0)

    def test_count_no_device_as_without_a_track_on_a_future_day(self) -> None:
        days = counts(assignments=(self.WEEK,))
        figures = [(day.expected, day.no_track, day.still_expected) for day in days.values()]
        assert figures == [(1, 0, 0), (1, 0, 1), (1, 1, 0)]

    @pytest.mark.parametrize(
        ("first", "last", "newest", "oldest"),
        [
            ("0001-01-01", "9999-12-31", "2022-12-05", "2022-08-28"),
            ("2019-01-01", "2020-12-31", "2020-12-31", "2020-09-23"),
            ("2099-01-01", "9999-12-31", "2099-04-10", "2099-01-01"),
        ],
    )
    def test_are_the_closest_to_today_of_a_long_event(self, first: str, last: str, newest: str, oldest: str) -> None:
        first_day, last_day = map(datetime.date.fromisoformat, (first, last))
        days = [*counts(assignments=(Assignment(601, first_day, last_day, "AAA601", "Ann", "7", 2),))]
        assert len(days) == MAX_DAYS
        assert [str(day) for day in (days[0], days[-1])] == [newest, oldest]

    def test_of_a_long_event_those_with_a_track_are_never_left_out(self) -> None:
        long = Assignment(601, datetime.date(2019, 1, 1), datetime.date(2020, 12, 31), "AAA601", "Ann", "7", 2)
        early, handed_in = datetime.date(2019, 5, 1), datetime.date(2019, 6, 1)
        ledger = {track(1, 601, early, "AAA601"): entry()}
        days = counts(assignments=(long,), ledgers={601: ledger}, more_days={handed_in})
        assert len(days) == MAX_DAYS
        assert {early, handed_in} < {*days}


@pytest.mark.parametrize("year", [2022, 2023, 2024, 2025])
def test_a_season_misses_only_what_a_device_has_listed(captures: Path, year: int) -> None:
    """Each device sails on every second day; one track of the season is known and not here."""
    assignments = parse_roster((captures / f"rosters/motions-{year}.csv").read_bytes()).assignments
    first, last = min(each.first_day for each in assignments), max(each.last_day for each in assignments)
    days = [first + datetime.timedelta(number) for number in range((last - first).days + 1)]
    ledgers: dict[int, dict[str, dict[str, Any]]] = {}
    for day in days[::2]:
        for each in assignments:
            if each.covers(day) and (each.identifier + day.toordinal()) % 3:
                name = track(1, each.identifier, day, each.file_id)
                ledgers.setdefault(each.identifier, {})[name] = entry()
    lost = next(iter(ledgers.values()))
    lost[next(iter(lost))]["status"] = "failed"
    met = dict.fromkeys(ledgers, math.inf)
    after = last + datetime.timedelta(1)
    counted = {each.day: each for each in count_days(after, assignments, ledgers, {}, met, {}, Expected())}
    assert sum(each.missing for each in counted.values()) == 1
    assert not any(each.left_early or each.waived for each in counted.values())
    for day in days[1::2]:
        assert not counted[day].is_telling
        assert counted[day].no_track == counted[day].expected
    assert sum(each.no_track for each in counted.values()) > 20


def test_of_many_tracks_the_last_are_named_and_the_others_counted() -> None:
    owned = {f"AAA601_601_20221017_{number:06}.oao": entry(damage="odd") for number in range(150)}
    queued = {f"AAA601_601_20221017_{number:06}.oao": entry("queued") for number in range(200, 400)}
    strange = {f"motion-602_20221017_{number:06}.oao": entry() for number in range(MAX_UNASSIGNED + 7)}
    day = reconcile(DAY, [ANN], {601: owned | queued, 602: strange}, {}, {}, {}, Expected(), today=DAY)
    (line,) = day.lines
    assert (len(line.tracks), line.more_tracks, len(line.missing), line.more_missing) == (100, 50, 100, 100)
    assert line.hours == pytest.approx(600)
    assert line.remark == "200 known tracks missing"
    assert (len(day.unassigned), day.more_unassigned) == (MAX_UNASSIGNED, 7)
    text = day_as_csv(day).decode()
    assert " and 50 more" in text
    assert " and 100 more" in text


def test_remarks_on_many_tracks_are_counted() -> None:
    owned = {f"AAA601_601_20221017_{number:06}.oao": entry(damage="odd") for number in range(150)}
    state, remark = of_ann(owned)
    assert state is State.COLLECTED
    assert remark == "odd; " * 10 + "and 140 more remarks"
