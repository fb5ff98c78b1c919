"""The share of the reactor's time that the web server may take: collecting goes on whatever the board is asked.

Each request is read in one turn of the reactor and answered in another. While the share is used up, jobs wait. Clients
take turns, so that one that asks much delays itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator
from enum import IntEnum
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

SHARE = 0.2  # of the reactor's time
BURST = 0.1  # s of work that may be done at once after a rest
MAX_DEBT = 0.1  # s of work in advance; other programs may have had the processor while a job seemed to take longer
MAX_READING = 2  # requests at a time that read the event folder, as there are few threads for the disk

Job = Callable[[], object]  # may return a Deferred, until which a job of Lane.READING counts as in progress


class Lane(IntEnum):
    """Kinds of jobs; the lanes take turns."""

    FIRST = 0  # what takes well below a millisecond, and commands
    PAGES = 1
    READING = 2  # reads the event folder


@define(eq=False)
class RequestQueue:
    """Runs jobs, at most one in a turn of the reactor."""

    _clock: IReactorTime
    _log: Logger
    _lanes: dict[Lane, dict[str, deque[Job]]] = field(init=False, factory=lambda: {lane: {} for lane in Lane})
    _last_lane: Lane = field(init=False, default=Lane.READING)
    _reading: int = field(init=False, default=0)
    _credit: float = field(init=False, default=BURST)  # s of work; negative if too much was done
    _counted_at: float | None = field(
        init=False, default=None
    )  # not at once: the reactor's clock is yet to be replaced
    _running: bool = field(init=False, default=False)
    _call: IDelayedCall | None = field(init=False, default=None)

    def __len__(self) -> int:
        return sum(len(jobs) for clients in self._lanes.values() for jobs in clients.values())

    def add(self, client: str, lane: Lane, job: Job) -> None:
        """Run a job of a client in a later turn."""
        self._lanes[lane].setdefault(client, deque()).append(job)
        self._run_soon()

    def discard(self, client: str, lane: Lane, job: Job) -> None:
        """Forget a job, if it has not run yet."""
        jobs = self._lanes[lane].get(client, deque())
        if job in jobs:
            jobs.remove(job)
            if not jobs:
                del self._lanes[lane][client]

    def clear(self) -> None:
        for clients in self._lanes.values():
            clients.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def metered(self, coroutine: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        """Run a coroutine and count the time of each of its steps."""
        step: Callable[[], Any] = lambda: coroutine.send(None)  # noqa: E731 - replaced below
        while True:
            began = self._clock.seconds()
            try:
                waited_for = step()
            except StopIteration:
                return
            finally:
                if not self._running:  # otherwise it is part of the job that is counted
                    self._spend(self._clock.seconds() - began)
            try:
                result = yield waited_for
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001 - of whatever kind, it is the coroutine's
                step = _thrower(coroutine, error)
            else:
                step = _sender(coroutine, result)

    def _run_soon(self) -> None:
        if self._call is None and not self._running and self._next_lane() is not None:
            self._spend(0.0)
            self._call = self._clock.callLater(max(-self._credit / SHARE, 0.0), self._run)

    def _run(self) -> None:
        self._call = None
        lane = self._next_lane()
        if lane is not None:
            self._last_lane = lane
            job = self._take(lane)
            began = self._clock.seconds()
            self._running = True
            try:
                running = job()
            except Exception:  # noqa: BLE001 - the other jobs must go on
                self._log.failure("A job of the web server failed")
                running = None
            finally:
                self._running = False
                self._spend(self._clock.seconds() - began)
            if lane is Lane.READING and isinstance(running, Deferred):
                self._reading += 1
                running.addBoth(self._has_read)
        self._run_soon()

    def _has_read(self, result: object) -> object:
        self._reading -= 1
        self._run_soon()
        return result

    def _next_lane(self) -> Lane | None:
        """Return the lane whose turn it is; None if nothing can run now."""
        for offset in range(1, len(Lane) + 1):
            lane = Lane((self._last_lane + offset) % len(Lane))
            if self._lanes[lane] and (lane is not Lane.READING or self._reading < MAX_READING):
                return lane
        return None

    def _take(self, lane: Lane) -> Job:
        """Remove the first job of the client whose turn it is; its next job comes after those of the others."""
        clients = self._lanes[lane]
        client = next(iter(clients))
        jobs = clients.pop(client)
        job = jobs.popleft()
        if jobs:
            clients[client] = jobs
        return job

    def _spend(self, seconds: float) -> None:
        now = self._clock.seconds()
        passed = now - (now if self._counted_at is None else self._counted_at)
        self._credit = max(min(self._credit + passed * SHARE, BURST) - seconds, -MAX_DEBT)
        self._counted_at = now


def _sender(coroutine: Coroutine[Any, Any, None], value: object) -> Callable[[], Any]:
    return lambda: coroutine.send(value)


def _thrower(coroutine: Coroutine[Any, Any, None], error: BaseException) -> Callable[[], Any]:
    return lambda: coroutine.throw(error)
