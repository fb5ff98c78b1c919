from __future__ import annotations

from collections.abc import Coroutine
from http.cookiejar import CookieJar
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from sse_twisted.devices.connections import Address, Traffic, device_agent
from sse_twisted.devices.errors import BadAnswer, BadRange, DeviceError, Interrupted, Refused, Unreachable
from sse_twisted.devices.http import DeviceHttp, Head, Transfer
from sse_twisted.runtime.turns import Turns
from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.faults import parse_fault
from sse_twisted.simulator.http import DeviceServer
from tests.support.event import log_of
from tests.support.virtual import VirtualReactor

HERE = Address("10.0.0.1", 80)


class Kept:
    """A sink that keeps what it gets; `pause` is given for each write."""

    def __init__(self) -> None:
        self.data = b""
        self.pause: Deferred[None] | None = None

    def write(self, data: bytes) -> Deferred[None] | None:
        self.data += data
        return self.pause


class Bench:
    """A client and one device in virtual time."""

    def __init__(self) -> None:
        self.reactor = VirtualReactor()
        self.client = self.http(10.0)
        self.device = SimulatedDevice(601, [log_of(601)], latency=0.1)
        self.server = DeviceServer(self.reactor, self.device, HERE.host, HERE.port)
        self.server.arrive()
        self.sink = Kept()
        self.heads: list[Head] = []

    def http(self, answer_timeout: float) -> DeviceHttp:
        agent = device_agent(self.reactor, lambda: 1.0, Traffic(self.reactor))
        turn = Turns(self.reactor).mine
        return DeviceHttp(agent, self.reactor, lambda: answer_timeout, lambda work, _: maybeDeferred(work), turn)

    def ask(self, path: str = "/info.json", limit: int = 65536, http: DeviceHttp | None = None) -> Any:
        return (http or self.client).ask(HERE, path, bytes, kind="info", limit=limit)

    def misbehave(self, fault: str) -> None:
        self.device.add_fault(parse_fault(fault)[0])

    def result(self, coroutine: Coroutine[Any, Any, Any], seconds: float = 100.0) -> Any:
        """What the coroutine returns or raises within the time."""
        outcomes: list[Any] = []
        Deferred.fromCoroutine(coroutine).addBoth(outcomes.append)
        self.reactor.pass_time(seconds)
        assert outcomes, "still waiting"
        if isinstance(outcomes[0], Failure):
            outcomes[0].raiseException()
        return outcomes[0]

    def answer(self, path: str = "/info.json", limit: int = 65536) -> Any:
        return self.result(self.ask(path, limit))

    def fetch(self, start: int = 0, minimum_rate: float = 0.0, limit: int = 10**6, seconds: float = 100.0) -> Any:
        path = self.device.logs[0].path
        fetching = self.client.fetch(
            HERE, path, self.accept, timeout=10.0, limit=lambda _: limit, minimum_rate=minimum_rate, start=start
        )
        return self.result(fetching, seconds)

    def accept(self, head: Head) -> Kept:
        self.heads.append(head)
        return self.sink


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_answer_is_its_whole_body(bench: Bench) -> None:
    assert b'"identifier": 601' in bench.answer()


def test_a_track_comes_with_its_length_and_goes_to_the_sink(bench: Bench) -> None:
    content = bench.device.logs[0].content
    assert bench.fetch() == Transfer(len(content), promised=True)
    assert bench.heads == [Head(0, len(content), len(content))]
    assert bench.sink.data == content


def test_a_part_is_asked_for_where_a_transfer_goes_on(bench: Bench) -> None:
    bench.device.supports_range = True
    content = bench.device.logs[0].content
    bench.fetch(start=5000)
    assert bench.heads == [Head(5000, len(content) - 5000, len(content))]
    assert bench.sink.data == content[5000:]


def test_a_device_that_ignores_the_range_is_noticed(bench: Bench) -> None:
    bench.fetch(start=5000)
    assert bench.heads[0].start == 0


