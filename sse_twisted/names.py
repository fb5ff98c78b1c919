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
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

from attrs import define, evolve, field, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.names import dns

from sse_twisted.settings import Names, is_ipv4, split_address

LARGEST_ANSWER = 4096  # bytes
LISTENED_FOR = 10.0  # s that an answer is awaited; whoever asked has long been told that there is none
HINT_LASTS = 60.0  # s that a late answer is given to those who ask next
MOST_ASKED = 20_000  # questions awaiting an answer; 65,536 have numbers, and each takes some 300 bytes
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

    def candidates(self, name: str) -> list[str]:
        """The names to ask for: the bare one, and it below each search domain."""
        return [name, *(f"{name}.{domain}" for domain in self.search)]

    def fixed(self, name: str) -> str | None:
        """The address of a name that needs no server: it is one, or stands in the hosts file."""
        if is_ipv4(name):
            return name
        return next(filter(None, (self.hosts.get(candidate.lower()) for candidate in self.candidates(name))), None)


@define(eq=False)
class _Question:
    """One look-up under way: fires with the first usable address, or None."""

    names: tuple[str, ...]
    asked: float  # s of the clock
    timeout: float  # s
    usable: Callable[[str], bool]
    found: Deferred[str | None] = field(factory=Deferred)
    open: set[int] = field(factory=set)  # message numbers
    timer: IDelayedCall | None = None


class NameClient(DatagramProtocol):
    """Asks name servers for the IPv4 addresses of names, over one UDP socket.

    A server that takes longer than whoever asks would wait is heard all the same: what it says is given at once when
    the same names are asked for again, and asked anew meanwhile.
    """

    noisy = False

    def __init__(self, clock: Any) -> None:
        self.answered_at = float("-inf")  # s of the clock, when any server last answered
        self.silent_since: float | None = None  # s of the clock, of the first question since the last answer
        self._clock = clock
        self._encoded: dict[str, bytes] = {}
        self._asked: dict[int, tuple[_Question, bytes, Server]] = {}
        self._late: dict[_Question, None] = {}  # that nobody waits for any more, the oldest first
        self._hints: dict[tuple[str, ...], tuple[str, float]] = {}  # late answers, and when they came

    def ask(
        self, names: Iterable[str], servers: Iterable[Server], timeout: float, usable: Callable[[str], bool]
    ) -> Deferred[str | None]:
        """The first usable address that any server knows for any of the names; None after `timeout` s at most."""
        self._forget_old()
        question = _Question(tuple(names), self._clock.seconds(), timeout, usable)
        for name in question.names:
            try:
                encoded = self._encode(name)
            except UnicodeError:  # no name that can be asked for
                continue
            for server in servers:
                self._send(question, encoded, server)
        hint, _ = self._hints.get(question.names, ("", 0.0))
        if not question.open:
            self._finish(question, None)
        elif hint and usable(hint):
            self._give_up(question, hint)
        else:
            question.found = Deferred(lambda _: self._drop(question))
            question.timer = self._clock.callLater(timeout, self._give_up, question, None)
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
        self._asked.clear()
        self._late.clear()

    def _encode(self, name: str) -> bytes:
        if name not in self._encoded:
            message = dns.Message(recDes=1)
            message.addQuery(name.encode("idna"), dns.A)
            self._encoded[name] = message.toStr()[2:]
        return self._encoded[name]

    def _send(self, question: _Question, encoded: bytes, server: Server) -> None:
        while self._late and len(self._asked) >= MOST_ASKED:
            self._drop(next(iter(self._late)))
        if len(self._asked) >= MOST_ASKED:
            return
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

    def _give_up(self, question: _Question, address: str | None) -> None:
        """Let nobody wait for the answer any longer, but go on listening for it."""
        self._late[question] = None
        question.found.callback(address)

    def _finish(self, question: _Question, address: str | None) -> None:
        self._drop(question)
        if not question.found.called:
            question.found.callback(address)
            return
        self._hints.pop(question.names, None)
        now = self._clock.seconds()
        if address is not None and now - question.asked >= question.timeout:
            self._hints[question.names] = (address, now)

    def _forget_old(self) -> None:
        now = self._clock.seconds()
        for question in list(takewhile(lambda question: question.asked + LISTENED_FOR <= now, self._late)):
            self._drop(question)
        for names in list(takewhile(lambda names: self._hints[names][1] + HINT_LASTS <= now, self._hints)):
            del self._hints[names]

    def _drop(self, question: _Question) -> None:
        if question.timer is not None and question.timer.active():
            question.timer.cancel()
        self._late.pop(question, None)
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
        self._warned = False
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
        seen = (settings, *(_stamp(file) for file in (*files, BEHIND_THE_STUB)))
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
        since = self.client.silent_since
        if self._socket is not None and since is not None and self._reactor.seconds() - since > DOUBT:
            self.client.ask([KNOWN_NAME], self._system.servers, self._settings().timeout, lambda _: True)

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
