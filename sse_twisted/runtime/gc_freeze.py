"""Keeps pauses of Python's garbage collector short.

A full collection visits every object, and holds the GIL meanwhile, in whatever thread it happens. Python begins one
when there are many new objects: while a thread compares a listing of thousands of tracks, and then again and again. Two
such listings blocked the reactor for 0.2 s at a time.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from sse_twisted.runtime.malloc import give_back, keep_large_blocks_apart
from sse_twisted.runtime.periodic import PeriodicService

INTERVAL = 1.0  # s between two looks
MIN_COLLECTIONS = 3  # of younger objects since the last full one; 7,000 objects are made between two of them
MOST = 20_000  # objects to look at, which takes 8 ms
LONGEST = 0.015  # s of a look, after which some are left out; objects may be long lists
VERY_MANY = 50_000  # objects, after which some looks are left out: to count them takes 5 to 10 ms
LEFT_OUT = 9  # looks
MANY = 8_000  # objects that survive, and are not looked at again
HURRY = 0.1  # s until new objects are excluded again, where they were so many
BUSY = 1_000  # new objects in that time, as long as which it goes on
TRIM_PAUSE = 60.0  # s until memory is given back again
NEVER = 1 << 30  # collections of younger objects, after which Python would begin a full one itself


@contextmanager
def importing() -> Iterator[None]:
    """Import in a block without looking for garbage, of which there is none, and leave out what is there at its end.

    Else it would be looked for at once after the block, for a tenth of the time of a start.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


class GcFreeze(PeriodicService):
    """Excludes all objects that exist at the start from garbage collection; must be the last service to start.

    Of the 80,000 objects after the start 70,000 are code; they would block the reactor for 40 ms. Later objects are
    collected often, so that few are new, and not by Python itself, but for the young ones. Where very many are in use,
    as for hundreds of requests or in a thread that parses what a liar sends, they are excluded too, and so are many
    that have survived. Such an object goes as soon as nothing refers to it, but not if it refers to itself. Hardly any
    does. Python's collection of young ones cannot be left out: with liars, half a gigabyte was kept in ten minutes.

    Python counts by how many the objects have become more, not how many are new. Where thousands of requests come and
    go it has up to 40,000 young ones to look at, for 50 ms. There they are excluded ten times a second.
    """

    def __init__(self, clock: IReactorTime, log: Logger) -> None:
        super().__init__(clock, log, lambda: INTERVAL)
        self._thresholds = gc.get_threshold()
        self._trimmed = 0.0  # s of the clock, when memory was given back
        self._left_out = 0  # looks that are still to be left out
        self._hurry: IDelayedCall | None = None

    def startService(self) -> None:
        """Exclude them before the reactor runs. Hardly any of them is garbage: to find it would take 35 ms."""
        keep_large_blocks_apart()
        gc.freeze()
        self._thresholds = young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, NEVER)
        self._trimmed = self._clock.seconds()
        atexit.register(gc.freeze)  # Python would look for garbage once more at the end of the process, for 0.1 s
        super().startService()

    def stopService(self) -> object:
        """Include them again: a process may run several collectors, one after the other."""
        super().stopService()
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()
        return None

    def round(self) -> None:
        """Collect all objects, if there may be garbage."""
        if gc.get_count()[2] < MIN_COLLECTIONS:
            return
        if self._left_out:
            self._left_out -= 1
            gc.freeze()
        elif (count := len(gc.get_objects())) > MOST:
            self._left_out = LEFT_OUT if count > VERY_MANY else 0
            gc.freeze()
            if self._hurry is None:
                self._hurry = self._clock.callLater(HURRY, self._freeze_again)
        else:
            self._look()
        if (now := self._clock.seconds()) - self._trimmed >= TRIM_PAUSE:
            self._trimmed = now
            Thread(target=give_back, name="give back", daemon=True).start()  # it takes up to 0.1 s, without the GIL

    def _freeze_again(self) -> None:
        """Exclude what is in use, after a look at it."""
        count = len(gc.get_objects())
        if self._left_out:
            self._left_out -= 1
        elif count <= MOST:
            self._look()
        gc.freeze()
        self._hurry = self._clock.callLater(HURRY, self._freeze_again) if count > BUSY else None

    def _look(self) -> None:
        began = self._clock.seconds()
        gc.collect()
        if self._clock.seconds() - began > LONGEST:
            self._left_out = LEFT_OUT
        if len(gc.get_objects()) > MANY:
            gc.freeze()
