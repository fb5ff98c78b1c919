"""Listeners at the address of a device: an open port, or one with a full backlog."""

from __future__ import annotations

import socket
from typing import Protocol, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort


class Listener(Protocol):
    """Keeps a port of a device for itself until it is closed."""

    @property
    def port(self) -> int:
        """The number that the system has chosen if it was 0."""

    def close(self) -> Deferred[None]:
        """Free the port; fires when it is free."""


class OpenPort:
    """A port on which the reactor accepts connections."""

    def __init__(self, listening: IListeningPort) -> None:
        self._listening = listening
        self.port = cast(IPv4Address, listening.getHost()).port

    def close(self) -> Deferred[None]:
        return maybeDeferred(self._listening.stopListening).addCallback(lambda _: None)


class FullBacklog:
    """A socket that listens, never accepts, and fills its backlog itself.

    On Linux further connections get no reply to their SYN, as from a device that hangs.
    Raises OSError if the address is in use.
    """

    def __init__(self, interface: str, port: int) -> None:
        self._listening = _nonblocking_socket()
        self._fillers: list[socket.socket] = []
        try:
            self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listening.bind((interface, port))
            self._listening.listen(0)
        except OSError:
            self._listening.close()
            raise
        address = self._listening.getsockname()
        self.port: int = address[1]
        for _ in range(2):
            filler = _nonblocking_socket()
            filler.connect_ex(address)
            self._fillers.append(filler)

    def close(self) -> Deferred[None]:
        """Close the sockets; pending connections are refused."""
        for each in (self._listening, *self._fillers):
            each.close()
        self._fillers.clear()
        return succeed(None)


def _nonblocking_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    return made
