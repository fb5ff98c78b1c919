"""A monotonic clock for the reactor."""

from __future__ import annotations

import time
from typing import Any

from twisted.application.service import Service


class MonotonicClock(Service):
    """Makes the reactor use `time.monotonic`; must start before any service that uses callLater.

    The reactor's own clock is the computer's. If that were set back by an hour, every scan, time-out and retry would
    be late by an hour.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def privilegedStartService(self) -> None:
        """Replace the clock, for good; services at low ports start now, before the others."""
        super().privilegedStartService()
        self._reactor.seconds = time.monotonic

    def startService(self) -> None:
        """Replace the clock, if twistd has skipped the privileged start."""
        super().startService()
        self._reactor.seconds = time.monotonic
