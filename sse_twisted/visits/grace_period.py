"""A grace for devices that were here a moment ago and are not done: who is not met again has left too early.

The collector began anew, or was told to forget them: then nobody can know whether they are still there until they were
looked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Stage
from sse_twisted.runtime.tasks import Tasks

PATIENCE = 10.0  # s beyond a round in which everybody is looked for


class GracePeriod(Service):
    """Waits for absent devices whose snapshots say, as `left_early`, what they still had."""

    def __init__(self, work: Workplace) -> None:
        self._work = work
        self._waiting = Tasks(work.log)

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
            self._waiting.start(identifier, waiting, failed, device=self._work.fleet[identifier].name)

    async def _wait(self, identifier: int, text: str, is_here: Callable[[], Awaitable[bool]] | None) -> None:
        live = self._work.live
        await deferLater(self._work.clock, PATIENCE + live.settings.scan.interval + live.longest_round)
        is_done = False
        if is_here is not None and self._is_absent(identifier):
            try:
                is_done = await is_here()
            except CancelledError:
                raise
            except Exception:  # noqa: BLE001 - whatever it is, it must not cost an alarm
                self._work.log.failure("{device} could not be looked up", device=self._work.fleet[identifier].name)
        if not self._is_absent(identifier):
            return
        device = self._work.fleet[identifier]
        if is_done:
            self._work.fleet.update(identifier, stage=Stage.GONE, since=device.since, missing=(), left_early="")
            return
        self._work.fleet.update(identifier, stage=Stage.GONE, since=device.since)
        if device.left_early:  # else somebody has waived it meanwhile
            self._work.log.error("{device} {text} - {lost}", device=device.name, text=text, lost=device.left_early)

    def _is_absent(self, identifier: int) -> bool:
        device = self._work.fleet[identifier]
        return device.stage is Stage.ABSENT and device.left_incomplete
