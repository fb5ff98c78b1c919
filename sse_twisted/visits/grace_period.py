"""A grace for devices that were here a moment ago and are not done: who is not met again has left too early.

The collector began anew, or was told to forget them: then nobody can know whether they are still there until they were
looked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from sse_twisted.config.live import LiveConfig
from sse_twisted.fleet import Fleet, Stage
from sse_twisted.runtime.tasks import Tasks

PATIENCE = 10.0  # s beyond a round in which everybody is looked for


class GracePeriod(Service):
    """Waits for absent devices whose snapshots say, as `left_early`, what they still had."""

    def __init__(self, fleet: Fleet, live: LiveConfig, clock: IReactorTime, log: Logger) -> None:
        self._fleet = fleet
        self._live = live
        self._clock = clock
        self._log = log
        self._waiting = Tasks(log)

    def stopService(self) -> Deferred[None]:
        """Wait no more; fires when nothing is looked up any more."""
        super().stopService()
        return self._waiting.stop()

    def wait_for(
        self,
        identifier: int,
        text: str = "left too early",
        is_here: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """Begin to wait; `text` is what is said of one that does not come.

        `is_here` is asked at the end, of one whose tracks may all be here after all.
        """
        if self.running:
            waiting = self._wait(identifier, text, is_here)
            failed = "{device} could not be waited for"
            self._waiting.start(identifier, waiting, failed, device=self._fleet[identifier].name)

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
