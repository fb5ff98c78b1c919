"""The pages that people look at."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import msgspec
from markupsafe import Markup
from twisted.internet.interfaces import IReactorTime

from sse_twisted.config.settings import Expected
from sse_twisted.results.days import State, day_as_csv
from sse_twisted.runtime.turns import in_turns
from sse_twisted.web.api import Api, Number
from sse_twisted.web.bench import ZONES, Bench
from sse_twisted.web.board import Board, Changes
from sse_twisted.web.records import Records, TooLarge
from sse_twisted.web.rendering import Renderer, StaticFile
from sse_twisted.web.routing import HTML, ParsedRequest, Refusal, Response, Route, json_answer
from sse_twisted.web.stream import Streams
from sse_twisted.web.tiles import Column, Tile

PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # a picture brings its style along, and nothing else


class BoardPage:
    """The bench board, and the stream that keeps it as it should be."""

    def __init__(
        self, board: Board, streams: Streams, renderer: Renderer, token_file: str, clock: IReactorTime
    ) -> None:
        self._clock = clock
        self._board = board
        self._streams = streams
        self._renderer = renderer
        self._token_file = token_file
        self._bench = Bench()
        self._html: dict[int, tuple[Tile, str]] = {}  # of tiles, as they were last rendered

    def routes(self) -> tuple[Route, ...]:
        """Where they are."""
        return (
            Route("GET", "/", self.page),
            Route("GET", "/stream", self.stream, query={"since": (str, "the state that the page shows")}),
        )

    async def page(self, asked: ParsedRequest) -> Response:
        """The board as it stands: complete without any script."""
        board = self._board
        board.refresh()
        await self._prepare()
        tiles: dict[Column, list[Tile]] = {column: [] for column in Column}
        for tile in board.tiles:
            tiles[tile.column].append(tile)
        page = self._renderer.page(
            "board.html",
            zones=ZONES,
            shares=self._bench.shares(board.summary.columns),
            tiles=tiles,
            inside=lambda tile: Markup(self._tile(tile)),  # noqa: S704 - made by a template that escapes
            summary=board.summary,
            state=f"{board.run}-{board.number}",
            now=board.now,
            timezone=self._renderer.timezone,
            paused=board.is_paused,
            token_file=self._token_file,
            today=board.today,
        )
        return Response(page, HTML)

    async def stream(self, asked: ParsedRequest) -> None:
        """Changes of the page, from the state on that it knows."""
        await self._prepare()
        last = asked.header("last-event-id") or asked.query.get("since", "")
        self._streams.open(asked.request, self.encode, last)

    def encode(self, changes: Changes) -> bytes:
        """What the page's script takes."""
        summary = changes.summary
        return msgspec.json.encode(
            {
                "full": changes.since is None,
                "tiles": [{"id": tile.id, "column": tile.column, "html": self._tile(tile)} for tile in changes.tiles],
                "removed": changes.removed,
                "top": self._renderer.top(summary),
                "zones": self._bench.shares(summary.columns),
                "title": f"{summary.collected} of {summary.expected} collected",
                "paused": self._board.is_paused,
                "now": self._board.now,
                "files": self._renderer.files,
            }
        )

    async def _prepare(self) -> None:
        """Render the tiles that have changed, some at a time: those of a thousand devices take 50 ms."""
        async for tile in in_turns(self._board.tiles, self._clock):
            self._tile(tile)

    def _tile(self, tile: Tile) -> str:
        known = self._html.get(tile.id)
        if known is None or known[0] is not tile:
            known = self._html[tile.id] = (tile, self._renderer.tile(tile))
        return known[1]


