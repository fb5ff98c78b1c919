"""A simulated device on a real socket: one that can arrive, leave, reboot, and behave badly on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import define
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, gatherResults
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from sse_twisted.simulator.answers import Answer, Ending
from sse_twisted.simulator.delivery import Delivery
from sse_twisted.simulator.device import Door, SimulatedDevice
from sse_twisted.simulator.doors import FullBacklog, Listener, OpenPort

LONGEST_REQUEST: Final = 16_384

_RESETTING: Final = frozenset({Ending.ABORT, Ending.RESET})


class DeviceConnection(Protocol):
    """One connection to a device: one request, one answer, then it is over."""

    transport: Any

    def __init__(self, server: DeviceServer) -> None:
        self._server = server
        self._received = b""
        self._asked = False
        self._delivery: Delivery | None = None
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """Count the connection, and reset it where the device does."""
        self._server.connections.add(self)
        if self._server.device.connect() is not Door.OPEN:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget what was under way."""
        self._server.connections.discard(self)
        self._server.device.disconnect()
        if self._delivery is not None:
            self._delivery.stop()
        self.lost.callback(None)

    def dataReceived(self, data: bytes) -> None:
        """Collect the head of the request; a device takes no body."""
        if self._asked:
            return
        self._received += data
        head, end, _ = self._received.partition(b"\r\n\r\n")
        if end:
            self._asked = True
            self._server.report(Deferred.fromCoroutine(self._answer(head)))
        elif len(self._received) > LONGEST_REQUEST:
            self.transport.abortConnection()

    def drop(self) -> Deferred[None]:
        """Reset the connection; fires when it is gone."""
        self.transport.abortConnection()
        return self.lost

    async def _answer(self, head: bytes) -> None:
        first, *others = head.split(b"\r\n")
        method, target, *_ = (*first.split(b" "), b"", b"")
        fields = (line.partition(b":") for line in others)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        answer = await self._server.ask(method, target, headers)
        if self.lost.called:
            return
        if answer.ending is Ending.RESET:
            self.transport.abortConnection()
            return
        self._delivery = Delivery(self._server.reactor, self.transport, answer, self._end)
        self._delivery.start()

    def _end(self, answer: Answer) -> None:
        if answer.ending is Ending.REBOOT:
            self._server.reboot(answer.absent)
        elif answer.ending in _RESETTING:
            self.transport.abortConnection()
        elif answer.ending is not Ending.STALL:
            self.transport.loseConnection()


@define(eq=False)
class _Connections(Factory):
    """Makes a `DeviceConnection` for each connection."""

    server: DeviceServer
    noisy = False

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Return the protocol of a new connection."""
        return DeviceConnection(self.server)


class DeviceServer(Service):
    """A device at an address of this machine. As a service it arrives when started, and leaves when stopped.

    With `port` 0 the port is known after the first arrival, and kept. Changes of the device's faults take effect
    at once, those of the door included.
    """

    log = Logger()

    def __init__(self, reactor: Any, device: SimulatedDevice, interface: str = "127.0.0.1", port: int = 0) -> None:
        self.reactor = reactor
        self.device = device
        self.interface = interface
        self.port = port
        self.present = False
        self.connections: set[DeviceConnection] = set()
        self._listener: Listener | None = None
        self._received_as: Door | None = None
        self._turn = DeferredLock()
        self._return: IDelayedCall | None = None
        device.watchers.append(lambda: self.report(self._settle()))

    @property
    def listens(self) -> bool:
        """Whether a connection would be accepted now."""
        return isinstance(self._listener, OpenPort)

    def startService(self) -> None:
        """Arrive."""
        super().startService()
        self.report(self.arrive())

    def stopService(self) -> Deferred[None]:
        """Leave for good; fires when the port is free and the last connection is gone."""
        super().stopService()
        return self.leave()

    def arrive(self) -> Deferred[None]:
        """Listen; fires when the port is open. Fails with CannotListenError or OSError if the address is taken."""
        self._stay_away()
        self.present = True
        return self._settle()

    def leave(self) -> Deferred[None]:
        """Close the port and reset every connection; fires when that is done."""
        self._stay_away()
        self.present = False
        closed = self._settle().addCallback(self._drop_late_ones)
        ended: list[Deferred[Any]] = [closed, self._drop_all()]
        return gatherResults(ended, consumeErrors=True).addCallback(lambda _: None)

    def reboot(self, absent: float) -> None:
        """Leave, and arrive again after some seconds."""
        if self.present:
            self.report(self.leave())
            self._return = self.reactor.callLater(absent, lambda: self.report(self.arrive()))

    async def ask(self, method: bytes, target: bytes, headers: Mapping[bytes, bytes]) -> Answer:
        """Return the device's answer; a track that must be made first is made in a thread."""
        log = self.device.log_at(target)
        if log is not None and not log.ready:
            await deferToThreadPool(self.reactor, self.reactor.getThreadPool(), lambda: log.content)
        return self.device.answer(method, target, headers)

    def report(self, deferred: Deferred[None]) -> None:
        """Log the failure of something that nobody waits for."""
        deferred.addErrback(
            lambda failure: self.log.failure("motion-{identifier}", failure=failure, identifier=self.device.identifier)
        )

    def _drop_all(self) -> Deferred[None]:
        dropped: list[Deferred[Any]] = [connection.drop() for connection in list(self.connections)]
        return gatherResults(dropped, consumeErrors=True).addCallback(lambda _: None)

    def _drop_late_ones(self, _: None) -> Deferred[None] | None:
        """A connection may be accepted while the port is being closed, or go on at the device's next address."""
        return None if self.present else self._drop_all()

    def _stay_away(self) -> None:
        if self._return is not None and self._return.active():
            self._return.cancel()
        self._return = None

    def _settle(self) -> Deferred[None]:
        """Bring the door to what it should be by now, one change after the other."""
        return self._turn.run(lambda: Deferred.fromCoroutine(self._change_door()))

    async def _change_door(self) -> None:
        wanted = self.device.door if self.present else None
        if wanted is Door.RESET:
            wanted = Door.OPEN
        if wanted is self._received_as:
            return
        if self._listener is not None:
            listener, self._listener, self._received_as = self._listener, None, None
            await listener.close()
        if wanted is Door.OPEN:
            listening = self.reactor.listenTCP(self.port, _Connections(self), interface=self.interface)
            self._listener = OpenPort(listening)
        elif wanted is Door.NEVER_ACCEPTED:
            self._listener = FullBacklog(self.interface, self.port)
        if self._listener is not None:
            self.port = self._listener.port
        self._received_as = wanted
