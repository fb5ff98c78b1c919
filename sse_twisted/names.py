"""Host names of devices: asked of the name servers all at once, and never in a thread.

A hundred names of absent devices are looked up every two seconds, so a look-up must cost little: one socket for all,
each name encoded once, every server and search domain asked at the same time. `twisted.names.client.Resolver` opens a
socket for each query and knows no search domain; its messages are used here, its resolver is not.
"""

from __future__ import annotations

import os
import re
import secrets
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

from attrs import define, field, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.names import dns

from sse_twisted.settings import Names, is_ipv4, split_address

LARGEST_ANSWER = 4096  # bytes
DNS_PORT = 53
SILENCE = 10.0  # s without any answer until the network counts as lost
DOUBT = 3.0  # s without any answer until a name is asked for that every server knows
KNOWN_NAME = "localhost"  # some routers are silent about names that they don't know; RFC 6761 says what this one is
# systemd-resolved listens here, and passes on no bare names; the servers that it asks stand in the other file.
STUB = "127.0.0.53"
BEHIND_THE_STUB = "/run/systemd/resolve/resolv.conf"
Server = tuple[str, int]


@frozen
class SystemNames:
    """What the system's files say: name servers, search domains, and names with fixed addresses."""

    servers: tuple[Server, ...] = ()
    search: tuple[str, ...] = ()
    hosts: dict[str, str] = field(factory=dict)


@define
class _Question:
    """One look-up under way: fires with the first usable address, or None."""

    found: Deferred[str | None]
    usable: Callable[[str], bool]
    open: set[int]  # message numbers
    timeout: IDelayedCall | None = None


class NameClient(DatagramProtocol):
    """Asks name servers for the IPv4 addresses of names, over one UDP socket."""

    noisy = False

    def __init__(self, clock: Any) -> None:
        self.answered_at = float("-inf")  # s of the clock, when any server last answered
        self.silent_since: float | None = None  # s of the clock, of the first question since the last answer
        self._clock = clock
        self._encoded: dict[str, bytes] = {}
        self._asked: dict[int, tuple[_Question, bytes, Server]] = {}

    def ask(
        self, names: Iterable[str], servers: Iterable[Server], timeout: float, usable: Callable[[str], bool]
    ) -> Deferred[str | None]:
        """The first usable address that any server knows for any of the names; None after `timeout` s at most."""
        question = _Question(Deferred(lambda _: self._drop(question)), usable, set())
        for name in names:
            try:
                encoded = self._encode(name)
            except UnicodeError:  # no name that can be asked for
                continue
            for server in servers:
                self._send(question, encoded, server)
        if question.open:
            question.timeout = self._clock.callLater(timeout, self._finish, question, None)
        else:
            self._finish(question, None)
        return question.found

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Take an answer if it belongs to a question of ours."""
        number = int.from_bytes(datagram[:2])
        question, encoded, server = self._asked.get(number, (None, b"", None))
        if question is None or addr[:2] != server or datagram[12 : 2 + len(encoded)] != encoded[10:]:
            return
        self.answered_at = self._clock.seconds()
        self.silent_since = None
        del self._asked[number]
        question.open.discard(number)
        address = next(filter(question.usable, _addresses(datagram)), None)
        if address is not None or not question.open:
            self._finish(question, address)

    def stopProtocol(self) -> None:
        """Give no answer to what is still asked."""
        for question, _, _ in list(self._asked.values()):
            if not question.found.called:
                self._finish(question, None)

    def _encode(self, name: str) -> bytes:
        if name not in self._encoded:
            message = dns.Message(recDes=1)
            message.addQuery(name.encode("idna"), dns.A)
            self._encoded[name] = message.toStr()[2:]
        return self._encoded[name]

    def _send(self, question: _Question, encoded: bytes, server: Server) -> None:
        number = secrets.randbelow(1 << 16)
        while number in self._asked:
            number = secrets.randbelow(1 << 16)
        if self.silent_since is None:
            self.silent_since = self._clock.seconds()
        try:
            self.transport.write(number.to_bytes(2) + encoded, server)  # type: ignore[union-attr] # it is a UDP port
        except OSError:  # no network now: as good as no answer
            return
        self._asked[number] = (question, encoded, server)
        question.open.add(number)

    def _finish(self, question: _Question, address: str | None) -> None:
        self._drop(question)
        question.found.callback(address)

    def _drop(self, question: _Question) -> None:
        if question.timeout is not None and question.timeout.active():
            question.timeout.cancel()
        for number in question.open:
            self._asked.pop(number, None)


class NameService(Service):
    """Looks names up as the settings and the system's files say, which it reads again when they change."""

    def __init__(self, reactor: Any, log: Logger, settings: Callable[[], Names]) -> None:
        self.client = NameClient(reactor)
        self._reactor = reactor
        self._log = log
        self._settings = settings
        self._system = SystemNames()
        self._seen: object = None
        self._socket: Any = None
        self._has_asked = False  # anything that no file answered

    def startService(self) -> None:
        """Open the socket."""
        super().startService()
        self._socket = self._reactor.listenUDP(0, self.client, maxPacketSize=LARGEST_ANSWER)

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
        since = self.client.silent_since
        if since is None or (silent := self._reactor.seconds() - since) < SILENCE:
            return ""
        return f"no name server has answered for {silent:.0f} s"

    def refresh(self) -> None:
        """Read the system's files again if they have changed: a laptop changes networks."""
        self._doubt()
        settings = self._settings()
        files = (settings.resolver_file, settings.hosts_file)
        seen = (settings, *(_stamp(file) for file in files))
        if seen == self._seen:
            return
        self._seen = seen
        system = read_system_names(*files)
        if settings.servers:
            servers = tuple(split_address(server, DNS_PORT) for server in settings.servers)
            system = SystemNames(servers, system.search, system.hosts)
        if settings.search is not None:
            system = SystemNames(system.servers, settings.search, system.hosts)
        if (system.servers, system.search) != (self._system.servers, self._system.search):
            self._log.info(
                "Names are looked up at {servers}, search domains: {search}",
                servers=", ".join(f"{host}:{port}" for host, port in system.servers) or "no name server",
                search=", ".join(system.search) or "none",
            )
        self._system = system

    def _doubt(self) -> None:
        """Where nobody answers, find out whether only the absent are not answered for."""
        since = self.client.silent_since
        if self._socket is not None and since is not None and self._reactor.seconds() - since > DOUBT:
            self.client.ask([KNOWN_NAME], self._system.servers, self._settings().timeout, lambda _: True)

    def lookup(self, name: str) -> Deferred[str | None]:
        """The address of a name; None if nobody knows it, or only a catch-all address is given for it."""
        settings = self._settings()
        if is_ipv4(name):
            return succeed(name)
        names = [name, *(f"{name}.{domain}" for domain in self._system.search)]
        for candidate in names:
            if (address := self._system.hosts.get(candidate.lower())) is not None:
                return succeed(address)
        if self._socket is None:
            return succeed(None)
        self._has_asked = True
        return self.client.ask(names, self._system.servers, settings.timeout, lambda a: a not in settings.catch_all)


