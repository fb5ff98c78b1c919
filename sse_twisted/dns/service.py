"""Look-ups of device names by the settings and the system's files."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from sse_twisted.config.addresses import split_address
from sse_twisted.config.settings import Names
from sse_twisted.dns import resolv_conf as system_files
from sse_twisted.dns.client import NameClient
from sse_twisted.dns.resolv_conf import DNS_PORT, Server, SystemNames, read_system_names
from sse_twisted.dns.wildcards import Wildcards
from sse_twisted.runtime.group_sync import Starter

MAX_REPLY = 4096  # bytes
MAX_READ = 512  # bytes in one go, some ten replies; a thousand at once would block the reactor for 0.1 s
SILENCE_TIMEOUT = 10.0  # s without any reply until the network counts as lost
PROBE_AFTER = 3.0  # s without any reply until PROBE_NAME is queried
PROBE_NAME = "localhost"  # some routers do not reply for unknown names; RFC 6761 requires this one to be known


class NameService(Service):
    """Looks names up; reads the system's files again when they change, as a laptop changes networks."""

    def __init__(self, reactor: Any, log: Logger, settings: Callable[[], Names], start_in_thread: Starter) -> None:
        self._start_in_thread = start_in_thread
        self._is_reading = False
        self.client = NameClient(reactor)
        self._reactor = reactor
        self._log = log
        self._settings = settings
        self._system = SystemNames()
        self._seen: object = None
        self._warned = False
        self._is_silent = False
        self._socket: Any = None
        self._has_asked = False  # for a name that is in no file
        self._wildcards = Wildcards(self.client, reactor, log)

    def startService(self) -> None:
        """Read the system's files, so that the first scan knows them, and listen for replies."""
        super().startService()
        self._seen = _seen(self._settings())
        self._apply(effective_names(self._settings()))
        self._socket = self._reactor.listenUDP(0, self.client, maxPacketSize=MAX_REPLY)
        self._socket.maxThroughput = MAX_READ

    def stopService(self) -> Deferred[None] | None:
        super().stopService()
        if self._socket is None:
            return None
        socket, self._socket = self._socket, None
        return socket.stopListening()  # type: ignore[no-any-return] # of an IListeningPort

    @property
    def trouble(self) -> str:
        """The reason why names cannot be resolved; "" while they can, or none was looked up."""
        if self._has_asked and not self._system.servers:
            return "no name server is configured"
        silent = self._silent_for()
        return f"no name server has responded for {silent:.0f} s" if silent >= SILENCE_TIMEOUT else ""

    def _silent_for(self) -> float:
        since = self.client.silent_since
        return 0.0 if since is None else self._reactor.seconds() - since

    def refresh(self) -> None:
        """Read the system's files again if they have changed, and check whether any name server replies."""
        self._probe()
        self._report_silence()
        settings = self._settings()
        if not self._is_reading and (seen := _seen(settings)) != self._seen:
            self._seen, self._is_reading = seen, True
            reading = self._start_in_thread(effective_names, settings).addCallback(self._apply)
            reading.addErrback(lambda failure: self._log.failure("Cannot read the name servers", failure))
            reading.addBoth(self._end_reading)

    def _end_reading(self, _: object) -> None:
        self._is_reading = False

    def _apply(self, system: SystemNames) -> None:
        if (system.servers, system.search) != (self._system.servers, self._system.search):
            self._log.info(
                "Name servers: {servers}; search domains: {search}",
                servers=", ".join(f"{host}:{port}" for host, port in system.servers) or "none",
                search=", ".join(system.search) or "none",
            )
            self._warned = False
        if system.remarks != self._system.remarks:
            for remark in system.remarks:
                self._log.error("Names: cannot use {remark}", remark=remark)
        self._system = system

    def _probe(self) -> None:
        """Query a name that every server knows, if none replies: the rest may be names of absent devices."""
        if self._socket is not None and self._silent_for() > PROBE_AFTER:
            servers, timeout = self._system.servers, self._settings().timeout
            self.client.ask([PROBE_NAME], servers, timeout, lambda *_: True, lambda _: None)

    def _report_silence(self) -> None:
        """Log once that the network seems to be lost, and once that it is back."""
        was_silent, self._is_silent = self._is_silent, self._silent_for() >= SILENCE_TIMEOUT
        if self._is_silent and not was_silent:
            self._log.warn("No name server responds: is this computer on the event's network?")
        elif was_silent and not self._is_silent:
            self._log.info("Name servers respond again")

    def lookup(self, name: str, tell: Callable[[str], object]) -> Deferred[bool]:
        """Call `tell` with each address of a name as soon as it comes; the result fires after the last one.

        Addresses with which a server answers any name are left out.
        """
        settings, system = self._settings(), self._system
        address = system.fixed(name)
        if address is not None:
            tell(address)
        if address is not None or self._socket is None:
            return succeed(True)
        self._has_asked = True
        if not system.servers and not self._warned:
            self._warned = True
            self._log.warn("No name server configured: host names cannot be resolved")
        self._wildcards.look_for(system, settings)
        return self.client.ask(system.candidates(name), system.servers, settings.timeout, self._is_usable, tell)

    def _is_usable(self, address: str, server: Server) -> bool:
        return address not in self._settings().catch_all and not self._wildcards.is_one(address, server)


def effective_names(settings: Names) -> SystemNames:
    """Return servers and search domains of the settings, and those of the system's files where none are set."""
    system = read_system_names(settings.resolver_file, settings.hosts_file)
    servers = tuple(split_address(server, DNS_PORT) for server in settings.servers) or system.servers
    return replace(system, servers=servers, search=system.search if settings.search is None else settings.search)


def _seen(settings: Names) -> object:
    """Return a value that changes with the settings and the system's files."""
    files = (settings.resolver_file, settings.hosts_file, system_files.BEHIND_THE_STUB)
    return (settings, *map(_stamp, files))


def _stamp(file: str) -> object:
    try:
        status = os.stat(file)  # noqa: PTH116 - cheaper than a Path, and done in each scan
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
