"""Threads for work that blocks on a disk: real ones."""

from __future__ import annotations

import ctypes
import errno
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import DeferredList
from twisted.internet.task import deferLater

from sse_twisted.runtime.disk_threads import MOST, SLACK, STUCK, THREADS, DiskThreads
from tests.simulator.wire import on_the_reactor

PR_GET_TIMERSLACK = 30  # of Linux's prctl.h


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor

    return reactor


@on_the_reactor
async def test_threads_are_not_the_reactors_and_end_with_the_process(reactor: Any) -> None:
    threads = DiskThreads(reactor)
    worker, daemon = await threads.start(lambda: (threading.current_thread(), threading.current_thread().daemon))
    assert worker is not threading.main_thread()
    assert worker not in reactor.getThreadPool().threads
    assert daemon


@on_the_reactor
async def test_a_thread_says_what_went_wrong(reactor: Any) -> None:
    threads = DiskThreads(reactor)

    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left on device"):
        await threads.start(fail)
    assert await threads.start(int, "7") == 7  # the thread goes on


class Stuck:
    """Calls that end when they are told to."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.threads: set[int] = set()
        self.go_on = threading.Event()

    def __call__(self, number: int) -> int:
        self.begun.append(number)
        self.threads.add(threading.get_ident())
        self.go_on.wait()
        return number

    async def have_begun(self, reactor: Any, count: int) -> None:
        while len(self.begun) < count:
            await deferLater(reactor, 0.001)


@on_the_reactor
async def test_some_work_side_by_side_and_the_others_wait_in_order(reactor: Any) -> None:
    threads, work = DiskThreads(reactor, most=THREADS), Stuck()
    results = DeferredList([threads.start(work, number) for number in range(2 * THREADS)])
    await work.have_begun(reactor, THREADS)
    assert sorted(work.begun) == list(range(THREADS))
    work.go_on.set()
    assert [number for _, number in await results] == list(range(2 * THREADS))
    assert work.begun[THREADS:] == sorted(work.begun[THREADS:])


@on_the_reactor
async def test_where_some_are_stuck_others_help_but_only_so_many(reactor: Any) -> None:
    threads, work = DiskThreads(reactor), Stuck()
    results = DeferredList([threads.start(work, number) for number in range(2 * MOST)])
    await work.have_begun(reactor, MOST)
    await deferLater(reactor, 3 * STUCK)
    assert sorted(work.begun) == list(range(MOST))
    assert len(work.threads) == MOST
    work.go_on.set()
    assert [number for _, number in await results] == list(range(2 * MOST))


@on_the_reactor
async def test_a_single_call_behind_those_that_are_stuck_is_helped(reactor: Any) -> None:
    """Nobody need ask for anything else."""
    threads, work = DiskThreads(reactor), Stuck()
    stuck = [threads.start(work, number) for number in range(THREADS)]
    for _ in range(3):
        assert await threads.start(int, "7") == 7
    work.go_on.set()
    await DeferredList(stuck)


@on_the_reactor
async def test_those_that_help_end_when_nothing_waits_and_come_again(reactor: Any) -> None:
    threads = DiskThreads(reactor, name="some disk")
    for _ in range(2):
        work = Stuck()
        results = DeferredList([threads.start(work, number) for number in range(MOST)])
        await work.have_begun(reactor, MOST)
        work.go_on.set()
        await results
        assert len(work.threads) == MOST
        while threads_named("some disk") > THREADS:
            await deferLater(reactor, 0.001)
    assert threads_named("some disk") == THREADS


def threads_named(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


@on_the_reactor
async def test_nobody_helps_where_calls_only_come_one_after_the_other(reactor: Any) -> None:
    threads = DiskThreads(reactor, name="quick disk")
    for _ in range(200):
        await DeferredList([threads.start(threading.get_ident) for _ in range(2 * MOST)])
    assert threads_named("quick disk") == THREADS


@on_the_reactor
async def test_a_thread_keeps_nothing_of_what_it_did_and_leaves_no_garbage(reactor: Any) -> None:
    class Block:
        """Some megabytes."""

    def given(block: Block) -> Callable[[], int]:
        return lambda: id(block)

    threads, block = DiskThreads(reactor, count=1, most=1), Block()
    gone = weakref.ref(block)
    gc.collect()
    gc.disable()
    try:
        await threads.start(given(block))
        del block
        for _ in range(2):  # in the same turn the reactor still holds the result
            await deferLater(reactor, 0)
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")
@on_the_reactor
async def test_a_thread_waits_longer_for_the_interpreter_than_the_reactor(reactor: Any) -> None:
    def slack() -> int:
        return int(ctypes.CDLL(None).prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0))

    assert await DiskThreads(reactor).start(slack) == SLACK
    assert slack() < SLACK / 10
