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
MAX_ADDRESSES = 8  # of one look-up; each is tried
MAX_PENDING = 20_000  # queries without a reply; there are 65,536 message IDs, and each query takes some 300 bytes


Usable = Callable[[str, Server], bool]  # whether an address is believed that a server has sent
Origin = tuple[str, Server]  # an address, and the server that has sent it


@define(eq=False)
class _Lookup:
    """A pending look-up of one or several names; `done` fires when no more addresses are told."""

    names: tuple[str, ...]
    asked: float  # s of the clock
    timeout: float  # s
    usable: Usable
    tell: Callable[[str], object]
    done: Deferred[bool] = field(factory=Deferred)
    told: list[str] = field(factory=list)
    late: list[Origin] = field(factory=list)  # what came after the time-out
    open: set[int] = field(factory=set)  # message IDs without a reply
    timer: IDelayedCall | None = None


class NameClient(DatagramProtocol):
    """Looks up IPv4 addresses over one UDP socket.

    A reply that comes after the time-out is kept: the next look-up of the same names tells its addresses at once, and
    sends new queries as well.
    """

    noisy = False

    def __init__(self, clock: Any) -> None:
        self.silent_since: float | None = None  # s of the clock, of the first query since the last reply
        self._clock = clock
        self._encoded: dict[str, bytes] = {}
        self._pending: dict[int, tuple[_Lookup, bytes, Server]] = {}
        self._late: dict[_Lookup, None] = {}  # that have timed out and still accept replies, oldest first
        self._late_replies: dict[tuple[str, ...], tuple[list[Origin], float]] = {}  # and s of the clock

    def ask(
        self,
        names: Iterable[str],
        servers: Iterable[Server],
        timeout: float,
        usable: Usable,
        tell: Callable[[str], object],
    ) -> Deferred[bool]:
        """Call `tell` once with each address that `usable` accepts, of any name by any server, as soon as it comes.

        The result fires with True when all servers have replied, with False after `timeout` s. Cancel it if no more
        addresses are needed.
        """
        self._forget_old()
        lookup = _Lookup(tuple(names), self._clock.seconds(), timeout, usable, tell)
        for name in lookup.names:
            try:
                encoded = self._encode(name)
            except UnicodeError:  # not a valid host name
                continue
            for server in servers:
                self._send(lookup, encoded, server)
        if not lookup.open:
            lookup.done.callback(False)
            return lookup.done
        lookup.done = Deferred(lambda _: self._drop(lookup))
        lookup.timer = self._clock.callLater(timeout, self._stop_waiting, lookup)
        late, _ = self._late_replies.get(lookup.names, ([], 0.0))
        self._tell(lookup, (address for address, server in late if usable(address, server)))
        return lookup.done

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Accept a reply whose message ID, server and name are those of a query."""
        message_id = int.from_bytes(datagram[:2])
        if (pending := self._pending.get(message_id)) is None:
            return
        lookup, encoded, server = pending
        if addr[:2] != server or datagram[12 : 2 + len(encoded)].lower() != encoded[10:]:
            return
        self.silent_since = None
        del self._pending[message_id]
        lookup.open.discard(message_id)
        addresses = [address for address in _addresses(datagram) if lookup.usable(address, server)]
        if lookup.done.called:
            lookup.late += [(address, server) for address in addresses]
            if lookup.late:
                self._late_replies.pop(lookup.names, None)  # the newest are the last ones
                self._late_replies[lookup.names] = (lookup.late[:MAX_ADDRESSES], self._clock.seconds())
        if not lookup.open:
            self._finish(lookup)
        self._tell(lookup, addresses)
        if not lookup.open and not lookup.done.called:
            lookup.done.callback(True)

    def stopProtocol(self) -> None:
        """End all pending look-ups with None."""
        for lookup in {lookup: None for lookup, _, _ in self._pending.values()}:
            self._drop(lookup)
            if not lookup.done.called:
                lookup.done.callback(False)
        self._pending.clear()
        self._late.clear()

    def _encode(self, name: str) -> bytes:
        if name not in self._encoded:
            if len(self._encoded) >= MAX_PENDING:
                self._encoded.clear()
            message = dns.Message(recDes=1)
            message.addQuery(name.lower().encode("idna"), dns.A)
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

    def _tell(self, lookup: _Lookup, addresses: Iterable[str]) -> None:
        for address in addresses:
            if not lookup.done.called and address not in lookup.told and len(lookup.told) < MAX_ADDRESSES:
                lookup.told.append(address)
                lookup.tell(address)

    def _stop_waiting(self, lookup: _Lookup) -> None:
        """End the look-up, and still accept replies until LATE_REPLY_TIMEOUT."""
        self._late[lookup] = None
        lookup.done.callback(False)

    def _finish(self, lookup: _Lookup) -> None:
        """Release a look-up to which all servers have replied; if none was late, no late reply counts any more."""
        self._drop(lookup)
        if not lookup.late:
            self._late_replies.pop(lookup.names, None)

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
