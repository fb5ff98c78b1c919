"""What answers where a device should be, and not as a device should: it may be one that hangs, and must be seen to."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from sse_twisted.fleet import Fleet
from sse_twisted.in_force import Target
from sse_twisted.motion.connections import Address

OFTEN = 2  # rounds in a row; a device that is just starting may say anything


@frozen
class _Oddity:
    address: Address
    rounds: int


class Oddities:
    """Puts into the fleet how devices answer that do not answer as they should, round after round.

    An address at which two devices were looked for is no device's: a router may give one for a hundred names, and show
    a page of its own there. What it says stays in the log.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._found: dict[Target, _Oddity] = {}
        self._last: dict[Address, Target] = {}  # for whom an address was odd
        self._shared: set[Address] = set()

    def note(self, target: Target, answers: Mapping[Address, str]) -> None:
        """Take what a round found for a target: by address, how somebody there answers who should not so."""
        for address in answers:
            if self._last.setdefault(address, target) != target:
                self._shared.add(address)
        own = {address: text for address, text in answers.items() if address not in self._shared}
        if not own:
            self._found.pop(target, None)
            self._publish(target, "")
            return
        address, text = next(iter(own.items()))
        before = self._found.get(target)
        rounds = before.rounds + 1 if before is not None and before.address == address else 1
        self._found[target] = _Oddity(address, rounds)
        self._publish(target, text if rounds >= OFTEN else "")

    def _publish(self, target: Target, oddity: str) -> None:
        if target.identifier is not None and self._fleet[target.identifier].oddity != oddity:
            self._fleet.update(target.identifier, oddity=oddity)
