from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, Logger, formatEvent

from sse_twisted.config.live import LiveConfig, Target
from sse_twisted.config.settings import Detection, Devices, Settings
from sse_twisted.devices.connections import Address
from sse_twisted.devices.errors import BadAnswer, DeviceError, Unreachable
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Fleet
from sse_twisted.simulator.faults import parse_fault
from sse_twisted.visits.detection import Detector, Search, Sighting
from tests.support.event import VirtualEvent, log_of
from tests.support.virtual import VirtualNames


def test_a_fixed_address_needs_no_name(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.settings = Settings(devices=Devices(addresses={"motion-601": event.servers[601].interface}))
    event.arrive(601)
    event.names.known.clear()
    event.start()
    event.until("motion-601 can be disconnected")
    assert "motion-601" not in event.names.asked


def test_the_last_address_is_tried_while_the_name_is_looked_up(event: VirtualEvent) -> None:
    event.collect()
    event.leave(601)
    event.until("has been disconnected")
    event.names.silent.add("motion-601")
    event.arrive(601)
    event.lines.clear()
    event.advance(2.5)
    assert event.said("motion-601 is connected")


def test_a_new_address_is_found_by_name_while_the_last_one_is_dead(event: VirtualEvent) -> None:
    event.collect()
    event.leave(601)
    event.until("has been disconnected")
    event.servers[601].interface = "10.0.9.9"
    event.arrive(601)
    event.lines.clear()
    event.advance(2.5)
    assert event.said("motion-601 detected at 10.0.9.9")


def test_all_addresses_of_a_name_are_tried(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.reactor.dark.add("10.9.9.9")
    event.arrive(601)
    event.names.known["motion-601"] = "10.9.9.9"
    event.names.others["motion-601"] = ["10.9.9.8", event.servers[601].interface]
    event.start()
    assert event.until("motion-601 is connected", 1.0)
    assert event.until("motion-601 can be disconnected")


def test_dead_addresses_of_a_name_are_logged_once_each(event: VirtualEvent) -> None:
    event.device(601)
    event.names.known["motion-601"] = "10.9.9.9"
    event.names.others["motion-601"] = ["10.9.9.8"]
    event.reactor.dark |= {"10.9.9.9"}
    event.start()
    event.advance(30)
    assert sorted(event.said("not accepting connections")) == [
        "DEBUG motion-601 not accepting connections at 10.9.9.8 (connection refused)",
        "DEBUG motion-601 not accepting connections at 10.9.9.9 (connection timed out)",
    ]


def test_another_device_at_the_address_is_noted_once(event: VirtualEvent) -> None:
    event.device(601)
    event.device(605, log_of(605))
    event.arrive(605)
    event.names.known = {"motion-601": event.servers[605].interface}
    event.start()
    event.until("motion-601 is not at 10.0.2.93: motion-605 answers there")
    event.until("motion-605 can be disconnected")
    event.advance(30)
    assert len(event.said("motion-605 answers there")) == 1


def test_an_address_in_use_by_a_device_that_is_there_is_left_alone(event: VirtualEvent) -> None:
    event.device(601)
    device = event.device(605, log_of(605, fixes=4000))
    device.bytes_per_second = 4000
    event.arrive(605)
    event.start()
    event.until("motion-605 ABC605XYZ_605_20221017_090000.oao queued")
    event.advance(1)
    event.names.known["motion-601"] = event.servers[605].interface
    before = len(event.reactor.attempts)
    event.advance(20)
    assert len(event.reactor.attempts) == before


def test_an_unreachable_address_is_logged_once_at_debug_level(event: VirtualEvent) -> None:
    event.device(601)
    event.arrive(601)
    event.leave(601)
    event.start()
    event.advance(30)
    assert event.said("not accepting connections") == [
        "DEBUG motion-601 not accepting connections at 10.0.2.89 (connection timed out)"
    ]


def test_something_that_is_no_motion_is_said_once(event: VirtualEvent) -> None:
    event.device(601).add_fault(parse_fault("html")[0])
    event.arrive(601)
    event.start()
    event.advance(30)
    assert len(event.said("WARN motion-601 invalid response at 10.0.2.89: info.json is a web page")) == 1


@pytest.mark.parametrize(
    "fault",
    ["html", "500", "no-headers", "refused", "half-json", "deep-json", "stall@10", "abort@10", "wrong-identifier"],
)
def test_what_answers_nonsense_leaves_no_circle_of_objects(event: VirtualEvent, fault: str) -> None:
    """Such a circle, with all that was received, would wait for a full garbage collection."""
    event.device(601, log_of(601)).add_fault(parse_fault(fault)[0])
    event.arrive(601)
    event.start()
    event.advance(5)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        event.advance(60)
        gc.collect()
        assert [each for each in gc.garbage if isinstance(each, DeviceError)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_two_devices_that_swap_their_addresses_are_both_collected(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.device(602, log_of(602))
    event.arrive(601, 602)
    event.start()
    event.until("motion-602 can be disconnected")
    first, second = event.servers[601], event.servers[602]
    event.leave(601, 602)
    event.advance(0.1)
    first.interface, second.interface = second.interface, first.interface
    first.device.logs.append(log_of(601, first.device.logs[0].entry["start_date"] + 3_600_000))
    event.arrive(601, 602)
    event.lines.clear()
    event.until("motion-601 has been disconnected")
    event.until("motion-601 can be disconnected")
    event.until("motion-602 can be disconnected")
    assert len(event.tracks()) == 3


@pytest.mark.parametrize("phase", [1.3, 4.3, 12.3])
def test_many_names_at_one_dead_address_do_not_delay_other_devices(event: VirtualEvent, phase: float) -> None:
    for number in range(701, 801):
        event.person(number)
        event.names.known[f"motion-{number}"] = "10.9.9.9"
    event.reactor.dark.add("10.9.9.9")
    event.device(900, log_of(900))
    event.start()
    event.advance(phase)
    event.arrive(900)
    event.until("motion-900 is connected", 3.0)
    assert event.reactor.attempts.count(("10.9.9.9", 80)) <= phase + 3


def test_a_device_at_the_address_of_many_names_is_asked_once_who_it_is(event: VirtualEvent) -> None:
    for number in (601, 602, 604, 605):
        event.person(number)
    device = event.device(603, log_of(603))
    event.arrive(603)
    event.names.known |= {f"motion-{number}": event.servers[603].interface for number in (601, 602, 604, 605)}
    event.start()
    event.until("motion-603 is connected")
    assert [target for _, target in device.requests][:2] == [b"/info.json", b"/settings.json"]
    event.until("motion-603 can be disconnected")
    for number in (601, 602, 604, 605):
        assert len(event.said(f"motion-{number} is not at 10.0.2.91: motion-603 answers there")) == 1


class Attempts:
    """A detector whose attempts a test answers, one place in the limit, and the results of its searches."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.open: list[tuple[Address, Deferred[bytes]]] = []
        self.names = VirtualNames(Clock())
        self.live = LiveConfig(Settings(detection=Detection(limit=1)))
        log = Logger(observer=cast(ILogObserver, self._keep))
        self.fleet = Fleet(lambda: 0.0, log)
        work = Workplace(EventFolder(Path()), cast(Any, None), self.fleet, self.live, self.names.clock, log)
        self.detector = Detector(cast(Any, self), self.names, work)

    def search(self, identifier: int, host: str = "10.0.0.1") -> tuple[Deferred[Sighting | None], list[Any]]:
        self.names.known[f"motion-{identifier}"] = host
        searching = Deferred.fromCoroutine(self.detector.detect(Target(identifier, f"motion-{identifier}")))
        results: list[Any] = []
        searching.addBoth(results.append)
        return searching, results

    async def ask(self, address: Address, path: str, parse: Callable[[bytes], Any], *, kind: str) -> Any:
        """Stand in for DeviceHttp."""
        answering: Deferred[bytes] = Deferred()
        self.open.append((address, answering))
        return parse(await answering)

    def say(self, identifier: int) -> None:
        motion = {"identifier": identifier, "firmware": {"name": "x"}, "battery": {"level": 90}}
        self.open.pop(0)[1].callback(json.dumps({"motion": motion}).encode())

    def idle(self) -> bool:
        """Whether a search at the address, and one elsewhere, are begun as if nothing had been."""
        before = len(self.open)
        for number, host in ((1, "10.0.0.1"), (2, "10.0.0.2")):
            self.search(number, host)
            if len(self.open) != before + 1:
                return False
            self.open.pop()[1].errback(Unreachable("no answer"))
        return True

    def _keep(self, event: LogEvent) -> None:
        self.lines.append(formatEvent(event))


@pytest.fixture
def attempts() -> Attempts:
    return Attempts()


class TestWhoFindsItsAddressBeingTried:
    def test_has_its_outcome_when_no_device_answers(self, attempts: Attempts) -> None:
        searches = [attempts.search(number) for number in (601, 602, 603)]
        assert [address for address, _ in attempts.open] == [Address("10.0.0.1", 80)]
        attempts.open.pop()[1].errback(Unreachable("connection timed out"))
        assert [results for _, results in searches] == [[None]] * 3
        assert len(attempts.lines) == 3
        assert attempts.idle()

    def test_has_its_outcome_when_nonsense_answers(self, attempts: Attempts) -> None:
        searches = [attempts.search(number) for number in (601, 602)]
        attempts.open.pop()[1].errback(BadAnswer("nonsense"))
        assert [results for _, results in searches] == [[None]] * 2
        texts = [f"motion-{number} invalid response at 10.0.0.1: nonsense" for number in (601, 602)]
        assert sorted(attempts.lines) == texts

    def test_is_found_or_told_that_it_is_another(self, attempts: Attempts) -> None:
        searches = [attempts.search(number) for number in (601, 602, 603)]
        attempts.say(602)
        found = [results[0] for _, results in searches]
        assert [sighting and sighting.identifier for sighting in found] == [None, 602, None]
        assert attempts.lines == [
            f"motion-{number} is not at 10.0.0.1: motion-602 answers there" for number in (603, 601)
        ]
        assert attempts.idle()

    def test_takes_no_place_in_the_limit(self, attempts: Attempts) -> None:
        for number in (601, 602, 603):
            attempts.search(number)
        attempts.search(604, "10.0.0.4")
        attempts.open.pop(0)[1].errback(Unreachable("no answer"))
        assert [address.host for address, _ in attempts.open] == ["10.0.0.4"]

    def test_tries_itself_when_the_attempt_is_cancelled(self, attempts: Attempts) -> None:
        searches = [attempts.search(number) for number in (601, 602, 603)]
        searches[0][0].cancel()
        assert searches[0][1][0].check(CancelledError)
        assert len(attempts.open) == 2
        attempts.open.pop(0)
        attempts.say(603)
        assert searches[1][1] == [None]
        assert searches[2][1][0].identifier == 603
        assert attempts.idle()

    def test_leaves_nothing_behind_when_it_is_cancelled(self, attempts: Attempts) -> None:
        searches = [attempts.search(number) for number in (601, 602, 603)]
        searches[1][0].cancel()
        assert searches[1][1][0].check(CancelledError)
        attempts.open.pop()[1].errback(Unreachable("no answer"))
        assert (searches[0][1], searches[2][1]) == ([None], [None])
        assert attempts.idle()

    def test_leaves_nothing_behind_when_all_are_cancelled(self, attempts: Attempts) -> None:
        for order in (1, -1):
            searches = [attempts.search(number) for number in (601, 602, 603)]
            for searching, _ in searches[::order]:
                searching.cancel()
            assert all(results[0].check(CancelledError) for _, results in searches)
            attempts.open.clear()
            assert attempts.idle()


def test_a_search_may_begin_more_attempts_while_it_runs() -> None:
    search, results = Search(), list[Any]()
    resolving: Deferred[None] = Deferred()
    connecting: Deferred[Sighting | None] = Deferred()

    async def connect() -> Sighting | None:
        return await connecting

    async def resolve() -> None:
        await resolving
        search.begin(connect())

    search.begin(resolve())
    finding = Deferred.fromCoroutine(search.first_found()).addBoth(results.append)
    resolving.callback(None)
    assert results == []
    connecting.callback(None)
    assert results == [None]
    search.begin(connect())
    assert finding.called


class TestTheFirstFound:
    @pytest.fixture
    def attempts(self) -> list[Deferred[Sighting | None]]:
        return [Deferred(), Deferred()]

    @pytest.fixture
    def results(self) -> list[Any]:
        return []

    @pytest.fixture
    def finding(self, attempts: list[Deferred[Sighting | None]], results: list[Any]) -> Deferred[Any]:
        async def wait(attempt: Deferred[Sighting | None]) -> Sighting | None:
            return await attempt

        search = Search()
        for attempt in attempts:
            search.begin(wait(attempt))
        return Deferred.fromCoroutine(search.first_found()).addBoth(results.append)

    @pytest.mark.usefixtures("finding")
    def test_is_the_first_device_and_the_other_attempt_is_cancelled(
        self, attempts: list[Deferred[Sighting | None]], results: list[Any]
    ) -> None:
        sighting = Sighting(Address("10.0.0.1", 80), cast(Any, None), cast(Any, None))
        attempts[1].callback(sighting)
        assert results == [sighting]
        assert attempts[0].called

    @pytest.mark.usefixtures("finding")
    def test_is_none_only_when_no_attempt_finds_a_device(
        self, attempts: list[Deferred[Sighting | None]], results: list[Any]
    ) -> None:
        attempts[0].callback(None)
        assert results == []
        attempts[1].callback(None)
        assert results == [None]

    @pytest.mark.usefixtures("finding")
    def test_fails_as_soon_as_an_attempt_fails(
        self, attempts: list[Deferred[Sighting | None]], results: list[Any]
    ) -> None:
        attempts[0].errback(ValueError("x"))
        assert results[0].type is ValueError
        assert attempts[1].called

    def test_cancels_all_attempts_when_it_is_cancelled(
        self, attempts: list[Deferred[Sighting | None]], results: list[Any], finding: Deferred[Any]
    ) -> None:
        finding.cancel()
        assert results[0].type is CancelledError
        assert all(attempt.called for attempt in attempts)


@pytest.mark.parametrize("first", [601, 602])
def test_a_device_is_collected_although_another_one_says_its_number(event: VirtualEvent, first: int) -> None:
    honest = event.device(601, log_of(601))
    event.device(602, log_of(602)).info["motion"]["identifier"] = 601
    event.arrive(first)
    event.start()
    event.advance(60)
    event.arrive(603 - first + 600)
    event.until("motion-601 can be disconnected", 300)
    assert honest.logs[0].content in event.tracks().values()
    assert not event.said("motion-602 can be disconnected")
    if first == 602:
        assert event.said(
            "WARN motion-601 answers at 10.0.2.89; what says at 10.0.2.90 that it is motion-601 is another"
        )
    event.stop()
