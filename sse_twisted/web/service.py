"""The web server of the collector: what listens, and what it serves."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolNegotiationFactory
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.server import Request, Site
from zope.interface import implementer

from sse_twisted.daemon.collector import Collector
from sse_twisted.web.api import Api
from sse_twisted.web.board import Board
from sse_twisted.web.health import Health
from sse_twisted.web.openapi import described
from sse_twisted.web.pages import BoardPage, RecordPages, StaticFiles
from sse_twisted.web.pending_commands import PendingCommands
from sse_twisted.web.records import Records
from sse_twisted.web.rendering import Renderer, static_files
from sse_twisted.web.routing import HTML, BoundedRequest, Refusal, Response, Router, json_answer, readable
from sse_twisted.web.security import HEADERS, Guard, make_token, read_token
from sse_twisted.web.stream import Streams

DEFAULT_ENDPOINT = "tcp:8080:interface=127.0.0.1"
IDLE = 60.0  # s until a connection on which nothing is asked is closed
MOST_CONNECTIONS = 500


class _Site(Site):
    """Tells of requests at the level "debug": twistd's log is about devices, whoever looks on."""

    noisy = False

    def __init__(self, router: Router, reactor: Any, log: Logger) -> None:
        super().__init__(cast(Any, router), BoundedRequest, timeout=IDLE, reactor=reactor)
        self.displayTracebacks = False
        self._log = log

    def log(self, request: http.Request) -> None:
        """Tell of one that was answered."""
        text = "{client} asked for {method} {uri}: {status}"
        client = getattr(request.getClientAddress(), "host", "somebody")  # a socket of a path knows no host
        method, uri = readable(request.method), readable(request.uri)
        self._log.debug(text, client=client, method=method, uri=uri, status=request.code)


@implementer(IProtocolNegotiationFactory)
class _Doors(WrappingFactory):
    """Knows all connections, so that they can be bounded, and closed at the end."""

    noisy = False

    def acceptableProtocols(self) -> list[bytes]:
        """Over TLS; browsers propose several, and nothing is chosen, nor served, if we name none."""
        return [b"http/1.1"]

    def buildProtocol(self, addr: IAddress | None) -> Any:
        return super().buildProtocol(addr) if len(self.protocols) < MOST_CONNECTIONS else None

    def close(self) -> None:
        """Hang up on everybody."""
        for protocol in list(self.protocols):
            cast(Any, protocol.transport).abortConnection()


class WebService(Service):
    """Serves the board of a collector for as long as it runs."""

    def __init__(self, reactor: Any, collector: Collector, endpoint: str | None, token_file: str | None) -> None:
        """`endpoint` None is the default one, which may be taken: then the collector works without the web.

        `token_file` holds the token for commands; without one a new token is made at each start.
        """
        self.port: IListeningPort | None = None
        self._reactor = reactor
        self._collector = collector
        self._endpoint = endpoint
        self._given = Path(token_file) if token_file else None
        self._token = ""
        self._trouble: Failure | None = None
        live = collector.live
        files = static_files()
        renderer = Renderer(files, lambda: live.settings.expected.timezone, lambda: self.board.today)
        self.board = Board(collector.fleet, collector.attendance, live, reactor, collector.conditions, collector.log)
        self.streams = Streams(self.board, reactor, lambda: live.settings.web.streams, collector.log)
        self._renderer = renderer
        records = Records(collector.folder, collector.disk, collector.fleet, live, collector.results)
        self._orders = PendingCommands(reactor, collector.log)
        memories = collector.history, collector.attendance
        api = Api(collector.commands, *memories, self.board, self.streams, records, self._orders)
        routes = (
            *BoardPage(self.board, self.streams, renderer, str(self.token_file), reactor).routes(),
            *RecordPages(api, self.board, records, renderer, lambda: live.settings.expected).routes(),
            *StaticFiles(files, renderer.files).routes(),
            *Health(collector.conditions, collector.statistics.registry, self.streams).routes(),
            *described(api.routes()),
        )
        guard = Guard(lambda: self._token, lambda: live.settings.web.hosts)
        self.router = Router(routes, guard, self._refuse, HEADERS, collector.log)
        self._doors = _Doors(_Site(self.router, reactor, collector.log))

    @property
    def token_file(self) -> Path:
        """Where the token for commands stands."""
        return self._given or self._collector.folder.state / "web-token"

    def privilegedStartService(self) -> None:
        """Listen, while a low port can still be had; raises what keeps the endpoint that was asked for from it."""
        listening = maybeDeferred(
            serverFromString(self._reactor, self._endpoint or DEFAULT_ENDPOINT).listen, self._doors
        )
        listening.addCallbacks(self._listens, self._fails)
        if self._trouble is not None and self._endpoint is not None:
            self._trouble.raiseException()

    def startService(self) -> None:
        """Make the token, and say where the board is; raises TokenError or OSError."""
        super().startService()
        if self.port is None and self._trouble is None:
            self.privilegedStartService()
        log = self._collector.log
        try:
            self._token = read_token(self._given) if self._given else make_token(self.token_file)
        except OSError as error:
            if self._given:
                raise
            # Nobody can read the token then, so nobody can steer by the board; it can be looked at all the same.
            self._token = secrets.token_urlsafe(24)
            log.error("Nobody can give commands on the board: its token can't be written ({error})", error=str(error))
        if self._trouble is not None:
            text = "There is no board: {endpoint} can't be had ({why}). Collecting goes on; --web names another place"
            why = self._trouble.getErrorMessage()
            log.error(text, endpoint=self._endpoint or DEFAULT_ENDPOINT, why=why)
        elif self.port is not None:
            text = "The board is at {place}; commands need the token in {file}"
            log.info(text, place=self._place(self.port.getHost()), file=str(self.token_file))

    def stopService(self) -> Deferred[Any] | None:
        """Hang up, and listen no more."""
        if not self.running:
            return None
        super().stopService()
        self._orders.close()
        self.streams.close()
        self.board.close()
        port, self.port = self.port, None
        closed = maybeDeferred(port.stopListening) if port is not None else None
        self._doors.close()
        return closed

    def _listens(self, port: IListeningPort) -> None:
        self.port = port

    def _fails(self, failure: Failure) -> None:
        self._trouble = failure

    def _place(self, host: Any) -> str:
        name = getattr(host, "host", None)
        if name is None:
            return str(getattr(host, "name", host))
        scheme = "https" if (self._endpoint or "").startswith(("ssl:", "tls:")) else "http"
        shown = {"0.0.0.0": "localhost", "::": "localhost"}.get(name, f"[{name}]" if ":" in name else name)  # noqa: S104
        return f"{scheme}://{shown}:{host.port}/"

    def _refuse(self, request: Request, refusal: Refusal) -> Response:
        """In JSON to programs, as a page to people."""
        if (request.path or b"").startswith(b"/api/") or b"text/html" not in (request.getHeader(b"accept") or b""):
            body = {"status": refusal.status, "detail": refusal.text}
            answer = json_answer(body, refusal.status)
            return Response(answer.body, "application/problem+json", refusal.status, refusal.headers)
        page = self._renderer.page("refusal.html", refusal=refusal, today=self.board.today)
        return Response(page, HTML, refusal.status, refusal.headers)