@pytest.mark.parametrize(("fault", "length", "total"), [("range-star", None, False), ("range-short@5000", 5000, True)])
def test_a_valid_part_says_how_long_it_is(bench: Bench, fault: str, length: int | None, total: bool) -> None:
    bench.device.supports_range = True
    bench.misbehave(fault)
    content = bench.device.logs[0].content
    length = length or len(content) - 512
    assert bench.fetch(start=512) == Transfer(length, promised=True)
    assert bench.heads == [Head(512, length, len(content) if total else None)]


@pytest.mark.parametrize(
    ("place", "body"),
    [
        ("", b"abc"),
        ("bytes=5-7/8", b"abc"),
        ("bytes 5-7", b"abc"),
        ("bytes 7-5/8", b"abc"),
        ("bytes 5-7/7", b"abc"),
        ("bytes 5-8/9", b"abc"),
        ("bytes 5-6/9", b"abc"),
        ("bytes */8", b"abc"),
        ("items 5-7/8", b"abc"),
        ("bytes 5-7/8\r\nContent-Range: bytes 5-7/9", b"abc"),
    ],
)
def test_a_part_that_does_not_say_where_it_belongs_is_refused(bench: Bench, place: str, body: bytes) -> None:
    header = f"Content-Range: {place}\r\n" if place else ""
    Raw(bench, f"HTTP/1.1 206 x\r\n{header}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    asking = bench.client.fetch(
        Address(HERE.host, 81), "/", bench.accept, timeout=9.0, limit=lambda _: 99, minimum_rate=0, start=5
    )
    with pytest.raises(BadRange, match=r"Content-Range"):
        bench.result(asking)
    assert not bench.heads


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [(b"ab", Interrupted, "connection lost after 2 bytes"), (b"abcd", BadAnswer, "more than 3 bytes")],
)
def test_a_part_without_a_length_is_as_long_as_its_place_says(
    bench: Bench, body: bytes, error: type[DeviceError], words: str
) -> None:
    Raw(bench, b"HTTP/1.1 206 x\r\nContent-Range: bytes 5-7/*\r\n\r\n" + body)
    asking = bench.client.fetch(
        Address(HERE.host, 81), "/", bench.accept, timeout=9.0, limit=lambda _: 99, minimum_rate=0, start=5
    )
    with pytest.raises(error, match=words):
        bench.result(asking)


def test_a_range_beyond_the_end_is_refused(bench: Bench) -> None:
    bench.device.supports_range = True
    with pytest.raises(Refused, match="HTTP 416"):
        bench.fetch(start=10**8)


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("refused", Unreachable, "connection refused"),
        ("reset", Unreachable, "connection closed without a response"),
        ("no-headers", Unreachable, "no response within 10 s"),
        ("404", Refused, r"request refused \(HTTP 404\)"),
        ("500", Refused, r"request refused \(HTTP 500\)"),
        ("redirect", Refused, r"redirect not followed \(HTTP 302\)"),
        ("length-twice", BadAnswer, "invalid HTTP response"),
        ("huge-json", BadAnswer, "more than 65,536 bytes"),
        ("cut@10", Interrupted, "connection lost after 10 bytes"),
        ("abort@10", Interrupted, "connection lost after 10 bytes"),
        ("stall@10", Interrupted, "timed out after 10 s without a byte"),
        ("length-long", Interrupted, "connection lost after"),
    ],
)
def test_each_way_to_fail_has_its_word_and_leaves_no_connection(
    bench: Bench, fault: str, error: type[DeviceError], words: str
) -> None:
    bench.misbehave(fault)
    with pytest.raises(error, match=words):
        bench.answer()
    assert bench.device.open_connections == 0
    assert not bench.reactor.getDelayedCalls()


def test_a_retry_after_is_told_and_bounded(bench: Bench) -> None:
    bench.misbehave("503:7")
    with pytest.raises(Refused) as refused:
        bench.answer()
    assert (refused.value.status, refused.value.retry_after) == (503, 7.0)
    bench.device.clear_faults()
    bench.misbehave("503:99999")
    with pytest.raises(Refused) as refused:
        bench.answer()
    assert refused.value.retry_after == 120.0


def test_a_body_without_content_length_is_told_from_one_that_came_as_promised(bench: Bench) -> None:
    bench.misbehave("length-missing")
    assert bench.fetch() == Transfer(len(bench.device.logs[0].content), promised=False)


