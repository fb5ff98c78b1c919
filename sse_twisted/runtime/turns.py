"""Work of the reactor's that takes long, in turns, so that nobody else waits for all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

T = TypeVar("T")

TURN = 0.01  # s of work in one go


async def in_turns(items: Iterable[T], clock: IReactorTime) -> AsyncIterator[T]:
    """The items one by one; whenever what was done with them took a turn, others have theirs."""
    began = clock.seconds()
    for item in items:
        if clock.seconds() - began >= TURN:
            await deferLater(clock, 0)
            began = clock.seconds()
        yield item
