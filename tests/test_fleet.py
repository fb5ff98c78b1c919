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


def test_absent_devices_that_nobody_expects_any_more_are_forgotten(fleet: Fleet) -> None:
    fleet.expect({601: "Ann", 602: "Bo", 603: "Cy"})
    fleet.update(602, stage=Stage.COLLECTED)
    fleet.expect({601: "Ann"})
    assert {device.identifier for device in fleet} == {601, 602}
