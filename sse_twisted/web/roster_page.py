"""The page of the roster: what is wrong with it, and the change that waits."""

from __future__ import annotations

from attrs import frozen

from sse_twisted.control.roster import RosterCommands
from sse_twisted.web.rendering import Renderer
from sse_twisted.web.routing import HTML, ParsedRequest, Response, Route


@frozen(eq=False)
class RosterPage:
    """The route of the page."""

    _roster: RosterCommands
    _renderer: Renderer

    def routes(self) -> tuple[Route, ...]:
        return (Route("GET", "/roster", self.page),)

    async def page(self, request: ParsedRequest) -> Response:
        """Serve the page; its commands need a script and the token."""
        return Response(self._renderer.page("roster.html", report=self._roster.report()), HTML)