def read_system_names(resolver_file: str, hosts_file: str) -> SystemNames:
    """What the two files say; a missing one says nothing. Name servers with IPv4 addresses only."""
    servers, search = _resolver(resolver_file)
    if servers == [(STUB, DNS_PORT)]:
        servers = _resolver(BEHIND_THE_STUB)[0] or servers
    hosts: dict[str, str] = {}
    for address, *names in _words(hosts_file, "#"):
        if is_ipv4(address):
            for name in names:
                hosts.setdefault(name.lower(), address)
    return SystemNames(tuple(servers), search, hosts)


def _resolver(file: str) -> tuple[list[Server], tuple[str, ...]]:
    servers: list[Server] = []
    search: tuple[str, ...] = ()
    for keyword, *values in _words(file, "#;"):
        if keyword == "nameserver" and values and is_ipv4(values[0]):
            servers.append((values[0], DNS_PORT))
        elif keyword in ("search", "domain") and values:
            search = tuple(value.strip(".") for value in values if re.fullmatch(r"[A-Za-z0-9._-]+", value.strip(".")))
    return servers, search


def _words(file: str, comment: str) -> Iterable[list[str]]:
    try:
        text = Path(file).read_text(encoding="utf-8", errors="replace") if file else ""
    except OSError:
        return
    for line in text.splitlines():
        words = re.split(f"[{comment}]", line, maxsplit=1)[0].split()
        if words:
            yield words


def _stamp(file: str) -> object:
    try:
        status = os.stat(file)  # noqa: PTH116 - cheaper than a Path, and done in each round
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _addresses(datagram: bytes) -> list[str]:
    if not any(datagram[6:8]):  # no answers: the rule, and not worth decoding
        return []
    message = dns.Message()
    try:
        message.fromStr(datagram)
    except (EOFError, ValueError, IndexError, struct.error):
        return []
    return [cast(dns.Record_A, record.payload).dottedQuad() for record in message.answers if record.type == dns.A]
