"""Threads for work that blocks on a disk."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

# One of them syncs. The more threads want the GIL, the more is spent on handing it over, and the longer the reactor
# waits for it: when a hundred devices arrive, four take 5 to 7 % more processor time than two.
THREADS = 2
MOST = 4  # threads, while the disk keeps the others waiting
STUCK = 0.05  # s in which no waiting call begins, until another thread helps
# s. Each system call of the reactor may wait that long for a thread to release the GIL. Python's default is 5 ms.
SWITCH_INTERVAL = 0.0001
PR_SET_TIMERSLACK = 29  # of Linux's prctl.h
# ns by which a timed wait of these threads may take longer. They demand the GIL later than the reactor does, and have
# it mostly when the reactor does not need it: its longest turns beside three of them became half as long.
SLACK = 1_000_000

_Job = tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class DiskThreads:
    """Threads, and the calls that wait for them, in order.

    They are daemon threads, so a disk that hangs does not keep the process alive. Twisted's pool has none, and leaves
    four objects of each call to the garbage collector, which were nearly all that it found.
    """

    def __init__(self, reactor: Any, name: str = "disk", count: int = THREADS, most: int = MOST) -> None:
        """`count` threads stay. Others help, up to `most` in all, where those are stuck, and end when nothing waits."""
        self._reactor = reactor
        self._name = name
        self._missing = count  # threads that are not needed yet
        self._threads = count
        self._most = most
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._open = 0  # calls that have not ended
        self._begun_at = 0.0  # s of the monotonic clock, when a thread began a call
        self._look: IDelayedCall | None = None  # while calls wait, and threads may be stuck

    def start(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Run a function in the next free thread; the Deferred fires with its result."""
        done: Deferred[Any] = Deferred()
        self._jobs.put((done, function, args, kwargs))
        self._open += 1
        if self._missing:
            sys.setswitchinterval(SWITCH_INTERVAL)
            self._add(self._work)
            self._missing -= 1
        self._watch()
        return done

    def _watch(self) -> None:
        """Look soon whether threads are stuck, as long as calls wait and another thread may help."""
        may_help = self._open > self._threads < self._most
        if may_help and self._look is None:
            self._look = self._reactor.callLater(STUCK, self._help)
        elif not may_help and self._look is not None:
            self._look.cancel()
            self._look = None

    def _help(self) -> None:
        self._look = None
        if time.monotonic() - self._begun_at > STUCK:
            self._add(self._work_while_calls_wait)
            self._threads += 1
        self._watch()

    def _add(self, work: Callable[[], None]) -> None:
        Thread(target=work, name=self._name, daemon=True).start()

    def _work_while_calls_wait(self) -> None:
        _take_longer()
        with suppress(Empty):
            while True:
                self._do(self._jobs.get_nowait())
        self._reactor.callFromThread(self._has_helped)

    def _has_helped(self) -> None:
        self._threads -= 1
        self._watch()

    def _work(self) -> None:
        _take_longer()
        while True:
            self._do(self._jobs.get())

    def _do(self, job: _Job) -> None:
        done, function, args, kwargs = job
        self._begun_at = time.monotonic()
        try:
            result = function(*args, **kwargs)
        except BaseException:  # noqa: BLE001 - whatever it is, it is the caller's
            result = Failure()
        del job, function, args, kwargs  # they may be megabytes, and whoever waits may look whether they are free
        self._reactor.callFromThread(self._end, done, result)

    def _end(self, done: Deferred[Any], result: object) -> None:
        self._open -= 1
        self._watch()
        done.callback(result)


def _take_longer() -> None:
    """Let a timed wait of this thread take longer by SLACK."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(SLACK), 0, 0, 0)
