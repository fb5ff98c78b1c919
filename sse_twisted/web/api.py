"""The JSON API below /api/v1: the state of the collector, and the commands of the console."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
from attrs import frozen
from msgspec import Meta, Struct
from twisted.internet.defer import Deferred

from sse_twisted.control.commands import CommandError, Commands, UnknownDevice
from sse_twisted.control.metrics import Figures
from sse_twisted.control.records import Records
from sse_twisted.control.reports import Missing
from sse_twisted.event_folder.track_report import TrackReport
from sse_twisted.history.attendance import Attendance, PastVisit
from sse_twisted.history.events import MAX_EVENTS, DeviceEvent, History
from sse_twisted.results.days import Day, DayCount
from sse_twisted.results.ranking import Place
from sse_twisted.runtime.log_levels import Level
from sse_twisted.runtime.text import one_line
from sse_twisted.web.board import Board, Changes, Summary
from sse_twisted.web.pending_commands import PendingCommands
from sse_twisted.web.routing import Handler, ParsedRequest, Refusal, Response, Route, json_response
from sse_twisted.web.stream import Streams
from sse_twisted.web.tiles import Tile

ROOT = "/api/v1"
EVENT_STREAM = "text/event-stream"

Number = Annotated[int, Meta(ge=1, le=999_999, description="Number on the sticker of a device.")]
DAY = "A day of the event; the default is today."
Date = Annotated[datetime.date, Meta(description=DAY)]
Now = Annotated[float, Meta(description="time of the collector's clock, s since 1970")]


class FleetState(Struct, frozen=True):
    """The whole board."""

    state: Annotated[str, Meta(description="send it as Last-Event-ID to /events to receive later changes")]
    now: Now
    summary: Summary
    devices: tuple[Tile, ...]


class FleetChanges(Struct, frozen=True):
    """The data of a "board" event of the stream. A "beat" event has `now` only."""

    full: Annotated[bool, Meta(description="whether `devices` is the whole board")]
    now: Now
    summary: Summary
    devices: Annotated[tuple[Tile, ...], Meta(description="changed devices")]
    removed: Annotated[tuple[int, ...], Meta(description="devices that are no longer on the board")]


class Carrier(Struct, frozen=True):
    """An assignment of a device from the roster."""

    first_day: datetime.date
    last_day: datetime.date
    sailor: str
    tally: str
    file_id: str


class DeviceDetail(Struct, frozen=True):
    """Everything known of a device."""

    tile: Tile
    address: Annotated[str, Meta(description="last known address; empty if the device was never seen")]
    why: Annotated[str, Meta(description="what the device is waiting for")]
    carriers: tuple[Carrier, ...]
    tracks: tuple[TrackReport, ...]
    others: Annotated[tuple[TrackReport, ...], Meta(description="tracks on the device from outside the event")]
    visits: Annotated[tuple[PastVisit, ...], Meta(description="visits today, the oldest first")]
    events: Annotated[
        tuple[DeviceEvent, ...],
        Meta(description=f"at most {MAX_EVENTS} events of today, the oldest first; debug events of this run only"),
    ]


class Ranking(Struct, frozen=True):
    """The best speeds of a day, confirmed by the tracks or as claimed by the devices."""

    day: datetime.date
    disciplines: Annotated[dict[str, tuple[Place, ...]], Meta(description="500m, 10s, 2s, 5x10s, alpha500, 1852m, 1h")]


class Reason(Struct, frozen=True, forbid_unknown_fields=True):
    """The reason of a command."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class WhichTrack(Struct, frozen=True, forbid_unknown_fields=True):
    """A track of a device, by its name or by its path on the device."""

    track: Annotated[str, Meta(min_length=1, max_length=300)]


class LogLevel(Struct, frozen=True, forbid_unknown_fields=True):
    """The lowest level that is logged."""

    level: Level


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


class Done(Struct, frozen=True):
    """The result of a command."""

    done: Annotated[bool, Meta(description="false: the command has started and continues")]
    detail: str = ""


