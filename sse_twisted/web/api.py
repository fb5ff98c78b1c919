"""The JSON API below /api/v1: the state of the collector, and the commands of the console."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
from attrs import frozen
from msgspec import Meta, Struct, structs
from msgspec.structs import replace
from twisted.internet.defer import Deferred, maybeDeferred

from sse_twisted.config.roster import Assignment
from sse_twisted.control.commands import Commands
from sse_twisted.control.course_reports import CourseDay, EntrantReport
from sse_twisted.control.errors import CommandError, NotFound
from sse_twisted.control.hand_ins import HandInReport
from sse_twisted.control.metrics import Figures
from sse_twisted.control.records import Records
from sse_twisted.control.reports import Missing
from sse_twisted.control.roster import RosterReport
from sse_twisted.copies.copy import CopyReport
from sse_twisted.event_folder.track_report import TrackReport
from sse_twisted.history.attendance import Attendance, PastVisit
from sse_twisted.history.events import MAX_EVENTS, DeviceEvent, History
from sse_twisted.results.courses.decisions import Action
from sse_twisted.results.days import Day, DayCount
from sse_twisted.results.ranking import Place
from sse_twisted.runtime.log_levels import Level
from sse_twisted.runtime.text import one_line
from sse_twisted.web.board import Board, Changes, Summary
from sse_twisted.web.pending_commands import TIMED_OUT, PendingCommands
from sse_twisted.web.request_queue import Lane
from sse_twisted.web.routing import ParsedRequest, Refusal, Response, Route, json_response
from sse_twisted.web.stream import Streams
from sse_twisted.web.tiles import Tile

ROOT = "/api/v1"
AT_HAND = ("fleet", "copies", "hand-ins", "hand-ins/{key}", "missing", "roster", "stats")  # read without the disk
Now = Annotated[float, Meta(description="time of the collector's clock, s since 1970")]


class FleetState(Struct, frozen=True):
    """All devices on the board, and what is said of all together."""

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
    entrant: Annotated[str, Meta(description="Entrant ID; empty if the roster has none")]
    start_time: Annotated[datetime.time | None, Meta(description="on the first day, in the time zone of the event")]
    end_time: Annotated[datetime.time | None, Meta(description="on the last day; no longer of this assignment")]


class DeviceDetail(Struct, frozen=True):
    """Everything known of a device."""

    tile: Tile
    address: Annotated[str, Meta(description="last known address; empty if the device was never seen")]
    why: Annotated[str, Meta(description="what the device is waiting for")]
    carriers: tuple[Carrier, ...]
    tracks: tuple[TrackReport, ...]
    others: Annotated[tuple[TrackReport, ...], Meta(description="tracks on the device from outside the event")]
    more_tracks: Annotated[int, Meta(description="older tracks of the event that are left out")]
    more_others: Annotated[int, Meta(description="older tracks from outside the event that are left out")]
    visits: Annotated[tuple[PastVisit, ...], Meta(description="visits today, the oldest first")]
    events: Annotated[
        tuple[DeviceEvent, ...],
        Meta(description=f"at most {MAX_EVENTS} events of today, the oldest first; debug events of this run only"),
    ]


class Ranking(Struct, frozen=True):
    """The best speeds of a day anywhere, confirmed by the tracks or as claimed by the devices: no results."""

    day: datetime.date
    disciplines: Annotated[dict[str, tuple[Place, ...]], Meta(description="500m, 10s, 2s, 5x10s, alpha500, 1852m, 1h")]


class Reason(Struct, frozen=True, forbid_unknown_fields=True):
    """The reason of a command."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class WhichTrack(Struct, frozen=True, forbid_unknown_fields=True):
    """A track of a device, by its name or by its path on the device."""

    track: Annotated[str, Meta(min_length=1, max_length=300)]


class Proposal(Struct, frozen=True, forbid_unknown_fields=True):
    """A decision of the committee. Which keys it needs depends on the action."""

    action: Action
    who: Annotated[str, Meta(min_length=1, max_length=100)]
    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    course: Annotated[str, Meta(max_length=20, description="of the run, or that is set anew")] = ""
    track: Annotated[str, Meta(max_length=300, description="of the run, or that is withdrawn")] = ""
    run: Annotated[str, Meta(max_length=40, description="`time` of the passage")] = ""
    set: Annotated[dict[str, Any] | None, Meta(description="keys of courses.json, for a course")] = None
    undoes: Annotated[str, Meta(max_length=40, description="`time` of the decision that is undone")] = ""


