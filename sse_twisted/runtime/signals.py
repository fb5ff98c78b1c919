"""Signal handlers: SIGTERM and SIGINT stop the process with exit status 0, SIGHUP reads the configuration again."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from twisted.application.service import Service

from sse_twisted.runtime.leaving import leave
from sse_twisted.runtime.start_watch import StartWatch


class SignalService(Service):
    """Installs the handlers while the collector runs.

    Twisted's own stop the reactor too, but twistd then kills itself with the same signal, so that a supervisor never
    sees exit status 0.
    """

    def __init__(
        self,
        reactor: Any,
        reload: Callable[[], None],
        hangs: Callable[[], bool] = lambda: False,
        start: StartWatch | None = None,
    ) -> None:
        """`hangs` returns whether something still runs that was given up, so that the process must not wait for it.

        `start` watches the services that start after this one, until the reactor runs.
        """
        self._reactor = reactor
        self._reload = reload
        self._hangs = hangs
        self._start = start
        self._before: dict[int, Any] = {}
        self._ending = False

    def startService(self) -> None:
        """Install the handlers now, and again once the reactor has installed its own."""
        super().startService()
        self._install()
        if self._start is not None:
            self._start.begin()
        self._reactor.callWhenRunning(self._run)

    def stopService(self) -> None:
        """Restore the previous handlers, unless the process is ending."""
        super().stopService()
        self._end_start()
        if not self._ending:  # a second ^C would reach Twisted's handler, which logs an error
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._before.clear()

    def _install(self) -> None:
        if self.running:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                self._before[number] = signal.signal(number, self._handle)

    def _run(self) -> None:
        self._install()
        self._end_start()

    def _end_start(self) -> None:
        if self._start is not None:
            self._start.end()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self._reload if number == signal.SIGHUP else self._stop)

    def _stop(self) -> None:
        if not self._ending:
            self._ending = True
            atexit.register(self._leave)
            self._reactor.stop()

    def _leave(self) -> None:
        """Skip the end of the interpreter, which takes up to a second and may wait for a thread."""
        if self._hangs():
            leave(0)
