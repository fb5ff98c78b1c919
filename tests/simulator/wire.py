"""A client that believes nothing: it keeps what arrives on a connection, byte by byte, and how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, cast

import pytest_twisted  # type: ignore[import-untyped]  # it has no annotations
from attrs import Factory, define, field
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.http import DeviceServer

P = ParamSpec("P")


def on_the_reactor(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, Deferred[None]]:
    """Run an `async def` test on the real reactor: `pytest_twisted.ensureDeferred` with a type."""
    return cast(Callable[P, Deferred[None]], pytest_twisted.ensureDeferred(test))


async def becomes(reactor: Any, holds: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail after 60 s, which only a machine with much other work needs."""
    end = reactor.seconds() + 60.0
    while not holds():
        assert reactor.seconds() < end, "the condition does not hold after 60 s"
        await deferLater(reactor, 0.002)


@define
class Arrived:
    """What came: the lines of the head, the body, and how the connection ended ("open", "closed", "reset")."""

    raw: bytes = b""
    end: str = "open"

    @property
    def head(self) -> list[bytes]:
        """Status line and headers."""
        return self.raw.partition(b"\r\n\r\n")[0].split(b"\r\n")

    @property
    def status(self) -> int:
        """The status of the answer."""
        return int(self.head[0].split(b" ")[1])

    @property
    def body(self) -> bytes:
        """Everything after the head."""
        return self.raw.partition(b"\r\n\r\n")[2]

    def header(self, name: bytes) -> list[bytes]:
        """All values of a header."""
        fields = (line.partition(b": ") for line in self.head[1:])
        return [value for key, _, value in fields if key.lower() == name.lower()]

    @property
    def lengths(self) -> list[int]:
        """What the answer says about its length."""
        return [int(value) for value in self.header(b"Content-Length")]


@define(eq=False)
class Client(Protocol):
    """One connection of the client."""

    request: bytes
    arrived: Arrived = Factory(Arrived)
    over: Deferred[Arrived] = Factory(Deferred)
    _awaited: list[tuple[Callable[[Arrived], bool], Deferred[Arrived]]] = field(factory=list, init=False)

    def connectionMade(self) -> None:
        """Ask."""
        if self.transport is not None:
            self.transport.write(self.request)

    def dataReceived(self, data: bytes) -> None:
        """Keep what comes."""
        self.arrived.raw += data
        waiting, self._awaited = self._awaited, []
        for holds, when in waiting:
            if holds(self.arrived):
                when.callback(self.arrived)
            else:
                self._awaited.append((holds, when))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Keep how it ended."""
        self.arrived.end = "closed" if reason.check(ConnectionDone) else "reset"
        self.over.callback(self.arrived)

    def until(self, holds: Callable[[Arrived], bool]) -> Deferred[Arrived]:
        """Fire when a condition holds for what has come."""
        when: Deferred[Arrived] = Deferred()
        self._awaited.append((holds, when))
        self.dataReceived(b"")
        return when

    async def hang_up(self) -> Arrived:
        """Close from this side."""
        transport: Any = self.transport
        transport.loseConnection()
        return await self.over


async def ask(
    reactor: Any, server: DeviceServer, target: str = "/info.json", headers: str = "", patience: float = 5
) -> Client:
    """Connect, with at most `patience` seconds, and send one request."""
    endpoint = TCP4ClientEndpoint(reactor, server.interface, server.port, timeout=patience)
    request = f"GET {target} HTTP/1.1\r\nHost: motion-601\r\n{headers}\r\n".encode()
    client = Client(request)
    await connectProtocol(endpoint, client)
    return client


async def fetch(reactor: Any, server: DeviceServer, target: str = "/info.json", headers: str = "") -> Arrived:
    """Ask, and wait until the connection is over."""
    client = await ask(reactor, server, target, headers)
    return await client.over


@asynccontextmanager
async def serving(reactor: Any, device: SimulatedDevice) -> AsyncIterator[DeviceServer]:
    """The server of a device that is there for as long as the block runs."""
    server = DeviceServer(reactor, device)
    await server.arrive()
    try:
        yield server
    finally:
        await server.leave()
