"""The JSON API below /api/v1: what is known, and the console's commands. Its description is made from these routes."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from twisted.internet.defer import Deferred

from sse_twisted.control.commands import CommandError, Commands, UnknownDevice
from sse_twisted.control.metrics import Figures
from sse_twisted.control.reports import Missing
from sse_twisted.event_folder.track_report import TrackReport
from sse_twisted.history.attendance import Attendance, PastVisit
from sse_twisted.history.events import KEPT, DeviceEvent, History
from sse_twisted.results.days import Day, DayCount
from sse_twisted.results.ranking import Place
from sse_twisted.runtime.log_levels import Level
from sse_twisted.runtime.text import one_line
from sse_twisted.web.board import Board, Changes, Summary
from sse_twisted.web.pending_commands import PendingCommands
from sse_twisted.web.records import Records
from sse_twisted.web.routing import Handler, ParsedRequest, Refusal, Response, Route, json_answer
from sse_twisted.web.stream import Streams
from sse_twisted.web.tiles import Tile

ROOT = "/api/v1"
EVENT_STREAM = "text/event-stream"

Number = Annotated[int, Meta(ge=1, le=999_999, description="The number on the sticker of a device.")]
Date = Annotated[datetime.date, Meta(description="A day of the event; today if it is left out.")]


class FleetState(Struct, frozen=True):
    """Everything on the board."""

    state: Annotated[str, Meta(description="to be sent as Last-Event-ID to /events")]
    now: Annotated[float, Meta(description="s since 1970, by the collector's clock")]
    summary: Summary
    devices: tuple[Tile, ...]


class FleetChanges(Struct, frozen=True):
    """The data of an event "board" of the stream. The event "beat" has `now` only."""

    full: Annotated[bool, Meta(description="whether these are all devices")]
    now: Annotated[float, Meta(description="s since 1970, by the collector's clock")]
    summary: Summary
    devices: Annotated[tuple[Tile, ...], Meta(description="those that have changed")]
    removed: Annotated[tuple[int, ...], Meta(description="those that are not on the board any more")]


class Carrier(Struct, frozen=True):
    """Who carries a device, and when."""

    first_day: datetime.date
    last_day: datetime.date
    sailor: str
    tally: str
    file_id: str


class DeviceDetail(Struct, frozen=True):
    """Everything that is known of one device."""

    tile: Tile
    address: Annotated[str, Meta(description="the last at which it was met; empty if it never was")]
    why: Annotated[str, Meta(description="what it is waiting for now")]
    carriers: tuple[Carrier, ...]
    tracks: tuple[TrackReport, ...]
    others: Annotated[tuple[TrackReport, ...], Meta(description="listed by the device, of another time")]
    visits: Annotated[tuple[PastVisit, ...], Meta(description="of today, the oldest first")]
    events: Annotated[
        tuple[DeviceEvent, ...],
        Meta(description=f"of today, the oldest first; at most {KEPT}. Debug events are those since the start"),
    ]


class Ranking(Struct, frozen=True):
    """The bests of a day, borne out by the tracks or as the devices claim them."""

    day: datetime.date
    disciplines: Annotated[dict[str, tuple[Place, ...]], Meta(description="500m, 10s, 2s, 5x10s, alpha500, 1852m, 1h")]


class Reason(Struct, frozen=True, forbid_unknown_fields=True):
    """Why somebody does something."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class WhichTrack(Struct, frozen=True, forbid_unknown_fields=True):
    """A track of a device, by its name or its path there."""

    track: Annotated[str, Meta(min_length=1, max_length=300)]


class LogLevel(Struct, frozen=True, forbid_unknown_fields=True):
    """From which level on is logged."""

    level: Level


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


class Done(Struct, frozen=True):
    """What became of a command."""

    done: Annotated[bool, Meta(description="false: it has begun, and goes on")]
    detail: str = ""


