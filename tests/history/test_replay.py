from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from sse_twisted.fleet import Stage
from sse_twisted.history.events import DeviceEvent
from tests.support.event import VirtualEvent, begin_anew, log_of

YESTERDAY = 1_600_000_000.0  # s, as a time in the log


def texts(event: VirtualEvent, identifier: int = 601) -> list[str]:
    """What is known of a device that its log has: no debug lines."""
    assert event.collector is not None
    return [event.text for event in event.collector.history.of(identifier) if event.level != "debug"]


@pytest.fixture
def collected(event: VirtualEvent) -> VirtualEvent:
    """601 was collected and has gone."""
    event.collect()
    event.leave(601)
    event.until("motion-601 has been disconnected")
    return event


def test_what_was_said_before_a_start_is_known_with_times_and_levels(collected: VirtualEvent) -> None:
    assert collected.collector is not None
    before = [each for each in collected.collector.history.of(601) if each.level != "debug"]
    assert {"is connected", "can be disconnected"} <= {each.text for each in before}
    begin_anew(collected)
    after = [each for each in collected.collector.history.of(601) if each.level != "debug"]
    assert after == before


def test_what_comes_after_comes_after_and_nothing_twice(collected: VirtualEvent) -> None:
    before = texts(collected)
    begin_anew(collected)
    collected.arrive(601)
    collected.until("motion-601 can be disconnected")
    collected.advance(1.0)
    both = texts(collected)
    assert both[: len(before)] == before
    assert both.count("is connected") == both.count("can be disconnected") == 2
    begin_anew(collected)
    assert texts(collected)[: len(both)] == both


def test_a_failure_keeps_its_message(event: VirtualEvent, logged_failures: list[Any]) -> None:
    collector = event.start()
    try:
        raise ValueError("no way")
    except ValueError:
        collector.log.failure("{device} could not be probed", device="motion-601")
    begin_anew(event)
    assert texts(event) == ["could not be probed: no way"]
    logged_failures.clear()


def test_numbers_and_other_things_look_as_they_did(event: VirtualEvent) -> None:
    collector = event.start()
    collector.log.info("{device} is tried again in {delay:g} s", device="motion-601", delay=2.0)
    collector.log.info("{device} has {what}", device="motion-601", what=["a", "list"])
    collector.log.info("{device} is met by {who}", device="motion-601", who=datetime.date(2022, 10, 17))
    before = texts(event)
    begin_anew(event)
    assert texts(event) == before == ["is tried again in 2 s", "has ['a', 'list']", "is met by 2022-10-17"]


def test_a_line_that_a_kill_left_half_costs_no_other(collected: VirtualEvent) -> None:
    before = texts(collected)
    log = collected.folder.logs / "server.json"

    def tear() -> None:
        with log.open("ab") as file:
            file.write(b'{"log_time": 16659')

    begin_anew(collected, tear)
    assert texts(collected) == before
    assert collected.collector is not None
    collected.collector.log.info("{device} is odd", device="motion-601")
    begin_anew(collected)
    assert texts(collected) == [*before, "is odd"]
    assert '16659\n{"' in log.read_text()


def test_what_was_said_on_another_day_is_not_of_today(event: VirtualEvent) -> None:
    def said(time: float, text: str, **more: Any) -> str:
        level = {"name": "info", "__class_uuid__": "02e59486-f24d-46ad-8224-3acdf2a5732a"}
        event = {"log_time": time, "log_level": level, "log_format": "{device} " + text, "device": "motion-601"}
        return json.dumps(event | more) + "\n"

    event.folder.prepare()
    lines = [said(YESTERDAY, "is old"), said(event.utc + 5, "is new"), said(event.utc + 6, "is odd", log_level="loud")]
    (event.folder.logs / "server.json").write_text("".join(lines))
    collector = event.start()
    event.advance(1.0)
    assert collector.history.of(601) == (DeviceEvent(event.utc + 5, "info", "is new"),)


def test_a_log_that_can_not_be_read_is_said_and_harms_nothing(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.arrive(601)
    event.folder.prepare()
    log = event.folder.logs / "server.json"
    log.write_text('{"log_time": 1.7e9}\n')
    log.with_name("server.json.1").symlink_to(log.with_name("nowhere"))
    event.start()
    event.until("ERROR Cannot read the events of earlier runs: [Errno 2] No such file or directory")
    event.until("motion-601 can be disconnected")
    assert event.known(601).stage is Stage.COLLECTED
