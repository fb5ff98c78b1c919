"""Connections to the console, by telnet or SSH: their number, the time and bytes until the login, and their end."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, TimeoutMixin, WrappingFactory
from twisted.python.failure import Failure

from sse_twisted.console.handshakes import Handshakes
from sse_twisted.runtime.clients import LOCAL, client_of, oldest_of_greediest
from sse_twisted.runtime.seldom import Seldom
from sse_twisted.runtime.text import one_line

LOGIN_TIMEOUT = 60  # s from connecting to the login
MAX_CONNECTIONS = 20  # by telnet, and as many by SSH; logged in or not
MAX_LOGIN_BYTES = 65_536  # from the client before its login; ssh with twenty keys to offer needs some 40,000

# Twisted logs garbage and unknown keys as warnings and errors; what an operator should know is logged by the console.
QUIET = Logger(observer=lambda _: None)  # type: ignore[arg-type]  # a function is an observer


class Connection(ProtocolWrapper, TimeoutMixin):
    """One connection; reset after LOGIN_TIMEOUT without a login, and when its input is invalid."""

    factory: ConsoleFactory
    transport: Any

    def __init__(self, factory: ConsoleFactory, wrapped: Any) -> None:
        super().__init__(factory, wrapped)  # type: ignore[arg-type]  # a WrappingFactory of Connections
        self.callLater = factory.clock.callLater  # type: ignore[assignment, method-assign]
        self._user: str | None = None
        self._received = 0  # bytes before the login
        self.client = LOCAL
        self.gives_way = False  # it is being closed

    def connectionMade(self) -> None:
        """Start the login timeout; keep-alive notices clients that have gone without closing the connection."""
        if hasattr(self.transport, "setTcpKeepAlive"):
            self.transport.setTcpKeepAlive(1)
        self.setTimeout(LOGIN_TIMEOUT)

    def dataReceived(self, data: bytes) -> None:
        """Pass data on; telnet and SSH raise all kinds of exceptions on garbage, which must not reach the reactor."""
        if self._user is None:
            self._received += len(data)
        try:
            if self._received > MAX_LOGIN_BYTES:
                raise ValueError(f"{self._received} bytes without a login")
            super().dataReceived(data)
        except Exception as error:  # noqa: BLE001 - see above
            if self.factory.seldom.allows(self.client):
                text = "Console connection closed: invalid input ({error})"
                self.factory._log.info(text, error=one_line(repr(error)))
            self.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Cancel the timeout, and log the end of a session."""
        self.setTimeout(None)
        super().connectionLost(reason)
        if self._user is not None:
            self.factory._log.info("{user} logged out of the console", user=self._user)

    def logged_in(self, user: bytes, way: str = "") -> None:
        """Lift the limits that hold until the login."""
        self.setTimeout(None)
        self._user = one_line(user.decode(errors="replace"), 40) + way
        self.factory._log.info("{user} logged in to the console", user=self._user)

    @property
    def is_logged_in(self) -> bool:
        return self._user is not None

    def failed(self, failure: Failure) -> None:
        """Log a session that could not begin, and end the connection."""
        self.factory._log.failure("Console session failed", failure)
        self.abortConnection()

    def timeoutConnection(self) -> None:
        """End a connection that has not logged in."""
        self.factory._log.debug("Console connection closed: no login within {seconds:g} s", seconds=LOGIN_TIMEOUT)
        self.abortConnection()


class ConsoleFactory(WrappingFactory):
    """Wraps the factory of telnet or SSH; takes MAX_CONNECTIONS at once.

    Above this number the oldest connection that has not logged in gives way, first of the client with most of them.
    """

    noisy = False

    def __init__(
        self, wrapped: Factory[Any], clock: IReactorTime, log: Logger, handshakes: Handshakes | None = None
    ) -> None:
        """`handshakes` bounds how many connections begin in a second; None if that costs little."""
        super().__init__(wrapped)
        self._handshakes = handshakes
        wrapped.noisy = False
        self.clock = clock
        self.seldom = Seldom(clock)
        self._log = log

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:  # type: ignore[override]  # as any factory
        """Return a connection, or None, which closes it, if there are too many and all have logged in.

        None also if too many begin.
        """
        if self._handshakes is not None and not self._handshakes.allow(client_of(addr)):
            if self.seldom.allows("too often"):
                self._log.warn("Console connection refused: too many SSH connections in a second")
            return None
        if not self._make_room():
            if self.seldom.allows("refused"):
                self._log.warn("Console connection refused: {count} are open, the maximum", count=MAX_CONNECTIONS)
            return None
        connection = Connection(self, self.wrappedFactory.buildProtocol(addr))
        connection.client = client_of(addr)
        return connection

    def _make_room(self) -> bool:
        connections: list[Any] = [each for each in self.protocols if not each.gives_way]
        if len(connections) < MAX_CONNECTIONS:
            return True
        waiting = [each for each in connections if not each.is_logged_in]
        chosen = oldest_of_greediest(waiting, lambda each: each.client)
        if chosen is not None:
            chosen.gives_way = True
            chosen.abortConnection()
        return chosen is not None

    def hang_up(self) -> None:
        """Reset all connections, whatever is still to be sent."""
        for connection in list(self.protocols):
            connection.abortConnection()