class Api:
    """The routes."""

    def __init__(
        self,
        commands: Commands,
        history: History,
        attendance: Attendance,
        board: Board,
        streams: Streams,
        records: Records,
        orders: PendingCommands,
    ) -> None:
        self._commands = commands
        self._history = history
        self._attendance = attendance
        self._board = board
        self._streams = streams
        self._records = records
        self._orders = orders

    def routes(self) -> tuple[Route, ...]:
        """All of them, with what they take and give."""
        return (*self._reading(), *self._acting())

    def _reading(self) -> Iterator[Route]:
        device = {"identifier": Number}
        day = {"day": Date}
        on_day = {"day": (Date, "A day of the event; today if it is left out.")}
        since = {"since": (str, "The state from which on changes are told; Last-Event-ID wins.")}
        yield _reads("fleet", self.fleet, "All devices on the board.", FleetState)
        summary = "Server-Sent Events: all devices, then each change; nothing is lost by reconnecting."
        yield _reads("events", self.events, summary, FleetChanges, query=since, gives_kind=EVENT_STREAM)
        summary = "Everything known of one device."
        yield _reads("devices/{identifier}", self.device, summary, DeviceDetail, parameters=device)
        yield _reads("missing", self.missing, "Who is not collected today.", tuple[Missing, ...])
        summary = "What the ledgers say of the tracks of a day."
        yield _reads("tracks", self.tracks, summary, tuple[TrackReport, ...], query=on_day)
        summary = "How many ended how on each day, the newest first; of many days those next to today."
        yield _reads("days", self.days, summary, tuple[DayCount, ...])
        yield _reads("days/{day}", self.day, "A day's reconciliation.", Day, parameters=day)
        yield _reads("ranking", self.ranking, "The bests of a day.", Ranking, query=on_day)
        yield _reads("stats", self.stats, "What was counted since the start.", Figures)

    def _acting(self) -> Iterator[Route]:
        yield _commands("rescan", self.rescan, "Look for every device that is not there, now.")
        yield _commands("reload", self.reload, "Read the configuration again.")
        yield _commands("pause", self.pause, "Begin no further download.")
        yield _commands("resume", self.resume, "Go on with downloads.")
        yield _commands("loglevel", self.loglevel, "Log from a level on.", LogLevel)
        yield _commands("devices/{identifier}/retry", self.retry, "Look at a device again, now.")
        yield _commands("devices/{identifier}/forget", self.forget, "End a device's visit, and begin anew.")
        summary = "Want a track that was skipped or is of another time."
        yield _commands("devices/{identifier}/fetch", self.fetch, summary, WhichTrack)
        summary = "Wait no more for what a device had that left too early."
        yield _commands("devices/{identifier}/waive", self.waive, summary, Reason)

    async def fleet(self, asked: ParsedRequest) -> Response:
        """The whole board."""
        board = self._board
        board.refresh()
        return json_answer(FleetState(f"{board.run}-{board.number}", board.now, board.summary, board.tiles))

    async def events(self, asked: ParsedRequest) -> None:
        """The stream."""
        last = asked.header("last-event-id") or asked.query.get("since", "")
        self._streams.open(asked.request, self.encode, last)

    def encode(self, changes: Changes) -> bytes:
        """The data of one event."""
        full = changes.since is None
        return msgspec.json.encode(FleetChanges(full, self._board.now, changes.summary, changes.tiles, changes.removed))

    async def detail(self, identifier: int) -> DeviceDetail:
        """Everything known of one device; raises Refusal if nothing is."""
        try:
            report = await self._commands.device(identifier)
        except CommandError as error:
            raise _refusal(error) from None
        self._board.refresh()
        tile = self._board.tile(identifier)
        if tile is None:
            raise Refusal(404, f"motion-{identifier} is on no roster, and was not seen")
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

    async def device(self, asked: ParsedRequest) -> Response:
        """One device."""
        return json_answer(await self.detail(asked.parameters["identifier"]))

    async def missing(self, asked: ParsedRequest) -> Response:
        """Whom we still wait for."""
        return json_answer(self._commands.missing())

    async def tracks(self, asked: ParsedRequest) -> Response:
        """Of one day."""
        return json_answer(await self._commands.tracks(asked.query.get("day", self._commands.today)))

    async def days(self, asked: ParsedRequest) -> Response:
        """All of them."""
        return json_answer(await self._records.days(self._commands.today))

    async def day(self, asked: ParsedRequest) -> Response:
        """The reconciliation."""
        return json_answer(await self._records.day(asked.parameters["day"], self._commands.today))

    async def ranking(self, asked: ParsedRequest) -> Response:
        """Of one day."""
        day: datetime.date = asked.query.get("day", self._commands.today)
        return json_answer(Ranking(day, await self._records.ranking(day)))

    async def stats(self, asked: ParsedRequest) -> Response:
        """Figures."""
        return json_answer(self._commands.stats())

    async def rescan(self, asked: ParsedRequest) -> Response:
        """Look for everybody."""
        return await self._do(self._commands.rescan)

    async def reload(self, asked: ParsedRequest) -> Response:
        """Read the configuration."""
        return await self._do(lambda: "; ".join(self._commands.reload()) or "the configuration is as before")

    async def pause(self, asked: ParsedRequest) -> Response:
        """Stop downloads."""
        return await self._do(self._commands.pause)

    async def resume(self, asked: ParsedRequest) -> Response:
        """Go on."""
        return await self._do(self._commands.resume)

    async def loglevel(self, asked: ParsedRequest) -> Response:
        """More or less words."""
        return await self._do(lambda: self._commands.loglevel(asked.body.level))

    async def retry(self, asked: ParsedRequest) -> Response:
        """Look at a device again."""
        return await self._begin(asked, "retry", self._commands.retry)

    async def forget(self, asked: ParsedRequest) -> Response:
        """Begin anew with a device."""
        return await self._do(lambda: self._commands.forget(asked.parameters["identifier"]))

    async def fetch(self, asked: ParsedRequest) -> Response:
        """Want a track."""
        track = asked.body.track
        return await self._begin(
            asked, f"fetch of {one_line(track)}", lambda number: self._commands.fetch(number, track)
        )

    async def waive(self, asked: ParsedRequest) -> Response:
        """Give up what a device had."""
        reason = asked.body.reason
        return await self._begin(asked, "waiver", lambda number: self._commands.waive(number, reason))

    async def _do(self, command: Callable[[], str | None]) -> Response:
        """Do what is done at once."""
        try:
            return json_answer(Done(True, command() or ""))
        except CommandError as error:
            raise _refusal(error) from None

    async def _begin(self, asked: ParsedRequest, what: str, command: Callable[[int], Deferred[Any]]) -> Response:
        """Begin with what takes its time, and wait a little for its outcome."""
        identifier: int = asked.parameters["identifier"]
        try:
            done = await self._orders.wait(f"motion-{identifier}", what, command(identifier))
        except CommandError as error:
            raise _refusal(error) from None
        return json_answer(Done(True)) if done else json_answer(Done(False, "it has begun, and goes on"), 202)


def _reads(path: str, handler: Handler, summary: str, gives: Any, **more: Any) -> Route:
    return Route("GET", f"{ROOT}/{path}", handler, summary, gives=gives, **more)


def _commands(path: str, handler: Handler, summary: str, takes: type[Struct] = Nothing) -> Route:
    parameters: dict[str, Any] = {"identifier": Number} if "{identifier}" in path else {}
    return Route(
        "POST", f"{ROOT}/{path}", handler, summary, parameters=parameters, takes=takes, gives=Done, commands=True
    )


def _refusal(error: CommandError) -> Refusal:
    return Refusal(404 if isinstance(error, UnknownDevice) else 409, str(error))
