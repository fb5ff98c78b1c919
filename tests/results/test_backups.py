"""Which track of a sailor counts: that of the event's device, or what was handed in."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sse_twisted.config.roster import Assignment
from sse_twisted.config.settings import Expected
from sse_twisted.fleet import Device, Stage
from sse_twisted.results.backups import Backup, Counting, counting_on, not_collected, sailed_with, with_backups
from sse_twisted.results.days import Day, Line, State, day_as_csv, reconcile, sailed_on
from sse_twisted.results.ranking import ranking
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.report import report_of
from tests.tracks import written

DAY = dt.date(2022, 10, 19)
ANN = Assignment(601, DAY, DAY, "ABC601XYZ", "Ann", "7", 2)
SBP = written.sbp(written.points(600))
REPORT = report_of(analyse(SBP, "a.sbp"), len(SBP)) | {"sha256": "0" * 64}
NAME = "ABC601XYZ_601_20221019_120000.sbp"
DEVICE = "ABC601XYZ_601_20221019_100000.oao"
ENTRY = {"status": "completed", "duration": 3_600_000, "distance": 9_000_000, "500m_best": 15_000, "end_date": 1}


def backup(name: str = NAME, decided: bool | None = None) -> Backup:
    return Backup("0123456789ab", name.rpartition("_")[0].split("_")[0], name, REPORT, decided)


def day(
    *backups: Backup,
    entries: dict[str, dict[str, Any]] | None = None,
    device: Device | None = None,
    today: dt.date = DAY,
) -> Day:
    ledgers = {601: entries or {}}
    devices = {601: device} if device else {}
    found = reconcile(DAY, [ANN], ledgers, {}, {}, devices, Expected(), today=today)
    return with_backups(found, not_collected(backups, ledgers), [ANN])


def line(*backups: Backup, **others: Any) -> Line:
    (only,) = day(*backups, **others).lines
    return only


@pytest.mark.parametrize("today", [DAY, DAY + dt.timedelta(1)])
def test_a_sailor_whose_device_brought_nothing_is_collected_by_the_backup(today: dt.date) -> None:
    found = line(backup(), today=today)
    assert found.state is State.BACKUP
    assert str(found.state) == "collected (backup)"
    assert [(each.track, each.counts) for each in found.backups] == [(NAME, True)]
    assert found.km > 0.9


def test_the_device_counts_where_both_are_here_and_both_are_shown() -> None:
    found = line(backup(), entries={DEVICE: ENTRY})
    assert found.state is State.COLLECTED
    assert found.tracks == (DEVICE,)
    assert [(each.track, each.counts) for each in found.backups] == [(NAME, False)]
    assert found.km == 9


@pytest.mark.parametrize(
    ("entry", "remark"),
    [
        (ENTRY | {"outcome": "damaged", "damage": "bad frame at byte 7"}, "bad frame at byte 7"),
        (ENTRY | {"outcome": "damaged"}, "its track is damaged"),
    ],
)
def test_the_backup_counts_if_the_track_of_the_device_is_damaged(entry: dict[str, Any], remark: str) -> None:
    found = line(backup(), entries={DEVICE: entry})
    assert (found.state, found.remark) == (State.BACKUP, remark)


def test_the_backup_counts_if_the_track_of_the_device_is_short() -> None:
    crew = [Assignment(601 + n, DAY, DAY, f"ABC{601 + n}XYZ", f"Sailor {n}", "", 2) for n in range(6)]
    ledgers = {each.identifier: {f"{each.file_id}_{each.identifier}_20221019_100000.oao": ENTRY} for each in crew}
    ledgers[601] = {DEVICE: ENTRY | {"duration": 600_000, "distance": 100_000}}
    found = with_backups(reconcile(DAY, crew, ledgers, {}, {}, {}, Expected(), today=DAY), [backup()], crew)
    first, *others = found.lines
    assert first.state is State.BACKUP
    assert first.remark.startswith("short track ")
    assert {each.state for each in others} == {State.COLLECTED}


def test_an_alarm_is_not_ended_by_a_backup() -> None:
    gone = Device(601, stage=Stage.GONE, left_early="1 of 1 track missing")
    found = line(backup(), device=gone)
    assert found.state is State.LEFT_EARLY
    assert found.remark == f"1 of 1 track missing; backup handed in: {NAME}"


@pytest.mark.parametrize(
    ("decided", "entries", "state", "counts"),
    [
        (True, {DEVICE: ENTRY}, State.BACKUP, True),
        (False, {DEVICE: ENTRY}, State.COLLECTED, False),
        (False, {}, State.EXPECTED, False),
    ],
)
def test_a_decision_counts_more_than_the_rule(
    decided: bool, entries: dict[str, Any], state: State, counts: bool
) -> None:
    found = line(backup(decided=decided), entries=entries)
    assert found.state is state
    assert [(each.counts, each.decided) for each in found.backups] == [(counts, True)]


def test_a_sailor_without_a_device_on_that_day_has_a_line() -> None:
    found = day(backup("DEF602XYZ_0_20221019_120000.fit")).lines
    assert [(each.id, each.file_id, each.state) for each in found] == [
        (601, "ABC601XYZ", State.EXPECTED),
        (0, "DEF602XYZ", State.BACKUP),
    ]


def test_a_track_that_the_device_has_brought_itself_is_no_backup() -> None:
    found = line(backup(DEVICE), entries={DEVICE: ENTRY})
    assert (found.state, found.backups) == (State.COLLECTED, ())


def ranked(*backups: Backup, entries: dict[str, Any]) -> list[tuple[str, bool]]:
    sailed = sailed_on(DAY, [ANN], {601: entries}, {})
    places = ranking(sailed_with(day(*backups, entries=entries), sailed, backups), "500m")
    return [(place.track, bool(place.backup)) for place in places]


def test_the_ranking_has_what_counts() -> None:
    assert ranked(backup(), entries={}) == [(NAME, True)]
    assert ranked(backup(), entries={DEVICE: ENTRY}) == [(DEVICE, False)]
    assert ranked(backup(decided=True), entries={DEVICE: ENTRY}) == [(NAME, True)]


def test_what_counts_is_told_by_the_name_of_the_track() -> None:
    by_rule = counting_on(day(backup(), entries={DEVICE: ENTRY}))
    assert (by_rule.counts(DEVICE), by_rule.counts(NAME)) == (True, False)
    decided = counting_on(day(backup(decided=True), entries={DEVICE: ENTRY}))
    assert (decided.counts(DEVICE), decided.counts(NAME)) == (False, True)
    assert Counting().counts("anything.oao")


def test_the_table_for_spreadsheets_names_the_backups() -> None:
    assert NAME in day_as_csv(day(backup())).decode("utf-8-sig").splitlines()[1]


def test_of_several_hand_ins_of_the_same_hours_the_best_counts() -> None:
    worse = Backup("1", "ABC601XYZ", NAME, REPORT)
    better = Backup("2", "ABC601XYZ", NAME.replace("120000", "120001"), REPORT | {"evidence": "proven"})
    made = Backup("3", "ABC601XYZ", NAME.replace("120000", "120002"), REPORT | {"evidence": "proven", "doppler": False})
    session = {**REPORT["session"], "start": REPORT["session"]["end"], "end": REPORT["session"]["end"] + 1000}
    later = Backup("4", "ABC601XYZ", NAME.replace("120000", "150000"), REPORT | {"session": session})
    found = line(worse, better, made, later)
    assert {each.key: each.counts for each in found.backups} == {"1": False, "2": True, "3": False, "4": True}
    decided = line(Backup("1", "ABC601XYZ", NAME, REPORT, decided=True), better)
    assert {each.key: each.counts for each in decided.backups} == {"1": True, "2": False}
