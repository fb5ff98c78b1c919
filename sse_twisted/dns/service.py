"""Host names of devices, looked up as the settings and the system's files say."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from sse_twisted.config.settings import Names, split_address
from sse_twisted.dns import resolv_conf as system_files
from sse_twisted.dns.client import NameClient
from sse_twisted.dns.resolv_conf import DNS_PORT, SystemNames, read_system_names

LARGEST_ANSWER = 4096  # bytes
READ_AT_ONCE = 512  # bytes, some ten answers; a thousand, come in one go, would keep the reactor for 0.1 s
SILENCE = 10.0  # s without any answer until the network counts as lost
DOUBT = 3.0  # s without any answer until a name is asked for that every server knows
KNOWN_NAME = "localhost"  # some routers are silent about names that they don't know; RFC 6761 says what this one is


class NameService(Service):
    """Looks names up as the settings and the system's files say, which it reads again when they change."""

    def __init__(self, reactor: Any, log: Logger, settings: Callable[[], Names]) -> None:
        self.client = NameClient(reactor)
        self._reactor = reactor
        self._log = log
        self._settings = settings
        self._system = SystemNames()
        self._seen: object = None
        self._warned = False
        self._is_silent = False
        self._socket: Any = None
        self._has_asked = False  # anything that no file answered

    def startService(self) -> None:
        """Open the socket."""
        super().startService()
        self._socket = self._reactor.listenUDP(0, self.client, maxPacketSize=LARGEST_ANSWER)
        self._socket.maxThroughput = READ_AT_ONCE

    def stopService(self) -> Deferred[None] | None:
        """Close the socket."""
        super().stopService()
        if self._socket is None:
            return None
        socket, self._socket = self._socket, None
        return socket.stopListening()  # type: ignore[no-any-return] # of an IListeningPort

    @property
    def trouble(self) -> str:
        """Why names can't be looked up, in words; "" while they can, or nobody asks."""
        if self._has_asked and not self._system.servers:
            return "no name server is known"
        silent = self._silent_for()
        return f"no name server has answered for {silent:.0f} s" if silent >= SILENCE else ""

    def _silent_for(self) -> float:
        since = self.client.silent_since
        return 0.0 if since is None else self._reactor.seconds() - since

    def refresh(self) -> None:
        """Read the system's files again if they have changed: a laptop changes networks."""
        self._doubt()
        self._tell_of_silence()
        settings = self._settings()
        files = (settings.resolver_file, settings.hosts_file)
        seen = (settings, *(_stamp(file) for file in (*files, system_files.BEHIND_THE_STUB)))
        if seen == self._seen:
            return
        self._seen = seen
        system = names_in_force(settings)
        if (system.servers, system.search) != (self._system.servers, self._system.search):
            self._log.info(
                "Names are looked up at {servers}, search domains: {search}",
                servers=", ".join(f"{host}:{port}" for host, port in system.servers) or "no name server",
                search=", ".join(system.search) or "none",
            )
            self._warned = False
        self._system = system

    def _doubt(self) -> None:
        """Where nobody answers, find out whether only the absent are not answered for."""
        if self._socket is not None and self._silent_for() > DOUBT:
            self.client.ask([KNOWN_NAME], self._system.servers, self._settings().timeout, lambda _: True)

    def _tell_of_silence(self) -> None:
        """Say once that the network seems to be lost, and once that it is back: devices may seem to have left."""
        was_silent, self._is_silent = self._is_silent, self._silent_for() >= SILENCE
        if self._is_silent and not was_silent:
            self._log.warn("No name server answers: is this computer on the event's network?")
        elif was_silent and not self._is_silent:
            self._log.info("Name servers answer again")

    def lookup(self, name: str) -> Deferred[str | None]:
        """The address of a name; None if nobody knows it, or only a catch-all address is given for it."""
        settings, system = self._settings(), self._system
        if (address := system.fixed(name)) is not None:
            return succeed(address)
        if self._socket is None:
            return succeed(None)
        self._has_asked = True
        if not system.servers:
            self._warn(name)
        return self.client.ask(
            system.candidates(name), system.servers, settings.timeout, lambda a: a not in settings.catch_all
        )

    def _warn(self, name: str) -> None:
        """Say once that a device is waited for in vain."""
        if not self._warned:
            self._warned = True
            self._log.warn("There is no name server: {name} can't be found, nor any other name", name=name)


def names_in_force(settings: Names) -> SystemNames:
    """What the settings say, and the system's files where they leave it to them."""
    system = read_system_names(settings.resolver_file, settings.hosts_file)
    if settings.servers:
        system = evolve(system, servers=tuple(split_address(server, DNS_PORT) for server in settings.servers))
    if settings.search is not None:
        system = evolve(system, search=settings.search)
    return system


def _stamp(file: str) -> object:
    try:
        status = os.stat(file)  # noqa: PTH116 - cheaper than a Path, and done in each round
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
