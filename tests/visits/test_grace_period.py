"""Devices that were present and not collected, and are not found again; visits that wait or end meanwhile."""

from __future__ import annotations

import itertools

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import LogEvent

from sse_twisted.config.settings import Detection, Devices, Scan, Settings
from sse_twisted.control.commands import Commands
from sse_twisted.fleet import Stage
from sse_twisted.simulator.faults import parse_fault
from sse_twisted.visits.visit import Visit
from tests.support.event import VirtualEvent, log_of
from tests.support.virtual import LateThreads

TRACK = "ABC601XYZ_601_20221017_090000.oao"


@pytest.fixture
def commands(event: VirtualEvent) -> Commands:
    """Of a collector at which 601 must stay connected."""
    event.device(601, log_of(601)).add_fault(parse_fault("404")[0], path="/logs/")
    event.arrive(601)
    collector = event.start()
    event.until("motion-601 must stay connected")
    return collector.commands


class TestForgotten:
    def test_who_is_not_done_and_goes_before_it_is_found_again_has_left_too_early(
        self, event: VirtualEvent, commands: Commands
    ) -> None:
        event.leave(601)
        commands.forget(601)
        assert (event.known(601).stage, event.known(601).is_collected) == (Stage.ABSENT, False)
        assert commands.why(601).startswith("was here before, looked for every 1 s - Sailor 601: 1 of 1 track missing")
        event.until(f"ERROR motion-601 left too early - Sailor 601: 1 of 1 track missing ({TRACK})", 30)
        assert event.known(601).stage is Stage.GONE
        event.advance(60)
        assert len(event.said("left too early")) == 1
        commands.waive(601, "lost")
        event.stop()
        assert event.said("motion-601 is waived - lost")

    def test_who_is_found_again_has_not_left(self, event: VirtualEvent, commands: Commands) -> None:
        commands.forget(601)
        event.servers[601].device.clear_faults()
        event.until("motion-601 can be disconnected", 10)
        event.advance(60)
        assert not event.said("left too early")
        assert event.known(601).left_early == ""

    def test_who_is_found_and_forgotten_again_has_the_whole_grace(
        self, event: VirtualEvent, commands: Commands
    ) -> None:
        commands.forget(601)
        event.advance(11)
        assert event.known(601).present
        commands.forget(601)
        event.advance(4)
        assert not event.said("left too early")
        event.advance(60)
        assert not event.said("left too early")

    def test_who_was_collected_owes_nothing(self, event: VirtualEvent, commands: Commands) -> None:
        event.servers[601].device.clear_faults()
        event.until("can be disconnected")
        event.leave(601)
        commands.forget(601)
        event.advance(60)
        assert not event.said("left too early")
        assert not event.known(601).left_early

    def test_an_alarm_stays_on_the_board(self, event: VirtualEvent, commands: Commands) -> None:
        event.leave(601)
        event.until("motion-601 left too early")
        commands.forget(601)
        assert (event.known(601).stage, bool(event.known(601).left_early)) == (Stage.GONE, True)

    def test_one_without_a_sailor_is_missed_even_if_a_new_roster_does_not_list_it(self, event: VirtualEvent) -> None:
        event.settings = Settings(devices=Devices(listed=("motion-601",)))
        event.person(700)
        event.device(601, log_of(601), person=False).add_fault(parse_fault("404")[0], path="/logs/")
        event.arrive(601)
        collector = event.start()
        event.until("motion-601 must stay connected")
        event.leave(601)
        collector.commands.forget(601)
        event.settings = Settings()
        collector.commands.reload()
        assert event.until("motion-601 left too early", 30)

    def test_at_a_stop_it_is_not_collected(self, event: VirtualEvent, commands: Commands) -> None:
        event.leave(601)
        commands.forget(601)
        event.stop()
        assert event.said(f"ERROR motion-601 is not collected - Sailor 601: 1 of 1 track missing ({TRACK})")
        event.lines.clear()
        event.start()
        event.until("motion-601 left too early, before this start")

    def test_a_visit_that_still_lets_go_says_nothing_more(self, event: VirtualEvent) -> None:
        """Its threads take long: the cleanup must not find a visit that has ended."""
        event.device(601, log_of(601))
        event.arrive(601)
        collector = event.start()
        event.until("motion-601 ABC601XYZ_601_20221017_090000.oao queued")
        threads = LateThreads(event.reactor, [30.0])
        collector.disk._start = threads.start
        event.advance(1)
        event.leave(601)
        collector.commands.forget(601)
        event.advance(80)
        (line,) = event.said("left too early")
        assert line.endswith(f"Sailor 601: 1 of 1 track missing ({TRACK})")
        assert not collector.scanner.visits


