"""A world in which time passes only when a test says so: clock, TCP and names without a socket.

Everything above the sockets is the real thing: twisted.web's agent, our endpoints, and the simulator's own servers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from attrs import define, field
from twisted.application.service import Service
from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IConsumer, IPushProducer, ITransport
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

LAG = 0.001  # s from one end of a connection to the other
Place = tuple[str, int]


@implementer(ITransport, IConsumer, IPushProducer)
class Pipe:
    """One end of a TCP connection in memory."""

    disconnecting = False

    def __init__(self, reactor: VirtualReactor, here: Place, there: Place) -> None:
        self._reactor = reactor
        self._here, self._there = here, there
        self.protocol: Any = None
        self.peer: Pipe = self
        self._open = True
        self._paused = False
        self._waiting: list[Callable[[], None]] = []
        self._producer: Any = None

    def write(self, data: bytes) -> None:
        if self._open and data:
            data = bytes(data)
            self._reactor.callLater(LAG, self.peer._arrived, lambda: self.peer.protocol.dataReceived(data))
            self._ask_for_more()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = (producer, streaming)
        if not streaming:
            producer.resumeProducing()
            self._ask_for_more()

    def unregisterProducer(self) -> None:
        self._producer = None

    def loseConnection(self) -> None:
        self._close(connectionDone, connectionDone)

    def abortConnection(self) -> None:
        self._close(Failure(error.ConnectionAborted()), Failure(error.ConnectionLost()))

    def stopProducing(self) -> None:
        self.loseConnection()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        while self._waiting and not self._paused:
            self._waiting.pop(0)()

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", *self._here)

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", *self._there)

    def _close(self, mine: Failure, theirs: Failure) -> None:
        if self._open:
            self._open = False
            self._reactor.callLater(0, self._lost, mine)
            self._reactor.callLater(LAG, self.peer._arrived, lambda: self.peer._end(theirs))

    def _end(self, reason: Failure) -> None:
        if self._open:
            self._open = False
            self._lost(reason)

    def _lost(self, reason: Failure) -> None:
        if self._producer is not None:
            self._producer[0].stopProducing()
        self.protocol.connectionLost(reason)

    def _arrived(self, happen: Callable[[], None]) -> None:
        if self._paused:
            self._waiting.append(happen)
        elif self._open:
            happen()

    def _ask_for_more(self) -> None:
        if self._producer is not None and not self._producer[1]:
            self._reactor.callLater(0, self._resume_producer)

    def _resume_producer(self) -> None:
        if self._producer is not None:
            self._producer[0].resumeProducing()


@define
class _Port:
    reactor: VirtualReactor
    place: Place

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", *self.place)

    def stopListening(self) -> Deferred[None]:
        if (factory := self.reactor.listeners.pop(self.place, None)) is not None:
            factory.doStop()
        return succeed(None)


class _Connector:
    def __init__(self, factory: Any) -> None:
        self.factory = factory
        self.over = False
        self.timer: Any = None
        factory.doStart()
        factory.startedConnecting(self)

    def getDestination(self) -> str:  # noqa: N802 - of IConnector
        return "virtual"

    def stopConnecting(self) -> None:  # noqa: N802 - of IConnector
        self.fail(error.UserError())

    def fail(self, reason: Exception) -> None:
        if not self.over:
            self.over = True
            if self.timer is not None and self.timer.active():
                self.timer.cancel()
            self.factory.clientConnectionFailed(self, Failure(reason))


class VirtualReactor(Clock):
    """A clock with TCP. An address where nobody listens refuses; one in `dark` never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.listeners: dict[Place, Any] = {}
        self.dark: set[str] = set()
        self.attempts: list[Place] = []
        self._next_port = 40_000

    def pass_time(self, seconds: float) -> None:
        """Advance from one call to the next: `advance` would let all of them happen at the end."""
        end = self.seconds() + seconds
        while (due := min((call.getTime() for call in self.getDelayedCalls()), default=end + 1)) <= end:
            self.advance(max(due - self.seconds(), 1e-9))
        self.advance(max(end - self.seconds(), 0))

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> _Port:
        place = (interface, port or self._free_port())
        if place in self.listeners:
            raise error.CannotListenError(interface, port, OSError("taken"))
        self.listeners[place] = factory
        factory.doStart()
        return _Port(self, place)

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None) -> Any:  # noqa: N803 - of IReactorTCP
        self.attempts.append((host, port))
        connector = _Connector(factory)
        if host in self.dark:
            connector.timer = self.callLater(timeout, connector.fail, error.TimeoutError())
        else:
            self.callLater(LAG, self._connect, connector, (host, port))
        return connector

    def _connect(self, connector: _Connector, place: Place) -> None:
        if connector.over:
            return
        listening = self.listeners.get(place)
        if listening is None:
            connector.fail(error.ConnectionRefusedError())
            return
        connector.over = True
        here = ("127.0.0.1", self._free_port())
        client, server = Pipe(self, here, place), Pipe(self, place, here)
        client.peer, server.peer = server, client
        server.protocol = listening.buildProtocol(client.getHost())
        client.protocol = connector.factory.buildProtocol(server.getHost())
        server.protocol.makeConnection(server)
        client.protocol.makeConnection(client)

    def _free_port(self) -> int:
        self._next_port += 1
        return self._next_port


