"""What signals do while the collector runs, and afterwards; the signals are real, the reactor is not."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]  # it has no annotations
from attrs import Factory, define

from sse_twisted.runtime.signals import SignalService

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@define
class Reactor:
    """Runs what it is given at `turn`, and counts how often it was stopped."""

    stops: int = 0
    starting: list[Callable[[], None]] = Factory(list)
    waiting: list[Callable[[], None]] = Factory(list)

    def callWhenRunning(self, function: Callable[[], None]) -> None:  # noqa: N802 - a reactor's name
        self.starting.append(function)

    def callFromThread(self, function: Callable[[], None]) -> None:  # noqa: N802 - a reactor's name
        self.waiting.append(function)

    def stop(self) -> None:
        assert not self.stops, "a reactor refuses to be stopped twice"
        self.stops += 1

    def run(self) -> None:
        """Begin, with handlers of its own."""
        for number in HANDLED:
            signal.signal(number, self.own_handler)
        for function in self.starting:
            function()

    def turn(self) -> None:
        """Do what handlers have left to do."""
        waiting, self.waiting = self.waiting, []
        for function in waiting:
            function()

    def own_handler(self, number: int, frame: object) -> None:
        raise AssertionError(f"the reactor's own handler was called with {number}")


@define
class Process:
    """A reactor, the service, and how often the configuration was read again."""

    reactor: Reactor
    service: SignalService
    reloads: list[None]

    def receives(self, number: int) -> None:
        signal.raise_signal(number)
        self.reactor.turn()

    def handlers(self) -> list[Any]:
        return [signal.getsignal(number) for number in HANDLED]


@pytest_twisted.async_fixture  # type: ignore[untyped-decorator]  # it has no annotations
async def the_real_reactor_runs() -> None:
    """Or it would put in its handlers in the middle of the first test."""


@pytest.fixture
def process(the_real_reactor_runs: None) -> Iterator[Process]:
    before = {number: signal.getsignal(number) for number in HANDLED}
    reactor = Reactor()
    reloads: list[None] = []
    yield Process(reactor, SignalService(reactor, lambda: reloads.append(None)), reloads)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def running(process: Process) -> Process:
    process.service.startService()
    process.reactor.run()
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_reactor_once_however_often_it_comes(running: Process, number: int) -> None:
    running.receives(number)
    assert running.reactor.stops == 1
    running.receives(number)
    running.receives(signal.SIGTERM)
    running.receives(signal.SIGINT)
    assert running.reactor.stops == 1


def test_nothing_happens_inside_of_a_handler(running: Process) -> None:
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGHUP)
    assert (running.reactor.stops, running.reloads) == (0, [])
    running.reactor.turn()
    assert (running.reactor.stops, running.reloads) == (1, [None])


def test_sighup_reads_the_configuration_each_time_and_stops_nothing(running: Process) -> None:
    running.receives(signal.SIGHUP)
    running.receives(signal.SIGHUP)
    assert running.reloads == [None, None]
    assert not running.reactor.stops


def test_a_second_signal_during_the_end_finds_a_handler_of_ours(running: Process) -> None:
    running.receives(signal.SIGINT)
    running.service.stopService()
    for number in HANDLED:
        running.receives(number)
    assert running.reactor.stops == 1


def test_a_service_that_is_stopped_alone_restores_the_handlers(running: Process) -> None:
    running.service.stopService()
    assert running.handlers() == [running.reactor.own_handler] * 3


def test_a_service_that_is_stopped_before_the_reactor_runs_takes_nothing_over(process: Process) -> None:
    process.service.startService()
    process.service.stopService()
    process.reactor.run()
    assert process.handlers() == [process.reactor.own_handler] * 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_ends_it_in_order_as_soon_as_it_runs(process: Process, number: int) -> None:
    process.service.startService()
    signal.raise_signal(number)
    assert process.reactor.stops == 0
    process.reactor.run()
    process.reactor.turn()
    assert process.reactor.stops == 1
