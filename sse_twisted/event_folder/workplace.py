"""What nearly every service of a running collector works with."""

from __future__ import annotations

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sse_twisted.config.live import LiveConfig
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.space import MB, DiskSpace
from sse_twisted.fleet import Fleet
from sse_twisted.runtime.disk import Disk


@frozen
class Workplace:
    """The event folder and its disk, the fleet, the live configuration, clock and log."""

    folder: EventFolder
    disk: Disk  # runs all that blocks
    fleet: Fleet
    live: LiveConfig
    clock: IReactorTime  # steady, without a calendar
    log: Logger
    space: DiskSpace = field(init=False)

    @space.default
    def _above_the_reserve(self) -> DiskSpace:
        return DiskSpace(lambda: self.folder.free(), lambda: self.live.settings.downloads.disk_reserve * MB)
