"""The web server of the collector: its endpoint and its routes."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import msgspec
from prometheus_client import generate_latest
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Request

from sse_twisted.config.live import LiveConfig
from sse_twisted.control.bundle import Source
from sse_twisted.control.commands import Commands
from sse_twisted.control.health import Condition
from sse_twisted.control.metrics import Statistics
from sse_twisted.control.records import Records
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.watch import FolderWatch
from sse_twisted.fleet import Fleet
from sse_twisted.history.attendance import Attendance
from sse_twisted.history.events import History
from sse_twisted.results.courses.service import CourseService
from sse_twisted.runtime.disk import Disk
from sse_twisted.web.api import Api
from sse_twisted.web.board import Board
from sse_twisted.web.bundle import BundleDownload
from sse_twisted.web.connections import Connections, WebSite
from sse_twisted.web.course_pages import CoursePages
from sse_twisted.web.hand_in_pages import HandInPages
from sse_twisted.web.health import Health
from sse_twisted.web.help import HelpPage
from sse_twisted.web.openapi import PROBLEM, Problem, with_description
from sse_twisted.web.own_addresses import OwnAddresses
from sse_twisted.web.pages import BoardPage, RecordPages, StaticFiles
from sse_twisted.web.pending_commands import PendingCommands
from sse_twisted.web.rendering import Renderer, static_files
from sse_twisted.web.request_queue import RequestQueue
from sse_twisted.web.roster_page import RosterPage
from sse_twisted.web.routing import HTML, Refusal, Response, Route, Router
from sse_twisted.web.security import DEFAULT_ENDPOINT, HEADERS, Guard, make_token, read_token
from sse_twisted.web.stream import Streams
from sse_twisted.web.track_files import TrackFiles
from sse_twisted.web.uploads import Uploads

BACKLOG = 1024  # connections that wait to be accepted; for one more the system is silent, and the client asks after 1 s


class Watched(Protocol):
    """What the web server needs of a running collector."""

    attendance: Attendance
    commands: Commands
    courses: CourseService
    disk: Disk
    fleet: Fleet
    folder: EventFolder  # for the token
    history: History
    live: LiveConfig
    log: Logger
    records: Records
    statistics: Statistics
    watch: FolderWatch

    def conditions(self) -> tuple[Condition, ...]:
        """Return the state of the collector itself."""


def reports_of(collector: Watched) -> dict[str, str]:
    """Return what the collector knows beside its files, by name in a support bundle."""
    commands, figures = collector.commands, collector.commands.stats()
    reports = {
        "slow": {
            "reactor_delay_s": {"mean": figures.reactor_delay, "longest": figures.longest_reactor_delay},
            "waiting": commands.semaphores(),
            "disk_trouble": collector.disk.trouble,
            "tries": {device.name: device.tries for device in collector.fleet if device.tries},
        },
        "figures": figures,
        "conditions": collector.conditions(),
        "fleet": list(collector.fleet),
    }
    texts = {f"reports/{name}.json": msgspec.json.format(msgspec.json.encode(value)) for name, value in reports.items()}
    metrics = generate_latest(collector.statistics.registry)
    return {name: text.decode() for name, text in (*texts.items(), ("reports/metrics.txt", metrics))}


class WebService(Service):
    """Serves the board, its pages and the API of a collector."""

    def __init__(
        self,
        reactor: Any,
        collector: Watched,
        endpoint: str | None,
        token_file: str | None,
        configuration: Path | None = None,
        secret_files: tuple[Path, ...] = (),
    ) -> None:
        """`endpoint` None is the default one; if its port is taken, the collector works without the web server.

        `token_file` holds the token for commands; without it a new token is created at each start. The support bundle
        has the file `configuration`, and none of what is in `secret_files`.
        """
        self.port: IListeningPort | None = None
        self._reactor = reactor
        self._log = collector.log
        self._endpoint = endpoint or DEFAULT_ENDPOINT
        self._may_fail = endpoint is None
        self._own_token = Path(token_file) if token_file else None
        self.token_file = self._own_token or collector.folder.state / "web-token"  # the start may find another place
        self._folder = collector.folder
        self._token = ""
        self._failure: Failure | None = None
        live = collector.live
        self._files, event = static_files(), collector.folder.root.name
        self._addresses = OwnAddresses(reactor)
        renderer = Renderer(
            self._files,
            lambda: live.settings.expected.timezone,
            lambda: self.board.today,
            event,
            self._addresses.urls,
            lambda: str(self.token_file),
        )
        self.board = Board(collector.fleet, collector.attendance, live, reactor, collector.conditions, self._log)
        collector.courses.when_results_change(lambda _: self.board.note_results())
        self.streams = Streams(self.board, reactor, lambda: live.settings.web.streams, self._log)
        self._renderer = renderer
        self._pending = PendingCommands(reactor, self._log)

        def source() -> Source:
            hidden = (*secret_files, self.token_file)
            return Source(collector.folder, live.settings, configuration, hidden, reports_of(collector))

        guard = Guard(lambda: self._token, lambda: live.settings.web.hosts)
        routes = self._routes(collector, source, event, guard.is_token)
        self._queue = RequestQueue(reactor, self._log)
        self.router = Router(
            routes, guard, self._refuse, HEADERS, self._queue, self._log, lambda: collector.watch.trouble
        )
        incoming = collector.commands.hand_ins.service.register.incoming
        uploads = Uploads(incoming, collector.disk, guard.has_token, guard.is_token, self._log)
        self._connections = Connections(WebSite(self.router, self._queue, reactor, self._log, uploads.begin))

    def _routes(
        self, collector: Watched, source: Callable[[], Source], event: str, is_token: Callable[[str], bool]
    ) -> tuple[Route, ...]:
        """Return the routes of all pages and of the API."""
        reactor, renderer = self._reactor, self._renderer
        past = collector.history, collector.attendance
        api = Api(collector.commands, *past, self.board, self.streams, collector.records, self._pending)
        return (
            *BoardPage(self.board, self.streams, renderer, reactor).routes(),
            *TrackFiles(collector.records, collector.disk, reactor, event).routes(),
            *RecordPages(api, self.board, collector.records, renderer).routes(),
            *CoursePages(
                collector.commands.courses, self.board, self.streams, renderer, collector.disk, reactor
            ).routes(),
            *HandInPages(collector.commands.hand_ins, renderer, self._pending, is_token).routes(),
            *RosterPage(collector.commands.roster, renderer).routes(),
            *StaticFiles(self._files, renderer.files).routes(),
            *HelpPage(renderer, collector.disk, lambda: self.board.today).routes(),
            *BundleDownload(renderer, collector.disk, source, lambda: collector.fleet.now).routes(),
            *Health(
                collector.conditions,
                collector.statistics.registry,
                self.streams,
                lambda: collector.live.settings.copies.required,
            ).routes(),
            *with_description(api.routes()),
        )

    def privilegedStartService(self) -> None:
        """Listen while the process may still use a low port; raise the failure of an explicit endpoint."""
        listening = serverFromString(self._reactor, with_backlog(self._endpoint)).listen(self._connections)
        listening.addCallbacks(partial(setattr, self, "port"), partial(setattr, self, "_failure"))
        if self._failure is not None and not self._may_fail:
            self._failure.raiseException()
        self._connections.accept_few(self.port)

    def startService(self) -> None:
        """Create or read the token and log the address of the board; raise TokenError."""
        super().startService()
        if self.port is None and self._failure is None:
            self.privilegedStartService()
        if self._own_token is None:  # once, since a disk that hangs later must not block the reactor
            self.token_file = self._folder.secrets / "web-token"
        try:
            self._token = read_token(self._own_token) if self._own_token else make_token(self.token_file)
        except OSError as error:
            self._token = secrets.token_urlsafe(24)  # unknown to everyone: pages work, commands do not
            self._log.error("Board is read-only: cannot write the token ({error})", error=str(error))
        if self._failure is not None:
            text = "Board disabled: cannot listen on {endpoint} ({why}). Collection continues; set --web to change it"
            why = self._failure.getErrorMessage()
            self._log.error(text, endpoint=self._endpoint, why=why)
        elif self.port is not None:
            text = "The board is at {place}; commands need the token in {file}"
            place = self._url(self.port.getHost())
            self._log.info(text, place=place, file=str(self.token_file))
            self._addresses.listen(self.port, self._scheme)
            others = [url for url in self._addresses.urls() if url != place]
            if others:
                self._log.info("Other devices reach the board at {places}", places=", ".join(others))

    def stopService(self) -> Deferred[Any] | None:
        if not self.running:
            return None
        super().stopService()
        self._pending.close()
        self.streams.close()
        self.board.close()
        port, self.port = self.port, None
        closed = maybeDeferred(port.stopListening) if port is not None else None
        self._connections.close()
        self._queue.clear()
        return closed

    @property
    def _scheme(self) -> str:
        return "https" if self._endpoint.startswith(("ssl:", "tls:")) else "http"

    def _url(self, address: Any) -> str:
        host = getattr(address, "host", None)
        if host is None:  # a Unix socket
            return str(getattr(address, "name", address))
        shown = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
        return f"{self._scheme}://{shown}:{address.port}/"

    def _refuse(self, request: Request, refusal: Refusal) -> Response:
        """Render a refusal: as a page for browsers, as JSON for programs."""
        if (request.path or b"").startswith(b"/api/") or b"text/html" not in (request.getHeader(b"accept") or b""):
            body = msgspec.json.encode(Problem(refusal.status, refusal.detail))
            return Response(body, PROBLEM, refusal.status, refusal.headers)
        title = f"{refusal.status} {HTTPStatus(refusal.status).phrase}"
        page = self._renderer.page("refusal.html", title=title, refusal=refusal)
        return Response(page, HTML, refusal.status, refusal.headers)


def with_backlog(endpoint: str) -> str:
    """Return an endpoint of TCP or TLS with a long queue, unless it says how long: Twisted's own has 50."""
    if endpoint.partition(":")[0] not in ("tcp", "tcp6", "ssl") or ":backlog=" in endpoint:
        return endpoint
    return f"{endpoint}:backlog={BACKLOG}"