def test_an_answer_that_drips_is_given_up(bench: Bench) -> None:
    bench.misbehave("drip:5")
    with pytest.raises(Interrupted, match="incomplete after 60 s"):
        bench.answer()


def test_a_track_that_drips_is_given_up(bench: Bench) -> None:
    bench.misbehave("drip:5")
    with pytest.raises(Interrupted, match="too slow: 7 bytes in 35 s"):
        bench.fetch(minimum_rate=1000.0)


def test_a_track_longer_than_the_limit_is_cut_off(bench: Bench) -> None:
    with pytest.raises(BadAnswer, match="more than 5,000 bytes"):
        bench.fetch(limit=5000)


def test_a_slow_sink_pauses_the_device_without_being_taken_for_silence(bench: Bench) -> None:
    bench.sink.pause = Deferred()
    bench.reactor.callLater(30.0, lambda: bench.sink.pause.callback(None))  # type: ignore[union-attr] # set above
    assert bench.fetch().received == len(bench.device.logs[0].content)


def test_a_sink_that_fails_ends_the_transfer_with_its_own_error(bench: Bench) -> None:
    def write(data: bytes) -> None:
        raise OSError(28, "No space left on device")

    bench.sink.write = write  # type: ignore[method-assign] # of this sink only
    with pytest.raises(OSError, match="No space left"):
        bench.fetch()
    assert bench.device.open_connections == 0


def test_who_refuses_a_head_hangs_up(bench: Bench) -> None:
    def refuse(head: Head) -> Kept:
        raise BadAnswer("not that length")

    bench.accept = refuse  # type: ignore[method-assign] # of this bench only
    with pytest.raises(BadAnswer, match="not that length"):
        bench.fetch()
    assert bench.device.open_connections == 0


@pytest.mark.parametrize("after", [0.0005, 0.05, 0.1025, 0.11])
def test_cancelling_hangs_up_at_any_moment(bench: Bench, after: float) -> None:
    bench.device.bytes_per_second = 1000
    outcomes: list[Failure] = []
    fetching = Deferred.fromCoroutine(
        bench.client.fetch(
            HERE, bench.device.logs[0].path, bench.accept, timeout=9, limit=lambda _: 10**6, minimum_rate=0
        )
    )
    fetching.addErrback(outcomes.append)
    bench.reactor.pass_time(after)
    fetching.cancel()
    bench.reactor.pass_time(0.5)
    assert outcomes[0].check(CancelledError)
    assert bench.device.open_connections == 0
    assert not bench.reactor.getDelayedCalls()


def test_a_second_request_waits_until_the_first_connection_is_closed(bench: Bench) -> None:
    answers: list[bytes] = []
    for _ in range(5):
        Deferred.fromCoroutine(bench.ask()).addCallback(answers.append)
    bench.reactor.pass_time(2)
    assert len(answers) == 5
    assert bench.device.most_connections == 1


def test_a_waiting_request_that_is_cancelled_does_not_keep_its_place(bench: Bench) -> None:
    bench.misbehave("stall@10")
    patient = bench.http(30.0)
    stalled = Deferred.fromCoroutine(bench.ask(http=patient))
    waiting = Deferred.fromCoroutine(bench.ask(http=patient))
    for request in (stalled, waiting):
        request.addErrback(lambda failure: failure.trap(CancelledError))
    bench.reactor.pass_time(1)
    waiting.cancel()
    stalled.cancel()
    bench.device.clear_faults()
    assert b"601" in bench.answer()


class Raw(Factory):
    """A server that answers with the given pieces, and then with the same bytes again and again, or hangs up."""

    def __init__(self, bench: Bench, *pieces: bytes, again: bytes = b"") -> None:
        self.bench = bench
        self.pieces = pieces
        self.again = again
        self.sent = 0
        self.request = b""
        bench.reactor.listenTCP(81, self, interface=HERE.host)

    def buildProtocol(self, addr: object) -> Protocol:
        return RawAnswer(self)

    def answer(self) -> Any:
        """What the client makes of it."""
        return self.bench.result(
            self.bench.client.ask(Address(HERE.host, 81), "/", bytes, kind="info", limit=10**6), 20.0
        )


