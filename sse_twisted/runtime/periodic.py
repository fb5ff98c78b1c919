"""A service that does something again and again, and can't be stopped by its mishaps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from sse_twisted.runtime.observers import notify


class PeriodicService(Service, ABC):
    """Calls `round` at the interval in force, at once to begin with.

    A LoopingCall ends for good at the first exception; here it is logged and the loop lives. `round` must not wait for
    what it starts.
    """

    def __init__(self, clock: IReactorTime, log: Logger, interval: Callable[[], float]) -> None:
        """`interval` gives s; it is asked again by `reconfigure`."""
        self.rounds = 0
        self.last_round: float | None = None  # s of the clock, when it began
        self._clock = clock
        self._log = log
        self._interval = interval
        self._loop: LoopingCall | None = None
        self._observers: list[Callable[[float], None]] = []

    @abstractmethod
    def round(self) -> None:
        """One pass of the loop."""

    def observe(self, observer: Callable[[float], None]) -> None:
        """Tell `observer` after each round how many s it kept the reactor."""
        self._observers.append(observer)

    def startService(self) -> None:
        """Begin."""
        super().startService()
        self._start_loop()

    def stopService(self) -> object:
        """Begin no further round."""
        super().stopService()
        self._stop_loop()
        return None

    def reconfigure(self) -> None:
        """Go on at the interval that is in force now."""
        if self._loop is not None and self._loop.interval != self._interval():
            self._stop_loop()
            self._start_loop()

    def round_now(self) -> None:
        """One pass, outside of the interval; whatever happens in it, the loop lives."""
        self.rounds += 1
        began = self._clock.seconds()
        self.last_round = began
        try:
            self.round()
        except Exception:  # noqa: BLE001 - whatever it is, the next round must come
            self._log.failure("A round of {service} failed", service=type(self).__name__)
        notify(self._observers, self._observer_failed, self._clock.seconds() - began)

    def _observer_failed(self) -> None:
        self._log.failure("An observer of {service} failed", service=type(self).__name__)

    def _start_loop(self) -> None:
        self._loop = LoopingCall(self.round_now)
        self._loop.clock = self._clock
        self._loop.start(self._interval())

    def _stop_loop(self) -> None:
        if self._loop is not None:
            self._loop.stop()
            self._loop = None