class OwnerOf(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose a track is, and who says so."""

    file_id: Annotated[str, Meta(max_length=100)]
    who: Annotated[str, Meta(min_length=1, max_length=100)]


class Counting(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the track of a day counts, who says so and why."""

    day: datetime.date
    counts: bool | None
    who: Annotated[str, Meta(min_length=1, max_length=100)]
    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class LogLevel(Struct, frozen=True, forbid_unknown_fields=True):
    """The lowest level that is logged."""

    level: Level


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a command that needs nothing but its path: `{}`."""


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
        return (*self._read_routes(), *self._command_routes())

    def _read_routes(self) -> Iterator[Route]:
        commands, records = self._commands, self._records
        yield _read("fleet", self._fleet, FleetState, "Return all devices on the board.")
        text = "Stream all devices, then each change, as Server-Sent Events. Reconnecting loses nothing."
        path, kind = f"{ROOT}/events", "text/event-stream"
        yield Route("GET", path, self._events, text, ("since",), returns=FleetChanges, media_type=kind)
        yield _read("devices/{identifier}", self.detail, DeviceDetail, "Return everything known of a device.")
        text = "Return the devices expected today that are neither collected nor waived."
        yield _read("missing", commands.missing, tuple[Missing, ...], text)
        text = "Return the ledger entries of a day, the youngest 300 of each device; header Left-Out counts the others."
        yield _read("tracks", self._tracks, tuple[TrackReport, ...], text, "day")
        text = "Count the outcomes of each day, the latest first; of a long event only the days closest to today."
        yield _read("days", lambda: records.days(commands.today), tuple[DayCount, ...], text)
        yield _read("days/{day}", lambda day: records.day(day, commands.today), Day, "Return the outcomes of a day.")
        yield _read(
            "ranking",
            self._ranking,
            Ranking,
            "Return the best speeds of a day anywhere in the tracks; no results.",
            "day",
        )
        courses = commands.courses
        text = "Return the days that have courses, the latest first."
        yield _read("courses", courses.days, tuple[datetime.date, ...], text)
        text = "Return the courses of a day and their rankings; nothing is a result that is not a run on a course."
        yield _read("courses/{day}", courses.day, CourseDay, text)
        text = "Return all passages of an entrant: runs, and those that are none, with the reasons."
        yield _read("courses/{day}/{entrant}", courses.entrant, EntrantReport, text)
        hand_ins = commands.hand_ins
        text = "Return the latest 500 files that were handed in, the latest first."
        yield _read("hand-ins", hand_ins.all, tuple[HandInReport, ...], text)
        text = "Return a file that was handed in."
        yield _read("hand-ins/{key}", self._hand_in, HandInReport, text)
        yield _read("roster", commands.roster.report, RosterReport, "Return the roster and what waits for a decision.")
        text = "Return how far each copy of the event folder is behind."
        yield _read("copies", commands.copies, tuple[CopyReport, ...], text)
        yield _read("stats", commands.stats, Figures, "Return the counters since the start of the collector.")

    def _command_routes(self) -> Iterator[Route]:
        commands, device = self._commands, "devices/{identifier}"
        yield self._command("rescan", commands.rescan, "Scan for absent devices now.")
        yield self._command("reload", self._reload, "Reload the configuration; return what changed.")
        yield self._command("pause", commands.pause, "Start no further downloads.")
        yield self._command("resume", commands.resume, "Resume downloads.")
        yield self._command("loglevel", commands.loglevel, "Set the log level.", LogLevel)
        yield self._command(f"{device}/retry", commands.retry, "Inspect a device again now.")
        yield self._command(f"{device}/forget", commands.forget, "Reset the visit of a device.")
        text = "Download a track that was skipped or is outside the event."
        yield self._command(f"{device}/fetch", commands.fetch, text, WhichTrack)
        text = "Do not expect a device of the roster today."
        yield self._command(f"{device}/not-expected", commands.not_expected, text, Reason)
        yield self._command(f"{device}/expect", commands.expect, "Expect a device again today.")
        text = "Confirm a change of the roster that waits."
        yield self._command("roster/{version}/confirm", commands.roster.confirm, text)
        text = "Refuse a change of the roster that waits, until the roster changes again."
        yield self._command("roster/{version}/refuse", commands.roster.refuse, text)
        text = "Decide about runs, a track or a course of a day, or undo a decision."
        yield self._command("courses/{day}/decisions", commands.courses.decide, text, Proposal)
        text = "Say whose a handed-in track is; an empty File ID takes it from its owner."
        yield self._command("hand-ins/{key}/owner", self._assign, text, OwnerOf)
        text = "Say whether a handed-in track counts instead of the event's device; null leaves it to the rule."
        yield self._command("hand-ins/{key}/counts", self._decide, text, Counting)
        yield self._command(f"{device}/waive", commands.waive, "Waive the missing tracks of a device.", Reason)

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
            carriers=tuple(map(_carrier, report.assignments)),
            tracks=report.tracks,
            others=report.others,
            more_tracks=report.more_tracks,
            more_others=report.more_others,
            visits=self._attendance.of(identifier, since=self._board.day_began_at),
            events=self._history.of(identifier, since=self._board.day_began_at),
        )

    def _hand_in(self, key: str) -> HandInReport:
        return self._commands.hand_ins.report(self._commands.hand_ins.find(key))

    def _assign(self, key: str, file_id: str, who: str) -> Deferred[str]:
        return Deferred.fromCoroutine(self._commands.hand_ins.assign(key, file_id, who))

    def _decide(self, key: str, day: datetime.date, counts: bool | None, who: str, reason: str) -> Deferred[str]:
        return Deferred.fromCoroutine(self._commands.hand_ins.decide(key, day, counts, who, reason))

    def _fleet(self) -> FleetState:
        board = self._board
        board.refresh()
        return FleetState(board.state, board.now, board.summary, board.tiles)

    async def _events(self, request: ParsedRequest) -> None:
        self._streams.open(request, self._encode)

    def _encode(self, changes: Changes) -> bytes:
        full = changes.since is None
        return msgspec.json.encode(FleetChanges(full, self._board.now, changes.summary, changes.tiles, changes.removed))

    async def _tracks(self, day: datetime.date | None = None) -> Response:
        found = await self._commands.tracks(day or self._commands.today)
        return replace(json_response(found.tracks), headers={"Left-Out": str(found.left_out)})

    async def _ranking(self, day: datetime.date | None = None) -> Ranking:
        day = day or self._commands.today
        return Ranking(day, await self._records.ranking(day))

    def _reload(self) -> Deferred[str]:
        return self._commands.reload().addCallback(lambda changes: "; ".join(changes) or "configuration unchanged")

    def _command(self, path: str, command: Callable[..., Any], summary: str, takes: type[Struct] = Nothing) -> Route:
        """Return the route of a command. It takes the parameters and the fields of the body by their names.

        The response to a command that takes long is 202.
        """

        async def run(request: ParsedRequest) -> Response:
            body = structs.asdict(request.body)
            try:
                result = command(**request.parameters, **body)
                if isinstance(result, Deferred):
                    identifier = request.parameters.get("identifier")
                    of_none = "roster" if path.startswith("roster") else "Collector:"
                    device = of_none if identifier is None else self._board.name_of(identifier)
                    what = one_line(" ".join((path.rpartition("/")[2], *map(str, filter(None, body.values())))))
                    result = await self._pending.wait(device, what, result)
                    if result is TIMED_OUT:
                        return json_response(Done(False, "the command has started and continues"), 202)
            except CommandError as error:
                raise _refusal(error) from None
            return json_response(Done(True, result if isinstance(result, str) else ""))

        return Route(
            "POST", f"{ROOT}/{path}", run, summary, takes=takes, returns=Done, needs_token=True, lane=Lane.FIRST
        )


def _carrier(a: Assignment) -> Carrier:
    return Carrier(a.first_day, a.last_day, a.sailor, a.tally, a.file_id, a.entrant, a.start_time, a.end_time)


def _read(path: str, read: Callable[..., Any], returns: Any, summary: str, *query: str) -> Route:
    """Return the route of a function that takes the parameters by their names, and may return a whole response."""

    async def respond(request: ParsedRequest) -> Response:
        try:
            result = await maybeDeferred(read, **request.parameters)
        except CommandError as error:
            raise Refusal(404 if isinstance(error, NotFound) else 503, str(error)) from None
        return result if isinstance(result, Response) else json_response(result)

    lane = Lane.PAGES if path in AT_HAND else Lane.READING
    return Route("GET", f"{ROOT}/{path}", respond, summary, query, returns=returns, lane=lane)


def _refusal(error: CommandError) -> Refusal:
    return Refusal(404 if isinstance(error, NotFound) else 409, str(error))
