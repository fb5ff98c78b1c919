"""A grace period for devices that were present a moment ago and are not collected.

After a restart or a reset the collector can't know whether they are still present until it has looked for them. A
device that is not found again has left too early.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Stage
from sse_twisted.runtime.tasks import Tasks

EXTRA_TIME = 10.0  # s beyond a scan for all devices


class GracePeriod(Service):
    """Waits for absent devices; `left_early` of their snapshots lists the tracks that were missing."""

    def __init__(self, work: Workplace) -> None:
        self._work = work
        self._waiting = Tasks(work.log)

    def stopService(self) -> Deferred[None]:
        """Cancel all waits; fires when the last one has ended."""
        super().stopService()
        return self._waiting.stop()

    def wait_for(
        self,
        identifier: int,
        text: str = "left too early",
        is_here: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """Start to wait. `text` is logged if the device does not return.

        `is_here` is called at the end and tells whether all its tracks are in the folder after all.
        """
        if self.running:
            waiting = self._wait(identifier, text, is_here)
            failed = "Cannot wait for {device}"
            self._waiting.start(identifier, waiting, failed, device=self._work.fleet[identifier].name)

    async def _wait(self, identifier: int, text: str, is_here: Callable[[], Awaitable[bool]] | None) -> None:
        live = self._work.live
        await deferLater(self._work.clock, EXTRA_TIME + live.settings.scan.interval + live.longest_scan)
        is_done = False
        if is_here is not None and self._is_absent(identifier):
            try:
                is_done = await is_here()
            except CancelledError:
                raise
            except Exception:  # noqa: BLE001 - no error may suppress an alarm
                self._work.log.failure(
                    "Cannot check whether the tracks of {device} are complete", device=self._work.fleet[identifier].name
                )
        if not self._is_absent(identifier):
            return
        device = self._work.fleet[identifier]
        settled = {"missing": (), "unnamed": 0, "left_early": ""} if is_done else {}
        self._work.fleet.update(identifier, stage=Stage.GONE, since=device.since, **settled)
        if device.left_early and not is_done:  # otherwise it has been waived meanwhile
            self._work.log.error("{device} {text} - {lost}", device=device.name, text=text, lost=device.left_early)

    def _is_absent(self, identifier: int) -> bool:
        device = self._work.fleet[identifier]
        return device.stage is Stage.ABSENT and device.left_incomplete
