"""Dispatch requests by one table of routes. The OpenAPI description is generated from the same table."""

from __future__ import annotations

import datetime
import gzip
import re
from collections.abc import Awaitable, Callable
from functools import cached_property
from http import HTTPStatus
from io import BytesIO
from typing import Annotated, Any, Literal, Protocol, cast

import msgspec
from attrs import define, field
from msgspec import Meta, Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, GzipEncoderFactory, Request

from sse_twisted.config.validation_errors import key_and_reason
from sse_twisted.runtime.clients import client_of
from sse_twisted.runtime.disk import DiskHangs
from sse_twisted.runtime.text import one_line
from sse_twisted.web.request_queue import Lane, RequestQueue

MAX_BODY = 64 * 1024  # bytes of a request
MIN_COMPRESSED = 2048  # bytes; a shorter response is sent as it is
JSON = "application/json"
HTML = "text/html; charset=utf-8"

PARAMETERS: dict[str, Any] = {  # in the path or the query, with their types; all others are text
    "identifier": Annotated[int, Meta(ge=1, le=999_999, description="Number on the sticker of a device.")],
    "day": Annotated[datetime.date, Meta(description="A day of the event; in a query the default is today.")],
    "version": Annotated[str, Meta(description="The version of the roster, as `roster` returns it.")],
    "entrant": Annotated[str, Meta(max_length=200, description="Entrant ID, or a File ID of the roster without them.")],
    "show": Annotated[str, Meta(description="For a projector; any value.")],
    "only": Annotated[Literal["missing"], Meta(description="Show only the devices that may still bring a track.")],
    "key": Annotated[str, Meta(pattern="^[0-9a-f]{12,64}$", description="The key of a hand-in.")],
    "name": Annotated[str, Meta(max_length=1000, description="The name of a file.")],
    "who": Annotated[str, Meta(max_length=100, description="The name of the person who hands a file in.")],
    "file_id": Annotated[str, Meta(max_length=200, description="The File ID of the owner; empty: found by the file.")],
    "since": Annotated[str, Meta(description="The state after which changes are sent; Last-Event-ID overrides it.")],
}

EXPECTED = {
    "identifier": "expected the number of a device",
    "day": "expected a date as YYYY-MM-DD",
    "only": "expected missing",
}

_gzip = GzipEncoderFactory()


def header(request: Request, name: str) -> str:
    """Return a request header decoded as Latin-1, which accepts any bytes; "" if the header is missing."""
    return (request.getHeader(name.encode("ascii")) or b"").decode("latin-1")


@define(eq=False)
class Refusal(Exception):
    """An error response. `detail` says why the request is refused; `headers` are added to the response."""

    status: int
    detail: str
    headers: dict[str, str] = field(factory=dict)


class ParsedRequest(Struct, frozen=True):
    """A valid request: its parameters and its body are converted to their types."""

    raw: Request
    parameters: dict[str, Any]  # of the path, and those of the query that were sent
    body: Any


class Response(Struct, frozen=True, dict=True):
    """A response with its whole body. It is compressed, once for all, if that helps and the client accepts it."""

    body: bytes
    media_type: str = JSON
    status: int = 200
    headers: dict[str, str] = msgspec.field(default_factory=dict)

    @cached_property
    def compressed(self) -> bytes:
        """The body as gzip."""
        return gzip.compress(self.body, 1, mtime=0)


def json_response(value: Any, status: int = 200) -> Response:
    """Encode the value as JSON."""
    return Response(msgspec.json.encode(value), status=status)


Handler = Callable[[ParsedRequest], Awaitable[Response | None]]  # None: the handler writes the response itself


