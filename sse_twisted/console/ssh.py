"""The way in by SSH, with keys only.

Import this inside of functions only: Conch installs the reactor as it is imported.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.avatar import ConchUser
from twisted.conch.checkers import IAuthorizedKeysDB, SSHPublicKeyChecker, readAuthorizedKeyFile
from twisted.conch.error import ValidPublicKey
from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.interfaces import IConchUser, ISession
from twisted.conch.manhole_ssh import TerminalSessionTransport
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.session import SSHSession
from twisted.conch.ssh.transport import SSHServerTransport
from twisted.conch.ssh.userauth import SSHUserAuthServer
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ISSHPrivateKey
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.logger import LogEvent, Logger, LogLevel, formatEvent
from twisted.python.components import registerAdapter
from twisted.python.failure import Failure
from zope.interface import implementer

from sse_twisted.console.accounts import AccountsError, LoginBackoff, check_private, write_private
from sse_twisted.console.telnet import MOST_SESSIONS, expect_login
from sse_twisted.runtime.text import one_line

OF_OTHERS = stat.S_IWGRP | stat.S_IWOTH  # whoever can add a key can log in


def host_key(path: Path) -> Key:
    """The ed25519 key at `path`, made if there is none; raises AccountsError, or OSError if it can't be written."""
    if not path.exists():
        key = Key(Ed25519PrivateKey.generate())
        write_private(path, key.toString("openssh", subtype="v1"))
        return key
    check_private(path)
    try:
        found: Key = Key.fromFile(path)
    except Exception as error:  # noqa: BLE001 - whatever a file that is no key makes of Conch and cryptography
        raise AccountsError(f"{path}: it is no SSH key ({type(error).__name__})") from None
    return found


@implementer(IAuthorizedKeysDB)
class AuthorizedKeys:
    """The keys of a file, read at each login; it may not be there yet."""

    def __init__(self, path: Path, log: Logger) -> None:
        self._path = path
        self._log = log

    def getAuthorizedKeys(self, username: bytes) -> Iterator[Key]:
        """All of them, whatever the user calls himself."""
        try:
            check_private(self._path, OF_OTHERS)
            with self._path.open("rb") as file:
                yield from readAuthorizedKeyFile(file)
        except (AccountsError, OSError) as error:
            self._log.error("Nobody gets in by SSH: {error}", error=str(error))


@implementer(ICredentialsChecker)
class KeyChecker:
    """Lets in who has one of the keys; everybody else waits for the answer."""

    credentialInterfaces = (ISSHPrivateKey,)

    def __init__(self, keys: AuthorizedKeys, patience: LoginBackoff) -> None:
        self._checker = SSHPublicKeyChecker(keys)
        self._patience = patience

    def requestAvatarId(self, credentials: Any) -> Deferred[Any]:
        """The user, or UnauthorizedLogin after a while."""

        def refuse(failure: Failure) -> Any:
            if failure.check(ValidPublicKey):  # the client asks before it signs
                return failure
            return self._patience.refuse("the key", credentials.username)

        def welcome(user: bytes) -> bytes:
            self._patience.welcome()
            return user

        asking: Deferred[bytes] = self._checker.requestAvatarId(credentials)
        return asking.addCallbacks(welcome, refuse)


class User(ConchUser):
    """Somebody who may have a session, and nothing else: no forwarding, no files."""

    def __init__(self, session: Callable[[], Any]) -> None:
        super().__init__()
        self.session = session
        self.channelLookup[b"session"] = SSHSession


