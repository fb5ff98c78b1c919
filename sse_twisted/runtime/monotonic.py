"""A clock for timers that nobody sets."""

from __future__ import annotations

import time
from typing import Any

from twisted.application.service import Service


class SteadyTime(Service):
    """From its start on, the reactor's calls come by the time since the computer was switched on.

    The reactor's own clock is the computer's, and somebody may set that: an hour back, and every round, time-out and
    retry would wait for that hour. It must start before anything that calls later.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def privilegedStartService(self) -> None:
        """Give the reactor its clock, for good: what listens at a low port begins with its calls before the others."""
        super().privilegedStartService()
        self._reactor.seconds = time.monotonic

    def startService(self) -> None:
        """The same, for who starts without privileges."""
        super().startService()
        self._reactor.seconds = time.monotonic
