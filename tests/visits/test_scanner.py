from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import LogEvent

from sse_twisted.config.settings import Detection, Devices, Scan, Settings
from sse_twisted.devices.driver import Listing
from sse_twisted.fleet import Stage
from sse_twisted.runtime.turns import TURN
from sse_twisted.visits import scanner
from sse_twisted.visits.batches import BATCH_SIZE
from sse_twisted.visits.inspection import Inspector
from sse_twisted.visits.visit import Visit
from tests.support.event import VirtualEvent, log_of
from tests.support.virtual import VirtualNames


def test_a_device_is_looked_for_in_every_round_until_it_is_there(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.start()
    event.advance(9)
    assert event.names.asked == ["motion-601"] * 10
    event.arrive(601)
    event.advance(2.5)
    asked = len(event.names.asked)
    assert event.said("motion-601 is connected")
    event.advance(20)
    assert len(event.names.asked) == asked


def test_a_round_does_not_wait_for_the_look_ups_and_visits_of_the_one_before(event: VirtualEvent) -> None:
    event.device(601, log_of(601, fixes=4000)).bytes_per_second = 4000
    event.device(602, log_of(602))
    event.device(603)
    event.names.silent.add("motion-603")
    event.settings = Settings(scan=Scan(interval=0.5))
    event.arrive(601)
    event.start()
    event.until("motion-601 ABC601XYZ_601_20221017_090000.oao queued")
    event.arrive(602)
    event.advance(1)
    assert event.said("motion-602 is connected")


def test_a_look_up_that_takes_longer_than_a_round_is_not_begun_twice(event: VirtualEvent) -> None:
    event.device(601)
    event.names.silent.add("motion-601")
    event.settings = Settings(scan=Scan(interval=0.2))
    event.start()
    event.advance(0.9)
    assert event.names.asked == ["motion-601"]


def test_no_more_connections_are_tried_at_once_than_the_limit_allows(event: VirtualEvent) -> None:
    event.settings = Settings(detection=Detection(limit=3, timeout=1.5))
    for identifier in range(601, 611):
        event.device(identifier)
        event.arrive(identifier)
        event.leave(identifier)
    event.start()
    event.advance(1)
    assert len(event.reactor.attempts) == 3
    event.advance(1)
    assert len(event.reactor.attempts) == 6


def test_a_new_interval_is_taken_without_a_restart(event: VirtualEvent) -> None:
    event.device(601)
    collector = event.start()
    event.advance(1)
    event.settings = replace(event.settings, scan=Scan(interval=10.0))
    collector.reload()
    assert event.said("Configuration: scan.interval: 1.0 -> 10.0")
    event.names.asked.clear()
    event.advance(25)
    assert len(event.names.asked) == 2


def test_a_device_that_answers_at_a_listed_address_is_collected_under_its_own_number(event: VirtualEvent) -> None:
    device = event.device(470, log_of(470), person=False)
    event.settings = Settings(devices=Devices(listed=(event.servers[470].interface,)))
    event.arrive(470)
    event.start()
    event.until("motion-470 can be disconnected")
    assert list(event.tracks().values()) == [device.logs[0].content]


def test_a_listed_device_without_a_sailor_is_looked_for_by_name(event: VirtualEvent) -> None:
    event.device(470, log_of(470), person=False)
    event.settings = Settings(devices=Devices(listed=("motion-470",)))
    event.arrive(470)
    event.start()
    event.until("motion-470 can be disconnected")
    assert list(event.tracks()) == ["gpslogs/unassigned/20221017/motion-470_20221017_090000.oao"]


def steps_of_a_scan(event: VirtualEvent, seconds: float) -> list[int]:
    """How many look-ups begin in each hundredth of so many s."""
    begun = [len(event.names.asked)]
    while len(begun) <= 100 * seconds:
        event.advance(0.01)
        begun.append(len(event.names.asked))
    return [after - before for before, after in itertools.pairwise(begun)]


def test_a_scan_is_spread_over_its_interval(event: VirtualEvent) -> None:
    """Whenever a hundred devices come back at once, one of them is looked for within a twelfth of it."""
    for identifier in range(601, 701):
        event.person(identifier)
    event.start()
    assert len(event.names.asked) == BATCH_SIZE
    steps = steps_of_a_scan(event, 0.99)
    assert len(set(event.names.asked)) == len(event.names.asked) == 100
    assert max(steps) <= BATCH_SIZE
    assert max(len(list(idle)) for begun, idle in itertools.groupby(steps) if not begun) <= 12


def test_a_scan_that_is_asked_for_is_in_a_hurry_and_in_small_steps(event: VirtualEvent) -> None:
    for identifier in range(601, 701):
        event.person(identifier)
    collector = event.start()
    event.advance(0.95)
    event.names.asked.clear()
    collector.scanner.scan_now()
    steps = [len(event.names.asked), *steps_of_a_scan(event, 0.04)]
    assert max(steps) <= 2 * BATCH_SIZE
    event.advance(0.05)
    assert len(set(event.names.asked)) == 100


def test_when_all_come_at_once_all_are_soon_found(event: VirtualEvent) -> None:
    """An access point comes back: the first one that answers has the others looked for at once."""
    for identifier in range(601, 701):
        event.device(identifier)
    event.settings = Settings(scan=Scan(interval=10.0), detection=Detection(limit=128, timeout=1.0))
    event.start()
    event.advance(15)
    for identifier in range(601, 701):
        event.arrive(identifier)
    for _ in range(100):
        event.advance(0.02)
    assert len(event.said("is connected")) == 100


def test_a_step_ends_when_its_questions_take_their_time(event: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = VirtualNames.lookup

    def ask_slowly(*question: Any) -> Deferred[bool]:
        event.reactor.rightNow += TURN / 3  # as if the reactor had waited for a thread
        return ask(*question)

    monkeypatch.setattr(VirtualNames, "lookup", ask_slowly)
    for identifier in range(601, 701):
        event.person(identifier)
    event.start()
    assert len(event.names.asked) == 3


@pytest.fixture
def mishap(event: VirtualEvent, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]) -> Iterator[None]:
    """The first listing is one too many for this computer."""
    listing = Inspector.listing
    wrong = iter([True, False])

    async def once_wrong(inspector: Inspector, visit: Visit) -> Listing:
        if next(wrong, False):
            raise OSError(24, "Too many open files")
        return await listing(inspector, visit)

    monkeypatch.setattr(Inspector, "listing", once_wrong)
    yield
    logged_failures.clear()


@pytest.mark.usefixtures("mishap")
def test_a_device_whose_visit_went_wrong_is_looked_for_again_wherever_it_was_found(event: VirtualEvent) -> None:
    device = event.device(470, log_of(470), person=False)
    event.settings = Settings(devices=Devices(listed=(event.servers[470].interface,)))
    event.arrive(470)
    event.start()
    event.until("could not be handled")
    assert event.known(470).left_early
    event.until("motion-470 can be disconnected", 5)
    assert list(event.tracks().values()) == [device.logs[0].content]
    assert event.known(470).left_early == ""


@pytest.mark.usefixtures("mishap")
def test_a_device_whose_visit_went_wrong_is_no_alarm_before_it_was_looked_for(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    event.until("could not be handled")
    assert (event.known(601).stage, event.known(601).is_collected) == (Stage.ABSENT, False)
    event.leave(601)
    event.until("ERROR motion-601 left too early - Sailor 601: its tracks are not known yet", 30)
    assert event.known(601).stage is Stage.GONE


def test_a_visit_that_cancelled_itself_is_begun_anew(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]
) -> None:
    listing = Inspector.listing
    wrong = iter([True, False])

    async def once_cancelled(inspector: Inspector, visit: Visit) -> Listing:
        if next(wrong, False):
            raise CancelledError
        return await listing(inspector, visit)

    monkeypatch.setattr(Inspector, "listing", once_cancelled)
    event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    assert event.until("motion-601 can be disconnected")
    assert event.said("could not be handled")
    logged_failures.clear()


def have_a_second_come_after_the_first(event: VirtualEvent) -> None:
    """Of three devices that are looked for once a minute."""
    event.settings = Settings(scan=Scan(interval=60.0))
    for identifier in (601, 602, 603):
        event.device(identifier, log_of(identifier))
    event.start()
    event.advance(10)
    event.arrive(601)
    event.until("motion-601 is connected", 61)
    event.arrive(602)


def test_the_others_of_a_bucket_are_looked_for_soon_after_the_first(event: VirtualEvent) -> None:
    have_a_second_come_after_the_first(event)
    assert event.until("motion-602 is connected", 1.0)
    event.advance(2)
    event.arrive(603)
    event.advance(30)
    assert not event.said("motion-603 is connected")  # nobody came in between


def test_of_very_many_absent_devices_nobody_is_looked_for_sooner(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner, "MOST_SOON", 1)
    have_a_second_come_after_the_first(event)
    event.advance(5)
    assert not event.said("motion-602 is connected")


def test_very_many_absent_devices_are_looked_for_at_an_even_pace(event: VirtualEvent) -> None:
    for identifier in range(1001, 2001):
        event.person(identifier)
    event.start()
    counts = []
    for _ in range(12):
        before = len(event.names.asked)
        event.advance(0.5)
        counts.append(len(event.names.asked) - before)
    assert max(counts[1:]) <= 176  # 16 each 0.05 s
    assert min(Counter(event.names.asked).values()) >= 1
