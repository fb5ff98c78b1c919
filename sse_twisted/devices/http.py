"""Requests to a device, each bounded in bytes and in time."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast
from urllib.parse import quote

from attrs import define, field
from msgspec import Struct
from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.python.url import URL
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from sse_twisted.devices.body import BodyReceiver, Sink
from sse_twisted.devices.connections import Address, CancelledInFlight, DeviceAgent
from sse_twisted.devices.errors import (
    BadRange,
    DeviceError,
    Interrupted,
    Refused,
    Silent,
    Unreachable,
    connection_error,
)
from sse_twisted.runtime.text import plural

if TYPE_CHECKING:
    from treq.response import _Response

T = TypeVar("T")

SMALL_ANSWER = 64 * 1024  # bytes; identity and settings have about 1 KB each
MAX_RETRY_AFTER = 120.0  # s; a longer Retry-After is cut to this
ANSWER_TIMEOUTS = 6  # how many times the silence that ends an answer the whole answer may take
MAX_PARSED_IN_REACTOR = 16 * 1024  # bytes; more are parsed in a thread


class Head(Struct, frozen=True):
    """The offset and length of a body, and the length of the whole track, in bytes; None if the headers do not say.

    A device may send less than the rest of the track for a request: then `start + length < total`.
    """

    start: int
    length: int | None
    total: int | None


class Transfer(Struct, frozen=True):
    """A received body, in bytes; `promised` if its end is known from the headers, not from a closed connection."""

    received: int
    promised: bool


class _DeviceUrl(URL):
    """A URL of ASCII characters that is sent as it is.

    To take it apart, look for other characters and join it again takes treq a twelfth of the time of a request.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def to_uri(self) -> URL:
        return self

    def to_text(self, with_password: bool = False) -> str:
        return self._text


class _NoCookies(IndexableCookieJar):
    """No device has cookies. To look for some takes treq a twentieth of the time of a request, and liars send many."""

    def add_cookie_header(self, request: object) -> None: ...

    def extract_cookies(self, response: object, request: object) -> None: ...


class _Collected(bytearray):
    """A sink for small answers."""

    def write(self, data: bytes) -> None:
        self.extend(data)


