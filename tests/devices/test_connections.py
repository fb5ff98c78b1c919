"""The pace at which connections to devices are begun, and what is left of those that are closed."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from treq.content import content as collected
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.task import Clock, deferLater
from twisted.internet.tcp import Client

from sse_twisted.devices.connections import CONNECTION_PAUSE, MAX_LOCKS, Address, Traffic, device_agent
from sse_twisted.devices.http import DeviceHttp
from sse_twisted.runtime.turns import Turns
from sse_twisted.simulator.device import SimulatedDevice
from tests.simulator.wire import on_the_reactor, serving
from tests.support.event import log_of


class Crowd:
    """Some who want to begin a connection at the same moment."""

    def __init__(self, count: int) -> None:
        self.clock = Clock()
        self.begun: list[int] = []
        self.traffic = Traffic(self.clock)
        self.waiting = [Deferred.fromCoroutine(self._begin(number)) for number in range(count)]

    async def _begin(self, number: int) -> None:
        await self.traffic.wait()
        self.begun.append(number)

    def finish(self) -> None:
        """Let all begin: a coroutine that is deleted while it waits would pass its turn on to the next one."""
        while self.clock.getDelayedCalls():
            self.clock.advance(CONNECTION_PAUSE)


def test_the_first_begins_at_once_and_the_others_one_after_the_other() -> None:
    crowd = Crowd(3)
    assert crowd.begun == [0]
    crowd.clock.advance(CONNECTION_PAUSE / 2)
    assert crowd.begun == [0]
    crowd.clock.advance(CONNECTION_PAUSE / 2)
    assert crowd.begun == [0, 1]
    crowd.clock.advance(CONNECTION_PAUSE)
    assert crowd.begun == [0, 1, 2]


def test_a_reactor_that_is_late_begins_one_and_not_all_that_are_due() -> None:
    crowd = Crowd(50)
    crowd.clock.advance(1.0)
    assert crowd.begun == [0, 1]
    crowd.finish()
    assert crowd.begun == [*range(50)]


def test_after_a_rest_a_connection_begins_at_once() -> None:
    crowd = Crowd(1)
    crowd.clock.advance(CONNECTION_PAUSE)
    assert Deferred.fromCoroutine(crowd.traffic.wait()).called
    assert not Deferred.fromCoroutine(crowd.traffic.wait()).called


def test_a_cancelled_connection_does_not_delay_the_next_one() -> None:
    crowd = Crowd(3)
    crowd.waiting[1].addErrback(lambda failure: failure.trap(CancelledError))
    crowd.waiting[1].cancel()
    crowd.clock.advance(CONNECTION_PAUSE)
    assert crowd.begun == [0, 2]


def test_no_timer_is_left_when_all_have_begun() -> None:
    crowd = Crowd(2)
    crowd.clock.advance(CONNECTION_PAUSE)
    assert crowd.begun == [0, 1]
    assert crowd.clock.getDelayedCalls() == []


def test_no_timer_is_left_after_the_last_one_is_cancelled() -> None:
    crowd = Crowd(2)
    crowd.waiting[1].addErrback(lambda failure: failure.trap(CancelledError))
    crowd.waiting[1].cancel()
    assert crowd.clock.getDelayedCalls() == []


class PassingTime(Clock):
    """A clock that is later at each look and takes no call of the past, as a real reactor."""

    def seconds(self) -> float:
        self.rightNow += CONNECTION_PAUSE * 0.75
        return super().seconds()

    def callLater(self, delay: float, callable: Any, *args: Any, **kw: Any) -> Any:  # noqa: A002, N802 - of Clock
        assert delay >= 0
        return super().callLater(delay, callable, *args, **kw)


def test_time_may_pass_between_two_looks_at_the_clock() -> None:
    clock = PassingTime()
    traffic = Traffic(clock)
    Deferred.fromCoroutine(traffic.wait())
    waiting = Deferred.fromCoroutine(traffic.wait())
    clock.advance(CONNECTION_PAUSE)
    assert waiting.called


def test_the_locks_of_addresses_that_are_free_are_forgotten_where_there_are_many() -> None:
    traffic = Traffic(Clock())
    held = traffic.lock_of(b"10.0.0.1", 80)
    held.acquire()
    for number in range(3 * MAX_LOCKS):
        traffic.lock_of(b"10.1.%d.%d" % divmod(number, 256), 80)
    assert len(traffic.locks) <= MAX_LOCKS
    assert traffic.lock_of(b"10.0.0.1", 80) is held


@on_the_reactor
async def test_a_connection_that_has_ended_leaves_nothing_to_the_garbage_collector() -> None:
    from twisted.internet import reactor

    agent = device_agent(reactor, lambda: 5.0, Traffic(reactor))
    http = DeviceHttp(agent, reactor, lambda: 5.0, lambda work, _: maybeDeferred(work), Turns(reactor).mine)
    gc.collect()
    gc.disable()
    try:
        async with serving(reactor, SimulatedDevice(601)) as server:
            for _ in range(3):
                await http.ask(Address(server.interface, server.port), "/info.json", bytes, kind="info")
                await http.reach(Address(server.interface, server.port))
        assert [each for each in gc.get_objects() if isinstance(each, Client)] == []
    finally:
        gc.enable()


class TestABody:
    """Twisted pauses before each one."""

    @on_the_reactor
    async def test_that_is_taken_at_once_pauses_nothing(self, pauses: list[str]) -> None:
        async with answered() as (_, response):
            assert await collected(response)
        assert pauses == []

    @on_the_reactor
    async def test_that_nobody_takes_stays_where_it_is_until_somebody_does(self, pauses: list[str]) -> None:
        async with answered() as (reactor, response):
            await deferLater(reactor, 0.01)
            assert pauses == ["pause"]
            assert await collected(response)
        assert pauses == ["pause", "resume"]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the connections of clients."""
    asked: list[str] = []

    def watch(name: str) -> None:
        do = getattr(Client, f"{name}Producing")

        def note(client: Client) -> None:
            asked.append(name)
            do(client)

        monkeypatch.setattr(Client, f"{name}Producing", note)

    watch("pause")
    watch("resume")
    return asked


@contextlib.asynccontextmanager
async def answered() -> AsyncIterator[tuple[Any, Any]]:
    """The reactor, and a response whose body has not all come, and is not taken yet."""
    from twisted.internet import reactor

    agent, log = device_agent(reactor, lambda: 5.0, Traffic(reactor)), log_of(601)
    async with serving(reactor, SimulatedDevice(601, [log])) as server:
        url = f"http://{server.interface}:{server.port}{log.path}"
        yield reactor, await agent.request(b"GET", url.encode())
