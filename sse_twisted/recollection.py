"""What a collector that starts in the middle of the day knows of the day so far: the ledgers tell it.

Without that, a restart would make a hundred devices that lie switched off in the bucket "expected" again, and forget
who left too early.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from sse_twisted.cleanup import what_is_missing
from sse_twisted.disk import Disk
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Status
from sse_twisted.fleet import Fleet, Stage, TrackGlance
from sse_twisted.in_force import InForce
from sse_twisted.motion.messages import LISTING_EXTRA

PATIENCE = 10.0  # s in which a device that is still there is found, before it has left too early


@frozen
class Memory:
    """What the ledger of a device says of today."""

    tracks: tuple[TrackGlance, ...]
    missing: tuple[str, ...]
    met_at: float  # s since 1970
    is_listed: bool  # whether its listing was read when it was last here: else there may be more

    @property
    def is_complete(self) -> bool:
        """Whether all that it had is here."""
        return self.is_listed and not self.missing


def remember(
    day: datetime.date, entries: Mapping[str, Mapping[str, Any]], met_at: float, *, is_listed: bool = True
) -> Memory | None:
    """The day's tracks of a ledger; None if it has none that is wanted."""
    stamp = f"_{day:%Y%m%d}_"
    wanted = {
        name: entry
        for name, entry in sorted(entries.items())
        if stamp in name and entry.get("status") in (Status.COMPLETED, Status.QUEUED, Status.FAILED)
    }
    if not wanted:
        return None
    missing = tuple(name for name, entry in wanted.items() if entry["status"] != Status.COMPLETED)
    return Memory(tuple(_glance(name, day, entry) for name, entry in wanted.items()), missing, met_at, is_listed)


class Recollection(Service):
    """Reads the ledgers once, and tells the fleet of devices that nobody has met yet."""

    def __init__(
        self, folder: EventFolder, disk: Disk, fleet: Fleet, in_force: InForce, clock: IReactorTime, log: Logger
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._fleet = fleet
        self._in_force = in_force
        self._clock = clock
        self._log = log
        self._reading: Deferred[None] | None = None

    def startService(self) -> None:
        """Begin to read."""
        super().startService()
        self._reading = Deferred.fromCoroutine(self._recollect())
        self._reading.addErrback(self._report)

    def stopService(self) -> None:
        """Read no more."""
        super().stopService()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    async def _recollect(self) -> None:
        today = self._in_force.today(self._fleet.now)
        memories = await self._disk.run(self._read, today)
        for identifier, memory in memories.items():
            if memory.is_complete:
                self._tell(identifier, memory)
        incomplete = {identifier: memory for identifier, memory in memories.items() if not memory.is_complete}
        if not incomplete:
            return
        await deferLater(self._clock, PATIENCE)
        for identifier, memory in incomplete.items():
            self._tell(identifier, memory)

    def _read(self, today: datetime.date) -> dict[int, Memory]:
        """In a thread."""
        found = {
            identifier: remember(
                today, entries, self._folder.met_at(identifier), is_listed=self._folder.is_listed(identifier)
            )
            for identifier, entries in self._folder.all_entries().items()
        }
        return {identifier: memory for identifier, memory in found.items() if memory is not None}

    def _tell(self, identifier: int, memory: Memory) -> None:
        if self._fleet[identifier].stage is not Stage.ABSENT:
            return
        device = self._fleet.update(
            identifier,
            stage=Stage.GONE,
            since=memory.met_at,
            tracks=memory.tracks,
            wanted=len(memory.tracks),
            missing=memory.missing,
        )
        if not memory.is_complete:
            lost = what_is_missing(device)
            self._fleet.update(identifier, left_early=lost)
            self._log.error("{device} left too early, before this start - {lost}", device=device.name, lost=lost)

    def _report(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("What was collected before could not be read", failure)


def _glance(name: str, day: datetime.date, entry: Mapping[str, Any]) -> TrackGlance:
    return TrackGlance(
        name=name,
        day=day,
        length=_count(entry, "length") or max(_count(entry, "size") - LISTING_EXTRA, 0),
        end_date=_count(entry, "end_date"),
        duration=_count(entry, "duration"),
        distance=_count(entry, "distance"),
        best_500m=_count(entry, "500m_best"),
    )


def _count(entry: Mapping[str, Any], key: str) -> int:
    value = entry.get(key)
    return value if type(value) is int else 0
