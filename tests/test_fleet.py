from __future__ import annotations

import pytest
from twisted.logger import LogEvent, Logger

from sse_twisted.fleet import Device, Fleet, Stage


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(lambda: 7.0, Logger())


def test_each_change_is_published_with_what_was_before(fleet: Fleet) -> None:
    seen: list[tuple[Device, Device]] = []
    stop = fleet.observe(lambda before, after: seen.append((before, after)))
    fleet.update(601, stage=Stage.CONNECTED)
    fleet.update(601, stage=Stage.CONNECTED)
    assert [(before.stage, after.stage, after.since) for before, after in seen] == [
        (Stage.ABSENT, Stage.CONNECTED, 7.0)
    ]
    stop()
    fleet.update(601, stage=Stage.GONE)
    assert len(seen) == 1


def test_an_observer_that_fails_harms_no_other(fleet: Fleet, logged_failures: list[LogEvent]) -> None:
    seen: list[Device] = []
    fleet.observe(lambda before, after: 1 / 0)  # type: ignore[arg-type] # it is to fail
    fleet.observe(lambda before, after: seen.append(after))
    fleet.update(601, battery=12)
    assert [device.battery for device in seen] == [12]
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_absent_devices_that_are_no_longer_expected_are_forgotten(fleet: Fleet) -> None:
    fleet.expect({601: "Ann", 602: "Bo", 603: "Cy"})
    fleet.update(602, stage=Stage.COLLECTED)
    fleet.expect({601: "Ann"})
    assert {device.identifier for device in fleet} == {601, 602}


def test_what_is_forgotten_is_as_before_it_was_seen_but_for_its_alarm(fleet: Fleet) -> None:
    fleet.expect({601: "Ada Anchor"})
    fleet.update(601, stage=Stage.GONE, battery=71, findings=("odd",), left_early="1 of 1 track missing")
    seen: list[Device] = []
    fleet.observe(lambda before, after: seen.append(after))
    fleet.forget(601)
    assert seen == [fleet[601]]
    assert fleet[601] == Device(601, "Ada Anchor", Stage.GONE, 7.0, left_early="1 of 1 track missing")


def test_what_a_present_device_missed_when_it_was_reset_is_kept_whichever_devices_are_expected(fleet: Fleet) -> None:
    fleet.update(601, stage=Stage.ATTENTION, battery=71)
    fleet.forget(601, "1 of 1 track missing")
    fleet.expect({602: "Bo"})
    assert fleet[601] == Device(601, since=7.0, left_early="1 of 1 track missing")
    assert {device.identifier for device in fleet} == {601, 602}


@pytest.mark.parametrize(
    ("stage", "changes", "collected"),
    [
        (Stage.COLLECTED, {}, True),
        (Stage.GONE, {}, True),
        (Stage.GONE, {"left_early": "all"}, False),
        (Stage.GONE, {"waived": "never sailed (all)"}, False),
        (Stage.ATTENTION, {}, False),
        (Stage.ABSENT, {}, False),
    ],
)
def test_collected_is_who_had_a_verdict_and_did_not_leave_without(
    fleet: Fleet, stage: Stage, changes: dict[str, str], collected: bool
) -> None:
    assert fleet.update(601, stage=stage, **changes).is_collected is collected
