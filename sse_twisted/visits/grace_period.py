"""A grace for devices that were here a moment ago and are not done: who is not met again has left too early.

The collector began anew, or was told to forget them: then nobody can know whether they are still there until they were
looked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from sse_twisted.config.live import LiveConfig
from sse_twisted.fleet import Fleet, Stage

PATIENCE = 10.0  # s beyond a round in which everybody is looked for


class GracePeriod(Service):
    """Waits for absent devices whose snapshots say, as `left_early`, what they still had."""

    def __init__(self, fleet: Fleet, live: LiveConfig, clock: IReactorTime, log: Logger) -> None:
        self._fleet = fleet
        self._live = live
        self._clock = clock
        self._log = log
        self._waiting: dict[int, Deferred[None]] = {}

    def stopService(self) -> Deferred[None]:
        """Wait no more; fires when nothing is looked up any more."""
        super().stopService()
        waits = list(self._waiting.values())
        ended = DeferredList([wait.addBoth(lambda _: None) for wait in waits])
        for wait in waits:
            wait.cancel()
        return ended.addCallback(lambda _: None)

    def wait_for(
        self,
        identifier: int,
        text: str = "left too early",
        is_here: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """Begin to wait; `text` is what is said of one that does not come.

        `is_here` is asked at the end, of one whose tracks may all be here after all.
        """
        if not self.running:
            return
        if (before := self._waiting.get(identifier)) is not None:
            before.cancel()
        self._waiting[identifier] = wait = Deferred.fromCoroutine(self._wait(identifier, text, is_here))
        wait.addErrback(self._report, identifier)
        wait.addBoth(self._forget, identifier, wait)

    async def _wait(self, identifier: int, text: str, is_here: Callable[[], Awaitable[bool]] | None) -> None:
        await deferLater(self._clock, PATIENCE + self._live.settings.scan.interval + self._live.longest_round)
        is_done = False
        if is_here is not None and self._is_absent(identifier):
            try:
                is_done = await is_here()
            except CancelledError:
                raise
            except Exception:  # noqa: BLE001 - whatever it is, it must not cost an alarm
                self._log.failure("{device} could not be looked up", device=self._fleet[identifier].name)
        if not self._is_absent(identifier):
            return
        device = self._fleet[identifier]
        if is_done:
            self._fleet.update(identifier, stage=Stage.GONE, since=device.since, missing=(), left_early="")
            return
        self._fleet.update(identifier, stage=Stage.GONE, since=device.since)
        if device.left_early:  # else somebody has waived it meanwhile
            self._log.error("{device} {text} - {lost}", device=device.name, text=text, lost=device.left_early)

    def _is_absent(self, identifier: int) -> bool:
        device = self._fleet[identifier]
        return device.stage is Stage.ABSENT and device.left_incomplete

    def _forget(self, _: object, identifier: int, wait: Deferred[None]) -> None:
        if self._waiting.get(identifier) is wait:
            del self._waiting[identifier]

    def _report(self, failure: Failure, identifier: int) -> None:
        if not failure.check(CancelledError):
            self._log.failure("{device} could not be waited for", failure, device=self._fleet[identifier].name)
