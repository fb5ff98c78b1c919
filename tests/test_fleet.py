from __future__ import annotations

import pytest
from twisted.logger import LogEvent, Logger

from sse_twisted.devices.connections import Address
from sse_twisted.fleet import (
    MAX_FINDINGS,
    MAX_NAMES,
    MAX_REASON,
    MAX_STRANGERS,
    Device,
    Fleet,
    Stage,
    missing_fields,
    what_is_missing,
)


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


def test_an_address_is_occupied_while_a_device_is_present_there(fleet: Fleet) -> None:
    one, other = Address("10.0.0.1", 80), Address("10.0.0.2", 80)

    def occupied() -> tuple[bool, bool]:
        return fleet.is_occupied(one), fleet.is_occupied(other)

    fleet.update(601, address=one)
    assert occupied() == (False, False)
    fleet.update(601, stage=Stage.CONNECTED)
    fleet.update(602, stage=Stage.CONNECTED, address=one)
    fleet.update(601, stage=Stage.INSPECTING)
    assert occupied() == (True, False)
    fleet.update(601, address=other)
    assert occupied() == (True, True)
    fleet.update(602, stage=Stage.GONE)
    assert occupied() == (False, True)
    fleet.forget(601)
    assert occupied() == (False, False)


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


def test_of_many_missing_tracks_the_youngest_are_named_and_the_others_counted(fleet: Fleet) -> None:
    names = [f"{number:05}.oao" for number in range(20_000)]
    device = fleet.update(601, sailor="A", wanted=20_000, **missing_fields(names))
    assert device.missing == tuple(names[-MAX_NAMES:])
    assert device.missing_count == 20_000
    text = what_is_missing(device)
    assert text.startswith("A: 20000 of 20,000 tracks missing (19980.oao, 19981.oao, ")
    assert text.endswith(" 19999.oao and 19,980 more)")


def test_all_missing_tracks_are_named_where_they_are_few(fleet: Fleet) -> None:
    device = fleet.update(601, wanted=3, **missing_fields(["a", "b"]))
    assert (device.missing, device.unnamed) == (("a", "b"), 0)
    assert what_is_missing(device) == "2 of 3 tracks missing (a, b)"


def test_findings_are_added_once_and_counted_where_they_are_many(fleet: Fleet) -> None:
    for _ in range(2):
        fleet.add_finding(601, "odd")
    assert fleet[601].findings == ("odd",)
    for number in range(MAX_FINDINGS + 9):
        fleet.add_finding(601, f"odd {number} " + "x" * 10_000)
    assert len(fleet[601].findings) == MAX_FINDINGS
    assert fleet[601].more_findings == 10
    assert max(map(len, fleet[601].findings)) == MAX_REASON


def test_strangers_that_left_without_a_listing_are_forgotten_beyond_a_bound(fleet: Fleet) -> None:
    gone: list[int] = []
    fleet.observe(lambda _, after: gone.append(after.identifier) if after.identifier not in fleet else None)
    fleet.expect({601: "A"})
    fleet.update(602, stage=Stage.GONE, wanted=1, left_early="1 of 1 track missing")
    fleet.update(603, stage=Stage.COLLECTED)
    for number in range(1_000, 1_000 + MAX_STRANGERS + 50):
        fleet.update(number, stage=Stage.GONE, since=float(number), left_early="its tracks are not known yet")
    assert {601, 602, 603, 1_149, 1_050} <= {device.identifier for device in fleet}
    assert gone == list(range(1_000, 1_050))


def test_a_device_that_is_expected_is_never_forgotten(fleet: Fleet) -> None:
    fleet.expect(dict.fromkeys(range(1, 500), ""))
    for number in range(1, 500):
        fleet.update(number, stage=Stage.GONE, left_early="its tracks are not known yet")
    assert len(list(fleet)) == 499
