"""Asking name servers for the addresses of host names: all at once, over one socket, and never in a thread.

A hundred names of absent devices are looked up every two seconds, so a look-up must cost little: each name is encoded
once, every server and search domain asked at the same time. `twisted.names.client.Resolver` opens a socket for each
query and knows no search domain; its messages are used here, its resolver is not.
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

LISTENED_FOR = 10.0  # s that an answer is awaited; whoever asked has long been told that there is none
HINT_LASTS = 60.0  # s that a late answer is given to those who ask next
MOST_ASKED = 20_000  # questions awaiting an answer; 65,536 have numbers, and each takes some 300 bytes


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


def _addresses(datagram: bytes) -> list[str]:
    if not any(datagram[6:8]):  # no answers: the rule, and not worth decoding
        return []
    message = dns.Message()
    try:
        message.fromStr(datagram)
    except (EOFError, ValueError, IndexError, struct.error):
        return []
    return [cast(dns.Record_A, record.payload).dottedQuad() for record in message.answers if record.type == dns.A]
