"""The HTML pages and the static files."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable

import msgspec
from attrs import field, frozen
from markupsafe import Markup
from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime
from twisted.web import http

from sse_twisted.control.records import Records, TooLarge
from sse_twisted.fleet import PRESENT
from sse_twisted.results.days import OPEN, Day, State, day_as_csv
from sse_twisted.runtime.turns import in_turns
from sse_twisted.web.api import Api
from sse_twisted.web.bench import ZONES, Bench
from sse_twisted.web.board import POLL_INTERVAL, Board, Changes
from sse_twisted.web.rendering import Renderer
from sse_twisted.web.request_queue import Lane
from sse_twisted.web.routing import HTML, ParsedRequest, Refusal, Response, Route, json_response
from sse_twisted.web.stream import Streams
from sse_twisted.web.tiles import Column, Tile

PLOT_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # the style is part of the plot


@frozen(eq=False)
class BoardPage:
    """The board, and the stream that updates it."""

    _board: Board
    _streams: Streams
    _renderer: Renderer
    _clock: IReactorTime
    _bench: Bench = field(factory=Bench, init=False)
    _html: dict[int, tuple[Tile, str]] = field(factory=dict, init=False)  # device: its tile and its contents as HTML
    _pages: dict[str, tuple[float, Response]] = field(factory=dict, init=False)  # the latest state: time and page

    def routes(self) -> tuple[Route, ...]:
        return Route("GET", "/", self.page), Route("GET", "/stream", self.stream, query=("since",))

    async def page(self, request: ParsedRequest) -> Response:
        """Serve the whole board, which needs no script; all readers of a state get the same page, for a second."""
        await self._board.catch_up()
        self._board.refresh()
        await self._prepare()
        rendered_at, page = self._pages.get(self._board.state, (-math.inf, None))
        now = self._clock.seconds()
        if page is None or now - rendered_at >= POLL_INTERVAL:
            page = self._render()
            self._pages.clear()
            self._pages[self._board.state] = now, page
        return page

    def _render(self) -> Response:
        board = self._board
        tiles = board.tiles
        page = self._renderer.page(
            "board.html",
            zones=ZONES,
            layout=self._bench.layout(board.summary.columns),
            tiles={column: [tile for tile in tiles if tile.column is column] for column in Column},
            items=self._items,
            summary=board.summary,
            state=board.state,
            now=board.now,
            timezone=self._renderer.timezone(),
            paused=board.is_paused,
        )
        return Response(page, HTML)

    def _items(self, tiles: Iterable[Tile]) -> Markup:
        """Return the items of a column. A template takes three times as long for those of a thousand devices."""
        items = (f'<li class="tile" id="device-{t.id}" data-id="{t.id}">{self._tile(t)}</li>\n' for t in tiles)
        return Markup("".join(items))  # noqa: S704 - numbers, and what a template has escaped

    async def stream(self, request: ParsedRequest) -> None:
        """Stream the changes since the state that the page shows."""
        await self._prepare()
        self._streams.open(request, self.encode)

    def encode(self, changes: Changes) -> bytes:
        """Encode changes for the script of the page."""
        summary = changes.summary
        return msgspec.json.encode(
            {
                "full": changes.since is None,
                "tiles": [{"id": tile.id, "column": tile.column, "html": self._tile(tile)} for tile in changes.tiles],
                "removed": changes.removed,
                "top": self._renderer.top(summary),
                "zones": self._bench.layout(summary.columns),
                "title": f"{summary.collected} of {summary.expected} collected · {self._renderer.event}",
                "paused": self._board.is_paused,
                "now": self._board.now,
                "files": self._renderer.files,
            }
        )

    async def _prepare(self) -> None:
        """Render changed tiles and yield to the reactor in between: the tiles of a thousand devices take 50 ms."""
        tiles = self._board.tiles
        if len(self._html) > 2 * len(tiles) + 100:
            self._html.clear()
        async for tile in in_turns(tiles, self._clock):
            self._tile(tile)

    def _tile(self, tile: Tile) -> str:
        known, html = self._html.get(tile.id, (None, ""))
        if known is not tile:
            html = self._renderer.tile(tile)
            self._html[tile.id] = tile, html
        return html


@frozen(eq=False)
class RecordPages:
    """The pages of devices, days and rankings, and the plots of tracks."""

    _api: Api
    _board: Board
    _records: Records
    _renderer: Renderer

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/devices/{identifier}", self.device, lane=Lane.READING),
            Route("GET", "/devices/{identifier}/{track}.html", self.track, lane=Lane.READING),
            Route("GET", "/devices/{identifier}/{track}.svg", self.plot, lane=Lane.READING),
            Route("GET", "/days", self.days, lane=Lane.READING),
            Route("GET", "/days/{day}.json", self.day_as_json, lane=Lane.READING),
            Route("GET", "/days/{day}.csv", self.day_as_csv, lane=Lane.READING),
            Route("GET", "/days/{day}", self.day, query=("only",), lane=Lane.READING),
            Route("GET", "/ranking", self.ranking, query=("day",), lane=Lane.READING),
        )

    async def device(self, request: ParsedRequest) -> Response:
        identifier = request.parameters["identifier"]
        detail = await self._api.detail(identifier)
        findings, measured = await self._records.findings(identifier), self._records.measured(identifier)
        is_present = detail.tile.stage in PRESENT
        values = {"detail": detail, "findings": findings, "measured": measured, "is_present": is_present}
        return self._page("device.html", **values)

    async def track(self, request: ParsedRequest) -> Response:
        """Serve the page of a stored track, with its plot."""
        if await self._records.track_file(request.parameters["identifier"], request.parameters["track"]) is None:
            raise Refusal(404, "this track is not stored")
        return self._page("track.html", **request.parameters)

    async def plot(self, request: ParsedRequest) -> Response:
        """Serve a plot of a track: its speed over time and its path."""
        try:
            plot = await self._records.plot(request.parameters["identifier"], request.parameters["track"])
        except TooLarge as error:
            raise Refusal(413, str(error)) from None
        if plot is None:
            raise Refusal(404, "this track is not stored")
        return Response(plot.encode(), "image/svg+xml", headers={"Content-Security-Policy": PLOT_POLICY})

    async def days(self, request: ParsedRequest) -> Response:
        """Serve the counts of all days; those without anything to tell are folded."""
        today = self._board.today
        days = await self._records.days(today)
        told = [day for day in days if day.is_telling or day.day == today]
        silent = [day for day in days if day not in told and day.day < today]
        to_come = [day for day in days if day not in told and day.day > today]
        outside = self._records.outside(today)
        return self._page("days.html", days=told, silent=silent, to_come=to_come, outside=outside)

    async def day(self, request: ParsedRequest) -> Response:
        """Serve the outcome of each device on a day, ready to print."""
        day = await self._day(request)
        lines = day.worst_first(only_open="only" in request.parameters)
        counts = {state: count for state in State if (count := day.count(state))}
        return self._page(
            "day.html",
            day=day,
            lines=lines,
            counts=counts,
            is_part="only" in request.parameters,
            is_open=any(state in counts for state in OPEN),
            outside=self._records.outside(day.day),
            without_owner=self._records.without_owner(day.day),
            disciplines=await self._records.ranking(day.day),
        )

    async def day_as_json(self, request: ParsedRequest) -> Response:
        return json_response(await self._day(request))

    async def day_as_csv(self, request: ParsedRequest) -> Response:
        day = await self._day(request)
        disposition = f'attachment; filename="{day.day}.csv"'
        return Response(day_as_csv(day), "text/csv; charset=utf-8", headers={"Content-Disposition": disposition})

    async def ranking(self, request: ParsedRequest) -> Response:
        """Serve the best speeds of a day in each discipline."""
        day: datetime.date = request.parameters.get("day", self._board.today)
        return self._page("ranking.html", day=day, disciplines=await self._records.ranking(day))

    async def _day(self, request: ParsedRequest) -> Day:
        return await self._records.day(request.parameters["day"], self._board.today)

    def _page(self, template: str, **values: object) -> Response:
        return Response(self._renderer.page(template, **values), HTML)


@frozen
class StaticFiles:
    """Style, script and icons."""

    _files: dict[str, Response]
    _version: str

    def routes(self) -> tuple[Route, ...]:
        return (Route("GET", "/static/{name}", self.file, lane=Lane.FIRST),)

    async def file(self, request: ParsedRequest) -> Response:
        """Serve a file; respond 304 if the browser has it in this version."""
        file = self._files.get(request.parameters["name"])
        if file is None:
            raise Refusal(404, "there is no such file")
        is_cached = request.raw.setETag(f'"{self._version}"'.encode()) is http.CACHED
        return replace(file, body=b"", status=304) if is_cached else file