class RawAnswer(Protocol):
    def __init__(self, raw: Raw) -> None:
        self.raw = raw

    def connectionMade(self) -> None:
        for piece in self.raw.pieces:
            self.send(piece)
        if self.raw.again:
            self.go_on()
        else:
            self.transport.loseConnection()  # type: ignore[union-attr] # it is connected

    def dataReceived(self, data: bytes) -> None:
        self.raw.request += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.connected = 0

    def send(self, data: bytes) -> None:
        self.raw.sent += len(data)
        self.transport.write(data)  # type: ignore[union-attr] # it is connected

    def go_on(self) -> None:
        if self.connected and self.raw.sent < 1_000_000:
            self.send(self.raw.again)
            self.raw.bench.reactor.callLater(0.001, self.go_on)


STATUS = b"HTTP/1.1 200 OK\r\n"
HEADERS = b"X: " + b"x" * 4995 + b"\r\n"


def test_a_request_accepts_no_content_coding_and_is_the_only_one_of_its_connection(bench: Bench) -> None:
    raw = Raw(bench, STATUS + b"Content-Length: 2\r\n\r\n{}", again=b" ")
    assert raw.answer() == b"{}"
    line, *headers = raw.request.rstrip().split(b"\r\n")
    assert line == b"GET / HTTP/1.1"
    assert sorted(headers) == [b"Accept-Encoding: identity", b"Connection: close", b"Host: 10.0.0.1:81"]


def test_cookies_are_not_even_looked_at(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []
    monkeypatch.setattr(CookieJar, "_cookie_from_cookie_tuple", lambda self, *cookie: looked.append(cookie))
    assert Raw(bench, STATUS + b"Set-Cookie: a=b; Max-Age=9\r\n" * 100 + b"\r\n{}").answer() == b"{}"
    assert looked == []


@pytest.mark.parametrize(
    "before",
    [
        STATUS,
        b"HTTP/1.1 100 Continue\r\n\r\n" + STATUS,
        b"HTTP/1.1 +1_00\n\n" + STATUS,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + STATUS,
    ],
)
def test_headers_without_end_are_cut_off(bench: Bench, before: bytes) -> None:
    endless = Raw(bench, before, again=HEADERS)
    with pytest.raises(Unreachable, match="connection closed without a response"):
        endless.answer()
    assert endless.sent < 100_000


def test_answers_that_only_announce_an_answer_are_cut_off(bench: Bench) -> None:
    endless = Raw(bench, b"", again=b"HTTP/1.1 100 Continue\r\n\r\n")
    with pytest.raises(Unreachable, match="connection closed without a response"):
        endless.answer()
    assert endless.sent < 1000


def test_many_announcements_at_once_are_cut_off(bench: Bench) -> None:
    with pytest.raises(Unreachable, match="connection closed without a response"):
        Raw(bench, b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + STATUS + b"\r\n{}").answer()


@pytest.mark.parametrize("size", [1, 7, 10**6])
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: %d\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\n\r\n",
        b"HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nContent-Length: %d\n\n",
        b"HTTP/1.1 100\r\n\r\n" * 3 + b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
    ],
)
def test_a_long_body_is_none_of_the_headers_whatever_ends_their_lines(bench: Bench, head: bytes, size: int) -> None:
    body = b"\x01" * 100_000
    head = head % len(body)
    pieces = [head[at : at + size] for at in range(0, len(head), size)]
    assert Raw(bench, *pieces, body[:50_000], body[50_000:]).answer() == body


def test_nothing_in_a_path_reaches_the_request_line_or_another_host(bench: Bench) -> None:
    for path in ("/a b", "/a\r\nHost: x", "/a?b#c", "/ä"):
        with pytest.raises(Refused, match="404"):
            bench.answer(path)
    targets = [target for _, target in bench.device.requests]
    assert targets == [b"/a%20b", b"/a%0D%0AHost%3A%20x", b"/a%3Fb%23c", b"/%C3%A4"]
