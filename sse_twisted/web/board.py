"""The state of the board: a tile for each device and a summary. Each change has a number.

A reader tells the last number that it knows and receives everything that has changed since. So no reader needs a
backlog, and a slow or reconnecting reader skips to the latest state.
"""

from __future__ import annotations

import datetime
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import islice, takewhile
from typing import Annotated

from attrs import define, field
from msgspec import Meta, Struct
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from sse_twisted.config.live import LiveConfig
from sse_twisted.control.health import Condition
from sse_twisted.fleet import Device, Fleet, Stage
from sse_twisted.history.attendance import Attendance
from sse_twisted.runtime.observers import notify
from sse_twisted.web.tiles import Column, Tile, bytes_of, tile_of
from sse_twisted.web.transfers import Estimate, Transfers

PUSH_INTERVAL = 0.1  # s; changes in between are published together
MAX_PENDING = 50  # changed devices whose tiles are made in one go, which takes 5 ms
POLL_INTERVAL = 1.0  # s between checks of the clock, the disk and the name servers


class Summary(Struct, frozen=True):
    """The totals above the columns."""

    today: datetime.date
    collected: Annotated[int, Meta(description="expected devices that are collected")]
    to_switch_off: Annotated[int, Meta(description="collected devices that are still on")]
    waived: Annotated[int, Meta(description="expected devices whose missing tracks are waived")]
    expected: Annotated[int, Meta(description="devices that are assigned today")]
    not_expected: Annotated[int, Meta(description="assigned devices that an operator does not expect today")]
    others: Annotated[int, Meta(description="unassigned devices that are collected today")]
    bytes: Annotated[int, Meta(description="stored bytes of today's tracks")]
    arrived_at: Annotated[float | None, Meta(description="last arrival of a device, s since 1970")]
    columns: Annotated[dict[str, int], Meta(description="number of devices by column")]
    conditions: tuple[Condition, ...]
    paused: Annotated[bool, Meta(description="whether an operator has paused the downloads")]
    results_at: Annotated[float | None, Meta(description="last change of the results of a course, s since 1970")]

    @property
    def gone(self) -> int:
        """The number of collected devices that have left."""
        return self.collected - self.to_switch_off


class Changes(Struct, frozen=True):
    """What has changed since a state, or the whole board."""

    since: int | None  # None: the whole board
    number: int  # of the state after these changes
    tiles: tuple[Tile, ...]
    removed: tuple[int, ...]
    summary: Summary


