"""Threads for work that blocks on a disk."""

from __future__ import annotations

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
        while True:
            self._do(*self._jobs.get())

    def _do(
        self, done: Deferred[Any], function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Do one job. Nothing of it is kept by the thread: it may be many megabytes."""
        try:
            result = function(*args, **kwargs)
        except BaseException:  # noqa: BLE001 - whatever it is, it is the caller's
            result = Failure()
        self._reactor.callFromThread(done.callback, result)
