"""DNS client: all queries at once, over one UDP socket, without threads.

A hundred names of absent devices are looked up every two seconds, so a look-up must cost little: each name is encoded
once, and every server and search domain is asked at the same time. `twisted.names.client.Resolver` opens a socket for
each query and has no search domains, so only the messages of `twisted.names` are used.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - else it is imported at the first look-up, which takes 10 ms
import secrets
import struct
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Any, cast

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol
from twisted.names import dns

from sse_twisted.dns.resolv_conf import Server

LATE_REPLY_TIMEOUT = 10.0  # s after the query that a reply is still accepted; the caller has had None by then
LATE_REPLY_LIFETIME = 60.0  # s that the address of a late reply is returned by the next look-up
MAX_PENDING = 20_000  # queries without a reply; there are 65,536 message IDs, and each query takes some 300 bytes


@define(eq=False)
class _Lookup:
    """A pending look-up of one or several names; `found` fires with the first usable address, or None."""

    names: tuple[str, ...]
    asked: float  # s of the clock
    timeout: float  # s
    usable: Callable[[str], bool]
    found: Deferred[str | None] = field(factory=Deferred)
    open: set[int] = field(factory=set)  # message IDs without a reply
    timer: IDelayedCall | None = None


class NameClient(DatagramProtocol):
    """Looks up IPv4 addresses over one UDP socket.

    A reply that comes after the time-out is kept: the next look-up of the same names returns its address at once, and
    sends new queries as well.
    """

    noisy = False

    def __init__(self, clock: Any) -> None:
        self.silent_since: float | None = None  # s of the clock, of the first query since the last reply
        self._clock = clock
        self._encoded: dict[str, bytes] = {}
        self._pending: dict[int, tuple[_Lookup, bytes, Server]] = {}
        self._late: dict[_Lookup, None] = {}  # that have returned None and still accept replies, oldest first
        self._late_replies: dict[tuple[str, ...], tuple[str, float]] = {}  # addresses, and s of the clock

    def ask(
        self, names: Iterable[str], servers: Iterable[Server], timeout: float, usable: Callable[[str], bool]
    ) -> Deferred[str | None]:
        """Return the first address that `usable` accepts, for any name by any server; None after `timeout` s."""
        self._forget_old()
        lookup = _Lookup(tuple(names), self._clock.seconds(), timeout, usable)
        for name in lookup.names:
            try:
                encoded = self._encode(name)
            except UnicodeError:  # not a valid host name
                continue
            for server in servers:
                self._send(lookup, encoded, server)
        late, _ = self._late_replies.get(lookup.names, ("", 0.0))
        if not lookup.open:
            self._finish(lookup, None)
        elif late and usable(late):
            self._stop_waiting(lookup, late)
        else:
            lookup.found = Deferred(lambda _: self._drop(lookup))
            lookup.timer = self._clock.callLater(timeout, self._stop_waiting, lookup, None)
        return lookup.found

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Accept a reply whose message ID, server and name are those of a query."""
        message_id = int.from_bytes(datagram[:2])
        lookup, encoded, server = self._pending.get(message_id, (None, b"", None))
        if lookup is None or addr[:2] != server or datagram[12 : 2 + len(encoded)] != encoded[10:]:
            return
        self.silent_since = None
        del self._pending[message_id]
        lookup.open.discard(message_id)
        address = next(filter(lookup.usable, _addresses(datagram)), None)
        if address is not None or not lookup.open:
            self._finish(lookup, address)

    def stopProtocol(self) -> None:
        """End all pending look-ups with None."""
        for lookup, _, _ in list(self._pending.values()):
            if not lookup.found.called:
                self._finish(lookup, None)
        self._pending.clear()
        self._late.clear()

    def _encode(self, name: str) -> bytes:
        if name not in self._encoded:
            message = dns.Message(recDes=1)
            message.addQuery(name.encode("idna"), dns.A)
            self._encoded[name] = message.toStr()[2:]
        return self._encoded[name]

    def _send(self, lookup: _Lookup, encoded: bytes, server: Server) -> None:
        while self._late and len(self._pending) >= MAX_PENDING:
            self._drop(next(iter(self._late)))
        if len(self._pending) >= MAX_PENDING:
            return
        message_id = secrets.randbelow(1 << 16)
        while message_id in self._pending:
            message_id = secrets.randbelow(1 << 16)
        if self.silent_since is None:
            self.silent_since = self._clock.seconds()
        try:
            self.transport.write(message_id.to_bytes(2) + encoded, server)  # type: ignore[union-attr] # it is a UDP port
        except OSError:  # no network: the look-up times out
            return
        self._pending[message_id] = (lookup, encoded, server)
        lookup.open.add(message_id)

    def _stop_waiting(self, lookup: _Lookup, address: str | None) -> None:
        """Return `address`, and still accept replies until LATE_REPLY_TIMEOUT."""
        self._late[lookup] = None
        lookup.found.callback(address)

    def _finish(self, lookup: _Lookup, address: str | None) -> None:
        self._drop(lookup)
        if not lookup.found.called:
            lookup.found.callback(address)
            return
        self._late_replies.pop(lookup.names, None)
        now = self._clock.seconds()
        if address is not None and now - lookup.asked >= lookup.timeout:
            self._late_replies[lookup.names] = (address, now)

    def _forget_old(self) -> None:
        now = self._clock.seconds()
        for lookup in list(takewhile(lambda lookup: lookup.asked + LATE_REPLY_TIMEOUT <= now, self._late)):
            self._drop(lookup)
        replies = self._late_replies
        for names in list(takewhile(lambda names: replies[names][1] + LATE_REPLY_LIFETIME <= now, replies)):
            del replies[names]

    def _drop(self, lookup: _Lookup) -> None:
        if lookup.timer is not None and lookup.timer.active():
            lookup.timer.cancel()
        self._late.pop(lookup, None)
        for message_id in lookup.open:
            self._pending.pop(message_id, None)


def _addresses(datagram: bytes) -> list[str]:
    if not any(datagram[6:8]):  # no answer section, as for most names: skip the costly decoding
        return []
    message = dns.Message()
    try:
        message.fromStr(datagram)
    except (EOFError, ValueError, IndexError, struct.error):
        return []
    return [cast(dns.Record_A, record.payload).dottedQuad() for record in message.answers if record.type == dns.A]
