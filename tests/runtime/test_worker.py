"""A real process that computes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, Logger, formatEvent

from sse_twisted.runtime import worker as worker_module
from sse_twisted.runtime.worker import Worker, WorkerError
from sse_twisted.runtime.worker_process import MAX_MEMORY, NICENESS
from tests.simulator.wire import on_the_reactor


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor

    return reactor


def double(number: int) -> int:
    print("this is not an answer")
    return 2 * number


def fail(why: str) -> None:
    raise ValueError(why)


def die(marks: str, times: int) -> int:
    """End the process for the first few times that this is called."""
    path = Path(marks)
    with path.open("a") as file:
        file.write("x")
    if path.stat().st_size <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def take_too_much() -> int:
    return len(bytearray(2 * MAX_MEMORY))


def multiply() -> int:
    """How many threads there are after some linear algebra."""
    matrix = np.ones((500, 500))
    assert (matrix @ matrix).sum() == 500**3
    return len(list(Path("/proc/self/task").iterdir()))


@asynccontextmanager
async def at_work(reactor: Any) -> AsyncIterator[tuple[Worker, list[str]]]:
    lines: list[str] = []
    observer = cast(ILogObserver, lambda event: lines.append(formatEvent(event)))
    worker = Worker(reactor, Logger(observer=observer))
    worker.startService()
    try:
        yield worker, lines
    finally:
        process = worker._process
        worker.stopService()
        await until(reactor, lambda: process is None or process.transport is None or not process.transport.pid)


async def until(reactor: Any, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        await deferLater(reactor, 0.01)


@on_the_reactor
async def test_results_come_in_order_from_one_process_of_low_priority(reactor: Any) -> None:
    async with at_work(reactor) as (worker, _):
        results = await gatherResults([worker.run(double, 1), worker.run(os.getpid), worker.run(double, 3)])
        assert results == [2, results[1], 6]
        assert results[1] != os.getpid()
        assert await worker.run(os.getpid) == results[1]
        assert await worker.run(os.nice, 0) >= min(os.nice(0) + NICENESS, 19)


@on_the_reactor
async def test_an_error_is_told_and_the_next_call_is_done(reactor: Any) -> None:
    async with at_work(reactor) as (worker, lines):
        with pytest.raises(WorkerError, match="ValueError: no such track"):
            await worker.run(fail, "no such track")
        assert await worker.run(double, 2) == 4
        assert not lines


@on_the_reactor
async def test_a_process_that_dies_costs_a_new_try(reactor: Any, tmp_path: Path) -> None:
    async with at_work(reactor) as (worker, lines):
        first = await worker.run(os.getpid)
        marks = tmp_path / "marks"
        assert await worker.run(die, str(marks), 1) != first
        assert ["starting another one" in line for line in lines] == [True]


@pytest.mark.slow
@on_the_reactor
async def test_what_kills_it_twice_is_given_up(reactor: Any, tmp_path: Path) -> None:
    async with at_work(reactor) as (worker, _):
        dying, next_one = worker.run(die, str(tmp_path / "marks"), 9), worker.run(double, 5)
        with pytest.raises(WorkerError, match=r"ended twice .*signal 9"):
            await dying
        assert await next_one == 10


@on_the_reactor
async def test_memory_is_bounded(reactor: Any) -> None:
    async with at_work(reactor) as (worker, _):
        with pytest.raises(WorkerError, match="MemoryError"):
            await worker.run(take_too_much)


@on_the_reactor
async def test_linear_algebra_has_one_thread(reactor: Any) -> None:
    async with at_work(reactor) as (worker, _):
        assert await worker.run(multiply) == 1


@on_the_reactor
async def test_it_is_started_when_it_is_needed(reactor: Any) -> None:
    async with at_work(reactor) as (worker, _):
        assert worker._process is None
        assert await worker.run(double, 1) == 2
        assert worker._process is not None


@on_the_reactor
async def test_it_ends_when_it_has_nothing_to_do(reactor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "IDLE_TIME", 0.05)
    async with at_work(reactor) as (worker, lines):
        first = await worker.run(os.getpid)
        await until(reactor, lambda: worker._process is None)
        assert not Path(f"/proc/{first}").exists()
        assert await worker.run(os.getpid) != first
        assert not lines


@on_the_reactor
async def test_a_call_that_takes_for_ever_is_ended(reactor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "MAX_TIME", 0.5)
    async with at_work(reactor) as (worker, _):
        with pytest.raises(WorkerError, match="ended twice"):
            await worker.run(time.sleep, 60)


@on_the_reactor
async def test_the_end_waits_for_nothing(reactor: Any) -> None:
    async with at_work(reactor) as (worker, _):
        calls: list[Deferred[Any]] = [worker.run(time.sleep, 60), worker.run(double, 1)]
        await deferLater(reactor, 0.05)
        worker.stopService()
        for call in [*calls, worker.run(double, 1)]:
            with pytest.raises(CancelledError):
                await call


@on_the_reactor
async def test_whoever_leaves_leaves_the_others_their_results(reactor: Any) -> None:
    async with at_work(reactor) as (worker, _):
        leaving, staying = worker.run(double, 1), worker.run(double, 2)
        leaving.addErrback(lambda _: None)
        leaving.cancel()
        assert await staying == 4
