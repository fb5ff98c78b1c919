"""The pace of a transfer: a slow one gives up its place to waiting devices and is resumed later.

A device that cannot resume would lose what it has sent. Its transfer goes on, and does not count against the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from sse_twisted.event_folder.partial import OVERLAP
from sse_twisted.runtime.places import Place, Places

# A transfer is slow if after so many s it had less than so many bytes/s; a device sends 390,000 to 700,000 alone.
SLOW = ((5.0, 20_000.0), (60.0, 100_000.0), (150.0, inf))
LONG_TURN = 60.0  # s that a slow transfer has among slow ones
MIN_PROGRESS = OVERLAP + 2048  # bytes of one turn; a resumed transfer repeats OVERLAP bytes


class GaveWay(Exception):
    """A slow transfer has given up its place; its bytes are kept."""


@define(eq=False)
class Pace:
    """Measures one transfer at its place; `found` is called with the rate in bytes/s if it is slow, else with 0."""

    _clock: IReactorTime
    _places: Places
    _place: Place
    _found: Callable[[float], object]
    received: int = field(default=0, init=False)  # bytes
    _began: float = field(init=False)

    @_began.default
    def _now(self) -> float:
        return self._clock.seconds()

    def take(self, count: int) -> bool:
        """Count bytes that have arrived; return whether the transfer must make way."""
        self.received += count
        elapsed = self._clock.seconds() - self._began
        if elapsed < SLOW[0][0]:
            return False
        rate = self.received / elapsed
        self._place.slow = any(elapsed >= after and rate < least for after, least in SLOW)
        self._found(rate if self._place.slow else 0.0)
        return self._place.slow and self._place.counts and self._places.is_wanted(slow_too=elapsed >= LONG_TURN)

    def make_way(self, can_resume: bool) -> None:
        """Raise GaveWay if the bytes of this turn are worth it; otherwise go on without counting."""
        if can_resume and self.received >= MIN_PROGRESS:
            raise GaveWay
        self._place.leave()

    @contextmanager
    def excused(self) -> Iterator[None]:
        """Leave out a time in which the device is not asked for more."""
        began = self._clock.seconds()
        try:
            yield
        finally:
            self._began += self._clock.seconds() - began
