"""The pages of the courses of a day: rankings, a page for each sailor, and pictures."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar
from zlib import crc32

import msgspec
from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime

from sse_twisted.config.courses import HOURS
from sse_twisted.control.course_reports import CourseReport
from sse_twisted.control.courses import CourseCommands
from sse_twisted.control.errors import CommandError, NotFound
from sse_twisted.results.courses.gpsdata import clock
from sse_twisted.runtime.disk import Disk
from sse_twisted.web.board import Board, Changes
from sse_twisted.web.pages import PLOT_POLICY
from sse_twisted.web.rendering import Renderer
from sse_twisted.web.request_queue import Lane
from sse_twisted.web.routing import HTML, ParsedRequest, Refusal, Response, Route, json_response
from sse_twisted.web.stream import Streams

T = TypeVar("T")

MAX_AGE: Final = 5.0  # s for which all readers of a state get the same page
MAX_PAGES: Final = 8  # that are kept
SET_ON_PAGE: Final = (*HOURS, "Start Line", "Direction", "Distance")  # keys of courses.json, in this order
STREAM: Final = "/course-stream"


@frozen(eq=False)
class CoursePages:
    """The routes of the pages, and the stream that tells them when to load themselves again."""

    _courses: CourseCommands
    _board: Board
    _streams: Streams
    _renderer: Renderer
    _disk: Disk
    _clock: IReactorTime
    _pages: dict[object, tuple[str, float, Response]] = field(factory=dict, init=False)

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/course", self.page, query=("show",), lane=Lane.READING),
            Route("GET", "/course.json", self.as_json, lane=Lane.READING),
            Route("GET", "/course.csv", self.as_csv, lane=Lane.READING),
            Route("GET", "/course/{day}.json", self.as_json, lane=Lane.READING),
            Route("GET", "/course/{day}.csv", self.as_csv, lane=Lane.READING),
            Route("GET", "/course/{day}", self.page, query=("show",), lane=Lane.READING),
            Route("GET", "/course/{day}/{entrant}", self.entrant, lane=Lane.READING),
            Route("GET", "/passages/{day}/{course}/{track}.svg", self.picture, lane=Lane.READING),
            Route("GET", STREAM, self.stream, query=("since",)),
        )

    async def page(self, request: ParsedRequest) -> Response:
        """Serve the rankings of a day; with `show` for a projector, without what concerns the committee only."""
        is_shown = "show" in request.parameters or request.raw.uri.endswith(b"?show")  # Twisted drops what has no "="
        day = self._day(request)
        self._board.refresh()
        version, now, key = self.version, self._clock.seconds(), (day, is_shown)
        kept, rendered_at, response = self._pages.get(key, ("", 0.0, None))
        if response is None or kept != version or now - rendered_at > MAX_AGE:
            report = await self._read(self._courses.day(day))
            days = await self._read(self._courses.days())
            values = {"report": report, "days": days, "show": is_shown, "set_anew": _keys_of}
            response = await self._render("course.html", version, values)
            if len(self._pages) >= MAX_PAGES:
                self._pages.clear()
            self._pages[key] = version, now, response
        return response

    async def entrant(self, request: ParsedRequest) -> Response:
        """Serve all passages of a sailor, with their pictures."""
        self._board.refresh()
        version = self.version
        entrant = self._courses.entrant(self._day(request), request.parameters["entrant"])
        return await self._render("sailor.html", version, {"report": await self._read(entrant), "show": False})

    async def picture(self, request: ParsedRequest) -> Response:
        """Serve the picture of a track's passages of a course."""
        svg = await self._read(self._courses.picture(**request.parameters))
        return Response(svg.encode(), "image/svg+xml", headers={"Content-Security-Policy": PLOT_POLICY})

    async def as_json(self, request: ParsedRequest) -> Response:
        return json_response(await self._read(self._courses.day(self._day(request))))

    async def as_csv(self, request: ParsedRequest) -> Response:
        day = self._day(request)
        disposition = f'attachment; filename="course {day}.csv"'
        table = await self._read(self._courses.csv(day))
        return Response(table, "text/csv; charset=utf-8", headers={"Content-Disposition": disposition})

    async def stream(self, request: ParsedRequest) -> None:
        """Stream the version of the pages with each change of the board."""
        self._streams.open(request, self.encode)

    def encode(self, changes: Changes) -> bytes:
        """Encode what the script of the pages needs."""
        return msgspec.json.encode(
            {"now": self._board.now, "version": self.version, "files": self._renderer.files, "full": True}
        )

    @property
    def version(self) -> str:
        """What differs when the pages may differ: results, who is still missing, and the settings."""
        summary = self._board.summary
        counts = (summary.collected, summary.waived, summary.expected, summary.not_expected)
        shown = summary.today, summary.results_at, counts, self._courses.ranking, self._renderer.timezone()
        return f"{crc32(repr(shown).encode()):08x}"

    async def _render(self, template: str, version: str, values: Mapping[str, Any]) -> Response:
        """Render in a thread: the rankings of a hundred sailors take some 50 ms."""
        board = self._board
        more = {"version": version, "state": board.state, "now": board.now, "stream": STREAM}
        zone = {"timezone": self._renderer.timezone(), "today": board.today}
        return Response(await self._disk.read(self._renderer.page, template, **values, **more, **zone), HTML)

    async def _read(self, reading: Awaitable[T]) -> T:
        try:
            return await reading
        except CommandError as error:
            raise Refusal(404 if isinstance(error, NotFound) else 503, str(error)) from None

    def _day(self, request: ParsedRequest) -> datetime.date:
        day: datetime.date = request.parameters.get("day", self._board.today)
        return day


def _keys_of(course: CourseReport | None = None) -> dict[str, object]:
    """Return the keys of courses.json that a decision may set, with the values in force; empty ones of a new course."""
    if course is None:
        return dict.fromkeys(SET_ON_PAGE, "")
    opens, closes = ("" if time is None else clock(time) for time in (course.opens, course.closes))
    values = (opens, closes, course.line, course.direction, course.length)
    return {key: "" if value in (None, ()) else value for key, value in zip(SET_ON_PAGE, values, strict=True)}