def test_a_mishap_with_the_look_at_the_tracks_costs_no_alarm(
    event: VirtualEvent, logged_failures: list[LogEvent]
) -> None:
    async def fail() -> bool:
        raise RuntimeError("no way")

    collector = event.start()
    collector.fleet.update(601, left_early="all of it")
    collector._grace.wait_for(601, "was collected", fail)
    event.until("ERROR motion-601 was collected - all of it", 30)
    assert event.known(601).stage is Stage.GONE
    logged_failures.clear()


def test_the_grace_is_as_long_as_a_round_takes(event: VirtualEvent) -> None:
    event.settings = Settings(scan=Scan(interval=30.0), detection=Detection(limit=1, timeout=5.0))
    for identifier in range(601, 611):
        event.device(identifier, log_of(identifier))
    event.servers[601].device.add_fault(parse_fault("404")[0], path="/logs/")
    event.arrive(601)
    collector = event.start()
    event.until("motion-601 must stay connected")
    event.leave(601)
    collector.commands.forget(601)
    event.advance(85)
    assert not event.said("left too early")
    event.until("motion-601 left too early", 10)


class TestAVisitThatWaitsForItsTurn:
    """Its tracks are being moved, in threads that take long."""

    @pytest.fixture
    def waiting(self, event: VirtualEvent) -> VirtualEvent:
        event.device(601, log_of(601))
        event.start()
        event.arrive(601)
        event.until("can be disconnected")
        event.leave(601)
        event.until("has been disconnected")
        event.stop()
        event.people[0] |= {"File ID": "NEW9"}
        event.write_roster()
        delays = itertools.chain([0.0] * 6, itertools.repeat(25.0))
        event.start_in_thread = LateThreads(event.reactor, delays).start
        event.lines.clear()
        event.arrive(601)
        event.start()
        event.until("motion-601 is connected", 5)
        return event

    def test_is_on_the_board_at_once(self, waiting: VirtualEvent) -> None:
        assert not waiting.said("is now")
        assert waiting.known(601).stage is Stage.CONNECTED
        assert waiting.collector is not None
        waiting.collector.commands.retry(601).addErrback(lambda _: None)

    def test_and_whose_device_goes_has_left_too_early_once(self, waiting: VirtualEvent) -> None:
        waiting.leave(601)
        waiting.until("ERROR motion-601 left too early", 60)
        waiting.advance(120)
        assert len(waiting.said("left too early")) == 1
        assert waiting.known(601).stage is Stage.GONE
        assert waiting.said("is now NEW9")

    def test_is_not_collected_at_a_stop(self, waiting: VirtualEvent) -> None:
        waiting.start_in_thread = LateThreads(waiting.reactor, [0.0]).start
        waiting.stop()
        assert waiting.said("ERROR motion-601 is not collected")


def test_a_visit_that_ends_with_a_mishap_while_its_collected_device_goes_is_no_alarm(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]
) -> None:
    wait_for_wake = Visit.wait_for_wake

    async def and_fail(visit: Visit, clock: IReactorTime, seconds: float | None) -> None:
        try:
            await wait_for_wake(visit, clock, seconds)
        except CancelledError:
            await deferLater(clock, 1.0)
            raise RuntimeError("while letting go") from None

    monkeypatch.setattr(Visit, "wait_for_wake", and_fail)
    event.collect()
    event.leave(601)
    event.until("while letting go")
    assert event.known(601).is_collected
    logged_failures.clear()