@define(eq=False)
class Board:
    """Follows the fleet until it is closed, and calls its watchers after each new state."""

    _fleet: Fleet
    _attendance: Attendance
    _live: LiveConfig
    _clock: IReactorTime
    _conditions: Callable[[], tuple[Condition, ...]]
    _log: Logger
    run: str = field(init=False, factory=lambda: secrets.token_hex(4))  # state numbers of other runs mean nothing
    number: int = field(init=False, default=0)  # of the latest state
    summary: Summary = field(init=False)
    _tiles: dict[int, Tile] = field(init=False, factory=dict)
    _changed: dict[int, int] = field(init=False, factory=dict)  # device: state of its last change, oldest first
    _transfers: Transfers = field(init=False, factory=Transfers)
    _dirty: dict[int, None] = field(init=False, factory=dict)  # devices that have changed since their tiles were made
    _renewed: dict[int, None] = field(init=False, factory=dict)  # tiles that have changed since the latest state
    _flush_call: IDelayedCall | None = field(init=False, default=None)
    _day: datetime.date | None = field(init=False, default=None)  # for which the tiles are made
    _results_at: float | None = field(init=False, default=None)
    _closed: bool = field(init=False, default=False)
    _watchers: list[Callable[[], None]] = field(init=False, factory=list)
    _stop_observing: Callable[[], None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._stop_observing = self._fleet.observe(self._note)
        self._live.observe(self._note_all)
        self._note_all()
        self.summary = self._summarise()
        self._flush()

    @property
    def state(self) -> str:
        """The latest state as readers know it, for Last-Event-ID."""
        return f"{self.run}-{self.number}"

    @property
    def now(self) -> float:
        """The current time in s since 1970."""
        return self._fleet.now

    @property
    def is_paused(self) -> bool:
        """Whether an operator has paused the downloads."""
        return self._live.paused

    @property
    def today(self) -> datetime.date:
        """The current day in the time zone of the event."""
        return self._live.today(self.now)

    @property
    def day_began_at(self) -> float:
        """The start of `today`, in s since 1970."""
        return self._live.day_began_at(self.now)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """All devices on the board, ordered by number."""
        return tuple(tile for _, tile in sorted(self._tiles.items()) if _is_shown(tile))

    def tile(self, identifier: int) -> Tile | None:
        """Return the tile of a device, even one that is not on the board; None if the device is unknown."""
        return self._tiles.get(identifier)

    def name_of(self, identifier: int) -> str:
        """Return the host name of a device, known or not."""
        return self._fleet[identifier].name

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` after each new state, until it is stopped or the board is closed."""
        self._watchers.append(watcher)
        self.refresh()

    def stop_watching(self, watcher: Callable[[], None]) -> None:
        """Call a watcher no longer."""
        with suppress(ValueError):  # a closed board has none
            self._watchers.remove(watcher)

    def changes(self, since: int | None) -> Changes:
        """Return what has changed since a state of this run; the whole board if there is no such state."""
        if since is None or since > self.number:
            return Changes(None, self.number, self.tiles, (), self.summary)
        tiles, removed = [], []
        for identifier in takewhile(lambda identifier: self._changed[identifier] > since, reversed(self._changed)):
            tile = self._tiles.get(identifier)
            if tile is not None and _is_shown(tile):
                tiles.append(tile)
            else:
                removed.append(identifier)
        return Changes(since, self.number, tuple(tiles), tuple(removed), self.summary)

    def refresh(self) -> None:
        """Publish pending changes now, so that a single request sees them."""
        summary = self.summary
        if (
            self._dirty
            or self._renewed
            or any(self._transfers)
            or self.today != summary.today
            or self._conditions() != summary.conditions
            or self._results_at != summary.results_at
        ):
            self._flush()

    async def catch_up(self) -> None:
        """Make the tiles of changed devices, in turns of the reactor, so that `refresh` has little left to do."""
        self._note_day()
        while len(self._dirty) > MAX_PENDING:
            self._renew(MAX_PENDING)
            await deferLater(self._clock, 0.0)

    def publish_soon(self) -> None:
        """Publish what has changed within PUSH_INTERVAL, also conditions and the day, if there is a watcher.

        Without one, all is kept for the next reader, which calls `refresh`.
        """
        if self._watchers and self._flush_call is None and not self._closed:
            self._flush_call = self._clock.callLater(PUSH_INTERVAL, self._publish)

    def note_results(self) -> None:
        """Publish that the results of a course have changed."""
        self._results_at = self.now
        self.publish_soon()

    def close(self) -> None:
        self._closed = True
        self._stop_observing()
        self._watchers.clear()
        if self._flush_call is not None:
            self._flush_call.cancel()
            self._flush_call = None

    def _note(self, before: Device, after: Device) -> None:
        self._transfers.note(after, self._clock.seconds())
        self._dirty[after.identifier] = None
        if len(self._dirty) > MAX_PENDING:
            self._renew(2)  # one more than has changed: of many devices, not all in one turn
        self.publish_soon()

    def _note_all(self) -> None:
        self._dirty |= dict.fromkeys((*self._tiles, *(device.identifier for device in self._fleet)))
        self.publish_soon()

    def _note_day(self) -> None:
        """Renew all tiles on a new day, on which every device may belong to another column."""
        if self.today != self._day:
            self._day = self.today
            self._dirty |= dict.fromkeys(self._tiles)

    def _publish(self) -> None:
        """Publish all changes, after as many turns of the reactor as the tiles take."""
        self._note_day()
        self._renew(MAX_PENDING)
        self._flush_call = self._clock.callLater(0.0, self._publish) if self._dirty else None
        if self._flush_call is None:
            self._flush()

    def _flush(self) -> None:
        if self._flush_call is not None:
            self._flush_call.cancel()
        self._flush_call = None
        self._note_day()
        self._dirty |= dict.fromkeys(self._transfers)  # a rate falls without a change of the device
        self._renew(len(self._dirty))
        changed, self._renewed = self._renewed, {}
        summary = self._summarise()
        if not changed and summary == self.summary:
            return
        self.summary = summary
        self.number += 1
        for identifier in changed:
            self._changed.pop(identifier, None)
            self._changed[identifier] = self.number
        notify(self._watchers, lambda: self._log.failure("Publishing the board failed"))

    def _renew(self, most: int) -> None:
        """Make the tiles of changed devices, those that changed first."""
        for identifier in list(islice(self._dirty, most)):
            del self._dirty[identifier]
            if self._update(identifier, self._fleet.get(identifier)):
                self._renewed[identifier] = None

    def _update(self, identifier: int, device: Device | None) -> bool:
        """Replace the tile of a device, None if it is unknown; return whether the board changes."""
        before = self._tiles.pop(identifier, None)
        if device is None:
            return before is not None
        live = self._live
        tile = tile_of(
            device,
            live.roster.of(identifier),
            self.today,
            live.today(device.since),
            live.settings.expected,
            self._estimate(device),
            live.not_expected(identifier, self.today),
            live.roster.trouble_of(identifier),
        )
        if tile == before:
            self._tiles[identifier] = before  # whoever has rendered it knows it again
            return False
        self._tiles[identifier] = tile
        return _is_shown(tile) or (before is not None and _is_shown(before))

    def _estimate(self, device: Device) -> Estimate:
        return self._transfers.estimate(device, self._clock.seconds())

    def _summarise(self) -> Summary:
        today = self.today
        buoys = self._live.on_buoys(today)
        tiles = [tile for tile in self._tiles.values() if tile.id not in buoys]
        done = [tile for tile in tiles if tile.column in (Column.SWITCH_OFF, Column.GONE) and not tile.waived]
        columns = Counter(tile.column for tile in self._tiles.values())
        return Summary(
            today=today,
            collected=sum(tile.is_assigned for tile in done),
            to_switch_off=sum(tile.is_assigned for tile in done if tile.column is Column.SWITCH_OFF),
            waived=sum(tile.is_assigned for tile in tiles if tile.column is Column.GONE and tile.waived),
            expected=sum(tile.is_assigned and not tile.not_expected for tile in tiles),
            not_expected=sum(bool(tile.not_expected) for tile in tiles),
            others=sum(not tile.is_assigned for tile in done),
            bytes=sum(bytes_of(device, today) for device in self._fleet if device.stage is not Stage.ABSENT),
            arrived_at=self._attendance.last_arrival,
            columns={str(column): columns[column] for column in Column if column is not Column.ELSEWHERE},
            conditions=self._conditions(),
            paused=self._live.paused,
            results_at=self._results_at,
        )


def _is_shown(tile: Tile) -> bool:
    return tile.column is not Column.ELSEWHERE