@implementer(ISession)
class SessionOfUser:
    """A terminal with a session of the console."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._size = (80, 24)  # columns and lines, of a client that has no terminal
        self._terminal: ServerProtocol | None = None
        self._process: Any = None

    def getPty(self, term: bytes, windowSize: tuple[int, int, int, int], modes: object) -> None:
        """Take note of the size: lines come before columns."""
        self._size = (windowSize[1], windowSize[0])

    def openShell(self, process: Any) -> None:
        """Begin."""
        self._process = process
        self._terminal = ServerProtocol(self._user.session)
        TerminalSessionTransport(process, self._terminal, self._user, *self._size)
        transport: Any = self._terminal.transport
        transport.loseConnection = self._leave

    def execCommand(self, process: Any, command: bytes) -> None:
        """There are none."""
        process.write(b"This is a console: log in without a command.\r\n")
        process.loseConnection()

    def windowChanged(self, newWindowSize: tuple[int, int, int, int]) -> None:
        """Take note of it."""
        if self._terminal is not None and self._terminal.terminalProtocol is not None:
            self._terminal.terminalProtocol.terminalSize(newWindowSize[1], newWindowSize[0])

    def eofReceived(self) -> None:
        """Nothing more will be typed."""
        if self._process is not None:
            self._process.loseConnection()

    def _leave(self) -> None:
        """End without a complaint of the client."""
        channel = self._process.session
        self._user.conn.sendRequest(channel, b"exit-status", struct.pack(">L", 0))
        self._process.loseConnection()

    def closed(self) -> None:
        """End the session."""
        if self._terminal is not None:
            terminal, self._terminal = self._terminal, None
            terminal.connectionLost(Failure(ConnectionDone()))


registerAdapter(SessionOfUser, User, ISession)


@implementer(IRealm)
class SSHRealm:
    """Gives whoever has logged in a user who may have sessions."""

    def __init__(self, session: Callable[[], Any]) -> None:
        self._session = session

    def requestAvatar(self, avatar_id: object, mind: object, *interfaces: Any) -> tuple[Any, Any, Callable[[], None]]:
        """The user."""
        return IConchUser, User(self._session), lambda: None


class SSHConnectionToConsole(SSHServerTransport):
    """A connection that ends by itself if nobody logs in, and whatever comes makes no error in the log."""

    def __init__(self, clock: IReactorTime, quiet: Logger, log: Logger) -> None:
        self._log = quiet
        self._clock = clock
        self._loud = log
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Give them a minute."""
        self._timer = expect_login(self.transport, self._clock, self._give_up)
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; what is no SSH ends the connection, and not with a traceback."""
        try:
            super().dataReceived(data)
        except Exception as error:  # noqa: BLE001 - garbage finds many ways
            self._loud.info("The console hangs up on what makes no sense ({error})", error=one_line(repr(error)))
            self.hang_up()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Leave nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connectionLost(reason)
        if hasattr(self, "avatar"):
            self._loud.info("{user} has left the console", user="sse by SSH")
        self.factory.connections.discard(self)  # type: ignore[attr-defined]  # it is that of the console

    def setService(self, service: Any) -> None:
        """Go on to the next part; that of a session begins when somebody has logged in."""
        service._log = self._log
        super().setService(service)
        if hasattr(self, "avatar"):
            self._loud.info("{user} is at the console", user="sse by SSH")

    def hang_up(self) -> None:
        """End it without waiting for what is still to be sent."""
        transport: Any = self.transport
        transport.abortConnection()

    def _give_up(self) -> None:
        self._timer = None
        if not hasattr(self, "avatar"):
            self.hang_up()


class ConsoleSSHFactory(SSHFactory):
    """Connections by SSH, a bounded number of them."""

    noisy = False
    primes = None
    services = {b"ssh-userauth": SSHUserAuthServer, b"ssh-connection": SSHConnection}  # noqa: RUF012 - Conch's own way

    def __init__(self, portal: Portal, key: Key, clock: IReactorTime, log: Logger) -> None:
        self.connections: set[SSHConnectionToConsole] = set()
        self.portal = portal
        self.publicKeys = {b"ssh-ed25519": key.public()}
        self.privateKeys = {b"ssh-ed25519": key}
        self._clock = clock
        self._loud = log
        self._log = Logger(observer=self._debug)  # type: ignore[arg-type]  # a function is an observer

    def protocol(self) -> SSHConnectionToConsole:
        """A connection."""
        return SSHConnectionToConsole(self._clock, self._log, self._loud)

    def buildProtocol(self, addr: IAddress | None) -> SSHServerTransport:
        """A connection; None, which hangs up, if there are too many."""
        if len(self.connections) >= MOST_SESSIONS:
            self._loud.warn("The console has {count} sessions by SSH, and takes no more", count=MOST_SESSIONS)
            return None  # type: ignore[return-value]  # as any factory may
        connection = super().buildProtocol(addr)
        self.connections.add(connection)  # type: ignore[arg-type]  # of `protocol`
        return connection

    def hang_up(self) -> None:
        """End all connections."""
        for connection in list(self.connections):
            connection.hang_up()

    def _debug(self, event: LogEvent) -> None:
        """What Conch says of its packets is for those who look closely."""
        text = " ".join(formatEvent(event).splitlines())
        self._loud.emit(LogLevel.debug, "SSH: {text}", text=text)
