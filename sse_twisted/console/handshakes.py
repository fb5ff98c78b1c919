"""How many SSH connections begin in a second: the key exchange of each takes 3 ms of the reactor's time."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from sse_twisted.runtime.clients import is_local

MAX_RATE = 10.0  # a second, of all clients on other machines together, and as many on this one: 3 % of the time
MAX_OF_CLIENT = 2.0  # a second, of each client on another machine
BURST = 2.0  # s of rest whose connections may begin at once
MAX_KNOWN = 1000  # clients that are remembered


@define(eq=False)
class Rate:
    """Allows so many events a second on average."""

    _most: float  # a second
    _credit: float = field(init=False)  # events
    _counted_at: float = field(init=False, default=0.0)  # s of the clock

    @_credit.default
    def _full(self) -> float:
        return self._most * BURST

    def has_room(self, now: float) -> bool:
        """Return whether one more event is allowed at `now`, in s."""
        self._credit = min(self._credit + (now - self._counted_at) * self._most, self._most * BURST)
        self._counted_at = now
        return self._credit >= 1

    def take(self) -> None:
        self._credit -= 1


@define(eq=False)
class Handshakes:
    """Decides whether a client may begin one more connection; one that asks too often delays itself."""

    _clock: IReactorTime
    _near: Rate = field(init=False, factory=lambda: Rate(MAX_RATE))
    _far: Rate = field(init=False, factory=lambda: Rate(MAX_RATE))
    _clients: dict[str, Rate] = field(init=False, factory=dict)  # on other machines, the latest last

    def allow(self, client: str) -> bool:
        """Return whether the connection may begin; it then counts."""
        rates = [self._near] if is_local(client) else [self._rate_of(client), self._far]
        now = self._clock.seconds()
        if not all(rate.has_room(now) for rate in rates):
            return False
        for rate in rates:
            rate.take()
        return True

    def _rate_of(self, client: str) -> Rate:
        rate = self._clients.pop(client, None) or Rate(MAX_OF_CLIENT)
        self._clients[client] = rate
        if len(self._clients) > MAX_KNOWN:
            del self._clients[next(iter(self._clients))]
        return rate
