"""Threads for work that blocks on a disk."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

# When a hundred devices arrive, the reactor waits up to 40 ms for the GIL. With eight threads it waits up to 140 ms.
THREADS = 4  # one of them syncs
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

    def __init__(self, reactor: Any, name: str = "disk", count: int = THREADS) -> None:
        self._reactor = reactor
        self._name = name
        self._missing = count  # threads that are not needed yet
        self._jobs: SimpleQueue[_Job] = SimpleQueue()

    def start(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Run a function in the next free thread; the Deferred fires with its result."""
        done: Deferred[Any] = Deferred()
        self._jobs.put((done, function, args, kwargs))
        if self._missing:
            sys.setswitchinterval(SWITCH_INTERVAL)
            Thread(target=self._work, name=f"{self._name} {self._missing}", daemon=True).start()
            self._missing -= 1
        return done

    def _work(self) -> None:
        prctl = getattr(ctypes.CDLL(None), "prctl", None)
        if prctl is not None:
            prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(SLACK), 0, 0, 0)
        while True:
            done, function, args, kwargs = self._jobs.get()
            try:
                result = function(*args, **kwargs)
            except BaseException:  # noqa: BLE001 - whatever it is, it is the caller's
                result = Failure()
            del function, args, kwargs  # they may be many megabytes, and whoever waits may look whether they are free
            self._reactor.callFromThread(done.callback, result)
            del done, result