@define
class DeviceHttp:
    """Sends requests to devices; all of them raise DeviceError."""

    _agent: DeviceAgent
    _clock: IReactorTime
    _answer_timeout: Callable[[], float]  # s until the headers of an answer, and without a byte of its body
    _in_thread: Callable[[Callable[[], Any], int], Awaitable[Any]]  # runs a slow function that parses so many bytes
    _turn: Callable[[], Awaitable[None]]  # awaited before a short answer is parsed: a hundred may come at once
    _asked: Callable[[str, float, BaseException | None], object] = lambda *_: None  # kind, s, error of each request
    _received: Callable[[int], object] = lambda _: None  # bytes of bodies
    _cookies: IndexableCookieJar = field(init=False, factory=_NoCookies)
    _http: HTTPClient = field(init=False)

    @_http.default
    def _without_cookies(self) -> HTTPClient:
        return HTTPClient(self._agent, self._cookies)

    async def reach(self, address: Address) -> None:
        """Connect to a device and hang up, at a fifth of the cost of a request; raises DeviceError."""
        with self._reported("connection"):
            try:
                await self._agent.reach(address)
            except (GeneratorExit, CancelledError, DeviceError):
                raise
            except Exception as error:
                raise connection_error(error) from error

    async def ask(
        self, address: Address, path: str, parse: Callable[[bytes], T], *, kind: str, limit: int = SMALL_ANSWER
    ) -> T:
        """Return the parsed answer of at most `limit` bytes; `kind` labels the request in metrics."""
        timeout = self._answer_timeout()
        sink = _Collected()
        reading = Deferred.fromCoroutine(self._answer(address, path, sink, timeout, limit))
        reading.addTimeout(timeout * ANSWER_TIMEOUTS, self._clock)
        with self._reported(kind):
            try:
                await reading
            except defer.TimeoutError:
                raise Interrupted(f"{path}: incomplete after {timeout * ANSWER_TIMEOUTS:g} s") from None
        data = bytes(sink)
        if len(data) <= MAX_PARSED_IN_REACTOR:
            await self._turn()
            return parse(data)
        parsed: T = await self._in_thread(lambda: parse(data), len(data))
        return parsed

    async def _answer(self, address: Address, path: str, sink: Sink, timeout: float, limit: int) -> None:
        response = await self._request(address, path, Headers(), timeout, (200,))
        in_chunks = response.length is UNKNOWN_LENGTH
        receiver = BodyReceiver(
            self._clock, sink, limit=limit, silence=timeout, count=self._received, in_chunks=in_chunks
        )
        response.deliverBody(receiver)
        await receiver.done

    async def fetch(
        self,
        address: Address,
        path: str,
        accept: Callable[[Head], Sink],
        *,
        timeout: float,
        limit: Callable[[Head], int],
        minimum_rate: float,
        start: int = 0,
    ) -> Transfer:
        """Send the bytes of a track from `start` on to the sink that `accept` returns for the headers.

        `accept` must check `Head.start`: a device may ignore the range and send everything. It may also send only a
        part of the rest, see `Head`. Raises BadRange if its headers do not say which part.
        `timeout` in s without a byte, `limit` returns the most bytes of the body, `minimum_rate` in bytes/s.
        """
        headers = Headers({"Range": [f"bytes={start}-"]} if start else {})
        with self._reported("track"):
            response = await self._request(address, path, headers, timeout, (200, 206) if start else (200,))
            try:
                head = _head(response)
                sink = accept(head)
            except BaseException:
                self._hang_up(response)
                raise
            most = limit(head) if head.length is None else min(limit(head), head.length)
            receiver = BodyReceiver(
                self._clock,
                sink,
                limit=most,
                silence=timeout,
                minimum_rate=minimum_rate,
                count=self._received,
                in_chunks=head.length is None,
            )
            response.deliverBody(receiver)
            promised = await receiver.done or receiver.received == head.length
            if response.code == 206 and receiver.received != head.length:
                raise Interrupted(f"connection lost after {plural(receiver.received, 'byte')}")
        return Transfer(receiver.received, promised)

    @contextmanager
    def _reported(self, kind: str) -> Iterator[None]:
        began = self._clock.seconds()
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._asked(kind, self._clock.seconds() - began, error)
            del error  # its traceback has this frame: both, and the body, would wait for the garbage collector

    async def _request(
        self, address: Address, path: str, headers: Headers, timeout: float, statuses: tuple[int, ...]
    ) -> _Response:
        url = _DeviceUrl(f"http://{address.host}:{address.port}{quote(path, safe='/')}")
        asking = self._http.get(url, headers=headers, allow_redirects=False, unbuffered=True, cookies=self._cookies)
        asking.addTimeout(timeout, self._clock, onTimeoutCancel=_timed_out)
        try:
            response = await asking
        except (GeneratorExit, CancelledError, DeviceError):
            raise
        except Exception as error:
            raise connection_error(error) from error
        if response.code not in statuses:
            self._hang_up(response)
            raise _refused(response)
        return response

    def _hang_up(self, response: IResponse) -> None:
        """Close the connection of a response whose body nothing reads; it would stay open and paused."""
        receiver = BodyReceiver(self._clock, _Collected(), limit=0, silence=1.0)
        receiver.done.addErrback(lambda _: None)
        response.deliverBody(receiver)
        receiver.done.cancel()


def _refused(response: _Response) -> Refused:
    after = (response.headers.getRawHeaders("Retry-After") or ["0"])[0]
    retry_after = min(float(after), MAX_RETRY_AFTER) if re.fullmatch(r"[0-9]{1,6}", after) else 0.0
    reason = "redirect not followed" if 300 <= response.code < 400 else "request refused"
    return Refused(f"{reason} (HTTP {response.code})", int(response.code), retry_after)


def _timed_out(result: object, timeout: float) -> NoReturn:
    was_sent = isinstance(result, Failure) and result.check(CancelledInFlight)
    raise (Silent if was_sent else Unreachable)(f"no response within {timeout:g} s")


def _head(response: IResponse) -> Head:
    length = None if response.length is UNKNOWN_LENGTH else cast(int, response.length)
    if response.code == 200:
        return Head(0, length, length)
    values = response.headers.getRawHeaders("Content-Range") or [""]
    match = re.fullmatch(r"bytes ([0-9]{1,15})-([0-9]{1,15})/(\*|[0-9]{1,15})", values[0].strip(), re.IGNORECASE)
    if match is None or len(values) > 1:
        raise BadRange(f"partial response without a valid Content-Range (HTTP {response.code})")
    first, last, total = int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])
    part = last + 1 - first
    if part < 1 or (total is not None and last >= total) or length not in (None, part):
        raise BadRange(f"inconsistent Content-Range ({values[0].strip()})")
    return Head(first, part, total)
