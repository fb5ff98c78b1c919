"""The board, the page of the day, the counts of all days and the console's list say the same of a day."""

from __future__ import annotations

import re

import pytest

from sse_twisted.simulator.faults import Fault
from tests.support.event import VirtualEvent, log_of
from tests.web.desk import Desk

DAY = "2022-10-17"
YESTERDAY = 1_665_993_600_000 - 86_400_000  # ms


def agreed(desk: Desk) -> dict[int, str]:
    """Assert that all of them agree, and return the state of each device."""
    fleet = desk.get("/api/v1/fleet").json
    lines = desk.get(f"/api/v1/days/{DAY}").json["lines"]
    (count,) = (each for each in desk.get("/api/v1/days").json if each["day"] == DAY)
    missing = {each["identifier"] for each in desk.get("/api/v1/missing").json}
    states = {line["id"]: line["state"] for line in lines}
    numbers = {state: sum(each == state for each in states.values()) for state in set(states.values())}
    summary = fleet["summary"]
    collected = {number for number, state in states.items() if state in ("collected", "short")}
    assert len(collected) == summary["collected"] == count["collected"] + count["short"]
    assert len(states) == summary["expected"] == count["expected"]
    assert numbers.get("waived", 0) == summary["waived"] == count["waived"]
    still = {number for number, state in states.items() if state in ("left early", "missing", "expected")}
    assert missing == still
    assert (count["missing"], count["left_early"]) == (numbers.get("missing", 0), numbers.get("left early", 0))
    assert (count["still_expected"], count["no_track"]) == (numbers.get("expected", 0), 0)
    page = desk.get(f"/days/{DAY}?only=missing").text
    assert {int(number) for number in re.findall(r'<th scope="row" class="n"><a href="/devices/(\d+)"', page)} == still
    return states


def test_all_lists_agree_on_each_outcome_of_a_device(desk: Desk) -> None:
    event = desk.event
    assert agreed(desk) == {601: "expected", 602: "expected"}
    event.arrive(601, 602)
    event.until("motion-602 can be disconnected")
    event.until("motion-601 can be disconnected")
    assert agreed(desk) == {601: "collected", 602: "collected"}
    event.leave(601)
    event.until("motion-601 has been disconnected")
    assert agreed(desk) == {601: "collected", 602: "collected"}
    event.leave(602)
    event.until("motion-602 has been disconnected")
    event.servers[602].device.add_fault(Fault("no-headers"), path="/logs.json")
    event.arrive(602)
    event.until("motion-602 must stay connected")
    assert agreed(desk)[602] == "expected"
    event.leave(602)
    event.until("motion-602 left too early")
    assert agreed(desk) == {601: "collected", 602: "left early"}
    desk.command("devices/602/waive", {"reason": "drowned"})
    assert agreed(desk) == {601: "collected", 602: "waived"}


def test_a_collected_device_whose_logs_were_deleted_stays_collected(desk: Desk) -> None:
    """Its tracks are here: the board must not expect it again because its listing is empty."""
    event = desk.event
    event.arrive(601)
    event.until("motion-601 can be disconnected")
    stored = desk.get("/api/v1/fleet").json["summary"]["bytes"]
    event.leave(601)
    event.until("motion-601 has been disconnected")
    event.servers[601].device.logs.clear()
    event.lines.clear()
    event.arrive(601)
    event.until("motion-601 can be disconnected")
    assert agreed(desk)[601] == "collected"
    event.leave(601)
    event.until("motion-601 has been disconnected")
    assert agreed(desk)[601] == "collected"
    summary = desk.get("/api/v1/fleet").json["summary"]
    assert (summary["bytes"], summary["columns"]["gone"]) == (stored, 1)


@pytest.mark.parametrize("logs", ["none", "of yesterday"])
def test_a_device_that_brought_no_track_of_the_day_is_expected_again(event: VirtualEvent, logs: str) -> None:
    event.device(601, *([log_of(601, YESTERDAY)] if logs == "of yesterday" else []))
    event.arrive(601)
    desk = Desk(event)
    try:
        event.until("motion-601 can be disconnected")
        assert agreed(desk) == {601: "collected"}
        event.leave(601)
        event.until("motion-601 has been disconnected")
        assert agreed(desk) == {601: "expected"}
    finally:
        desk.close()
