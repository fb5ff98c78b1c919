from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from sse_twisted.config.settings import Cleanup, Downloads, Settings
from sse_twisted.devices.connections import Address
from sse_twisted.fleet import Stage
from sse_twisted.runtime import turns
from sse_twisted.runtime.text import missing_of
from sse_twisted.simulator.faults import parse_fault
from sse_twisted.visits import cleanup
from sse_twisted.visits.visit import Visit
from tests.support.event import MORNING, VirtualEvent, log_of

HOUR = 3_600_000  # ms


def test_a_device_that_has_gone_is_dropped_and_looked_for_again(event: VirtualEvent) -> None:
    event.collect()
    event.leave(601)
    event.until("DEBUG motion-601 has been disconnected", 16)
    assert event.known(601).stage is Stage.GONE
    event.arrive(601)
    event.lines.clear()
    assert event.until("motion-601 is connected", 3)


def test_a_device_that_was_done_yesterday_and_goes_in_the_morning_is_missed_today(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.device(602, log_of(602))
    event.arrive(601, 602)
    collector = event.start()
    event.until("motion-601 can be disconnected")
    event.until("motion-602 can be disconnected")
    event.leave(602)
    event.until("motion-602 has been disconnected")
    assert collector.commands.missing() == ()
    event.reactor.advance(20 * 3600)
    came = collector.attendance.of(601)[0].came
    event.leave(601)
    event.until("motion-601 has been disconnected", 30)
    assert event.known(601).stage is Stage.GONE
    assert [missing.identifier for missing in collector.commands.missing()] == [601, 602]
    assert (collector.attendance.of(601)[0].left or 0.0) > came + 20 * 3600


def test_a_device_that_stays_is_probed_now_and_then_and_not_dropped(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    event.settings = Settings(cleanup=Cleanup(interval=4.0))
    event.arrive(601)
    event.start()
    event.until("can be disconnected")
    device.requests.clear()
    event.advance(40)
    assert [target for _, target in device.requests] == [b"/info.json"] * 10
    assert event.is_collected(601)


def test_of_many_devices_those_that_are_done_need_only_be_reachable(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "IDENTITIES", 0.02)  # one device is as many as a thousand
    device = event.collect()
    event.advance(12)
    device.requests.clear()
    event.advance(120)
    assert [target for _, target in device.requests] == [b"/info.json"] * 2
    assert event.is_collected(601)
    event.leave(601)
    assert event.until("has been disconnected", 16)


def test_of_many_devices_those_that_are_not_done_say_who_they_are(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "IDENTITIES", 0.02)
    device = event.device(601, log_of(601))
    device.add_fault(parse_fault("404")[0], path="/logs/")
    event.arrive(601)
    event.start()
    event.until("retry 6 in ")
    device.requests.clear()
    event.advance(40)
    assert [target for _, target in device.requests].count(b"/info.json") >= 3


def test_of_many_devices_not_all_are_probed_in_one_turn_of_the_reactor(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event.device(602, log_of(602))
    event.arrive(602)
    event.collect(601)
    event.until("motion-602 can be disconnected")
    event.advance(12)
    attempts = event.reactor.attempts
    attempts.clear()
    monkeypatch.setattr(turns, "TURN", 0.0)  # one device takes as long as a hundred
    assert event.collector is not None
    event.collector.cleanup.round()
    assert not attempts
    event.reactor.advance(0.0)
    assert len(attempts) == 1
    event.advance(0.1)
    assert len(attempts) == 2


def test_a_device_that_answers_badly_is_still_there(event: VirtualEvent) -> None:
    device = event.collect()
    device.add_fault(parse_fault("500")[0])
    event.advance(60)
    assert event.is_collected(601)


def test_a_device_that_takes_its_time_is_still_there(event: VirtualEvent) -> None:
    event.device(601, log_of(601)).latency = 6.0
    event.arrive(601)
    event.start()
    event.advance(200)
    assert event.is_collected(601)
    assert len(event.said("motion-601 can be disconnected")) == 1
    assert not event.said("has been disconnected")
    event.leave(601)
    assert event.until("has been disconnected", 16)


def test_a_device_that_accepts_connections_and_never_answers_has_gone(event: VirtualEvent) -> None:
    device = event.collect()
    device.add_fault(parse_fault("no-headers")[0])
    assert event.until("motion-601 has been disconnected", 21)
    assert event.known(601).stage is Stage.GONE


def test_another_device_at_its_address_means_that_it_has_gone(event: VirtualEvent) -> None:
    device = event.collect()
    device.add_fault(parse_fault("wrong-identifier")[0])
    assert event.until("motion-601 has been disconnected", 16)
    assert event.known(601).stage is Stage.GONE


def test_a_device_waiting_for_its_retry_is_noticed_when_it_goes(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    device.add_fault(parse_fault("404")[0], path="/logs/")
    event.arrive(601)
    event.start()
    event.until("retry 5 in 32 s")
    event.leave(601)
    assert event.until("ERROR motion-601 left too early - Sailor 601: 1 of 1 track missing", 16)


def test_one_that_left_early_is_forgiven_once_it_is_collected(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    device.add_fault(parse_fault("404")[0], path="/logs/")
    event.arrive(601)
    event.start()
    event.until("must stay connected")
    event.leave(601)
    event.until("left too early")
    assert "1 of 1 track missing" in event.known(601).left_early
    device.clear_faults()
    event.arrive(601)
    event.until("can be disconnected")
    assert event.known(601).left_early == ""
    event.lines.clear()
    event.stop()
    assert event.said("Collector stopped")
    assert not event.said("left too early")


def test_one_that_leaves_before_its_listing_was_read_is_not_forgotten(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    device.add_fault(parse_fault("half-json")[0], path="/logs.json")
    event.arrive(601)
    event.start()
    event.until("must stay connected - inspection failed: logs.json is not valid JSON")
    event.leave(601)
    assert event.until("ERROR motion-601 left too early - Sailor 601: its tracks are not known yet")


@pytest.mark.parametrize("last_retry", [4.0, 60.0])
@pytest.mark.parametrize("count", [1, 3])
def test_a_device_that_leaves_during_a_download_is_noticed(event: VirtualEvent, last_retry: float, count: int) -> None:
    """The visit's own retries must not keep the cleanup from noticing."""
    device = event.device(601, *(log_of(601, MORNING + number * HOUR) for number in range(count)))
    device.bytes_per_second = 4000
    event.settings = Settings(downloads=Downloads(last_retry=last_retry))
    event.arrive(601)
    event.start()
    event.until("queued")
    event.advance(2)
    event.leave(601)
    assert event.until(f"ERROR motion-601 left too early - Sailor 601: {missing_of(count, count)}", 50)


def test_a_device_that_comes_back_elsewhere_is_collected_there(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    device.bytes_per_second = 4000
    event.settings = Settings(downloads=Downloads(last_retry=4.0))
    event.arrive(601)
    event.start()
    event.until("queued")
    event.advance(1)
    event.leave(601)
    event.advance(5)
    event.servers[601].interface = "10.0.9.9"
    event.arrive(601)
    assert event.until("can be disconnected", 60)
    assert event.known(601).address == Address("10.0.9.9", 80)
    assert list(event.tracks().values()) == [device.logs[0].content]


def test_a_device_that_is_silent_for_a_moment_is_not_dropped(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    event.until("motion-601 is connected")
    device.add_fault(parse_fault("refused")[0])
    event.until("retry 2 in 4 s")
    device.clear_faults()
    event.until("can be disconnected", 10)
    assert not event.said("left too early")


def test_a_device_that_goes_is_noticed_even_if_looking_at_all_of_them_takes_longer_than_the_interval(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def one_by_one(visits: list[Visit], clock: IReactorTime) -> AsyncIterator[Visit]:
        for visit in visits:
            yield visit
            await deferLater(clock, 6.0)

    monkeypatch.setattr(cleanup, "in_turns", one_by_one)
    for identifier in (601, 602, 603):
        event.device(identifier, log_of(identifier))
        event.arrive(identifier)
    event.start()
    for identifier in (601, 602, 603):
        event.until(f"motion-{identifier} can be disconnected")
    assert event.collector is not None
    last = list(event.collector.scanner.visits)[-1]
    event.leave(last)
    assert event.until(f"motion-{last} has been disconnected", 60)
