"""What answers where a device should be, and not as a device should: it may be one that hangs, and must be seen to."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from sse_twisted.config.live import LiveConfig, Target
from sse_twisted.devices.connections import Address
from sse_twisted.fleet import Fleet

OFTEN = 2  # rounds in a row; a device that is just starting may say anything
SHARED = 600.0  # s after which an address that two were looked for at may be one device's again: leases end


@frozen
class _BadResponse:
    address: Address
    rounds: int


class BadResponses:
    """Puts into the fleet how devices answer that do not answer as they should, round after round.

    An address at which two devices were looked for of late is no device's: a router may give one for a hundred names,
    and show a page of its own there. What it says stays in the log.
    """

    def __init__(self, fleet: Fleet, live: LiveConfig) -> None:
        self._fleet = fleet
        self._live = live
        self._found: dict[Target, _BadResponse] = {}
        self._seen: dict[Address, dict[Target, float]] = {}  # for whom an address was odd, and when, in s since 1970
        live.observe(self._forget)

    def note(self, target: Target, answers: Mapping[Address, str]) -> None:
        """Take what a round found for a target: by address, how somebody there answers who should not so."""
        for address in answers:
            self._seen.setdefault(address, {})[target] = self._fleet.now
        own = {address: text for address, text in answers.items() if not self._is_shared(address)}
        if not own:
            self._found.pop(target, None)
            self._publish(target, "")
            return
        address, text = next(iter(own.items()))
        before = self._found.get(target)
        rounds = before.rounds + 1 if before is not None and before.address == address else 1
        self._found[target] = _BadResponse(address, rounds)
        self._publish(target, text if rounds >= OFTEN else "")

    def _is_shared(self, address: Address) -> bool:
        of_late = {target: when for target, when in self._seen[address].items() if self._fleet.now - when < SHARED}
        self._seen[address] = of_late
        return len(of_late) > 1

    def _forget(self) -> None:
        """Nobody is looked for any more who is not on the roster."""
        for target in self._found.keys() - set(self._live.targets()):
            del self._found[target]
            self._publish(target, "")

    def _publish(self, target: Target, oddity: str) -> None:
        if target.identifier is not None and self._fleet[target.identifier].oddity != oddity:
            self._fleet.update(target.identifier, oddity=oddity)
