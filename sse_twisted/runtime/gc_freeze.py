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

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sse_twisted.runtime.malloc import give_back, keep_large_blocks_apart
from sse_twisted.runtime.periodic import PeriodicService

INTERVAL = 1.0  # s
ROUNDS = 10  # from one look to the next
FEW = 1_000  # more objects than at the last look: less is not worth one
MOST = 20_000  # objects to look at, which takes 8 ms
MANY = 8_000  # objects that survive, and are not looked at again
TRIM_PAUSE = 60.0  # s until memory is given back again


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
    """Takes the place of Python's own garbage collection; must be the last service to start.

    Of the 80,000 objects after the start 70,000 are code; they would block the reactor for 40 ms. They are excluded.
    Later objects are collected each ten seconds. Python would look at the new ones again and again: at 25,000 of them
    for 10 to 30 ms, and with 3,000 devices for a twentieth of the processor time. Where very many are in use, as for
    hundreds of requests or in a thread that parses what a liar sends, they are excluded too, and so are many that have
    survived. Such an object goes as soon as nothing refers to it, but not if it refers to itself. Hardly any does.
    """

    def __init__(self, clock: IReactorTime, log: Logger) -> None:
        super().__init__(clock, log, lambda: INTERVAL)
        self._trimmed = 0.0  # s of the clock, when memory was given back

    def startService(self) -> None:
        """Exclude them before the reactor runs. Hardly any of them is garbage: to find it would take 35 ms."""
        keep_large_blocks_apart()
        gc.freeze()
        gc.disable()
        self._trimmed = self._clock.seconds()
        atexit.register(gc.freeze)  # Python would look for garbage once more at the end of the process, for 0.1 s
        super().startService()

    def stopService(self) -> object:
        """Include them again: a process may run several collectors, one after the other."""
        super().stopService()
        gc.unfreeze()
        gc.enable()
        return None

    def round(self) -> None:
        """Collect all objects if it is time for it and there may be garbage; exclude them if they are very many."""
        more = gc.get_count()[0]  # than at the last look, whatever was excluded since
        if more > MOST:
            gc.freeze()
        elif more >= FEW and self.rounds % ROUNDS == 0:
            self._look()

    def _look(self) -> None:
        if (count := len(gc.get_objects())) <= MOST:  # to count 60,000 takes as long as to look at 20,000
            gc.collect()
        if count > MANY and len(gc.get_objects()) > MANY:
            gc.freeze()
        if (now := self._clock.seconds()) - self._trimmed >= TRIM_PAUSE:
            self._trimmed = now
            Thread(target=give_back, name="give back", daemon=True).start()  # it takes up to 0.1 s, without the GIL
