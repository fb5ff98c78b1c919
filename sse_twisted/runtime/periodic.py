"""A service that repeats its work at an interval, even if it fails."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from sse_twisted.runtime.observers import notify


class PeriodicService(Service, ABC):
    """Calls `round` at start and then at each interval.

    A LoopingCall stops at the first exception; this service logs it and continues. `round` must not wait for what it
    starts.
    """

    def __init__(self, clock: IReactorTime, log: Logger, interval: Callable[[], float]) -> None:
        """`interval` returns s. It is called at start and by `reconfigure`."""
        self.rounds = 0
        self.last_round: float | None = None  # s of the clock, at its beginning
        self._clock = clock
        self._log = log
        self._interval = interval
        self._loop: LoopingCall | None = None
        self._observers: list[Callable[[float], None]] = []

    @abstractmethod
    def round(self) -> None:
        """Do the work of one round; an exception is logged."""

    def observe(self, observer: Callable[[float], None]) -> None:
        """Call `observer` after each round with the s for which it blocked the reactor."""
        self._observers.append(observer)

    def startService(self) -> None:
        """Do the first round, and the others at the interval."""
        super().startService()
        self._start_loop()

    def stopService(self) -> object:
        super().stopService()
        if self._loop is not None:
            self._loop.stop()
            self._loop = None
        return None

    def reconfigure(self) -> None:
        """Apply a changed interval, beginning with a round at once."""
        if self._loop is not None and self._loop.interval != self._interval():
            self._loop.stop()
            self._start_loop()

    def _start_loop(self) -> None:
        self._loop = LoopingCall(self.round_now)
        self._loop.clock = self._clock
        self._loop.start(self._interval())

    def round_now(self) -> None:
        """Do a round now, in addition to those at the interval."""
        self.rounds += 1
        self.last_round = began = self._clock.seconds()
        try:
            self.round()
        except Exception:  # noqa: BLE001 - whatever it is, the next round must follow
            self._log.failure("A round of {service} failed", service=type(self).__name__)
        notify(
            self._observers,
            lambda: self._log.failure("An observer of {service} failed", service=type(self).__name__),
            self._clock.seconds() - began,
        )
