"""Connections of clients who ask too much, too slowly, or do not listen."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from sse_twisted.web.connections import (
    BLOCKED_TIMEOUT,
    IDLE_TIMEOUT,
    MAX_ACCEPTS,
    MAX_AHEAD,
    MAX_CONNECTIONS,
    MAX_OF_CLIENT,
    MAX_OF_LOCAL,
    READ_SIZE_OF_CHUNKS,
    REQUEST_TIMEOUT,
)
from sse_twisted.web.service import WebService
from tests.simulator.wire import on_the_reactor
from tests.support.real_event import RealEvent, folder_in_memory
from tests.web.desk import PLACE, Desk

HOST = f"Host: {PLACE}\r\n".encode()
ALIVE = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
PAGE = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
STREAM = b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n"


class Client:
    """A client at some address, whose connection is in memory."""

    def __init__(self, desk: Desk, host: str) -> None:
        self._desk = desk
        self.transport = StringTransport(peerAddress=IPv4Address("TCP", host, 1))
        factory: Any = desk.reactor.listeners["127.0.0.1", 8080]
        self.connection = factory.buildProtocol(self.transport.getPeer())
        self.is_lost = False
        self.is_refused = self.connection is None
        if not self.is_refused:
            self.transport.abortConnection = self._lose  # type: ignore[method-assign]
            self.transport.loseConnection = self._lose  # type: ignore[method-assign]
            self.connection.makeConnection(self.transport)

    def sends(self, data: bytes, seconds: float = 0.1) -> bytes:
        """Send something; return all that came so far."""
        self.connection.dataReceived(data)
        self._desk.advance(seconds)
        return self.hears

    @property
    def hears(self) -> bytes:
        """All that came so far."""
        heard: bytes = self.transport.value()
        return heard

    def _lose(self) -> None:
        if not self.is_lost:
            self.is_lost = True
            self.connection.connectionLost(Failure(ConnectionDone()))


Calls = Callable[..., Client]


@pytest.fixture
def calls(desk: Desk) -> Any:
    """Opens connections, and closes them at the end."""
    clients: list[Client] = []

    def call(host: str = "192.168.0.7") -> Client:
        clients.append(Client(desk, host))
        return clients[-1]

    yield call
    for client in clients:
        if not client.is_refused:
            client._lose()


def is_served(client: Client) -> bool:
    return not client.is_refused and client.sends(ALIVE).endswith(b"alive\n")


def test_little_of_a_body_in_chunks_is_read_in_a_turn(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    receive = LineReceiver.dataReceived

    def note(channel: Any, data: bytes) -> Any:
        read.append(len(data))
        return receive(channel, data)

    monkeypatch.setattr(LineReceiver, "dataReceived", note)
    head = b"POST /api/v1/pause HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    client = calls()
    client.sends(head)
    client.sends(b"1\r\n{\r\n1\r\n}\r\n" + 3000 * b"1\r\n \r\n" + b"0\r\n\r\n", seconds=3)
    assert b"401 Unauthorized" in client.hears
    assert sum(read) > 18_000
    assert max(read[1:]) == READ_SIZE_OF_CHUNKS


class TestPipelinedRequests:
    def test_the_reactor_has_a_turn_between_the_requests_of_a_connection(self, desk: Desk, calls: Calls) -> None:
        turns: list[int] = [0]
        seen: list[int] = []
        health = next(route for route in desk.web.router.routes if route.path == "/healthz")

        def count() -> None:
            turns[0] += 1
            if len(seen) < 10:
                desk.reactor.callLater(0, count)

        def note(request: Any, route: Any) -> None:
            assert route is health
            seen.append(turns[0])

        desk.web.router._guard = note
        count()
        client = calls()
        client.sends(10 * ALIVE)
        assert client.hears.count(b"HTTP/1.1 200 OK") == 10
        assert all(later > earlier for earlier, later in itertools.pairwise(seen))

    def test_responses_come_in_the_order_of_the_requests(self, calls: Calls) -> None:
        paths = (b"/devices/601", b"/healthz", b"/days", b"/static/board.js", b"/nothing")
        client = calls()
        for path in paths:
            client.sends(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n", seconds=0)
        heads = client.sends(b"", seconds=3.0).split(b"HTTP/1.1 ")
        kinds = [head.partition(b"Content-Type: ")[2].partition(b"\r\n")[0].partition(b";")[0] for head in heads[1:]]
        assert kinds == [b"text/html", b"text/plain", b"text/html", b"text/javascript", b"application/problem+json"]

    def test_a_request_in_pieces_is_read(self, calls: Calls) -> None:
        client = calls()
        for byte in ALIVE:
            client.sends(bytes([byte]), seconds=0.001)
        assert client.sends(b"").endswith(b"alive\n")

    def test_too_much_behind_a_request_closes_the_connection(self, calls: Calls) -> None:
        client = calls()
        client.sends(ALIVE + b"x" * (2 * MAX_AHEAD))
        assert client.is_lost

    def test_too_much_behind_a_stream_closes_the_connection(self, desk: Desk, calls: Calls) -> None:
        client = calls()
        client.sends(STREAM)
        for _ in range(MAX_AHEAD // 1000):
            client.sends(b"x" * 1000)
        assert not client.is_lost
        client.sends(b"x" * 1000)
        assert client.is_lost
        assert len(desk.web.streams) == 0

    def test_no_request_is_read_while_its_client_accepts_no_response(self, calls: Calls) -> None:
        client = calls()
        client.connection.wrappedProtocol.pauseProducing()
        client.sends(3 * ALIVE)
        assert client.hears == b""
        client.connection.wrappedProtocol.resumeProducing()
        assert client.sends(b"").count(b"alive\n") == 3

    def test_nothing_more_is_received_until_a_request_is_read(self, desk: Desk, calls: Calls) -> None:
        client = calls()
        client.sends(b"GET /", seconds=0)
        client.connection.dataReceived(b"healthz HTTP/1.1\r\n")
        assert client.transport.producerState == "paused"
        desk.advance(0.1)
        assert client.transport.producerState == "producing"


class TestSlowClients:
    def test_further_bytes_do_not_extend_the_time_for_a_request(self, calls: Calls) -> None:
        for beginning in (b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 60000\r\n\r\n"):
            client = calls()
            client.sends(beginning)
            for _ in range(round(REQUEST_TIMEOUT) - 1):
                client.sends(b"X-A: b\r\n", seconds=1.0)
            assert not client.is_lost
            client.sends(b"X-A: b\r\n", seconds=1.0)
            assert client.is_lost

    def test_a_connection_without_a_request_is_closed_later(self, desk: Desk, calls: Calls) -> None:
        fresh, used = calls(), calls()
        used.sends(ALIVE)
        desk.advance(IDLE_TIMEOUT - 1)
        assert not used.is_lost
        desk.advance(2)
        assert fresh.is_lost
        assert used.is_lost

    def test_half_a_request_behind_another_has_its_own_time(self, desk: Desk, calls: Calls) -> None:
        client = calls()
        client.sends(ALIVE + ALIVE[:-2])
        desk.advance(REQUEST_TIMEOUT + 1)
        assert client.is_lost

    def test_a_client_that_accepts_nothing_is_cut_off(self, desk: Desk, calls: Calls) -> None:
        client = calls()
        client.sends(PAGE)
        client.connection.wrappedProtocol.pauseProducing()
        desk.advance(BLOCKED_TIMEOUT - 1)
        assert not client.is_lost
        desk.advance(2)
        assert client.is_lost

    def test_a_slow_client_is_not_taken_for_an_idle_one(self, desk: Desk, calls: Calls) -> None:
        client = calls()
        client.sends(PAGE)
        client.connection.wrappedProtocol.pauseProducing()
        desk.advance(IDLE_TIMEOUT + 1)
        client.connection.wrappedProtocol.resumeProducing()
        assert is_served(client)
        desk.advance(IDLE_TIMEOUT + 1)
        assert client.is_lost

    def test_a_client_that_accepts_not_even_the_last_response_is_cut_off(self, desk: Desk, calls: Calls) -> None:
        client = calls()
        client.transport.loseConnection = lambda: None  # type: ignore[method-assign]  # it has not been written yet
        client.sends(b"GET / HTTP/1.0\r\n" + HOST + b"\r\n")
        assert b"200 OK" in client.hears
        desk.advance(BLOCKED_TIMEOUT + 1)
        assert client.is_lost


class TestNumbers:
    def test_the_oldest_idle_connection_of_a_client_gives_way(self, calls: Calls) -> None:
        clients = [calls() for _ in range(MAX_OF_CLIENT)]
        other = calls("192.168.0.8")
        assert is_served(calls())
        assert [client.is_lost for client in clients] == [True] + (MAX_OF_CLIENT - 1) * [False]
        assert not other.is_lost

    def test_a_busy_client_gets_no_further_connection(self, calls: Calls) -> None:
        clients = [calls() for _ in range(MAX_OF_CLIENT)]
        for client in clients:
            client.sends(STREAM)
        assert calls().is_refused
        assert not any(client.is_lost for client in clients)
        assert is_served(calls("192.168.0.8"))

    @pytest.mark.parametrize("beginning", [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"])
    def test_slow_clients_keep_nobody_out(self, calls: Calls, beginning: bytes) -> None:
        for number in range(MAX_CONNECTIONS + 200):
            calls(f"192.168.{number // MAX_OF_CLIENT}.7").sends(beginning, seconds=0)
        for host in ("192.168.99.1", "127.0.0.1"):
            browser = calls(host)
            assert is_served(browser)
            assert b"200 OK" in browser.sends(PAGE)

    def test_streams_that_nobody_reads_keep_nobody_out(self, calls: Calls) -> None:
        for number in range(MAX_CONNECTIONS):
            calls(f"192.168.{number // MAX_OF_CLIENT}.7").sends(STREAM, seconds=0.01)
        for host in ("192.168.99.1", "127.0.0.1"):
            assert is_served(calls(host))

    def test_this_machine_always_gets_in(self, desk: Desk, calls: Calls) -> None:
        clients = [calls("127.0.0.1") for _ in range(MAX_OF_LOCAL)]
        for client in clients:
            client.sends(STREAM, seconds=0.001)
        assert is_served(calls("127.0.0.1"))
        assert sum(client.is_lost for client in clients) <= 1

    def test_closing_the_server_closes_all_connections(self, desk: Desk, calls: Calls) -> None:
        clients = [calls() for _ in range(3)]
        desk.close()
        assert all(client.is_lost for client in clients)


class TestLimits:
    @pytest.mark.parametrize(
        "head",
        [
            b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n" + HOST,
            b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 101,
            b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 17_000 + b"\r\n",
            b"GET / HTTP/1.1\r\n" + HOST + (b"X: " + b"y" * 1000 + b"\r\n") * 20,
        ],
    )
    def test_a_head_that_is_too_large_is_refused(self, calls: Calls, head: bytes) -> None:
        client = calls()
        client.sends(head + b"\r\n")
        assert client.is_lost
        assert b"200 OK" not in client.hears

    def test_a_body_that_is_announced_as_too_large_is_refused_before_it_comes(self, calls: Calls) -> None:
        client = calls()
        client.sends(b"POST /api/v1/pause HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000000000\r\n\r\n")
        assert client.hears.startswith(b"HTTP/1.1 413 ")
        assert client.is_lost

    def test_a_command_with_a_body_that_is_too_large_is_not_obeyed(self, desk: Desk) -> None:
        token = f"Authorization: Bearer {desk.token}\r\n".encode()
        head = b"POST /api/v1/pause HTTP/1.1\r\n" + HOST + token + b"Content-Type: application/json\r\n"
        body = b"{}" + b" " * 70_000
        answer, _ = desk.talk(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.count(b"HTTP/1.1") == 1
        assert not desk.collector.live.paused


@on_the_reactor
async def test_few_connections_are_accepted_in_a_turn(reactor: Any) -> None:
    with folder_in_memory() as root:
        event = RealEvent(reactor, root)
        web = WebService(reactor, await event.start(), "tcp:0:interface=127.0.0.1", None)
        web.startService()
        port: Any = web.port
        counts: list[int] = []

        def count() -> None:
            counts.append(len(web._connections.protocols) - sum(counts))
            if sum(counts) < len(clients):
                reactor.callLater(0, count)

        clients = [socket.socket() for _ in range(45)]  # the kernel holds no more than 50 for us
        for client in clients:
            client.connect(("127.0.0.1", port.getHost().port))
        count()
        await event.becomes(lambda: sum(counts) == len(clients), "connected")
        assert max(counts) <= MAX_ACCEPTS
        for client in clients:
            client.close()
        await maybeDeferred(web.stopService)
        await event.close()
