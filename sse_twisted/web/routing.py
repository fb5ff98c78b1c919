"""From a request to an answer: one table of routes, which the API's description is made from too."""

from __future__ import annotations

import gzip
import re
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any, cast

import msgspec
from attrs import field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from sse_twisted.config.mistakes import complaint_of

LARGEST_BODY = 64 * 1024  # bytes of a request
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
WORTH_PACKING = 2048  # bytes of an answer
JSON = "application/json"
HTML = "text/html; charset=utf-8"


def header(request: Request, name: str) -> str:
    """A header of a request, whatever bytes are in it; "" without one."""
    return (request.getHeader(name.encode("ascii")) or b"").decode("latin-1")


class Refusal(Exception):
    """An answer other than the one that was asked for: status and words."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@frozen
class ParsedRequest:
    """A request that was understood."""

    request: Request
    parameters: dict[str, Any] = field(factory=dict)  # of the path, converted
    query: dict[str, Any] = field(factory=dict)  # likewise, what is there
    body: Any = None  # of the route's `takes`

    def header(self, name: str) -> str:
        """The header of the request; "" without one."""
        return header(self.request, name)


@frozen
class Response:
    """What goes back."""

    body: bytes
    kind: str = JSON
    status: int = 200
    headers: dict[str, str] = field(factory=dict)


def json_answer(value: Any, status: int = 200) -> Response:
    """The value as JSON."""
    return Response(msgspec.json.encode(value), status=status)


Handler = Callable[[ParsedRequest], Awaitable[Response | None]]  # None: it answers the request itself, in its own time


@frozen
class Route:
    """What is answered where. A path has `{name}` for each parameter; `parameters` gives their types."""

    method: str
    path: str
    handler: Handler
    summary: str = ""
    parameters: dict[str, Any] = field(factory=dict)
    query: dict[str, tuple[Any, str]] = field(factory=dict)  # type and meaning of what may stand behind the "?"
    takes: type[msgspec.Struct] | None = None
    gives: Any = None
    gives_kind: str = JSON
    commands: bool = False  # changes something: needs the token
    pattern: re.Pattern[str] = field(init=False)

    @pattern.default
    def _compile(self) -> re.Pattern[str]:
        pieces = re.split(r"(\{\w+\})", self.path)
        return re.compile("".join(f"(?P<{p[1:-1]}>[^/]+)" if p[:1] == "{" else re.escape(p) for p in pieces))


class BoundedRequest(Request):
    """A request whose body can't fill the disk: Twisted keeps all that comes before anybody looks at it."""

    _taken = 0  # bytes of the body

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - of Request
        """Keep a part of the body, or hang up."""
        self._taken += len(data)
        if self._taken <= LARGEST_BODY:
            super().handleContentChunk(data)
            return
        transport = cast(Any, self.channel).transport
        if self._taken - len(data) <= LARGEST_BODY:
            transport.write(TOO_LARGE)
            transport.loseConnection()


class Router(Resource):
    """Answers every path itself. `guard` may raise Refusal; `refuse` makes the answer of one."""

    isLeaf = True

    def __init__(
        self,
        routes: Iterable[Route],
        guard: Callable[[Request, Route | None], None],
        refuse: Callable[[Request, Refusal], Response],
        headers: dict[str, str],
        log: Logger,
    ) -> None:
        super().__init__()
        self.routes = tuple(routes)
        self._guard = guard
        self._refuse = refuse
        self._headers = headers
        self._log = log

    def render(self, request: Request) -> int:
        """Answer the request when its handler has the answer."""
        answering = Deferred.fromCoroutine(self._answer(request))
        request.notifyFinish().addErrback(lambda _: answering.cancel())
        answering.addErrback(self._report, request)
        return NOT_DONE_YET

    async def _answer(self, request: Request) -> None:
        try:
            for name, value in self._headers.items():
                request.setHeader(name, value)
            route, parameters = self._find(request)
            self._guard(request, route)
            answer = await route.handler(_understand(request, route, parameters))
        except Refusal as refusal:
            answer = self._refuse(request, refusal)
        if answer is not None:
            _send(request, answer)

    def _find(self, request: Request) -> tuple[Route, dict[str, str]]:
        try:
            path = "/" + b"/".join(request.postpath or []).decode("ascii")
        except UnicodeDecodeError:
            path = ""
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
            raise Refusal(405, f"only {' or '.join(sorted(allowed))} here", Allow=", ".join(sorted(allowed)))
        raise Refusal(404, "there is nothing here")

    def _report(self, failure: Failure, request: Request) -> None:
        if failure.check(CancelledError):  # nobody waits for the answer any more
            return
        self._log.failure(
            "{method} {path} failed", failure, method=readable(request.method), path=readable(request.path)
        )
        if request.startedWriting:
            cast(Any, request.channel).transport.abortConnection()
        else:
            _send(request, self._refuse(request, Refusal(500, "this failed; the log says why")))


def readable(data: bytes) -> str:
    """Bytes of a request, for a line of a log."""
    return data.decode("ascii", errors="backslashreplace")[:200]


def _understand(request: Request, route: Route, parameters: dict[str, str]) -> ParsedRequest:
    converted = {name: _convert(value, route.parameters[name], 404, name) for name, value in parameters.items()}
    query = {}
    for name, (type_, _) in route.query.items():
        values = (request.args or {}).get(name.encode())
        if values:
            query[name] = _convert(values[-1].decode(errors="replace"), type_, 400, name)
    return ParsedRequest(request, converted, query, _body(request, route))


def _convert(text: str, type_: Any, status: int, name: str) -> Any:
    try:
        return msgspec.convert(text, type_, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal(status, f"{name}: {error}") from None


def _body(request: Request, route: Route) -> Any:
    if route.takes is None:
        return None
    kind = header(request, "content-type").partition(";")[0].strip().lower()
    if kind != JSON:  # and a form of another site could not send that without being asked first
        raise Refusal(415, f"send {JSON}")
    content = cast(Any, request.content)
    content.seek(0)
    data = content.read(LARGEST_BODY + 1)
    try:
        return msgspec.json.decode(data, type=route.takes)
    except msgspec.ValidationError as error:
        raise Refusal(400, ": ".join(filter(None, complaint_of(error, route.takes)))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, str(error)) from None


def _send(request: Request, answer: Response) -> None:
    body = answer.body
    request.setResponseCode(answer.status, HTTPStatus(answer.status).phrase.encode("ascii"))
    request.setHeader("Content-Type", answer.kind)
    for name, value in answer.headers.items():
        request.setHeader(name, value)
    if len(body) > WORTH_PACKING and _takes_gzip(request):
        request.setHeader("Content-Encoding", "gzip")
        request.setHeader("Vary", "Accept-Encoding")
        body = gzip.compress(body, 1, mtime=0)
    if answer.status != HTTPStatus.NOT_MODIFIED:  # of which it would be the length of what is not sent
        request.setHeader("Content-Length", str(len(body)))
    request.write(body)
    request.finish()


def _takes_gzip(request: Request) -> bool:
    for choice in header(request, "accept-encoding").lower().split(","):
        coding, _, quality = choice.replace(" ", "").partition(";q=")
        if coding == "gzip":
            return quality.strip("0.") != "" or not quality
    return False
