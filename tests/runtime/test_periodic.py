from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger

from sse_twisted.runtime.periodic import PeriodicService


class Rounds(PeriodicService):
    """A loop whose rounds take a quarter of a second each."""

    def __init__(self, clock: Clock) -> None:
        self.interval = 2.0
        self.failing: set[int] = set()  # numbers of rounds
        self._time = clock
        super().__init__(clock, Logger(), lambda: self.interval)

    def round(self) -> None:
        self._time.rightNow += 0.25
        if self.rounds in self.failing:
            raise KeyError("a mistake of ours")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def loop(clock: Clock) -> Rounds:
    return Rounds(clock)


def test_a_round_that_fails_is_not_the_last_one(clock: Clock, loop: Rounds, logged_failures: list[LogEvent]) -> None:
    loop.failing = {1, 2}
    loop.startService()
    clock.pump([2.0, 2.0])
    loop.stopService()
    assert loop.rounds == 3
    assert [failure["service"] for failure in logged_failures] == ["Rounds"] * 2
    logged_failures.clear()


def test_an_observer_that_fails_stops_neither_the_loop_nor_the_others(
    clock: Clock, loop: Rounds, logged_failures: list[LogEvent]
) -> None:
    told: list[float] = []
    loop.observe(lambda _: 1 / 0)  # type: ignore[arg-type] # it is to fail
    loop.observe(told.append)
    loop.startService()
    clock.advance(2.0)
    loop.round_now()
    assert told == [0.25] * 3
    assert clock.getDelayedCalls()
    loop.stopService()
    assert not clock.getDelayedCalls()
    assert [failure["log_failure"].type for failure in logged_failures] == [ZeroDivisionError] * 3
    logged_failures.clear()


def test_a_new_interval_begins_with_a_round(clock: Clock, loop: Rounds) -> None:
    loop.startService()
    loop.reconfigure()
    assert loop.rounds == 1
    loop.interval = 50.0
    loop.reconfigure()
    assert loop.rounds == 2
    loop.stopService()
    loop.reconfigure()
    assert not clock.getDelayedCalls()
