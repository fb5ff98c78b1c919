"""Work that blocks on the disk, and the pause of downloads while the disk is not writable."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from msgspec import Struct
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredLock, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from sse_twisted.runtime.file_sync import FileSync
from sse_twisted.runtime.group_sync import GroupSync, Starter, Steps
from sse_twisted.runtime.observers import notify
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.text import one_line
from sse_twisted.runtime.turns import Turns

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_PATH = 1000  # characters of a path in a message
CHECK_INTERVAL = 5.0  # s between checks of a disk that is not writable
MAX_WAITING = 300  # writers that wait for the disk until others must wait too
SLOW_CALL = 5.0  # s; a disk that takes longer hangs
LONGEST_WAIT = 10.0  # s of a call until nobody waits for the disk any more
LOOK_INTERVAL = 1.0  # s between two looks at that

# Errors that concern the whole disk: full, over quota, mounted read-only, broken, unplugged.
OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO})


class _Raised(Struct, frozen=True):
    """What a function in a thread has raised.

    A Failure, or a result of the thread pool, would be kept by the traceback of its own exception. So would all that
    the function worked on be, such as 8 MB of nonsense, until the next full garbage collection.
    """

    error: Exception


class DiskTrouble(Exception):
    """The disk is full or not writable. The device is not at fault and need not be asked again."""


class PathTrouble(DiskTrouble):
    """One path is not writable, but others are. Only its track is affected."""


class DiskHangs(DiskTrouble):
    """The disk does not answer. What was to be done with it is done once it answers again, if ever."""


class Disk(Service):
    """Runs functions that block, and pauses downloads while the disk is not writable.

    Its threads are not the reactor's, because host name lookups can occupy all of those for a minute.
    """

    def __init__(
        self,
        start: Starter,
        clock: IReactorTime,
        log: Logger,
        writable: Callable[[], None],
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        """`writable` and `guard` block. `writable` raises OSError as long as downloads must pause.

        `guard` is called in the thread before each function that writes. It raises OSError if the place to write to
        has gone.
        """
        self.trouble = ""  # why downloads pause; "" if they do not
        self._start = start
        self._clock = clock
        self._log = log
        self._writable = writable
        self.guard = guard
        self._begun: dict[object, float] = {}  # calls under way, and when they began in a thread, in s of the clock
        self._commits = GroupSync(self._start_round, FileSync().sync, clock, guard)
        self.turns = Turns(clock)  # of what goes on after a call, or at other ends
        self.long_work = DeferredLock()  # of what computes for long in a thread: two would starve the reactor
        self._stopped = False
        self._tasks = Tasks(log)
        self._observers: list[Callable[[], None]] = []

    def when_it_works_again(self, observer: Callable[[], None]) -> None:
        """Call `observer` at the end of each pause."""
        self._observers.append(observer)

    def stopService(self) -> Deferred[None]:
        """Stop checking whether the disk is writable; fires when all is written that nobody waits for."""
        super().stopService()
        self._stopped = True
        return self._tasks.stop()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in a thread and return its result.

        A cancelled call still waits for its thread, because nothing else may use the file before. It then raises
        CancelledError, whatever the function returned or raised.
        """
        return await self._run(False, function, *args, **kwargs)

    async def _run(self, guarded: bool, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        outcome: list[T | _Raised] = []
        await _end_of(self._start(self._job, outcome, guarded, function, *args, **kwargs))
        await self.turns.mine()
        result = outcome.pop()
        if not isinstance(result, _Raised):
            return result
        try:
            raise result.error
        finally:
            del result

    async def write(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function that writes, like `run`.

        On OSError it pauses downloads and raises DiskTrouble. If only this path is not writable, it raises PathTrouble
        and downloads go on.
        """
        return await self._written(self._run(True, function, *args, **kwargs))

    async def commit(self, steps: Steps[T], *, is_patient: bool = False) -> T:
        """Run steps that write, together with those of others: when this returns, what they wrote is on disk.

        Errors are those of `write`. The commits of others do not wait for patient steps.
        """
        result = await self._written(_end_of(self._commits.run(steps, is_patient=is_patient)))
        await self.turns.mine()
        return result

    async def commit_soon(self, steps: Steps[object], what: str) -> None:
        """Do the same, but wait only if much is waiting already. `what` is what is written, for the log."""
        writing = self._tasks.start(object(), self._commit_soon(steps, what), "{what} could not be stored", what=what)
        if self._commits.waiting > MAX_WAITING:
            await _end_of(writing)

    async def _commit_soon(self, steps: Steps[object], what: str) -> None:
        try:
            await self.commit(steps, is_patient=True)
        except PathTrouble as error:
            self._log.error("Cannot store {what}: {error}", what=what, error=str(error))
        except DiskTrouble:  # downloads pause, which has been logged
            return

    async def _written(self, writing: Awaitable[T]) -> T:
        try:
            return await writing
        except OSError as error:
            if not self.trouble and error.errno not in OF_THE_DISK:
                with suppress(OSError):
                    await self.run(self._writable)
                    raise PathTrouble(_words(error)) from error
            self.pause(_words(error))
            raise DiskTrouble(self.trouble) from error

    async def read(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function for a person or a program that waits for its result, like `run`; raises DiskHangs.

        While the disk hangs nothing is begun, so that only few functions wait for it.
        """
        self.check_answers()
        return await self.while_it_answers(self.run(function, *args, **kwargs))

    async def while_it_answers(self, work: Coroutine[Deferred[Any], Any, T] | Deferred[T]) -> T:
        """Begin and await work that needs the disk; raises DiskHangs when the disk hangs.

        The work goes on when the disk answers, unobserved.
        """
        outcome: list[T | Failure] = []
        running = ensureDeferred(work).addBoth(outcome.append)
        while not outcome:
            self.check_answers()
            waiting: Deferred[None] = Deferred()
            timer = self._clock.callLater(LOOK_INTERVAL, waiting.callback, None)
            running.addCallback(partial(_fire, waiting))
            try:
                await waiting
            except CancelledError:
                running.cancel()
            finally:
                if timer.active():
                    timer.cancel()
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()
        return outcome[0]

    async def check(self) -> None:
        """Raise DiskTrouble if the place to write to has gone."""
        await self.write(lambda: None)

    @property
    def slow(self) -> str:
        """Why the disk seems to hang: a call takes longer than SLOW_CALL; "" if none does."""
        return self._silence if self._longest > SLOW_CALL else ""

    @property
    def hangs(self) -> bool:
        """Whether a call takes longer than LONGEST_WAIT."""
        return self._longest > LONGEST_WAIT

    @property
    def _longest(self) -> float:
        """The s that the longest of the calls under way has taken so far."""
        return max((self._clock.seconds() - began for began in tuple(self._begun.values())), default=0.0)

    @property
    def _silence(self) -> str:
        return f"the disk has not answered for {self._longest:.0f} s"

    def check_answers(self) -> None:
        """Raise DiskHangs if a call takes longer than LONGEST_WAIT."""
        if self.hangs:
            raise DiskHangs(self._silence)

    def _start_round(self, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.run(function, *args))

    def _job(
        self, outcome: list[T | _Raised], guarded: bool, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Run a function in the thread, behind the guard, and note how long it takes."""
        call = object()
        self._begun[call] = self._clock.seconds()
        try:
            if guarded:
                self.guard()
            outcome.append(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's
            outcome.append(_Raised(error))
        finally:
            del self._begun[call]

    def pause(self, reason: str) -> None:
        """Pause downloads until the disk is writable. Logs the start of a pause, but no new reason for it."""
        before, self.trouble = self.trouble, reason
        if before:
            return
        self._log.critical("Downloads pause: {reason}", reason=reason)
        if not self._stopped:
            own_key = object()  # the end of one pause may begin another, while its own task still runs
            self._tasks.start(own_key, self._wait_until_writable(), "The pause of downloads failed")

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
            except Exception:  # noqa: BLE001 - whatever it is, the next check may find the disk writable
                self._log.failure("Cannot check whether the disk is writable; checking again")
        self._log.warn("Downloads resume: the disk is writable again")
        notify(self._observers, lambda: self._log.failure("An observer of the disk failed"))


async def _end_of(running: Deferred[T]) -> T:
    """Wait for a thread, even if cancelled; then raise CancelledError, whatever the thread returned or raised."""
    outcome: list[T | Failure] = []
    ended: Deferred[Any] = running.addBoth(outcome.append)
    cancelled = False
    while not outcome:
        waiting: Deferred[None] = Deferred()
        ended.addCallback(waiting.callback)
        try:
            await waiting
        except CancelledError:
            cancelled = True
    if cancelled:
        raise CancelledError
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return outcome[0]


def _fire(waiting: Deferred[None], _: object) -> None:
    if not waiting.called:
        waiting.callback(None)


def _words(error: OSError) -> str:
    where = f" ({one_line(str(error.filename), LONGEST_PATH)})" if error.filename else ""
    return f"{error.strerror or str(error) or type(error).__name__}{where}"


def answers(folder: Path, seconds: float = LONGEST_WAIT) -> bool:
    """Whether the disk of a folder answers in time. Blocks, but can be left; a thread waits on for one that hangs."""
    looking = Thread(target=_look_into, args=(folder,), daemon=True)
    looking.start()
    looking.join(seconds)
    return not looking.is_alive()


def _look_into(folder: Path) -> None:
    with suppress(OSError):
        next(folder.iterdir(), None)
