"""The way in by telnet: a login, and then the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.telnet import (
    ECHO,
    IAC,
    IP,
    NAWS,
    SGA,
    ITelnetProtocol,
    StatefulTelnetProtocol,
    TelnetBootstrapProtocol,
    TelnetTransport,
)
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sse_twisted.runtime.text import one_line

CTRL_C = b"\x03"
LOGIN_WITHIN = 60.0  # s until somebody who has not logged in is hung up on
MOST_SESSIONS = 20  # at once, logged in or not
MOST_BEFORE_LOGIN = 4096  # bytes that one who has not logged in may send


def _whatever(_: Failure) -> None:
    """A client that refuses an option, or hangs up before it answers, is nobody's worry."""


class Terminal(TelnetBootstrapProtocol):
    """Asks the client for a terminal where each key counts."""

    def connectionMade(self) -> None:
        """Negotiate; the client may refuse everything.

        Not LINEMODE, as Twisted's own would: a client in it keeps ^C to itself, and sends a signal that nobody takes.
        """
        transport: Any = self.transport
        transport.negotiationMap[NAWS] = self.telnet_NAWS
        transport.commandMap[IP] = lambda _: self.dataReceived(CTRL_C)  # of a client that keeps ^C to itself
        transport.do(NAWS).addErrback(_whatever)
        for option in (ECHO, SGA):
            transport.will(option).addErrback(_whatever)
        self.protocol = self.protocolFactory(*self.protocolArgs, **self.protocolKwArgs)
        self.protocol.makeConnection(self)

    def enableRemote(self, opt: bytes) -> bool:
        """Whether the client may do something."""
        return bool(opt == NAWS)

    def write(self, data: bytes) -> None:
        """As it is: the terminal has made its line ends already, and Twisted would make them twice more."""
        transport: Any = self.transport
        transport.write(data)

    def telnet_NAWS(self, data: list[bytes]) -> None:
        """The size of the window."""
        if len(data) == 4:
            super().telnet_NAWS(data)


def expect_login(transport: Any, clock: IReactorTime, give_up: Callable[[], None]) -> IDelayedCall:
    """The call that ends a new connection, to be cancelled when somebody has logged in; half-open ones are noticed."""
    if hasattr(transport, "setTcpKeepAlive"):
        transport.setTcpKeepAlive(1)
    return clock.callLater(LOGIN_WITHIN, give_up)


@implementer(IRealm)
class TelnetRealm:
    """Gives whoever has logged in a terminal with a session."""

    def __init__(self, session: Callable[[], Any]) -> None:
        self._session = session

    def requestAvatar(self, avatar_id: object, mind: object, *interfaces: Any) -> tuple[Any, Any, Callable[[], None]]:
        """The protocol of a session."""
        if ITelnetProtocol not in interfaces:
            raise NotImplementedError(f"no way in by {interfaces}")
        return ITelnetProtocol, Terminal(ServerProtocol, self._session), lambda: None


class Login(StatefulTelnetProtocol):
    """Asks for user and password. Unlike Twisted's own it does not depend on what the client answers to options."""

    state = "User"

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._user = b""

    def connectionMade(self) -> None:
        """Ask who it is."""
        self._say(b"sse_twisted\nUsername: ")

    def telnet_User(self, line: bytes) -> str:
        """Ask for the password, which the client does not show: it believes that we will."""
        self._user = line.strip()
        self._transport.will(ECHO).addErrback(_whatever)
        self._say(b"Password: ")
        return "Password"

    def telnet_Password(self, line: bytes) -> str:
        """Let them in, or ask again after a while."""
        credentials = UsernamePassword(self._user, line.removesuffix(b"\r"))
        login: Deferred[Any] = self._portal.login(credentials, None, ITelnetProtocol)
        login.addCallbacks(self._let_in, self._ask_again).addErrback(self._transport.failed)
        return "Discard"

    def _let_in(self, avatar: tuple[Any, Any, Callable[[], None]]) -> None:
        _, protocol, _ = avatar
        transport = self._transport
        if not transport.gone:
            transport.logged_in(self._user)
            protocol.makeConnection(transport)
            transport.protocol = protocol

    def _ask_again(self, failure: Failure) -> None:
        failure.trap(UnauthorizedLogin)
        if not self._transport.gone:
            self._transport.wont(ECHO).addErrback(_whatever)
            self._say(b"\nLogin incorrect\nUsername: ")
            self.state = "User"

    def _say(self, text: bytes) -> None:
        self._transport.write(text.replace(b"\n", b"\r\n"))

    @property
    def _transport(self) -> Connection:
        transport: Any = self.transport
        return transport  # type: ignore[no-any-return]  # it is one


class Connection(TelnetTransport):
    """A connection that ends by itself if nobody logs in, or if what comes is no telnet."""

    _log = Logger(observer=lambda _: None)  # type: ignore[arg-type]  # what Twisted warns of is in our own words

    def __init__(self, login: Callable[[], Login], clock: IReactorTime, log: Logger) -> None:
        super().__init__(login)
        self.gone = False
        self._clock = clock
        self._loud = log
        self._timer: IDelayedCall | None = None
        self._before_login = 0  # bytes
        self._user = ""

    def connectionMade(self) -> None:
        """Give them a minute."""
        self._timer = expect_login(self.transport, self._clock, self._give_up)
        super().connectionMade()

    def write(self, data: bytes) -> None:
        """Line ends are those of the caller."""
        transport: Any = self.transport
        transport.write(data.replace(IAC, IAC * 2))

    def logged_in(self, user: bytes) -> None:
        """They may stay."""
        self._stop_timer()
        self._user = user.decode(errors="replace")
        self._loud.info("{user} is at the console", user=self._user)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; whatever Twisted can't make sense of ends the connection, and not with a traceback."""
        if self.gone:
            return
        if self._timer is not None:
            self._before_login += len(data)
        try:
            if self._before_login > MOST_BEFORE_LOGIN:
                raise ValueError("too much before the login")
            super().dataReceived(data)
        except Exception as error:  # noqa: BLE001 - garbage finds many ways
            self._loud.info("The console hangs up on what makes no sense ({error})", error=one_line(repr(error)))
            self.hang_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave nothing."""
        self.gone = True
        self._stop_timer()
        super().connectionLost(reason)
        if self._user:
            self._loud.info("{user} has left the console", user=self._user)
        self.factory.connections.discard(self)

    def failed(self, failure: Failure) -> None:
        """No session could be begun."""
        self._loud.failure("The console failed", failure)
        self.hang_up()

    def hang_up(self) -> None:
        """End it without waiting for what is still to be sent."""
        transport: Any = self.transport
        transport.abortConnection()

    def _give_up(self) -> None:
        self._timer = None
        self._loud.debug("The console hangs up on one who did not log in within {seconds:g} s", seconds=LOGIN_WITHIN)
        self.hang_up()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class TelnetFactory(ServerFactory):
    """Connections by telnet, a bounded number of them."""

    noisy = False

    def __init__(self, portal: Portal, clock: IReactorTime, log: Logger) -> None:
        self.connections: set[Connection] = set()
        self._portal = portal
        self._clock = clock
        self._log = log

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:
        """A connection; None, which hangs up, if there are too many."""
        if len(self.connections) >= MOST_SESSIONS:
            self._log.warn("The console has {count} sessions, and takes no more", count=MOST_SESSIONS)
            return None
        connection = Connection(lambda: Login(self._portal), self._clock, self._log)
        connection.factory = self
        self.connections.add(connection)
        return connection

    def hang_up(self) -> None:
        """End all connections."""
        for connection in list(self.connections):
            connection.hang_up()
