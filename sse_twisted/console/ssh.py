"""Console by SSH, with keys only.

Import this inside of functions only: Conch installs the reactor as it is imported.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import define, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.avatar import ConchUser
from twisted.conch.checkers import IAuthorizedKeysDB, SSHPublicKeyChecker, readAuthorizedKeyFile
from twisted.conch.error import ValidPublicKey
from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.interfaces import ISession
from twisted.conch.manhole_ssh import ConchFactory, TerminalSession, TerminalSessionTransport
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.session import SSHSession
from twisted.conch.ssh.transport import SSHServerTransport
from twisted.conch.ssh.userauth import SSHUserAuthServer
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ProcessDone, ProcessTerminated
from twisted.logger import Logger
from twisted.python.components import registerAdapter
from twisted.python.failure import Failure
from zope.interface import implementer

from sse_twisted.console.accounts import MAX_ACCOUNTS, AccountsError, LoginBackoff, check_private
from sse_twisted.console.connections import QUIET
from sse_twisted.event_folder.files import write_private
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.runtime.clients import LOCAL, client_of
from sse_twisted.runtime.disk import Disk, DiskHangs
from sse_twisted.runtime.text import encodable

MAX_EXCHANGES = 3  # of keys before the login, each of which takes 3 ms; one is usual
BY_KEY = "by key"  # the account of all users whose delays are counted; a key is for any of them
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH  # a key that others add would let them log in


def host_key(path: Path) -> Key:
    """Return the host key at `path`; make an ed25519 one of mode 0600 if there is none.

    Raises AccountsError for a file that is not a key or that others can read, OSError if the key can't be written.
    """
    if not path.exists():
        key = Key(Ed25519PrivateKey.generate())
        write_private(path, key.toString("openssh", subtype="v1"))
        return key
    check_private(path)
    try:
        return Key.fromFile(path)  # type: ignore[no-any-return]  # it has no annotations
    except Exception as error:  # noqa: BLE001 - Conch and cryptography raise many types for an invalid file
        raise AccountsError(f"{path}: not an SSH key ({type(error).__name__})") from None


@implementer(IAuthorizedKeysDB)
@define
class AuthorizedKeys:
    """The keys of a file, read before each login, so that it can be made or changed while the console runs."""

    _path: Path
    _disk: Disk
    _log: Logger
    _known: tuple[Key, ...] = ()

    async def read(self) -> None:
        """Read the file. Without it, or if others can write it, there are no keys, with an error in the log.

        While the disk hangs the keys stay that were read last: nobody needs the console more than then.
        """
        with suppress(DiskHangs):
            try:
                self._known = await self._disk.read(self._read)
            except (AccountsError, OSError) as error:
                self._known = ()
                self._log.error("SSH logins are refused: cannot use the authorized keys ({error})", error=str(error))

    def read_first(self) -> None:
        """Read the file, if there is one already. Blocks."""
        with suppress(AccountsError, OSError):
            self._known = self._read()

    def getAuthorizedKeys(self, username: bytes) -> Iterator[Key]:
        """Return all keys that are known, for any user name."""
        return iter(self._known)

    def _read(self) -> tuple[Key, ...]:
        check_private(self._path, WRITABLE_BY_OTHERS)
        return tuple(readAuthorizedKeyFile(io.BytesIO(read_bounded(self._path, MAX_ACCOUNTS))))


class KeyChecker(SSHPublicKeyChecker):
    """Accepts a signature by one of the keys; delays the reply to any other."""

    def __init__(self, keys: AuthorizedKeys, backoff: LoginBackoff) -> None:
        super().__init__(keys)
        self._keys = keys
        self._backoff = backoff

    def requestAvatarId(self, credentials: Any) -> Deferred[Any]:
        """Return the user name; fails with UnauthorizedLogin after the delay of the backoff.

        A right key is accepted during a delay too: nobody guesses a key.
        """
        client = getattr(credentials, "client", LOCAL)

        def refuse(failure: Failure) -> Any:
            if failure.check(ValidPublicKey):  # a client asks whether the key is accepted before it signs
                return failure
            return self._backoff.refuse("key", credentials.username, BY_KEY, client, credentials)

        def accept(user: bytes) -> bytes:
            self._backoff.reset(BY_KEY, client)
            return user

        check = super().requestAvatarId
        checking: Deferred[bytes] = Deferred.fromCoroutine(self._keys.read()).addCallback(lambda _: check(credentials))
        return checking.addCallbacks(accept, refuse)


class ConsoleUser(ConchUser):
    """A user with console sessions only: no forwarding, no files."""

    def __init__(self, name: bytes, session: Callable[[], Any]) -> None:
        super().__init__()
        self.name = name
        self.session = session
        self.channelLookup[b"session"] = SSHSession


class Shell(TerminalSession):
    """The terminal of one channel.

    Adapts the user, so that each channel of a connection has its own: those of Twisted's TerminalRealm share one.
    """

    original: ConsoleUser
    width, height = 80, 24  # columns and lines, of a client without a terminal

    def __init__(self, user: ConsoleUser) -> None:
        super().__init__(user)
        self._terminal = ServerProtocol(user.session)
        self._process: Any = None  # the channel as a transport, from openShell on
        self._has_terminal = False
        self._is_closed = False

    def getPty(self, term: bytes, windowSize: tuple[int, ...], modes: object) -> None:
        """Remember that the client has a terminal, which needs CR LF."""
        self._has_terminal = True
        super().getPty(term, windowSize, modes)

    def openShell(self, proto: Any) -> None:
        """Begin the session; leaving it ends the client with exit status 0."""
        self._process = proto
        TerminalSessionTransport(proto, self._terminal, self.original, self.width, self.height)
        transport: Any = self._terminal.transport
        transport.loseConnection = lambda: proto.processEnded(Failure(ProcessDone(0)))

    def execCommand(self, proto: Any, cmd: bytes) -> None:
        """Run one line, and end with its exit status."""
        from sse_twisted.console.one_line import OneLine

        def end(result: int | Failure) -> None:
            status = 1 if isinstance(result, Failure) else result
            if isinstance(result, Failure):
                err(f"error: {result.getErrorMessage()}\n")
            if not self._is_closed:
                proto.processEnded(Failure(ProcessTerminated(status) if status else ProcessDone(0)))

        def err(text: str) -> None:
            if not self._is_closed:
                proto.errReceived(self._encoded(text))

        def out(text: str) -> None:
            if not self._is_closed:
                proto.outReceived(self._encoded(text))

        names = self.original.session().names()
        Deferred.fromCoroutine(OneLine(names, out, err).run(cmd.decode(errors="replace"))).addBoth(end)

    def _encoded(self, text: str) -> bytes:
        return encodable(text.replace("\n", "\r\n") if self._has_terminal else text).encode()

    def windowChanged(self, newWindowSize: tuple[int, int, int, int]) -> None:
        """Pass on the size; `newWindowSize` begins with lines and columns."""
        if self._terminal.terminalProtocol is not None:
            self._terminal.terminalProtocol.terminalSize(newWindowSize[1], newWindowSize[0])

    def eofReceived(self) -> None:
        """Close the channel: the client sends no more input."""
        if self._process is not None:
            self._process.loseConnection()

    def closed(self) -> None:
        """Show nothing more: a command may still run."""
        self._is_closed = True
        self._terminal.connectionLost(Failure(ConnectionDone()))


registerAdapter(Shell, ConsoleUser, ISession)


@frozen
class _PortalOf:
    """The portal for one client, whose address its credentials carry."""

    _portal: Portal
    _client: str

    def login(self, credentials: Any, mind: object, *interfaces: Any) -> Deferred[Any]:
        credentials.client = self._client
        return self._portal.login(credentials, mind, *interfaces)


class _UserAuth(SSHUserAuthServer):
    _log = QUIET
    transport: Any

    def serviceStarted(self) -> None:
        super().serviceStarted()
        self.portal = _PortalOf(self.portal, client_of(self.transport.transport.getPeer()))


class _Channels(SSHConnection):
    _log = QUIET
    transport: Any

    def serviceStarted(self) -> None:
        """Lift the limits of the connection: this service starts after the login only."""
        super().serviceStarted()
        self.transport.transport.logged_in(self.transport.avatar.name, " by SSH")


class _Transport(SSHServerTransport):
    _log = QUIET
    transport: Any
    _exchanges = 0  # of keys that have begun

    def ssh_KEXINIT(self, packet: bytes) -> Any:  # noqa: N802 - called by SSHTransportBase
        """Exchange keys; a client that begins again and again before its login is cut off."""
        self._exchanges += 1
        if self._exchanges > MAX_EXCHANGES and not self.transport.is_logged_in:
            self.transport.abortConnection()
            return None
        return super().ssh_KEXINIT(packet)


class SSHFactory(ConchFactory):
    """Makes SSH connections with the one host key, to be wrapped in a ConsoleFactory."""

    protocol = _Transport
    services = {b"ssh-userauth": _UserAuth, b"ssh-connection": _Channels}  # noqa: RUF012 - Conch's own way
    _log = QUIET

    def __init__(self, portal: Portal, key: Key) -> None:
        super().__init__(portal)
        self.publicKeys: dict[bytes, Any] = {b"ssh-ed25519": key.public()}
        self.privateKeys: dict[bytes, Any] = {b"ssh-ed25519": key}
