"""A router, as a client of names sees it."""

from __future__ import annotations

from attrs import define, field
from twisted.names import dns

ROUTER, OTHER = ("192.168.0.1", 53), ("192.168.0.2", 53)


@define
class Wire:
    """A UDP port that keeps what is sent."""

    sent: list[tuple[bytes, tuple[str, int]]] = field(factory=list)
    error: OSError | None = None

    def write(self, datagram: bytes, address: tuple[str, int]) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append((datagram, address))


def reply(question: bytes, *addresses: str, code: int = dns.OK, asked: str = "", truncated: bool = False) -> bytes:
    message = dns.Message()
    message.fromStr(question)
    message.answer, message.rCode, message.trunc = 1, code, int(truncated)
    if asked:
        message.queries = [dns.Query(asked.encode(), dns.A)]
    name = message.queries[0].name.name
    message.answers = [dns.RRHeader(name, dns.A, dns.IN, 60, dns.Record_A(address)) for address in addresses]
    return message.toStr()
