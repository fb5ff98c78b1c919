"""A service that does something once, when it starts."""

from __future__ import annotations

from abc import ABC, abstractmethod

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure


class OneShotService(Service, ABC):
    """Does its work from the start on; what is not done when it stops is given up."""

    def __init__(self, log: Logger, failed: str) -> None:
        """`failed` is said in the log, with the reason, where the work ends with an error."""
        self._log = log
        self._failed = failed
        self._working: Deferred[None] | None = None

    @abstractmethod
    async def work(self) -> None:
        """What is to be done."""

    def startService(self) -> None:
        """Begin."""
        super().startService()
        self._working = Deferred.fromCoroutine(self.work())
        self._working.addErrback(self._report)

    def stopService(self) -> None:
        """Give up what is not done."""
        super().stopService()
        if self._working is not None:
            self._working.cancel()
            self._working = None

    def _report(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure(self._failed, failure)
