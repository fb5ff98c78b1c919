"""The pages that people look at."""

from __future__ import annotations

import msgspec

from sse_twisted.web.board import Board, Changes
from sse_twisted.web.rendering import COLUMNS, Renderer, StaticFile
from sse_twisted.web.routing import HTML, Answer, Asked, Refusal, Route
from sse_twisted.web.stream import Streams
from sse_twisted.web.tiles import Column, Tile


class BoardPage:
    """The bench board, and the stream that keeps it as it should be."""

    def __init__(self, board: Board, streams: Streams, renderer: Renderer, token_file: str) -> None:
        self._board = board
        self._streams = streams
        self._renderer = renderer
        self._token_file = token_file
        self._html: dict[int, tuple[Tile, str]] = {}  # of tiles, as they were last rendered

    def routes(self) -> tuple[Route, ...]:
        """Where they are."""
        return (
            Route("GET", "/", self.page),
            Route("GET", "/stream", self.stream, query={"since": (str, "the state that the page shows")}),
        )

    async def page(self, asked: Asked) -> Answer:
        """The board as it stands: complete without any script."""
        board = self._board
        tiles: dict[Column, list[Tile]] = {column: [] for column in COLUMNS}
        for tile in board.tiles:
            tiles[tile.column].append(tile)
        page = self._renderer.page(
            "board.html",
            columns=COLUMNS,
            tiles=tiles,
            summary=board.summary,
            state=f"{board.run}-{board.number}",
            now=board.now,
            paused=board.is_paused,
            token_file=self._token_file,
            today=board.today,
        )
        return Answer(page, HTML)

    async def stream(self, asked: Asked) -> None:
        """Changes of the page, from the state on that it knows."""
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
                "title": f"{summary.collected} of {summary.expected} collected",
                "paused": self._board.is_paused,
                "now": self._board.now,
                "files": self._renderer.files,
            }
        )

    def _tile(self, tile: Tile) -> str:
        known = self._html.get(tile.id)
        if known is None or known[0] is not tile:
            known = self._html[tile.id] = (tile, self._renderer.tile(tile))
        return known[1]


class StaticFiles:
    """Style, script and pictures."""

    def __init__(self, files: dict[str, StaticFile], version: str) -> None:
        self._files = files
        self._tag = f'"{version}"'

    def routes(self) -> tuple[Route, ...]:
        """Where they are."""
        return (Route("GET", "/static/{name}", self.file, parameters={"name": str}),)

    async def file(self, asked: Asked) -> Answer:
        """One file; a browser that has it is told so."""
        file = self._files.get(asked.parameters["name"])
        if file is None:
            raise Refusal(404, "there is no such file")
        headers = {"ETag": self._tag, "Cache-Control": "no-cache"}
        if asked.header("if-none-match") == self._tag:
            return Answer(b"", file.kind, 304, headers)
        return Answer(file.data, file.kind, headers=headers)
