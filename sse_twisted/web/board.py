"""The board as it stands: the tiles of all devices and the state of the collector, each change with a number.

Whoever has seen everything up to one number is told what has changed since, however much that is: so nobody needs a
backlog, and a reader who is slow or was away skips to the newest state.
"""

from __future__ import annotations

import datetime
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Annotated

from attrs import frozen
from msgspec import Meta, Struct
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from sse_twisted.config.live import LiveConfig
from sse_twisted.control.health import Condition
from sse_twisted.fleet import Device, Fleet, Stage
from sse_twisted.history.attendance import Attendance
from sse_twisted.runtime.observers import notify
from sse_twisted.web.tiles import Column, Tile, bytes_of, tile_of

PUSH_EVERY = 0.1  # s; changes in between are told multi_service
LOOK_EVERY = 1.0  # s between looks at what changes without a device: clock, disk, name servers
MOST_REMOVED = 1000  # devices that were forgotten, and are remembered as such


class Summary(Struct, frozen=True):
    """What stands above the columns."""

    today: datetime.date
    collected: Annotated[int, Meta(description="of those who are expected today")]
    to_switch_off: Annotated[int, Meta(description="of the collected ones, those that are still on")]
    waived: Annotated[int, Meta(description="of those who are expected today: nobody waits for what is missing")]
    expected: Annotated[int, Meta(description="devices that somebody carries today")]
    others: Annotated[int, Meta(description="devices that were collected today and that nobody carries")]
    bytes: Annotated[int, Meta(description="of today's tracks that are here")]
    arrived_at: Annotated[float | None, Meta(description="s since 1970, when a device last arrived")]
    columns: Annotated[dict[str, int], Meta(description="devices in each")]
    conditions: tuple[Condition, ...]

    @property
    def gone(self) -> int:
        """How many of the collected ones have left."""
        return self.collected - self.to_switch_off

    @property
    def troubles(self) -> tuple[Condition, ...]:
        """What is wrong with the collector itself."""
        return tuple(condition for condition in self.conditions if not condition.ok)


@frozen
class Changes:
    """What a reader has to be told: all that is there, or what has changed since the state that it knows."""

    since: int | None  # None: everything
    number: int
    tiles: tuple[Tile, ...]
    removed: tuple[int, ...]
    summary: Summary