@define
class VirtualNames(Service):
    """Names that a test gives and takes; one in `silent` is answered by nobody, for a second."""

    clock: Clock
    known: dict[str, str] = field(factory=dict)
    silent: set[str] = field(factory=set)
    others: dict[str, list[str]] = field(factory=dict)  # more addresses of a name, told after the one in `known`
    asked: list[str] = field(factory=list)
    parent: Any = None
    trouble: str = ""

    def refresh(self) -> None:
        """Nothing to read again."""

    def lookup(self, name: str, tell: Callable[[str], object]) -> Deferred[bool]:
        self.asked.append(name)
        if name in self.silent:
            nobody: Deferred[bool] = Deferred()
            nobody.addTimeout(1.0, self.clock, onTimeoutCancel=lambda *_: False)
            return nobody
        first = name if name[:1].isdigit() else self.known.get(name)
        for address in [*filter(None, [first]), *self.others.get(name, ())]:
            tell(address)
        return succeed(True)


def at_once(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
    """Instead of a thread."""
    return maybeDeferred(function, *args, **kwargs)


def asked_for(function: Callable[..., Any], *args: Any) -> Callable[..., Any]:
    """What a Disk has been asked to run, of the arguments with which it starts a thread."""
    asked: Callable[..., Any] = args[2] if getattr(function, "__name__", "") == "_job" else function
    return asked


class LateThreads:
    """Threads that do their work some time after it was given to them, and so in another order."""

    def __init__(self, clock: Clock, delays: Iterable[float]) -> None:
        """`delays` in s, one after the other, again and again."""
        self.delays = itertools.cycle(delays)
        self._clock = clock

    def start(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Instead of `DiskThreads.start`."""
        done: Deferred[Any] = Deferred()
        self._clock.callLater(next(self.delays), lambda: maybeDeferred(function, *args, **kwargs).chainDeferred(done))
        return done


@define
class SlowThreads:
    """Threads that need their time: each function begins a moment after it was asked for, and its result comes later.

    Several are under way at once, and may overtake each other. One in ten takes much longer than the others.
    """

    clock: Clock
    chance: Random

    def start(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        ended: Deferred[Any] = Deferred()

        def run() -> None:
            outcome: list[Any] = []
            maybeDeferred(function, *args, **kwargs).addBoth(outcome.append)
            self.clock.callLater(self._moment(), ended.callback, outcome[0])

        self.clock.callLater(self._moment(), run)
        return ended

    def _moment(self) -> float:
        return self.chance.uniform(0.0, 0.7 if self.chance.random() < 0.1 else 0.05)