class Route(Struct, frozen=True, dict=True):
    """A method and a path, which has `{name}` for each parameter, with their handler.

    All parameters of the query are optional.
    """

    method: str
    path: str
    handler: Handler
    summary: str = ""  # for the description of the API
    query: tuple[str, ...] = ()  # names of parameters
    takes: type[msgspec.Struct] | None = None  # type of the request body
    returns: Any = None  # type of the response body, for the description
    media_type: str = JSON
    needs_token: bool = False  # true of every route that changes something
    lane: Lane = Lane.PAGES

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What a path must match; the groups are its parameters."""
        pieces = re.split(r"(\{\w+\})", self.path)
        return re.compile("".join(_group(p[1:-1]) if p[:1] == "{" else re.escape(p) for p in pieces))


def _group(name: str) -> str:
    """Return the pattern of a parameter. An entrant may have a slash, as of a boat with two sailors."""
    return f"(?P<{name}>{'.+' if name == 'entrant' else '[^/]+'})"


class Upload(Protocol):
    """A body that goes to disk while it arrives."""

    def feed(self, data: bytes) -> None:
        """Take the bytes that follow; raises Refusal."""

    def abort(self) -> None:
        """Leave nothing behind of what is not finished."""


BeginUpload = Callable[[Request, int | None], Upload | None]  # may raise Refusal; the int is the announced length


class BoundedRequest(Request):
    """A request with a bounded body, which is kept in memory, unless it is an upload.

    Twisted itself stores a body of any length in a temporary file before a resource sees it.
    """

    upload: Upload | None = None
    _received = 0  # bytes of the body
    _is_refused = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - of Request
        """Begin an upload, or respond 413 at once if the announced length exceeds MAX_BODY."""
        self.content = BytesIO()
        begin_upload = getattr(cast(Any, self.channel).site, "begin_upload", None)
        try:
            self.upload = begin_upload(self, length) if begin_upload else None
            if self.upload is None and length is not None and length > MAX_BODY:
                raise Refusal(413, "")
        except Refusal as refusal:
            self._refuse_body(refusal)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - of Request
        """Pass a part of the body on, or store it; respond 413 and close the connection if that is too much."""
        if self._is_refused:
            return
        self._received += len(data)
        try:
            if self.upload is not None:
                cast(Any, self.channel).resetTimeout()
                self.upload.feed(data)
            elif self._received > MAX_BODY:
                raise Refusal(413, "")
            else:
                super().handleContentChunk(data)
        except Refusal as refusal:
            self._refuse_body(refusal)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802 - of Request
        """Handle the request, unless it was refused. The body of an upload is not parsed again."""
        if not self._is_refused:
            super().requestReceived(command, path, version)

    def connectionLost(self, reason: Failure) -> None:
        self.end_upload()
        super().connectionLost(reason)

    def end_upload(self) -> None:
        """Forget what arrived, unless a handler has finished it."""
        if self.upload is not None:
            self.upload.abort()

    def _refuse_body(self, refusal: Refusal) -> None:
        """Answer at once, and read no more."""
        if self._is_refused:
            return
        self._is_refused = True
        self.end_upload()
        phrase, body = HTTPStatus(refusal.status).phrase, msgspec.json.encode({"detail": refusal.detail})
        body = body if refusal.detail else b""
        head = f"HTTP/1.1 {refusal.status} {phrase}\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in refusal.headers.items())
        channel = cast(Any, self.channel)
        channel.transport.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        channel.loseConnection()


@define(eq=False, slots=False)
class Router(Resource):
    """The resource of every path. `guard` checks each request and may raise Refusal; `refuse` renders a Refusal.

    While the event folder is away, which `away` says in words, nothing is read at its path: it may be another folder.
    """

    isLeaf = True
    routes: tuple[Route, ...]
    _guard: Callable[[Request, Route | None], None]
    _refuse: Callable[[Request, Refusal], Response]
    _headers: dict[str, str]
    _queue: RequestQueue
    _log: Logger
    _away: Callable[[], str] = lambda: ""

    def render(self, request: Request) -> int:
        """Queue the request; forget it, or cancel its handler, if the client disconnects."""
        client, lane = client_of(request.getClientAddress()), self._lane(request)
        responding: list[Deferred[None]] = []

        def respond() -> Deferred[None]:
            answer = Deferred.fromCoroutine(self._queue.metered(self._respond(request)))
            responding.append(answer)
            return answer.addErrback(self._fail, request)

        def forget(_: Failure) -> None:
            self._queue.discard(client, lane, respond)
            for answer in responding:
                answer.cancel()

        request.notifyFinish().addErrback(forget)
        self._queue.add(client, lane, respond)
        return NOT_DONE_YET

    def _lane(self, request: Request) -> Lane:
        path = _path(request)
        return next((route.lane for route in self.routes if route.pattern.fullmatch(path)), Lane.FIRST)

    async def _respond(self, request: Request) -> None:
        try:
            for name, value in self._headers.items():
                request.setHeader(name, value)
            route, parameters = self._find(request)
            self._guard(request, route)
            if route.lane is Lane.READING and (why := self._away()):
                raise Refusal(503, f"{why}; try again when it is back", {"Retry-After": "10"})
            response = await route.handler(_parse(request, route, parameters))
        except Refusal as refusal:
            cast(BoundedRequest, request).end_upload()
            response = self._refuse(request, refusal)
        except DiskHangs as error:
            response = self._refuse(request, Refusal(503, f"{error}; try again when it does", {"Retry-After": "10"}))
        if response is not None:
            _send(request, response)

    def _find(self, request: Request) -> tuple[Route, dict[str, str]]:
        path = _path(request)
        method = request.method.decode("ascii", errors="replace")
        allowed: set[str] = set()
        for route in self.routes:
            if (match := route.pattern.fullmatch(path)) is None:
                continue
            if method == route.method or (method == "HEAD" and route.method == "GET"):
                return route, match.groupdict()
            allowed.add(route.method)
        self._guard(request, None)
        if allowed:
            methods = ", ".join(sorted(allowed))
            raise Refusal(405, f"method not allowed here; use {methods}", {"Allow": methods})
        raise Refusal(404, "there is nothing at this address")

    def _fail(self, failure: Failure, request: Request) -> None:
        if failure.check(CancelledError):  # the client has disconnected
            return
        method, path = printable(request.method), printable(request.path)
        self._log.failure("{method} {path} failed", failure, method=method, path=path)
        if request.startedWriting:
            cast(Any, request.channel).transport.abortConnection()
        else:
            _send(request, self._refuse(request, Refusal(500, "internal error; see the log")))


def _path(request: Request) -> str:
    return "/" + b"/".join(request.postpath or []).decode(errors="replace")


def printable(data: bytes) -> str:
    """Return bytes of a request as text for the log: ASCII only, at most 200 characters."""
    return data.decode("ascii", errors="backslashreplace")[:200]


def _parse(request: Request, route: Route, parameters: dict[str, str]) -> ParsedRequest:
    converted = {name: _convert(name, text, 404) for name, text in parameters.items()}
    for name in route.query:
        if values := (request.args or {}).get(name.encode()):
            converted[name] = _convert(name, values[-1].decode(errors="replace"), 400)
    return ParsedRequest(request, converted, _body(request, route))


def _convert(name: str, text: str, status: int) -> Any:
    try:
        return msgspec.convert(text, PARAMETERS.get(name, str), strict=False)
    except msgspec.ValidationError as error:
        what = EXPECTED.get(name, str(error))
        raise Refusal(status, f"invalid {name} {one_line(text, 40)!r}: {what}") from None


def _body(request: Request, route: Route) -> Any:
    if route.takes is None:
        return None
    media_type = header(request, "content-type").partition(";")[0].strip().lower()
    if media_type != JSON:  # a form of another site cannot send JSON without a CORS preflight
        raise Refusal(415, f"unsupported content type; send {JSON}")
    content = cast(Any, request.content)
    content.seek(0)
    try:
        return msgspec.json.decode(content.read(), type=route.takes)
    except msgspec.ValidationError as error:
        raise Refusal(400, ": ".join(filter(None, key_and_reason(error, route.takes)))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, str(error)) from None


def _send(request: Request, response: Response) -> None:
    body = response.body
    request.setResponseCode(response.status, HTTPStatus(response.status).phrase.encode("ascii"))
    request.setHeader("Content-Type", response.media_type)
    for name, value in response.headers.items():
        request.setHeader(name, value)
    if len(body) > MIN_COMPRESSED and _gzip.encoderForRequest(request) is not None:  # it has set Content-Encoding
        request.setHeader("Vary", "Accept-Encoding")
        body = response.compressed
    if response.status != HTTPStatus.NOT_MODIFIED:  # its Content-Length would be that of the body that is not sent
        request.setHeader("Content-Length", str(len(body)))
    request.write(body)
    request.finish()
