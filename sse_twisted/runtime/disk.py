"""Work that blocks on the disk, in threads of its own; and the pause while the disk can't be written to."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from sse_twisted.runtime.observers import notify
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.text import one_line

P = ParamSpec("P")
T = TypeVar("T")
Starter = Callable[..., Deferred[Any]]  # starts a function with its arguments somewhere; fires with its result

# While a hundred devices arrive the reactor waits up to 140 ms for Python's lock with eight threads, 40 with three.
THREADS = 3
# s; Python's 5 ms is how long each system call of the reactor may wait for one of these threads to let go of the lock.
SWITCH_INTERVAL = 0.0002
LONGEST_PATH = 1000  # characters that are told of it
CHECK_INTERVAL = 5.0  # s between looks whether the disk can be written to again


# What concerns the whole disk: full, a quota, mounted read-only, broken.
OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


class DiskTrouble(Exception):
    """The disk is full or can't be written to: no fault of the device, and no reason to bother it."""


class PathTrouble(DiskTrouble):
    """One path can't be written to, while others can: a matter of that track only."""


class Disk(Service):
    """Runs functions that block.

    The pool is not the reactor's: names that are looked up in that one can fill all its threads for a minute.
    """

    def __init__(self, start: Starter, clock: IReactorTime, log: Logger, writable: Callable[[], None]) -> None:
        """`writable` blocks, and raises OSError while downloads make no sense."""
        self.trouble = ""  # why downloads pause; "" while they don't
        self._start = start
        self._clock = clock
        self._log = log
        self._writable = writable
        self._stopped = False
        self._tasks = Tasks(log)
        self._observers: list[Callable[[], None]] = []

    def when_it_works_again(self, observer: Callable[[], None]) -> None:
        """Call `observer` each time that a trouble is over."""
        self._observers.append(observer)

    def stopService(self) -> None:
        """Look no more whether the trouble is over."""
        super().stopService()
        self._stopped = True
        self._tasks.stop()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's result. If cancelled, it is waited for all the same: nobody else may use its file before."""
        outcome: list[T | Failure] = []
        waiting: Deferred[None] = Deferred()

        def end(result: T | Failure) -> None:
            outcome.append(result)
            waiting.callback(None)

        self._start(function, *args, **kwargs).addBoth(end)
        cancelled = False
        while not outcome:
            try:
                await waiting
            except CancelledError:
                cancelled = True
                waiting = Deferred()
        if cancelled:
            raise CancelledError
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()
        return outcome[0]

    async def write(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Like `run`, for functions that write: an OSError becomes DiskTrouble, and downloads pause.

        PathTrouble, without a pause, where only this path is to blame.
        """
        try:
            return await self.run(function, *args, **kwargs)
        except OSError as error:
            if not self.trouble and error.errno not in OF_THE_DISK and await self._is_writable():
                raise PathTrouble(_words(error)) from error
            self.pause(_words(error))
            raise DiskTrouble(self.trouble) from error

    async def _is_writable(self) -> bool:
        try:
            await self.run(self._writable)
        except OSError:
            return False
        return True

    def pause(self, reason: str) -> None:
        """Say once and loudly that nothing can be kept, and look from time to time whether it can."""
        before, self.trouble = self.trouble, reason
        if before:
            return
        self._log.critical("Downloads pause: {reason}", reason=reason)
        if not self._stopped:  # the key is a new one, for an observer at the end of one pause may begin another
            self._tasks.start(object(), self._wait_until_writable(), "The disk could not be looked at")

    async def _wait_until_writable(self) -> None:
        while self.trouble:
            await deferLater(self._clock, CHECK_INTERVAL)
            try:
                await self.run(self._writable)
                self.trouble = ""
            except OSError as error:
                self.trouble = _words(error)
            except CancelledError:
                raise
            except Exception:  # noqa: BLE001 - the pause must end once the disk is writable
                self._log.failure("The disk could not be looked at")
        self._log.warn("Downloads go on: the disk can be written to again")
        notify(self._observers, lambda: self._log.failure("One who waited for the disk failed"))


def _words(error: OSError) -> str:
    where = f" ({one_line(str(error.filename), LONGEST_PATH)})" if error.filename else ""
    return f"{error.strerror or str(error) or type(error).__name__}{where}"


class _Daemon(Thread):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, daemon=True)


class DiskThreads:
    """The threads for a Disk. They do not keep the process alive: a disk that hangs can't hold up its end."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=0, maxthreads=THREADS, name="disk")
        self._pool.threadFactory = _Daemon

    def start(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Run the function in the next free thread."""
        if not self._pool.started:
            sys.setswitchinterval(SWITCH_INTERVAL)
            self._pool.start()
        return deferToThreadPool(self._reactor, self._pool, function, *args, **kwargs)