@frozen(eq=False)
class Api:
    """The routes of the API."""

    _commands: Commands
    _history: History
    _attendance: Attendance
    _board: Board
    _streams: Streams
    _records: Records
    _pending: PendingCommands

    def routes(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (*self._read_routes(), *self._command_routes())

    def _read_routes(self) -> Iterator[Route]:
        device = {"identifier": Number}
        day = {"day": Date}
        on_day = {"day": (Date, DAY)}
        since = {"since": (str, "The state after which changes are sent; Last-Event-ID overrides it.")}
        yield _read("fleet", self.fleet, FleetState)
        yield _read("events", self.events, FleetChanges, query=since, media_type=EVENT_STREAM)
        yield _read("devices/{identifier}", self.device, DeviceDetail, parameters=device)
        yield _read("missing", self.missing, tuple[Missing, ...])
        yield _read("tracks", self.tracks, tuple[TrackReport, ...], query=on_day)
        yield _read("days", self.days, tuple[DayCount, ...])
        yield _read("days/{day}", self.day, Day, parameters=day)
        yield _read("ranking", self.ranking, Ranking, query=on_day)
        yield _read("stats", self.stats, Figures)

    def _command_routes(self) -> Iterator[Route]:
        yield _command("rescan", self.rescan)
        yield _command("reload", self.reload)
        yield _command("pause", self.pause)
        yield _command("resume", self.resume)
        yield _command("loglevel", self.loglevel, LogLevel)
        yield _command("devices/{identifier}/retry", self.retry)
        yield _command("devices/{identifier}/forget", self.forget)
        yield _command("devices/{identifier}/fetch", self.fetch, WhichTrack)
        yield _command("devices/{identifier}/waive", self.waive, Reason)

    async def fleet(self, request: ParsedRequest) -> Response:
        """Return all devices on the board."""
        board = self._board
        board.refresh()
        return json_response(FleetState(f"{board.run}-{board.number}", board.now, board.summary, board.tiles))

    async def events(self, request: ParsedRequest) -> None:
        """Stream all devices, then each change, as Server-Sent Events. Reconnecting loses nothing."""
        self._streams.open(request, self.encode)

    def encode(self, changes: Changes) -> bytes:
        """Encode the data of an event."""
        full = changes.since is None
        return msgspec.json.encode(FleetChanges(full, self._board.now, changes.summary, changes.tiles, changes.removed))

    async def detail(self, identifier: int) -> DeviceDetail:
        """Return everything known of a device; raise Refusal if it is unknown."""
        try:
            report = await self._commands.device(identifier)
        except CommandError as error:
            raise _refusal(error) from None
        self._board.refresh()
        tile = self._board.tile(identifier)
        if tile is None:
            raise Refusal(404, f"{report.device.name}: unknown device")
        return DeviceDetail(
            tile=tile,
            address=str(report.device.address or ""),
            why=self._commands.why(identifier),
            carriers=tuple(Carrier(a.first_day, a.last_day, a.sailor, a.tally, a.file_id) for a in report.assignments),
            tracks=report.tracks,
            others=report.others,
            visits=self._attendance.of(identifier, since=self._board.day_began_at),
            events=self._history.of(identifier, since=self._board.day_began_at),
        )

    async def device(self, request: ParsedRequest) -> Response:
        """Return everything known of a device."""
        return json_response(await self.detail(request.parameters["identifier"]))

    async def missing(self, request: ParsedRequest) -> Response:
        """Return the expected devices that are not collected today."""
        return json_response(self._commands.missing())

    async def tracks(self, request: ParsedRequest) -> Response:
        """Return the ledger entries of the tracks of a day."""
        return json_response(await self._commands.tracks(request.query.get("day", self._commands.today)))

    async def days(self, request: ParsedRequest) -> Response:
        """Count the outcomes of each day, the latest first; of a long event only the days closest to today."""
        return json_response(await self._records.days(self._commands.today))

    async def day(self, request: ParsedRequest) -> Response:
        """Return the outcome of each device on a day."""
        return json_response(await self._records.day(request.parameters["day"], self._commands.today))

    async def ranking(self, request: ParsedRequest) -> Response:
        """Return the best speeds of a day."""
        day: datetime.date = request.query.get("day", self._commands.today)
        return json_response(Ranking(day, await self._records.ranking(day)))

    async def stats(self, request: ParsedRequest) -> Response:
        """Return the counters since the start of the collector."""
        return json_response(self._commands.stats())

    async def rescan(self, request: ParsedRequest) -> Response:
        """Scan for absent devices now."""
        return self._run(self._commands.rescan)

    async def reload(self, request: ParsedRequest) -> Response:
        """Reload the configuration; return what changed."""
        return self._run(lambda: "; ".join(self._commands.reload()) or "configuration unchanged")

    async def pause(self, request: ParsedRequest) -> Response:
        """Start no further downloads."""
        return self._run(self._commands.pause)

    async def resume(self, request: ParsedRequest) -> Response:
        """Resume downloads."""
        return self._run(self._commands.resume)

    async def loglevel(self, request: ParsedRequest) -> Response:
        """Set the log level."""
        return self._run(lambda: self._commands.loglevel(request.body.level))

    async def retry(self, request: ParsedRequest) -> Response:
        """Inspect a device again now."""
        return await self._start(request, "retry", self._commands.retry)

    async def forget(self, request: ParsedRequest) -> Response:
        """Reset the visit of a device."""
        return self._run(lambda: self._commands.forget(request.parameters["identifier"]))

    async def fetch(self, request: ParsedRequest) -> Response:
        """Download a track that was skipped or is outside the event."""
        track = request.body.track
        what = f"fetch of {one_line(track)}"
        return await self._start(request, what, lambda number: self._commands.fetch(number, track))

    async def waive(self, request: ParsedRequest) -> Response:
        """Waive the missing tracks of a device that left too early."""
        reason = request.body.reason
        return await self._start(request, "waiver", lambda number: self._commands.waive(number, reason))

    def _run(self, command: Callable[[], str | None]) -> Response:
        """Run a command that ends at once."""
        try:
            return json_response(Done(True, command() or ""))
        except CommandError as error:
            raise _refusal(error) from None

    async def _start(self, request: ParsedRequest, what: str, command: Callable[[int], Deferred[Any]]) -> Response:
        """Start a command that may take long; respond 202 if it does."""
        identifier: int = request.parameters["identifier"]
        try:
            done = await self._pending.wait(self._board.name_of(identifier), what, command(identifier))
        except CommandError as error:
            raise _refusal(error) from None
        if done:
            return json_response(Done(True))
        return json_response(Done(False, "the command has started and continues"), 202)


def _read(path: str, handler: Handler, returns: Any, **more: Any) -> Route:
    return Route("GET", f"{ROOT}/{path}", handler, returns=returns, **more)


def _command(path: str, handler: Handler, takes: type[Struct] = Nothing) -> Route:
    parameters: dict[str, Any] = {"identifier": Number} if "{identifier}" in path else {}
    path = f"{ROOT}/{path}"
    return Route("POST", path, handler, parameters=parameters, takes=takes, returns=Done, needs_token=True)


def _refusal(error: CommandError) -> Refusal:
    return Refusal(404 if isinstance(error, UnknownDevice) else 409, str(error))
