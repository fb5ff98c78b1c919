"""Name servers that answer every name: those of captive portals, and of routers with a wildcard."""

from __future__ import annotations

import secrets

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sse_twisted.config.settings import Names
from sse_twisted.dns.client import NameClient
from sse_twisted.dns.resolv_conf import Server, SystemNames

INTERVAL = 30.0  # s between two queries for a name that does not exist; a portal may begin at any time
MAX_ADDRESSES = 16  # of one server


class Wildcards:
    """Finds the addresses with which a server answers a name that does not exist: they mean nothing for any name."""

    def __init__(self, client: NameClient, clock: IReactorTime, log: Logger) -> None:
        self._client = client
        self._clock = clock
        self._log = log
        self._name = f"sse-{secrets.token_hex(8)}"
        self._known: dict[Server, list[str]] = {}
        self._asked: tuple[SystemNames | None, float] = (None, 0.0)  # in which network, and s of the clock

    def is_one(self, address: str, server: Server) -> bool:
        return address in self._known.get(server, ())

    def look_for(self, system: SystemNames, settings: Names) -> None:
        """Query the name, unless that was done a short time ago in the same network."""
        before, when = self._asked
        now = self._clock.seconds()
        if before is system and now < when + INTERVAL:
            return
        self._asked = system, now
        for server in self._known.keys() - set(system.servers):
            del self._known[server]
        for server in system.servers:
            self._ask(server, system.candidates(self._name), settings.timeout)

    def _ask(self, server: Server, names: list[str], timeout: float) -> None:
        found: list[str] = []

        def learn(has_replied: bool) -> None:
            if found:
                self._add(server, found)
            elif has_replied and self._known.pop(server, []):
                self._log.info("Name server {server} no longer answers every name", server=server[0])

        self._client.ask(names, [server], timeout, lambda *_: True, found.append).addCallback(learn)

    def _add(self, server: Server, addresses: list[str]) -> None:
        known = self._known.setdefault(server, [])
        if not known:
            text = "Name server {server} answers every name: a device is absent if its address is {addresses}"
            self._log.warn(text, server=server[0], addresses=", ".join(addresses))
        known += [address for address in addresses if address not in known]
        del known[:-MAX_ADDRESSES]
