"""Searches that start in small batches: a thousand at once would block the reactor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sse_twisted.config.live import Target
from sse_twisted.runtime.turns import TURN

BATCH_SIZE = 8  # searches started in one turn of the reactor


class Batches:
    """Targets that wait to be looked for, in order."""

    def __init__(self, clock: IReactorTime, start: Callable[[Target], None]) -> None:
        self._clock = clock
        self._start = start
        self._waiting: dict[Target, None] = {}
        self._pause = 0.0  # s
        self._timer: IDelayedCall | None = None

    def add(self, targets: Iterable[Target], pause: Callable[[int], float]) -> None:
        """Add targets, of which those that wait already keep their place.

        The first batch starts at once if none waits; `pause` returns the s between batches of so many targets.
        """
        self._waiting.update(dict.fromkeys(targets))
        self._pause = pause(len(self._waiting))
        if self._timer is None:
            self._start_some()

    def stop(self) -> None:
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start_some(self) -> None:
        self._timer = None
        began = self._clock.seconds()
        for target in list(islice(self._waiting, BATCH_SIZE)):
            if self._clock.seconds() - began >= TURN:  # each question may wait for a thread that computes
                break
            del self._waiting[target]
            self._start(target)
        if self._waiting:
            self._timer = self._clock.callLater(self._pause, self._start_some)
