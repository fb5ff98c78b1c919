"""A person at the console; network and clock are in memory."""

from __future__ import annotations

import re
from typing import Any

from twisted.conch.insults.insults import ServerProtocol
from twisted.cred.portal import Portal
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent, Logger, formatEvent
from twisted.python.failure import Failure

from sse_twisted.console.accounts import ConsoleRealm, LoginBackoff, PasswordChecker
from sse_twisted.console.connections import ConsoleFactory
from sse_twisted.console.namespace import Namespace
from sse_twisted.console.telnet import Terminal, telnet_factory
from sse_twisted.control.commands import Commands

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class VirtualConsole:
    """A console with one user, "sse" with password "right", of these commands."""

    def __init__(self, commands: Commands) -> None:
        self.clock = Clock()
        self.lines: list[str] = []
        log = Logger(observer=self._note)  # type: ignore[arg-type]  # a function is an observer
        self.backoff = LoginBackoff(self.clock, log)
        self._commands = commands
        realm = ConsoleRealm(lambda user: Terminal(ServerProtocol, self.session))
        portal = Portal(realm, [PasswordChecker({"sse": "right"}, self.backoff)])
        self.factory = ConsoleFactory(telnet_factory(portal), self.clock, log)

    def session(self) -> Any:
        """A session that has not begun."""
        from sse_twisted.console.session import ConsoleSession

        return ConsoleSession(Namespace(self._commands, {"answer": 42}))

    def connect(self, host: str = "127.0.0.1") -> Caller | None:
        """Return a caller who has not logged in; None if there are too many connections."""
        address = IPv4Address("TCP", host, 1)
        connection = self.factory.buildProtocol(address)
        return None if connection is None else Caller(connection, address)

    def guest(self) -> Caller:
        """Return a caller who has logged in."""
        caller = self.connect()
        assert caller is not None
        caller.types("sse", "right")
        assert caller.screen.endswith(">>> "), caller.screen
        caller.clear()
        return caller

    def _note(self, event: LogEvent) -> None:
        self.lines.append(f"{event['log_level'].name} {formatEvent(event)}")


class Caller:
    """Types lines into a terminal."""

    def __init__(self, connection: Any, address: IPv4Address) -> None:
        self.connection = connection
        self.transport = StringTransport(peerAddress=address)
        self.is_lost = False
        connection.makeConnection(self.transport)

    def types(self, *lines: str) -> str:
        """Type lines, and return the screen."""
        for line in lines:
            self.sends(line.encode() + b"\r\n")
        return self.screen

    def sees(self, line: str) -> str:
        """Return the output of one line, without its echo."""
        self.clear()
        self.types(line)
        return self.screen.partition("\r\n")[2].removesuffix(">>> ").replace("\r\n", "\n").rstrip("\n")

    def sends(self, data: bytes) -> None:
        """Send raw bytes."""
        if not self.has_gone:
            self.connection.dataReceived(data)
        if self.has_gone:
            self.hangs_up()

    def hangs_up(self) -> None:
        """Close the connection, unless it is closed already."""
        if not self.is_lost:
            self.is_lost = True
            self.connection.connectionLost(Failure(ConnectionDone()))

    def clear(self) -> None:
        """Clear the screen."""
        self.transport.clear()

    @property
    def has_gone(self) -> bool:
        """Whether the console has closed the connection."""
        return bool(self.transport.disconnecting)

    @property
    def screen(self) -> str:
        """All output, without colours and negotiation."""
        data = re.sub(rb"\xff[\xfb-\xfe].", b"", self.transport.value(), flags=re.DOTALL)
        return ESCAPES.sub("", data.decode(errors="replace"))


def connected(console: VirtualConsole, host: str = "127.0.0.1") -> Caller:
    """A caller who has not logged in."""
    caller = console.connect(host)
    assert caller is not None
    return caller
