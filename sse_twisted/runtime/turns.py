"""Long work in short turns, which does not block the reactor."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

T = TypeVar("T")

TURN = 0.002  # s of work in one go


async def in_turns(items: Iterable[T], clock: IReactorTime) -> AsyncIterator[T]:
    """Yield the items one by one, and let the reactor do other work after each turn."""
    # Twisted's Cooperator goes on when its caller is cancelled, and measures its turns by a clock that can be set back.
    began = clock.seconds()
    for item in items:
        if clock.seconds() - began >= TURN:
            await deferLater(clock, 0)
            began = clock.seconds()
        yield item


class Turns:
    """Spreads over several turns of the reactor what becomes due in one: a hundred answers may arrive at once."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._began: float | None = None  # s of the clock, when the first of this turn went on
        self._waiting: deque[Deferred[None]] = deque()

    async def mine(self) -> None:
        """Return at once if there is time left in this turn and nobody waits, else in a later turn, in order."""
        if self._began is None:
            self._began = self._clock.seconds()
            self._clock.callLater(0, self._next_turn)
        elif self._waiting or self._clock.seconds() - self._began >= TURN:
            mine: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(mine)
            await mine

    def _next_turn(self) -> None:
        if not self._waiting:
            self._began = None
            return
        self._began = self._clock.seconds()
        self._clock.callLater(0, self._next_turn)
        while self._waiting and self._clock.seconds() - self._began < TURN:
            self._waiting.popleft().callback(None)
