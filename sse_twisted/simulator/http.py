"""A simulated device on a real socket, which can arrive, leave and reboot."""

from __future__ import annotations

import socket
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

from sse_twisted.simulator.device import PortState, SimulatedDevice
from sse_twisted.simulator.listeners import FullBacklog, Listener, OpenPort
from sse_twisted.simulator.response_producer import ResponseProducer
from sse_twisted.simulator.responses import Ending, Response

MAX_REQUEST: Final = 16_384  # bytes of request line and headers

_RESETTING: Final = frozenset({Ending.ABORT, Ending.RESET})


class DeviceConnection(Protocol):
    """One connection to a device, with one request and one response."""

    transport: Any

    def __init__(self, server: DeviceServer) -> None:
        self._server = server
        self._received = b""
        self._asked = False
        self._producer: ResponseProducer | None = None
        self._is_counted = True  # as an open connection of the device
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """Count the connection, and reset it if the port state is RESET."""
        for other in self._server.connections:
            other.stop_counting_if_closed()
        self._server.connections.add(self)
        if self._server.device.connect() is not PortState.OPEN:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Count the end of the connection, and stop the response."""
        self._server.connections.discard(self)
        self._stop_counting()
        if self._producer is not None:
            self._producer.stopProducing()
        self.lost.callback(None)

    def stop_counting_if_closed(self) -> None:
        """Count the end of the connection if its client has closed it and the reactor has not read that yet.

        One turn of the reactor may accept a connection that its client has given up and the next one.
        """
        if (connection := getattr(self.transport, "socket", None)) is None:  # virtual, or closed already
            return
        try:
            is_closed = not connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:  # reset
            is_closed = True
        if is_closed:
            self._stop_counting()

    def _stop_counting(self) -> None:
        if self._is_counted:
            self._is_counted = False
            self._server.device.disconnect()

    def dataReceived(self, data: bytes) -> None:
        """Collect the head of the request, and ignore what follows it."""
        if self._asked:
            return
        self._received += data
        head, end, _ = self._received.partition(b"\r\n\r\n")
        if end:
            self._asked = True
            self._server.report(Deferred.fromCoroutine(self._answer(head)))
        elif len(self._received) > MAX_REQUEST:
            self.transport.abortConnection()

    def drop(self) -> Deferred[None]:
        """Reset the connection; fires when it is closed."""
        self.transport.abortConnection()
        return self.lost

    async def _answer(self, head: bytes) -> None:
        first, *others = head.split(b"\r\n")
        method, target, *_ = (*first.split(b" "), b"", b"")
        fields = (line.partition(b":") for line in others)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        response = await self._server.ask(method, target, headers)
        if self.lost.called:
            return
        if response.ending is Ending.RESET:
            self.transport.abortConnection()
            return
        self._producer = ResponseProducer(self._server.reactor, self.transport, response, self._end)
        self._producer.start()

    def _end(self, response: Response) -> None:
        if response.ending is Ending.REBOOT:
            self._server.reboot(response.absent)
        elif response.ending in _RESETTING:
            self.transport.abortConnection()
        elif response.ending is not Ending.STALL:
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
    """A device at an address of this machine, which arrives when the service starts and leaves when it stops.

    With `port` 0 the first arrival chooses a free port, which is kept. Changed faults of the device take effect at
    once, those of the port included.
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
        self._port_state: PortState | None = None
        self._turn = DeferredLock()
        self._return: IDelayedCall | None = None
        device.watchers.append(lambda: self.report(self._update_port()))

    @property
    def listens(self) -> bool:
        """Whether the port is open."""
        return isinstance(self._listener, OpenPort)

    def startService(self) -> None:
        """Arrive; a failure is logged."""
        super().startService()
        self.report(self.arrive())

    def stopService(self) -> Deferred[None]:
        """Leave; fires when the port is free and all connections are closed."""
        super().stopService()
        return self.leave()

    def arrive(self) -> Deferred[None]:
        """Listen; fires when the port is open, or fails with CannotListenError or OSError if the address is in use."""
        self._cancel_return()
        self.present = True
        return self._update_port()

    def leave(self) -> Deferred[None]:
        """Close the port and reset all connections; fires when that is done."""
        self._cancel_return()
        self.present = False
        closed = self._update_port().addCallback(self._drop_late_ones)
        ended: list[Deferred[Any]] = [closed, self._drop_all()]
        return gatherResults(ended, consumeErrors=True).addCallback(lambda _: None)

    def reboot(self, absent: float) -> None:
        """Leave, and arrive again after `absent` seconds."""
        if self.present:
            self.report(self.leave())
            self._return = self.reactor.callLater(absent, lambda: self.report(self.arrive()))

    async def ask(self, method: bytes, target: bytes, headers: Mapping[bytes, bytes]) -> Response:
        """Return the response of the device; a track that does not exist yet is made in a thread."""
        log = self.device.log_at(target)
        if log is not None and not log.ready:
            await deferToThreadPool(self.reactor, self.reactor.getThreadPool(), lambda: log.content)
        return self.device.respond(method, target, headers)

    def report(self, deferred: Deferred[None]) -> None:
        """Log a failure of an operation that has no caller waiting."""
        deferred.addErrback(
            lambda failure: self.log.failure("motion-{identifier}", failure=failure, identifier=self.device.identifier)
        )

    def _drop_all(self) -> Deferred[None]:
        dropped: list[Deferred[Any]] = [connection.drop() for connection in list(self.connections)]
        return gatherResults(dropped, consumeErrors=True).addCallback(lambda _: None)

    def _drop_late_ones(self, _: None) -> Deferred[None] | None:
        """Reset connections that were accepted while the port was being closed."""
        return None if self.present else self._drop_all()

    def _cancel_return(self) -> None:
        if self._return is not None and self._return.active():
            self._return.cancel()
        self._return = None

    def _update_port(self) -> Deferred[None]:
        """Bring the listener to the port state of the device, one change at a time."""
        return self._turn.run(lambda: Deferred.fromCoroutine(self._open_or_close()))

    async def _open_or_close(self) -> None:
        wanted = self.device.port_state if self.present else None
        if wanted is PortState.RESET:
            wanted = PortState.OPEN
        if wanted is self._port_state:
            return
        if self._listener is not None:
            listener, self._listener, self._port_state = self._listener, None, None
            await listener.close()
        if wanted is PortState.OPEN:
            listening = self.reactor.listenTCP(self.port, _Connections(self), interface=self.interface)
            self._listener = OpenPort(listening)
        elif wanted is PortState.NEVER_ACCEPTED:
            self._listener = FullBacklog(self.interface, self.port)
        if self._listener is not None:
            self.port = self._listener.port
        self._port_state = wanted
