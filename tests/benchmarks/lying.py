"""Liars beside honest devices, and a name server that lies about one of them, in a process of their own."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Any, Final

from attrs import Factory, define
from twisted.internet.task import LoopingCall

from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.faults import parse_fault
from sse_twisted.simulator.responses import Body, Response, make_response
from tests.benchmarks.devices import START, Fleet
from tests.benchmarks.partner import Message, run
from tests.benchmarks.raw_liars import RAW_LIES, RawServer

FLAPPING: Final = 12.0  # s between arrival and departure
_MINUTE: Final = 60_000  # ms
_YEAR: Final = 365 * 86_400_000  # ms
STRANGE: Final = "\u202egpj.\u2066\\u0000\\u001b[31m\\ud800%00\u0301=cmd|' /C calc'!A0".encode()  # in JSON
_LONG: Final = b"long" * 250_000  # 1 MB


def _json(data: bytes) -> Response:
    return make_response(200, b"OK", Body(data), b"application/json")


@define
class Liar(SimulatedDevice):
    """A device with a lie that the simulator's faults do not have."""

    lie: str = ""
    _numbers: Any = Factory(lambda: itertools.count(100_000))

    def respond(self, method: bytes, target: bytes, headers: Mapping[bytes, bytes]) -> Response:
        if target == b"/info.json" and (number := self._number()):
            return _json(b'{"motion": {"identifier": %d}}' % number)
        if target == b"/logs.json" and (listing := self._listing()):
            return _json(listing)
        return super().respond(method, target, headers)

    def _number(self) -> int | None:
        return {"new numbers": next(self._numbers), "another's number": 1001}.get(self.lie)

    def _listing(self) -> bytes | None:
        number = next(self._numbers)
        match self.lie:
            case "nonsense":
                return b'{"logs": [' + b"[[[[[[]]]]]]," * 600_000 + b"[]]}"
            case "keys":
                return b"{" + b",".join(b'"%d":1' % key for key in range(600_000)) + b"}"
            case "new tracks":
                return _listing(range(number * 500, 0, -1)[:500])
            case "many tracks":
                return _listing(range(20_000))
            case "long paths":
                return b'{"logs": [{"file": "/%s", "size": 1536, "start_date": %d}]}' % (_LONG, START)
            case "another clock":  # by years, at each look
                return _listing(range(20), START + (number * 7919 % 300 - 150) * _YEAR)
            case "strange names":
                return _listing(range(20), name=STRANGE)
            case "other listing":  # of another length, in another order
                return _listing(range(number % 40, 0, -1))
        return None


def _listing(numbers: range, first: int = START, name: bytes = b"") -> bytes:
    starts = ((number, first + number * 1000) for number in numbers)
    entries = (
        b'{"file":"/logs/%s%d.oao","size":%d,"start_date":%d,"end_date":%d}'
        % (name, number, 1536 + 52 * 90, start, start + _MINUTE)
        for number, start in starts
    )
    return b'{"logs": [' + b",".join(entries) + b"]}"


class NewAddresses(dict[str, str]):
    """Names of which one has another address each time."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._chance = random.Random(1)

    def get(self, name: str, default: Any = None) -> Any:
        if name == self._name:
            return ".".join(("127", *(str(self._chance.randrange(200, 255)) for _ in range(3))))
        return super().get(name, default)


class LyingFleet(Fleet):
    """A fleet in which some lie: `lies` has a fault of the simulator or a lie of ours by number."""

    def _prepare(self, *, lies: dict[str, str], **manners: Any) -> Message:  # type: ignore[override] # of a command
        said = super()._prepare(**manners, slow={}, resume=True)
        for number, lie in lies.items():
            server = self._servers[int(number)]
            if lie in RAW_LIES:
                self._servers[int(number)] = RawServer(self._reactor, int(number), lie, server.interface, server.port)
                continue
            old = server.device
            if lie in ("flapping", "new addresses"):
                continue
            try:
                fault, _ = parse_fault(lie)
            except ValueError:
                server.device = Liar(old.identifier, old.logs, latency=old.latency, lie=lie)
                continue
            path = "logs.json" if "json" in lie or "entries" in lie else ""
            old.add_fault(fault, path=path)
        self._flapping = [int(number) for number, lie in lies.items() if lie == "flapping"]
        for number, lie in lies.items():
            if lie == "new addresses" and self._names is not None:
                self._names.names = NewAddresses(f"motion-{number}")
        LoopingCall(self._flap).start(FLAPPING, now=False)
        return said

    def _flap(self) -> None:
        for number in self._flapping:
            server = self._servers[number]
            (server.leave if server.present else server.arrive)()


def main() -> None:
    """Serve until the input ends."""
    run(LyingFleet)


if __name__ == "__main__":
    main()
