"""A long body is gathered in the kernel, and no byte of it waits for long."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock, deferLater

from sse_twisted.devices.connections import Address, Traffic, device_agent
from sse_twisted.devices.gathering import FIRST, LONG, MIN_LENGTH, MOST, SHORT, STALLED, Gathering, gathering_of
from sse_twisted.devices.http import DeviceHttp
from sse_twisted.runtime.turns import Turns
from tests.simulator.wire import becomes, on_the_reactor

Sending = Coroutine[Deferred[Any], Any, None]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="it is done on Linux only")


class Marked:
    """A transport, and its socket, which notes its low-water marks."""

    def __init__(self) -> None:
        self.marks: list[int] = []

    def getHandle(self) -> Marked:  # noqa: N802 - of a transport
        return self

    def setsockopt(self, level: int, option: int, value: int) -> None:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_RCVLOWAT)
        self.marks.append(value)


class Case:
    def __init__(self, length: int) -> None:
        self.clock, self.socket = Clock(), Marked()
        self.gathering = Gathering(self.socket, self.clock, length)

    def piece(self, count: int, seconds: float) -> int:
        """Have a piece come after some time; return the mark that is set then."""
        self.clock.advance(seconds)
        self.gathering.took(count)
        return self.socket.marks[-1]


def test_pieces_grow_until_they_take_a_while() -> None:
    case = Case(10_000_000)
    assert case.socket.marks == [FIRST]
    assert [case.piece(FIRST, SHORT / 2) for _ in range(4)] == [2 * FIRST, 4 * FIRST, 8 * FIRST, MOST]
    assert case.piece(MOST, (SHORT + LONG) / 2) == MOST


def test_of_a_slow_device_pieces_become_small() -> None:
    case = Case(10_000_000)
    assert case.piece(FIRST, LONG * 2) == FIRST // 2
    for _ in range(40):
        last = case.piece(1, LONG * 2)
    assert last == 1


def test_the_last_bytes_wait_for_no_others() -> None:
    case = Case(FIRST + 100)
    assert case.piece(FIRST, 0.1) == 100
    assert case.piece(99, 0.1) == 1
    assert case.piece(1, 0.1) == 1


def test_what_is_there_is_read_when_a_transfer_stalls() -> None:
    case = Case(10_000_000)
    case.clock.advance(STALLED / 2)
    case.piece(FIRST, 0.0)
    case.clock.advance(STALLED / 2)
    assert case.socket.marks[-1] != 1
    case.clock.advance(STALLED)
    assert case.socket.marks[-1] == 1
    assert case.piece(10, 0.0) > 1
    case.gathering.end()
    assert not case.clock.getDelayedCalls()


def test_a_socket_that_refuses_is_left_as_it_is() -> None:
    class Refusing(Marked):
        def setsockopt(self, level: int, option: int, value: int) -> None:
            raise OSError(92, "Protocol not available")

    clock = Clock()
    gathering = Gathering(Refusing(), clock, 10_000_000)
    gathering.took(100)
    clock.advance(STALLED)
    gathering.end()
    assert not clock.getDelayedCalls()


@linux_only
def test_only_a_long_body_of_a_real_socket_is_gathered() -> None:
    clock = Clock()
    assert gathering_of(Marked(), clock, MIN_LENGTH - 1) is None
    assert gathering_of(object(), clock, MIN_LENGTH) is None
    assert not clock.getDelayedCalls()
    assert gathering_of(Marked(), clock, MIN_LENGTH) is not None


class Sender(Protocol):
    """A device that sends a body as it likes, and never closes the connection."""

    def __init__(self, send: Callable[[Any], Sending], length: int) -> None:
        self._send = send
        self._length = length

    def dataReceived(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self._length)
        Deferred.fromCoroutine(self._send(transport))


class Pieces:
    """A sink that keeps the pieces, and when they came."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.sizes: list[int] = []
        self.times: list[float] = []

    def write(self, data: bytes) -> None:
        self.sizes.append(len(data))
        self.times.append(self._reactor.seconds())


async def fetched(send: Callable[[Any], Sending], length: int, timeout: float = 10.0) -> Pieces:
    """Fetch a body over loopback."""
    from twisted.internet import reactor as installed

    reactor: Any = installed

    class Senders(ServerFactory):
        def buildProtocol(self, addr: IAddress | None) -> Protocol:
            return Sender(send, length)

    port = reactor.listenTCP(0, Senders(), interface="127.0.0.1")
    traffic = Traffic(reactor)
    agent = device_agent(reactor, lambda: 5.0, traffic)
    http = DeviceHttp(agent, reactor, lambda: 5.0, lambda work, _: maybeDeferred(work), Turns(reactor).mine)
    sink = Pieces(reactor)
    address = Address("127.0.0.1", port.getHost().port)
    try:
        await http.fetch(address, "/track", lambda _: sink, timeout=timeout, limit=lambda _: length, minimum_rate=0.0)
    finally:
        await becomes(reactor, lambda: not traffic.lock_of(b"127.0.0.1", address.port).locked)
        await maybeDeferred(port.stopListening)
    return sink


@linux_only
@on_the_reactor
async def test_many_packets_are_few_pieces_and_the_last_ones_do_not_wait() -> None:
    from twisted.internet import reactor

    async def send(transport: Any) -> None:
        for _ in range(400):
            transport.write(b"x" * 1000)
            await deferLater(reactor, 0.001)
        transport.write(b"x" * 77)

    sink = await fetched(send, 400_077)
    assert sum(sink.sizes) == 400_077
    assert len(sink.sizes) < 60


@linux_only
@on_the_reactor
async def test_bytes_before_a_pause_are_seen_before_it_ends() -> None:
    from twisted.internet import reactor

    async def send(transport: Any) -> None:
        transport.write(b"x" * 150_000)
        await deferLater(reactor, 0.05)
        transport.write(b"x" * 100)
        await deferLater(reactor, 1.0)
        transport.write(b"x" * 149_900)

    sink = await fetched(send, 300_000)
    assert sum(sink.sizes) == 300_000
    seen = next(time for time, size in zip(sink.times, cumulated(sink.sizes), strict=True) if size == 150_100)
    assert sink.times[-1] - seen > 0.5


@linux_only
@pytest.mark.parametrize(("first", "drops", "apart", "timeout"), [(199_900, 10, 0.4, 2.0), (150_000, 12, 0.3, 0.7)])
@on_the_reactor
async def test_a_device_that_trickles_is_not_taken_for_silent(
    first: int, drops: int, apart: float, timeout: float
) -> None:
    from twisted.internet import reactor

    async def send(transport: Any) -> None:
        transport.write(b"x" * first)
        for _ in range(drops):
            await deferLater(reactor, apart)
            transport.write(b"x" * 10)
        transport.write(b"x" * (200_000 - first - 10 * drops))

    sink = await fetched(send, 200_000, timeout=timeout)
    assert sum(sink.sizes) == 200_000


def test_no_byte_waits_longer_than_it_may() -> None:
    case = Case(10_000_000)
    case.piece(FIRST, STALLED / 8)
    case.clock.advance(STALLED * 7 / 8)  # the first look finds that the piece is not old enough
    case.clock.advance(STALLED / 8)
    assert case.socket.marks[-1] == 1
    case.gathering.end()


def cumulated(sizes: list[int]) -> list[int]:
    return [sum(sizes[: count + 1]) for count in range(len(sizes))]
