"""Places in a step of the work: a limit on how many take part at once, at which slow ones give way to others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

SLOW_SHARE = 0.125  # of the places that slow ones may have while others wait, but one at least


class Place:
    """One of the places; it counts until it is left."""

    def __init__(self, places: Places, slow: bool) -> None:
        self._places = places
        self.slow = slow
        self.counts = True

    def leave(self) -> None:
        """Let the next one take part. What is done at this place may go on, and does not count any more."""
        if self.counts:
            self.counts = False
            self._places._leave(self)


class Places:
    """A semaphore whose waiters are served in order, but slow ones not one after the other while others wait."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.waiting: list[tuple[Deferred[Place], bool]] = []  # and whether each is slow
        self._taken = 0
        self._slow = 0  # of those that are taken
        self._last_was_slow = False

    @property
    def tokens(self) -> int:
        """How many places are free."""
        return self.limit - self._taken

    def is_wanted(self, slow_too: bool) -> bool:
        """Whether others wait for a place; `slow_too` counts the slow ones among them."""
        return any(slow_too or not slow for _, slow in self.waiting)

    def acquire(self, slow: bool = False) -> Deferred[Place]:
        """Fire with a place as soon as one is free; it must be left in the end."""
        waiting: Deferred[Place] = Deferred(lambda given_up: self.waiting.remove((given_up, slow)))
        self.waiting.append((waiting, slow))
        self._serve()
        return waiting

    @asynccontextmanager
    async def counted_for(self, clock: IReactorTime, seconds: float) -> AsyncIterator[None]:
        """Wait for a place; what takes longer than `seconds` goes on, and does not count any more."""
        place = await self.acquire()
        timer = clock.callLater(seconds, place.leave)
        try:
            yield
        finally:
            if timer.active():
                timer.cancel()
            place.leave()

    def _leave(self, place: Place) -> None:
        self._taken -= 1
        self._slow -= place.slow
        self._serve()

    def _serve(self) -> None:
        while self.waiting and self.tokens > 0:
            waiting, slow = self.waiting.pop(self._next())
            self._last_was_slow = slow
            self._taken += 1
            self._slow += slow
            waiting.callback(Place(self, slow))

    def _next(self) -> int:
        """Return the first waiter whose turn it is."""
        if not self.is_wanted(slow_too=False):
            return 0
        share = max(ceil(self.limit * SLOW_SHARE), 1)
        may_be_slow = not self._last_was_slow and self._slow < share
        return next(index for index, (_, slow) in enumerate(self.waiting) if may_be_slow or not slow)