class RecordPages:
    """Device, day and ranking: what is known beyond the board."""

    def __init__(self, api: Api, board: Board, records: Records, renderer: Renderer, settings: Callable[[], Expected]):
        self._api = api
        self._board = board
        self._records = records
        self._renderer = renderer
        self._settings = settings

    def routes(self) -> tuple[Route, ...]:
        """Where they are."""
        return (
            Route("GET", "/devices/{identifier}", self.device, parameters={"identifier": Number}),
            Route(
                "GET", "/devices/{identifier}/{track}.svg", self.plot, parameters={"identifier": Number, "track": str}
            ),
            Route("GET", "/days", self.days),
            Route("GET", "/days/{day}.json", self.day_as_json, parameters={"day": datetime.date}),
            Route("GET", "/days/{day}.csv", self.day_as_csv, parameters={"day": datetime.date}),
            Route("GET", "/days/{day}", self.day, parameters={"day": datetime.date}),
            Route("GET", "/ranking", self.ranking, query={"day": (datetime.date, "today without one")}),
        )

    async def device(self, asked: ParsedRequest) -> Response:
        """Everything of one device."""
        identifier = asked.parameters["identifier"]
        detail = await self._api.detail(identifier)
        about = await self._records.findings(identifier, self._settings())
        measured = self._records.measured(identifier)
        return self._page("device.html", detail=detail, about=about, measured=measured, now=self._board.now)

    async def plot(self, asked: ParsedRequest) -> Response:
        """A track as a picture: speed over time, and the path."""
        try:
            picture = await self._records.plot(asked.parameters["identifier"], asked.parameters["track"])
        except TooLarge as error:
            raise Refusal(413, str(error)) from None
        if picture is None:
            raise Refusal(404, "there is no such track here")
        return Response(picture.encode(), "image/svg+xml", headers={"Content-Security-Policy": PICTURE_POLICY})

    async def days(self, asked: ParsedRequest) -> Response:
        """One line for each day."""
        return self._page("days.html", days=await self._records.days(self._board.today))

    async def day(self, asked: ParsedRequest) -> Response:
        """The reconciliation of a day, to be printed."""
        day = await self._records.day(asked.parameters["day"], self._board.today)
        ranking = await self._records.ranking(day.day)
        return self._page("day.html", day=day, states=tuple(State), disciplines=ranking)

    async def day_as_json(self, asked: ParsedRequest) -> Response:
        """The same for programs."""
        return json_answer(await self._records.day(asked.parameters["day"], self._board.today))

    async def day_as_csv(self, asked: ParsedRequest) -> Response:
        """The same for spreadsheets."""
        day = await self._records.day(asked.parameters["day"], self._board.today)
        disposition = f'attachment; filename="{day.day}.csv"'
        return Response(day_as_csv(day), "text/csv; charset=utf-8", headers={"Content-Disposition": disposition})

    async def ranking(self, asked: ParsedRequest) -> Response:
        """The bests of a day, in every discipline."""
        day: datetime.date = asked.query.get("day", self._board.today)
        return self._page("ranking.html", day=day, disciplines=await self._records.ranking(day))

    def _page(self, template: str, **values: object) -> Response:
        return Response(self._renderer.page(template, today=self._board.today, **values), HTML)


class StaticFiles:
    """Style, script and pictures."""

    def __init__(self, files: dict[str, StaticFile], version: str) -> None:
        self._files = files
        self._tag = f'"{version}"'

    def routes(self) -> tuple[Route, ...]:
        """Where they are."""
        return (Route("GET", "/static/{name}", self.file, parameters={"name": str}),)

    async def file(self, asked: ParsedRequest) -> Response:
        """One file; a browser that has it is told so."""
        file = self._files.get(asked.parameters["name"])
        if file is None:
            raise Refusal(404, "there is no such file")
        headers = {"ETag": self._tag, "Cache-Control": "no-cache"}
        known = {tag.strip().removeprefix("W/") for tag in asked.header("if-none-match").split(",")}
        if known & {self._tag, "*"}:
            return Response(b"", file.kind, 304, headers)
        return Response(file.data, file.kind, headers=headers)
