"""The console as a service, which listens by telnet and SSH."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define
from twisted.application.service import Service
from twisted.conch.insults.insults import ServerProtocol
from twisted.cred.portal import Portal
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.failure import Failure

from sse_twisted.console.accounts import (
    HOST_KEY,
    AccountsError,
    ConsoleRealm,
    LoginBackoff,
    PasswordChecker,
    random_account,
    read_accounts,
)
from sse_twisted.console.connections import ConsoleFactory
from sse_twisted.console.endpoints import Access
from sse_twisted.console.handshakes import Handshakes
from sse_twisted.console.namespace import Namespace
from sse_twisted.console.telnet import Terminal, telnet_factory
from sse_twisted.control.commands import Commands
from sse_twisted.runtime.disk import Disk

if TYPE_CHECKING:
    from sse_twisted.console.session import ConsoleSession

PASSWORD = "console.password"  # noqa: S105 - the name of the file
KEYS = "authorized_keys"
REMOVE_TIMEOUT = 1.0  # s that the end may wait for a disk


@define(eq=False, slots=False, repr=False)
class ConsoleService(Service):
    """Listens at the endpoints of `access`; `state` returns the folder for passwords and keys.

    It begins after the change to the user of --uid, so that sockets and files belong to that user.
    """

    _reactor: Any
    _access: Access
    _state: Callable[[], Path]
    _commands: Commands
    _live: Mapping[str, object]  # objects for the namespace of each session, by name
    _disk: Disk
    _log: Logger

    def __attrs_post_init__(self) -> None:
        self._backoff = LoginBackoff(self._reactor, self._log)
        self._ports: list[IListeningPort] = []
        self._factories: list[ConsoleFactory] = []
        self._password_file: Path | None = None  # of this run

    def startService(self) -> None:
        """Listen; raises OSError, CannotListenError or AccountsError if it can't and must, as by SSH always."""
        super().startService()
        if self._access.telnet:
            try:
                self._open_telnet(self._access.telnet)
            except (OSError, CannotListenError, AccountsError) as error:
                self._forget_password()
                if self._access.must_listen:
                    raise
                why: object = error
                if isinstance(error, CannotListenError):
                    why = f"cannot listen on {self._access.telnet} ({error.socketError})"
                text = "Console disabled: {error}. Collection continues; set --manhole to choose another address"
                self._log.error(text, error=why)
        if self._access.ssh:
            self._open_ssh(self._access.ssh)

    def stopService(self) -> Deferred[None]:
        """Close all connections and ports; fires when the ports are free."""
        super().stopService()
        self._backoff.close()
        closing = [maybeDeferred(port.stopListening) for port in self._ports]
        if self._password_file is not None:
            closing.append(self._remove(self._password_file))
            self._password_file = None
        for factory in self._factories:
            factory.hang_up()
        self._ports.clear()
        self._factories.clear()
        return DeferredList(closing).addCallback(lambda _: None)

    def _open_telnet(self, endpoint: str) -> None:
        if self._access.passwords is None:
            file = self._password_file = self._state() / PASSWORD
            accounts = random_account(file)
        else:
            file = self._access.passwords
            accounts = read_accounts(file)
        realm = ConsoleRealm(lambda user: Terminal(ServerProtocol, self._session))
        portal = Portal(realm, [PasswordChecker(accounts, self._backoff)])
        place = self._listen(endpoint, telnet_factory(portal))
        text = "Console listening at {place} by telnet: user {user}, password in {file}"
        self._log.info(text, place=place, user=", ".join(accounts), file=str(file))

    def _open_ssh(self, endpoint: str) -> None:
        from sse_twisted.console.ssh import AuthorizedKeys, ConsoleUser, KeyChecker, SSHFactory, host_key

        keys = self._access.keys or self._state() / KEYS
        realm = ConsoleRealm(lambda user: ConsoleUser(user, self._session))
        known = AuthorizedKeys(keys, self._disk, self._log)
        known.read_first()
        portal = Portal(realm, [KeyChecker(known, self._backoff)])
        factory = SSHFactory(portal, host_key(self._state() / HOST_KEY))
        place = self._listen(endpoint, factory, Handshakes(self._reactor))
        self._log.info("Console listening at {place} by SSH: keys in {file}", place=place, file=str(keys))

    def _listen(self, endpoint: str, wrapped: Any, handshakes: Handshakes | None = None) -> str:
        """Return the address to connect to; raises what keeps the endpoint from listening."""
        factory = ConsoleFactory(wrapped, self._reactor, self._log, handshakes)
        results: list[Any] = []
        serverFromString(self._reactor, endpoint).listen(factory).addBoth(results.append)
        if not results:  # TCP and UNIX endpoints listen at once
            raise OSError(f"{endpoint}: cannot tell when this kind of endpoint listens")
        if isinstance(results[0], Failure):
            results[0].raiseException()
        self._ports.append(results[0])
        self._factories.append(factory)
        host = results[0].getHost()
        if isinstance(host, UNIXAddress):
            return os.fsdecode(host.name or b"")
        return f"{host.host} {host.port}" if isinstance(host, IPv4Address | IPv6Address) else str(host)

    def _forget_password(self) -> None:
        if self._password_file is not None:
            with contextlib.suppress(OSError):
                self._password_file.unlink(missing_ok=True)
            self._password_file = None

    def _remove(self, file: Path) -> Deferred[Any]:
        """Remove a file in a thread; fires when that is done, or after REMOVE_TIMEOUT: its disk may hang."""
        ended: Deferred[None] = Deferred()

        async def remove() -> None:
            with contextlib.suppress(OSError):
                await self._disk.run(file.unlink, missing_ok=True)

        def end(_: object) -> None:
            if not ended.called:
                ended.callback(None)

        Deferred.fromCoroutine(remove()).addBoth(end)
        return ended.addTimeout(REMOVE_TIMEOUT, self._reactor, onTimeoutCancel=lambda *_: None)

    def _session(self) -> ConsoleSession:
        from sse_twisted.console.session import ConsoleSession

        return ConsoleSession(Namespace(self._commands, self._live))
