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
from sse_twisted.runtime.worker import Runner


@frozen
class Workplace:
    """The event folder and its disk, the fleet, the live configuration, clock and log."""

    folder: EventFolder
    disk: Disk  # runs all that blocks
    fleet: Fleet
    live: LiveConfig
    clock: IReactorTime  # steady, without a calendar
    log: Logger
    compute: Runner = field()  # runs what takes long and needs no more than its arguments
    space: DiskSpace = field(init=False)

    @compute.default
    def _in_threads(self) -> Runner:
        return lambda *args: self.disk.run(*args)

    @space.default
    def _above_the_reserve(self) -> DiskSpace:
        return DiskSpace(lambda: self.folder.free(), lambda: self.live.settings.downloads.disk_reserve * MB)
