"""What the process does at signals: end in order with exit status 0, or read its configuration again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from twisted.application.service import Service


class SignalService(Service):
    """Handlers while the collector runs.

    Twisted's own end the reactor too, but twistd then kills itself by the same signal, and no supervisor sees a 0.
    """

    def __init__(self, reactor: Any, reload: Callable[[], None]) -> None:
        self._reactor = reactor
        self._reload = reload
        self._before: dict[int, Any] = {}
        self._ending = False

    def startService(self) -> None:
        """Take over now, for a signal may come while others start, and again when the reactor has put its own in."""
        super().startService()
        self._install()
        self._reactor.callWhenRunning(self._install)

    def stopService(self) -> None:
        """Give the handlers back."""
        super().stopService()
        if not self._ending:  # else a second ^C would find Twisted's handler, and an error in its log
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._before.clear()

    def _install(self) -> None:
        if not self.running:
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._end)
        self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._hang_up)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self._stop)

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self._reload)

    def _stop(self) -> None:
        if not self._ending:
            self._ending = True
            self._reactor.stop()
