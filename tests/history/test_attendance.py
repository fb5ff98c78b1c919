from __future__ import annotations

import pytest
from twisted.logger import Logger

from sse_twisted.fleet import MAX_STRANGERS, Fleet, Stage
from sse_twisted.history.attendance import Attendance, PastVisit


class Time:
    now = 100.0


@pytest.fixture
def fleet() -> Fleet:
    Time.now = 100.0
    return Fleet(lambda: Time.now, Logger())


def know(fleet: Fleet, stage: Stage, **known: str) -> None:
    Time.now += 10.0
    fleet.update(601, stage=stage, **known)


def test_a_visit_has_its_arrival_its_departure_and_its_last_verdict(fleet: Fleet) -> None:
    attendance = Attendance(fleet)
    know(fleet, Stage.CONNECTED)
    assert attendance.of(601) == (PastVisit(110.0),)
    assert attendance.last_arrival == 110.0
    know(fleet, Stage.ATTENTION, reason="1 of 1 track missing")
    assert attendance.of(601) == (PastVisit(110.0, None, "must stay connected - 1 of 1 track missing", 120.0),)
    know(fleet, Stage.INSPECTING)
    know(fleet, Stage.COLLECTED)
    know(fleet, Stage.GONE)
    assert attendance.of(601) == (PastVisit(110.0, 150.0, "can be disconnected", 140.0),)
    know(fleet, Stage.CONNECTED)
    know(fleet, Stage.GONE, left_early="all of it")
    assert attendance.of(601)[1:] == (PastVisit(160.0, 170.0, "left too early - all of it", 170.0),)
    assert attendance.of(602) == ()
    assert Attendance(fleet).last_arrival is None


def test_a_device_that_is_forgotten_has_ended_its_visit(fleet: Fleet) -> None:
    attendance = Attendance(fleet)
    know(fleet, Stage.CONNECTED)
    Time.now = 130.0
    fleet.forget(601)
    assert attendance.of(601) == (PastVisit(110.0, 130.0),)


def test_visits_of_earlier_runs_come_before_and_only_the_last_ones_are_kept(fleet: Fleet) -> None:
    attendance = Attendance(fleet, max_visits=2)
    know(fleet, Stage.CONNECTED)
    attendance.restore(601, [PastVisit(1.0, 2.0), PastVisit(3.0, 4.0)])
    attendance.restore(602, [PastVisit(5.0, 6.0)])
    assert attendance.last_arrival == 110.0
    assert attendance.of(601) == (PastVisit(3.0, 4.0), PastVisit(110.0))
    assert attendance.of(601, since=50.0) == (PastVisit(110.0),)
    assert attendance.of(602) == (PastVisit(5.0, 6.0),)
    know(fleet, Stage.GONE)
    assert attendance.of(601)[-1].left == 120.0


def test_what_is_restored_is_not_a_visit(fleet: Fleet) -> None:
    attendance = Attendance(fleet)
    know(fleet, Stage.GONE)
    assert attendance.of(601) == ()


def test_the_visits_of_a_device_that_the_fleet_has_forgotten_are_dropped(fleet: Fleet) -> None:
    attendance = Attendance(fleet)
    for number in range(1, 500):
        fleet.update(number, stage=Stage.CONNECTED)
        fleet.update(number, stage=Stage.GONE, left_early="its tracks are not known yet")
    known = {device.identifier for device in fleet}
    assert len(known) <= MAX_STRANGERS + 1
    assert attendance._visits.keys() == known
