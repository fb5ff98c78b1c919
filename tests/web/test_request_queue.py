"""The web server's share of the reactor's time, with a clock that only moves when a job says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger

from sse_twisted.web.request_queue import BURST, MAX_DEBT, MAX_READING, SHARE, Lane, RequestQueue


class Turns(Clock):
    """A clock whose calls of one turn do not see those of the next."""

    def turn(self) -> None:
        """Make the calls that are due."""
        for call in [call for call in self.calls if call.getTime() <= self.seconds()]:
            self.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


class Line:
    """A queue, and the names of the jobs that have run."""

    def __init__(self) -> None:
        self.clock = Turns()
        self.events: list[LogEvent] = []
        self.queue = RequestQueue(self.clock, Logger(observer=self.events.append))  # type: ignore[arg-type]
        self.ran: list[str] = []

    def job(self, name: str, seconds: float = 0.0, result: object = None) -> Callable[[], object]:
        """Work for some seconds."""

        def work() -> object:
            self.ran.append(name)
            self.clock.rightNow += seconds
            return result

        return work

    def add(self, name: str, lane: Lane = Lane.PAGES, seconds: float = 0.0, result: object = None) -> None:
        """Queue a job, whose name begins with its client."""
        self.queue.add(name[0], lane, self.job(name, seconds, result))

    def turns(self, count: int) -> list[str]:
        """Let so many turns of the reactor pass; return the names of all jobs so far."""
        for _ in range(count):
            self.clock.turn()
        return self.ran


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_job_runs_in_a_later_turn_and_each_in_its_own(line: Line) -> None:
    for name in ("a1", "a2", "a3"):
        line.add(name)
    assert line.ran == []
    assert line.turns(1) == ["a1"]
    assert line.turns(1) == ["a1", "a2"]
    assert line.turns(1) == ["a1", "a2", "a3"]
    assert not line.clock.getDelayedCalls()


def test_a_job_that_seemed_to_take_very_long_delays_others_for_a_bounded_time(line: Line) -> None:
    """The processor may have been busy with other programs."""
    line.add("a1", seconds=5.0)
    line.turns(1)
    line.add("b1")
    line.clock.advance(MAX_DEBT / SHARE - 0.01)
    assert line.turns(1) == ["a1"]
    line.clock.advance(0.02)
    assert line.turns(1) == ["a1", "b1"]


def test_clients_take_turns(line: Line) -> None:
    for name in ("a1", "a2", "a3", "b1", "c1"):
        line.add(name)
    assert line.turns(5) == ["a1", "b1", "c1", "a2", "a3"]


def test_lanes_take_turns(line: Line) -> None:
    for name, lane in (("p1", Lane.PAGES), ("p2", Lane.PAGES), ("r1", Lane.READING), ("f1", Lane.FIRST)):
        line.add(name, lane)
    line.add("f2", Lane.FIRST)
    assert line.turns(5) == ["f1", "p1", "r1", "f2", "p2"]


def test_jobs_wait_while_the_share_is_used_up(line: Line) -> None:
    line.add("a1", seconds=BURST + 0.05)
    line.add("a2")
    assert line.turns(5) == ["a1"]
    line.clock.advance(0.05 / SHARE - 0.01)
    assert line.ran == ["a1"]
    line.clock.advance(0.011)
    assert line.ran == ["a1", "a2"]


def test_a_rest_allows_a_burst_and_no_more(line: Line) -> None:
    line.add("a1")
    line.turns(1)
    line.clock.advance(1000)
    line.add("a2", seconds=2 * BURST)
    line.add("a3")
    assert line.turns(3) == ["a1", "a2"]
    line.clock.advance(BURST / SHARE + 0.01)
    assert line.ran[-1] == "a3"


def test_work_takes_no_more_than_its_share(line: Line) -> None:
    for number in range(10_000):
        line.add(f"a{number}", seconds=0.01)
    for _ in range(10_000):
        line.clock.advance(0.001)
    assert len(line.ran) * 0.01 == pytest.approx(SHARE * line.clock.seconds() + BURST, abs=0.05)


def test_the_steps_of_a_coroutine_count(line: Line) -> None:
    waits: Deferred[str] = Deferred()
    heard: list[str] = []

    async def respond() -> None:
        heard.append(await waits)
        line.clock.rightNow += 2 * BURST

    Deferred.fromCoroutine(line.queue.metered(respond()))
    waits.callback("done")
    assert heard == ["done"]
    line.add("a1")
    assert line.turns(3) == []
    line.clock.advance(BURST / SHARE)
    assert line.ran == ["a1"]


def test_a_coroutine_hears_of_failures_and_can_be_cancelled(line: Line) -> None:
    heard: list[object] = []

    async def respond(wait: Deferred[Any]) -> None:
        try:
            await wait
        except (ValueError, CancelledError) as error:
            heard.append(type(error))
            raise

    for end in (lambda wait, _: wait.errback(ValueError()), lambda _, responding: responding.cancel()):
        wait: Deferred[Any] = Deferred()
        responding = Deferred.fromCoroutine(line.queue.metered(respond(wait)))
        end(wait, responding)
        responding.addBoth(lambda failure: heard.append(failure.type))
    assert heard == [ValueError, ValueError, CancelledError, CancelledError]


def test_only_a_few_jobs_read_the_folder_at_a_time(line: Line) -> None:
    reading: list[Deferred[None]] = [Deferred() for _ in range(MAX_READING + 1)]
    for number, until in enumerate(reading):
        line.add(f"r{number}", Lane.READING, result=until)
    line.add("p1")
    line.turns(10)
    assert line.ran.count("p1") == 1
    assert len(line.ran) == MAX_READING + 1
    reading[0].callback(None)
    line.turns(2)
    assert line.ran[-1] == f"r{MAX_READING}"


def test_a_job_can_be_discarded(line: Line) -> None:
    job = line.job("a1")
    line.queue.add("a", Lane.PAGES, job)
    line.queue.discard("a", Lane.PAGES, job)
    line.queue.discard("a", Lane.PAGES, job)
    line.add("a2")
    assert line.turns(3) == ["a2"]


def test_a_job_that_fails_keeps_no_other_waiting(line: Line) -> None:
    line.queue.add("a", Lane.PAGES, lambda: 1 / 0)
    line.add("a2")
    assert line.turns(2) == ["a2"]
    assert [event["log_format"] for event in line.events] == ["A job of the web server failed"]


def test_clearing_leaves_no_timer(line: Line) -> None:
    line.add("a1")
    line.queue.clear()
    assert not line.clock.getDelayedCalls()
    assert len(line.queue) == 0


def test_a_clock_that_is_replaced_does_not_stop_it() -> None:
    line = Line()
    line.clock.rightNow = 1.8e9  # the time of day, as before the daemon's own clock begins
    queue = RequestQueue(line.clock, Logger())
    line.clock.rightNow = 100.0
    queue.add("a", Lane.PAGES, line.job("a1"))
    assert line.turns(1) == ["a1"]
