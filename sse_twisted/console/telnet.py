"""Console by telnet: the login, then a terminal with a session."""

from __future__ import annotations

from functools import partial
from typing import Any

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
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from sse_twisted.console.accounts import TooSoon
from sse_twisted.runtime.clients import client_of


def _ignore(_: Failure) -> None:
    """Accept that a client refuses an option, or closes the connection before it answers."""


class Terminal(TelnetBootstrapProtocol):
    """A terminal in character mode.

    Twisted's own asks for LINEMODE, in which a client keeps ^C to itself and sends a signal in its place; and it logs
    each option that a client refuses as a failure.
    """

    transport: Any

    def connectionMade(self) -> None:
        """Negotiate the options and begin the session; the client may refuse all of them."""
        self.transport.negotiationMap[NAWS] = self.telnet_NAWS
        self.transport.commandMap[IP] = lambda _: self.dataReceived(b"\x03")  # from clients that keep ^C all the same
        self.transport.do(NAWS).addErrback(_ignore)
        for option in (ECHO, SGA):
            self.transport.will(option).addErrback(_ignore)
        self.protocol = self.protocolFactory(*self.protocolArgs, **self.protocolKwArgs)
        self.protocol.makeConnection(self)

    def enableRemote(self, opt: bytes) -> bool:
        """Accept the size of the window, no other option."""
        return bool(opt == NAWS)

    def write(self, data: bytes) -> None:
        """Send data whose line ends are CRLF already; Twisted would add two more CR to each."""
        self.transport.transport.write(data.replace(IAC, IAC * 2))


class LineEnds(TelnetTransport):
    """Takes CR, LF, CR LF and CR NUL as one Enter each.

    Twisted's own waits after a CR for one more byte, which a client that sends CR alone does not send.
    """

    _ended_with_cr = False

    def dataReceived(self, data: bytes) -> None:
        """Deliver a CR at the end of the data at once, and drop the LF or NUL that may follow it later."""
        if self._ended_with_cr and data[:1] in (b"\n", b"\0"):
            data = data[1:]
        self._ended_with_cr = False
        super().dataReceived(data)
        if self.state == "newline":
            self.state, self._ended_with_cr = "data", True
            self.applicationDataReceived(b"\r")


class _Connection:
    """Stands for a connection as long as it is open."""


class Login(StatefulTelnetProtocol):
    """Asks for user and password.

    Twisted's AuthenticatingTelnetProtocol waits for the client to agree to echo, so that a client that refuses can't
    log in; and it logs that refusal as a failure.
    """

    state = "User"
    transport: Any

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._user = b""
        self._connection: object = _Connection()
        self._login: Deferred[Any] | None = None

    def connectionMade(self) -> None:
        self.transport.write(b"sse_twisted\nUsername: ")

    def dataReceived(self, data: bytes) -> None:
        """Read lines that end with CR or LF."""
        super().dataReceived(data.replace(b"\r", b"\n"))

    def telnet_User(self, line: bytes) -> str | None:
        """Ask for the password; announcing ECHO keeps the client from showing it.

        A line of the password file pasted whole, `user:password`, is enough.
        """
        self._user, is_whole, password = line.strip().partition(b":")
        if is_whole:
            self.telnet_Password(password)
            return None
        self.transport.will(ECHO).addErrback(_ignore)
        self.transport.write(b"Password: ")
        return "Password"

    def telnet_Password(self, line: bytes) -> None:
        """Log in, and discard what is typed until the reply, which may come at once."""
        self.state = "Discard"
        credentials: Any = UsernamePassword(self._user, line)
        credentials.client = client_of(self.transport.getPeer())
        credentials.connection = self._connection
        login: Deferred[Any] = self._portal.login(credentials, None, ITelnetProtocol)
        self._login = login
        login.addCallbacks(self._begin, self._ask_again).addErrback(self.transport.transport.failed)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Give up a login, and the turn of this connection."""
        self._connection = None
        if self._login is not None:
            self._login.cancel()

    def _begin(self, avatar: tuple[Any, Any, Any]) -> None:
        _, terminal, _ = avatar
        self._login = None
        self.transport.transport.logged_in(self._user)
        terminal.makeConnection(self.transport)
        self.transport.protocol = terminal

    def _ask_again(self, failure: Failure) -> None:
        failure.trap(UnauthorizedLogin)
        self._login = None
        self.transport.wont(ECHO).addErrback(_ignore)
        why = failure.getErrorMessage() if failure.check(TooSoon) else "Login incorrect"
        self.transport.write(b"\n%s\nUsername: " % why.encode())
        self.state = "User"


def telnet_factory(portal: Portal) -> Factory[TelnetTransport]:
    """Return the factory of telnet connections, to be wrapped in a ConsoleFactory."""
    return Factory.forProtocol(partial(LineEnds, Login, portal))
