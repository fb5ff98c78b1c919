"""Long work in short turns, which does not block the reactor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

T = TypeVar("T")

TURN = 0.004  # s of work in one go


async def in_turns(items: Iterable[T], clock: IReactorTime) -> AsyncIterator[T]:
    """Yield the items one by one, and let the reactor do other work after each turn."""
    # Twisted's Cooperator goes on when its caller is cancelled, and measures its turns by a clock that can be set back.
    began = clock.seconds()
    for item in items:
        if clock.seconds() - began >= TURN:
            await deferLater(clock, 0)
            began = clock.seconds()
        yield item
