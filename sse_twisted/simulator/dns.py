"""A name server for simulated devices, which behaves like routers seen at events."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Any, Final, cast

from twisted.application.service import Service
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.names import dns

CATCH_ALL_ADDRESS: Final = "10.10.10.10"
"""Reply of a Sky SR101 router for unknown names."""

_SECONDS_TO_LIVE: Final = 60


class DnsMode(StrEnum):
    """Reply to a query for an unknown name."""

    NXDOMAIN = "nxdomain"
    CATCH_ALL = "catch-all"
    SILENCE = "silence"


class NameServer(Service):
    """Replies to A queries over UDP for the names in `names` (host name without domain -> IPv4 address).

    `names` may be changed at any time. With a domain, only names in it are known, as on routers that resolve
    `motion-601.lan` and not `motion-601`. `queries` counts queries by full name in lower case.
    `port` 0 chooses a free one at the start.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        interface: str = "127.0.0.1",
        port: int = 0,
        domain: str = "",
        mode: DnsMode = DnsMode.NXDOMAIN,
    ) -> None:
        self.names: dict[str, str] = {}
        self.queries: Counter[str] = Counter()
        self.interface = interface
        self.port = port
        self.mode = mode
        self._reactor = reactor
        self._suffix = "." + domain.strip(".").lower() if domain.strip(".") else ""
        self._listening: IListeningPort | None = None

    def startService(self) -> None:
        """Listen; raises CannotListenError if the address is in use."""
        super().startService()
        protocol = dns.DNSDatagramProtocol(self, reactor=self._reactor)
        listening: IListeningPort = self._reactor.listenUDP(self.port, protocol, interface=self.interface)
        self._listening = listening
        self.port = cast(IPv4Address, listening.getHost()).port

    def stopService(self) -> Deferred[None]:
        """Stop listening; fires when the port is free."""
        super().stopService()
        listening, self._listening = self._listening, None
        if listening is None:
            return succeed(None)
        return maybeDeferred(listening.stopListening).addCallback(lambda _: None)

    def messageReceived(  # noqa: N802 - called by DNSDatagramProtocol
        self, message: dns.Message, protocol: dns.DNSDatagramProtocol, address: tuple[str, int]
    ) -> None:
        """Reply to one query."""
        if message.answer or len(message.queries) != 1:
            return
        query = message.queries[0]
        asked = query.name.name.decode("ascii", "replace").lower().rstrip(".")
        self.queries[asked] += 1
        found = self._address_of(asked)
        if found is None and self.mode is DnsMode.SILENCE:
            return
        protocol.writeMessage(self._reply(message, query, found), address)

    def _address_of(self, asked: str) -> str | None:
        if not asked.endswith(self._suffix):
            return None
        return self.names.get(asked.removesuffix(self._suffix))

    def _reply(self, message: dns.Message, query: dns.Query, found: str | None) -> dns.Message:
        known = found is not None or self.mode is DnsMode.CATCH_ALL
        reply = dns.Message(
            message.id, answer=1, auth=True, recDes=message.recDes, rCode=dns.OK if known else dns.ENAME
        )
        reply.queries = [query]
        if known and query.type in {dns.A, dns.ALL_RECORDS}:
            record = dns.Record_A(found or CATCH_ALL_ADDRESS, ttl=_SECONDS_TO_LIVE)
            reply.answers = [dns.RRHeader(query.name.name, dns.A, dns.IN, _SECONDS_TO_LIVE, record, auth=True)]
        return reply
