"""Requests to a device, each bounded in bytes and in time."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast
from urllib.parse import quote

from attrs import define, frozen
from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IResponse

from sse_twisted.devices.body import BodyReceiver, Sink
from sse_twisted.devices.connections import Address, Unanswered
from sse_twisted.devices.errors import BadAnswer, Interrupted, Refused, Silent, Unreachable, connection_error

if TYPE_CHECKING:
    from treq.response import _Response

T = TypeVar("T")

SMALL_ANSWER = 64 * 1024  # bytes; a Motion's info and settings have about 1 KB
MAX_RETRY_AFTER = 120.0  # s; a device that asks for more is asked again then
ANSWER_TIMEOUTS = 6  # a whole answer may take so many times the silence that ends it
PARSED_AT_ONCE = 16 * 1024  # bytes; more are parsed in a thread


@frozen
class Head:
    """What the headers of a track's answer say, in bytes: the body's first offset, its length, the whole's length."""

    start: int
    length: int | None
    total: int | None


@frozen
class Transfer:
    """A body that came to its end; `promised` if its end is known from the headers, not from a closed connection."""

    received: int
    promised: bool


@define
class _Collected:
    """A sink for small answers."""

    data: bytearray

    def write(self, data: bytes) -> None:
        self.data += data


@frozen
class _Counted:
    """A sink whose bytes are counted as they come."""

    inner: Sink
    count: Callable[[int], object]

    def write(self, data: bytes) -> Deferred[None] | None:
        self.count(len(data))
        return self.inner.write(data)


class DeviceHttp:
    """Requests to devices. All its errors are DeviceErrors."""

    def __init__(
        self,
        agent: IAgent,
        clock: IReactorTime,
        answer_timeout: Callable[[], float],
        in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
        asked: Callable[[str, float, BaseException | None], object] = lambda *_: None,
        received: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Take the agent to ask with.

        `answer_timeout` returns the s until the headers, and without a byte, of an answer; `in_thread` runs a function
        that takes long. `asked` is told of each request that has ended: its kind, its s, its error; `received` of bytes
        of bodies.
        """
        no_cookies = IndexableCookieJar(DefaultCookiePolicy(allowed_domains=()))
        self._http = HTTPClient(agent, no_cookies)
        self._clock = clock
        self._answer_timeout = answer_timeout
        self._in_thread = in_thread
        self._asked = asked
        self._received = received

    async def ask(
        self, address: Address, path: str, parse: Callable[[bytes], T], *, kind: str, limit: int = SMALL_ANSWER
    ) -> T:
        """Return what `parse` makes of an answer of at most `limit` bytes; a long one is parsed in a thread.

        `kind` names the request for metrics.
        """
        timeout = self._answer_timeout()
        sink = _Collected(bytearray())
        reading = Deferred.fromCoroutine(self._answer(address, path, sink, timeout, limit))
        reading.addTimeout(timeout * ANSWER_TIMEOUTS, self._clock)
        with self._telling(kind):
            try:
                await reading
            except defer.TimeoutError:
                raise Interrupted(f"{path}: not complete after {timeout * ANSWER_TIMEOUTS:g} s") from None
        data = bytes(sink.data)
        if len(data) <= PARSED_AT_ONCE:
            return parse(data)
        parsed: T = await self._in_thread(lambda: parse(data))
        return parsed

    async def _answer(self, address: Address, path: str, sink: Sink, timeout: float, limit: int) -> None:
        response = await self._request(address, path, Headers(), timeout)
        await self._check_status(response, (200,))
        receiver = BodyReceiver(self._clock, _Counted(sink, self._received), limit=limit, silence=timeout)
        response.deliverBody(receiver)
        await receiver.done

    async def fetch(
        self,
        address: Address,
        path: str,
        accept: Callable[[Head], Sink],
        *,
        timeout: float,
        limit: int,
        minimum_rate: float,
        start: int = 0,
    ) -> Transfer:
        """Send the bytes of a track from `start` on to the sink that `accept` chooses when the headers are there.

        The sink must look at `Head.start`: a device may ignore the range and send everything.
        `timeout` in s without a byte, `limit` in bytes, `minimum_rate` in bytes/s.
        """
        headers = Headers({"Range": [f"bytes={start}-"]} if start else {})
        with self._telling("track"):
            response = await self._request(address, path, headers, timeout)
            await self._check_status(response, (200, 206) if start else (200,))
            try:
                sink = _Counted(accept(_head(response)), self._received)
            except BaseException:
                await self._hang_up(response)
                raise
            receiver = BodyReceiver(self._clock, sink, limit=limit, silence=timeout, minimum_rate=minimum_rate)
            response.deliverBody(receiver)
            promised = await receiver.done
        return Transfer(receiver.received, promised)

    @contextmanager
    def _telling(self, kind: str) -> Iterator[None]:
        began = self._clock.seconds()
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._asked(kind, self._clock.seconds() - began, error)

    async def _request(self, address: Address, path: str, headers: Headers, timeout: float) -> _Response:
        url = f"http://{address.host}:{address.port}{quote(path, safe='/')}"
        asking = self._http.get(url, headers=headers, allow_redirects=False, unbuffered=True)
        asking.addTimeout(timeout, self._clock, onTimeoutCancel=_timed_out)
        try:
            return await asking
        except (GeneratorExit, CancelledError):
            raise
        except Exception as error:
            raise connection_error(error) from error

    async def _check_status(self, response: _Response, good: tuple[int, ...]) -> None:
        if response.code in good:
            return
        after = (response.headers.getRawHeaders("Retry-After") or ["0"])[0]
        retry_after = min(float(after), MAX_RETRY_AFTER) if re.fullmatch(r"[0-9]{1,6}", after) else 0.0
        status = int(response.code)
        await self._hang_up(response)
        meaning = "redirects to elsewhere, not followed" if 300 <= status < 400 else "refuses"
        raise Refused(f"{meaning} (HTTP {status})", status, retry_after)

    async def _hang_up(self, response: IResponse) -> None:
        """Close the connection of an answer that nobody reads: it would stay open, and paused."""
        receiver = BodyReceiver(self._clock, _Collected(bytearray()), limit=0, silence=1.0)
        receiver.done.addErrback(lambda _: None)
        response.deliverBody(receiver)
        receiver.done.cancel()


def _timed_out(result: object, timeout: float) -> NoReturn:
    was_taken = isinstance(result, Failure) and result.check(Unanswered)
    raise (Silent if was_taken else Unreachable)(f"no answer within {timeout:g} s")


def _head(response: IResponse) -> Head:
    length = None if response.length is UNKNOWN_LENGTH else cast(int, response.length)
    if response.code == 200:
        return Head(0, length, length)
    values = response.headers.getRawHeaders("Content-Range") or [""]
    match = re.fullmatch(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})", values[0])
    if match is None:
        raise BadAnswer(f"a part without a proper Content-Range (HTTP {response.code})")
    first, last, total = (int(number) for number in match.groups())
    if last + 1 != total or first > last or (length is not None and length != last + 1 - first):
        raise BadAnswer(f"a part that contradicts itself (bytes {first}-{last}/{total})")
    return Head(first, length, total)
