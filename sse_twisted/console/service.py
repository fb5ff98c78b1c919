"""The console as a service: it listens while the collector runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.application.service import Service
from twisted.cred.portal import Portal
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.failure import Failure

from sse_twisted.console.accounts import AccountsError, LoginBackoff, PasswordChecker, random_account, read_accounts
from sse_twisted.console.namespace import Namespace
from sse_twisted.console.telnet import TelnetFactory, TelnetRealm
from sse_twisted.control.commands import Commands

if TYPE_CHECKING:
    from sse_twisted.console.session import Session

PASSWORD = "console.password"  # noqa: S105 - the name of the file
HOST_KEY = "ssh_host_ed25519_key"
KEYS = "authorized_keys"


@frozen
class Access:
    """Where the console listens, "" for not at all, and who may use it."""

    telnet: str = ""
    must_listen: bool = False  # whether the collector gives up if it can't listen by telnet
    passwords: Path | None = None  # a file of user:password; None = a random one for each run
    ssh: str = ""
    keys: Path | None = None  # authorized_keys; None = that of the event folder


class ConsoleService(Service):
    """Listens at the endpoints of `access`; `state` is the folder for passwords and keys.

    It listens once the process has the rights that it keeps, so that sockets and files are the user's of --uid.
    """

    def __init__(
        self,
        reactor: Any,
        access: Access,
        state: Path,
        commands: Commands,
        live: Mapping[str, object],
        log: Logger,
    ) -> None:
        """`live` are objects for the namespace of each session."""
        self._reactor = reactor
        self._access = access
        self._state = state
        self._commands = commands
        self._live = live
        self._log = log
        self._patience = LoginBackoff(reactor, log)
        self._ports: list[IListeningPort] = []
        self._factories: list[Any] = []
        self._password_file: Path | None = None  # of this run

    def startService(self) -> None:
        """Listen; raises OSError, CannotListenError or AccountsError if it must and can't."""
        super().startService()
        if self._access.telnet:
            try:
                self._open_telnet(self._access.telnet)
            except (OSError, CannotListenError, AccountsError) as error:
                self._forget_password()
                if self._access.must_listen:
                    raise
                text = "There is no console ({error}); the collector goes on. --manhole gives it another place"
                self._log.error(text, error=str(error))
        if self._access.ssh:
            self._open_ssh(self._access.ssh)

    def stopService(self) -> Deferred[None]:
        """Hang up on everybody."""
        super().stopService()
        self._patience.close()
        closing = [maybeDeferred(port.stopListening) for port in self._ports]
        for factory in self._factories:
            factory.hang_up()
        self._ports.clear()
        self._factories.clear()
        self._forget_password()
        return DeferredList(closing).addCallback(lambda _: None)

    @property
    def ports(self) -> tuple[IListeningPort, ...]:
        """Where it listens."""
        return tuple(self._ports)

    def _open_telnet(self, endpoint: str) -> None:
        file = self._access.passwords
        if file is None:
            file = self._password_file = self._state / PASSWORD
            accounts = random_account(file)
        else:
            accounts = read_accounts(file)
        portal = Portal(TelnetRealm(self._session), [PasswordChecker(accounts, self._patience)])
        self._listen(endpoint, TelnetFactory(portal, self._reactor, self._log))
        text = "The console is at {place} by telnet: user {user}, password in {file}"
        self._log.info(text, place=self._place(), user=", ".join(accounts), file=str(file))

    def _open_ssh(self, endpoint: str) -> None:
        from sse_twisted.console.ssh import AuthorizedKeys, ConsoleSSHFactory, KeyChecker, SSHRealm, host_key

        keys = self._access.keys or self._state / KEYS
        checker = KeyChecker(AuthorizedKeys(keys, self._log), self._patience)
        portal = Portal(SSHRealm(self._session), [checker])
        self._listen(endpoint, ConsoleSSHFactory(portal, host_key(self._state / HOST_KEY), self._reactor, self._log))
        self._log.info("The console is at {place} by SSH: keys in {file}", place=self._place(), file=str(keys))

    def _listen(self, endpoint: str, factory: Any) -> None:
        """Raises what keeps it from listening; TCP and sockets tell at once."""
        results: list[Any] = []
        serverFromString(self._reactor, endpoint).listen(factory).addBoth(results.append)
        if not results:
            raise OSError(f"{endpoint}: nobody knows when it begins to listen")
        if isinstance(results[0], Failure):
            results[0].raiseException()
        self._ports.append(results[0])
        self._factories.append(factory)

    def _place(self) -> str:
        """Of the last port, for a person to connect to."""
        host = self._ports[-1].getHost()
        if isinstance(host, UNIXAddress):
            return os.fsdecode(host.name or b"")
        return f"{host.host} {host.port}" if isinstance(host, IPv4Address | IPv6Address) else str(host)

    def _forget_password(self) -> None:
        if self._password_file is not None:
            with contextlib.suppress(OSError):
                self._password_file.unlink(missing_ok=True)
            self._password_file = None

    def _session(self) -> Session:
        from sse_twisted.console.session import Session

        return Session(Namespace(self._commands, self._live))
