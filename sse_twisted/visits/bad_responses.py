"""Invalid responses at addresses of devices: such a device may hang and need a restart by hand."""

from __future__ import annotations

from collections.abc import Mapping

from sse_twisted.config.live import LiveConfig, Target
from sse_twisted.devices.connections import Address
from sse_twisted.fleet import Fleet

MIN_SCANS = 2  # in a row; a device that is just starting may send anything
MAX_ADDRESSES = 4_000  # that are remembered; a name server may have ever new ones
SHARED_FOR = 600.0  # s that an address counts as shared after two targets had it; DHCP leases end


class BadResponses:
    """Publishes in the fleet which devices respond incorrectly in several scans in a row.

    An address that two targets had recently belongs to no device: a router may return it for a hundred names and serve
    a page of its own there. Such responses are only logged.
    """

    def __init__(self, fleet: Fleet, live: LiveConfig) -> None:
        self._fleet = fleet
        self._live = live
        self._found: dict[Target, tuple[Address, int]] = {}  # where, and in how many scans in a row
        self._seen: dict[Address, dict[Target, float]] = {}  # when each target had an invalid response, s since 1970
        live.observe(self._forget)

    def note(self, target: Target, answers: Mapping[Address, str]) -> None:
        """Take the invalid responses of one scan for a target, by address."""
        if len(self._seen) > MAX_ADDRESSES:
            self._shorten()
        for address in answers:
            self._seen.setdefault(address, {})[target] = self._fleet.now
        own = {address: text for address, text in answers.items() if not self._is_shared(address)}
        if not own:
            self._found.pop(target, None)
            self._publish(target, "")
            return
        address, text = next(iter(own.items()))
        before, scans = self._found.get(target, (address, 0))
        scans = scans + 1 if before == address else 1
        self._found[target] = address, scans
        self._publish(target, text if scans >= MIN_SCANS else "")

    def _shorten(self) -> None:
        """Drop the addresses that had no response for the longest time, at least half of them."""
        latest = {address: max(when.values(), default=0.0) for address, when in self._seen.items()}
        for address in sorted(latest, key=latest.__getitem__)[: len(latest) // 2]:
            del self._seen[address]

    def _is_shared(self, address: Address) -> bool:
        recently = {target: when for target, when in self._seen[address].items() if self._fleet.now - when < SHARED_FOR}
        self._seen[address] = recently
        return len(recently) > 1

    def _forget(self) -> None:
        """Drop targets that are no longer configured."""
        for target in self._found.keys() - set(self._live.targets()):
            del self._found[target]
            self._publish(target, "")

    def _publish(self, target: Target, oddity: str) -> None:
        if target.identifier is not None and self._fleet[target.identifier].oddity != oddity:
            self._fleet.update(target.identifier, oddity=oddity)