class Board:
    """Follows the fleet from its making on; `watch` tells of each new state."""

    def __init__(
        self,
        fleet: Fleet,
        attendance: Attendance,
        live: LiveConfig,
        clock: IReactorTime,
        conditions: Callable[[], tuple[Condition, ...]],
        log: Logger,
    ) -> None:
        self.run = secrets.token_hex(4)  # tells the states of one run of the collector from those of another
        self.number = 0  # of the newest state
        self._fleet = fleet
        self._attendance = attendance
        self._live = live
        self._clock = clock
        self._conditions = conditions
        self._log = log
        self._tiles: dict[int, Tile] = {}
        self._changed: dict[int, int] = {}  # by device: the state in which it last changed, oldest first
        self._removed: dict[int, int] = {}
        self._forgotten = 0  # the newest state whose removals are not known any more
        self._transfers: dict[int, tuple[str, float, int]] = {}
        self._dirty: dict[int, None] = {}
        self._flush_call: IDelayedCall | None = None
        self._closed = False
        self._watchers: list[Callable[[], None]] = []
        self._unobserve: Callable[[], None] = fleet.observe(self._note)
        live.observe(self._note_all)
        self._note_all()
        self.summary = self._summarise()
        self._flush()

    @property
    def now(self) -> float:
        """In s since 1970, as all times on the board."""
        return self._fleet.now

    @property
    def is_paused(self) -> bool:
        """Whether somebody asked for a pause of the downloads."""
        return self._live.paused

    @property
    def today(self) -> datetime.date:
        """The day at the event."""
        return self._live.today(self.now)

    @property
    def day_began_at(self) -> float:
        """In s since 1970, when today began at the event."""
        return self._live.day_began_at(self.now)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """All devices that are on the board, by number."""
        return tuple(tile for _, tile in sorted(self._tiles.items()) if tile.column is not Column.ELSEWHERE)

    def tile(self, identifier: int) -> Tile | None:
        """That of one device, wherever it is; None if nobody knows it."""
        return self._tiles.get(identifier)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` after each new state."""
        self._watchers.append(watcher)

    def changes(self, since: int | None) -> Changes:
        """What has changed since a state of this run; everything if that is not known any more."""
        if since is None or since < self._forgotten or since > self.number:
            return Changes(None, self.number, self.tiles, (), self.summary)
        tiles, removed = [], [identifier for identifier, number in self._removed.items() if number > since]
        for identifier, number in reversed(self._changed.items()):
            if number <= since:
                break
            tile = self._tiles[identifier]
            if tile.column is Column.ELSEWHERE:
                removed.append(identifier)
            else:
                tiles.append(tile)
        return Changes(since, self.number, tuple(tiles), tuple(removed), self.summary)

    def refresh(self) -> None:
        """Take what has changed now, for somebody who asks once."""
        if self._dirty or self.today != self.summary.today:
            self._flush()

    def look(self) -> None:
        """Take note of what changes without a device."""
        self._flush_later()

    def close(self) -> None:
        """Follow no more."""
        self._closed = True
        self._unobserve()
        self._watchers.clear()
        if self._flush_call is not None:
            self._flush_call.cancel()
            self._flush_call = None

    def _note(self, before: Device, after: Device) -> None:
        transfer = self._transfers.get(after.identifier)
        if not after.downloading:
            self._transfers.pop(after.identifier, None)
        elif transfer is None or transfer[0] != after.downloading or after.received <= transfer[2]:
            self._transfers[after.identifier] = (after.downloading, self._clock.seconds(), after.received)
        self._dirty[after.identifier] = None
        self._flush_later()

    def _note_all(self) -> None:
        self._dirty.update(dict.fromkeys(device.identifier for device in self._fleet))
        self._dirty.update(dict.fromkeys(self._tiles))
        self._flush_later()

    def _flush_later(self) -> None:
        if self._flush_call is None and not self._closed:
            self._flush_call = self._clock.callLater(PUSH_EVERY, self._flush)

    def _flush(self) -> None:
        if self._flush_call is not None and self._flush_call.active():
            self._flush_call.cancel()
        self._flush_call = None
        if self.today != self.summary.today:  # another bucket for everybody
            self._dirty.update(dict.fromkeys(self._tiles))
        dirty, self._dirty = self._dirty, {}
        known = {device.identifier for device in self._fleet} if dirty else set()
        changed = [identifier for identifier in dirty if self._take(identifier, identifier in known)]
        summary = self._summarise()
        if not changed and summary == self.summary:
            return
        self.summary = summary
        self.number += 1
        for identifier in changed:
            self._changed.pop(identifier, None)
            self._removed.pop(identifier, None)
            (self._changed if identifier in self._tiles else self._removed)[identifier] = self.number
        while len(self._removed) > MOST_REMOVED:
            self._forgotten = self._removed.pop(next(iter(self._removed)))
        notify(self._watchers, lambda: self._log.failure("The board could not be shown"))

    def _take(self, identifier: int, known: bool) -> bool:
        """Make the device's tile anew; gives whether that changes the board."""
        before = self._tiles.get(identifier)
        if not known:
            self._tiles.pop(identifier, None)
            return before is not None
        device = self._fleet[identifier]
        live = self._live
        since = live.today(device.since)
        rate = self._rate(device)
        assignments = live.roster.of(identifier)
        tile = tile_of(device, assignments, self.today, since, live.settings.expected, rate)
        self._tiles[identifier] = tile
        was_shown = before is not None and before.column is not Column.ELSEWHERE
        return tile != before and (was_shown or tile.column is not Column.ELSEWHERE)

    def _rate(self, device: Device) -> float:
        """Bytes a second of the transfer under way, since its first bytes were seen."""
        _, began, first = self._transfers.get(device.identifier, ("", 0.0, 0))
        seconds = self._clock.seconds() - began
        return (device.received - first) / seconds if device.received > first and seconds > 0 else 0.0

    def _summarise(self) -> Summary:
        today = self.today
        tiles = self._tiles.values()
        done = [tile for tile in tiles if tile.column in (Column.SWITCH_OFF, Column.GONE) and not tile.waived]
        columns = Counter(tile.column for tile in tiles)
        return Summary(
            today=today,
            collected=sum(bool(tile.file_id) for tile in done),
            to_switch_off=sum(bool(tile.file_id) for tile in done if tile.column is Column.SWITCH_OFF),
            waived=sum(bool(tile.file_id) for tile in tiles if tile.column is Column.GONE and tile.waived),
            expected=sum(bool(tile.file_id) for tile in tiles),
            others=sum(not tile.file_id for tile in done),
            bytes=sum(bytes_of(device, today) for device in self._fleet if device.stage is not Stage.ABSENT),
            arrived_at=self._attendance.last_arrival,
            columns={str(column): columns[column] for column in Column if column is not Column.ELSEWHERE},
            conditions=self._conditions(),
        )
