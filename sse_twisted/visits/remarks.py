"""Remarks on the addresses of devices: each change is logged once, and only so many of one device.

A name server may have ever new addresses for a name, and what answers there ever new numbers.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sse_twisted.config.live import Target
from sse_twisted.devices.connections import Address
from sse_twisted.runtime.text import plural

MAX_ADDRESSES = 16  # of one target that are remembered: twice as many as one look-up has
MAX_LINES = 20  # of one target within WINDOW
WINDOW = 600.0  # s


@define(eq=False)
class _Budget:
    since: float  # s of the clock
    lines: int = 0
    dropped: int = 0


@define(eq=False)
class Remarks:
    """Logs what is wrong at the addresses of targets."""

    _clock: IReactorTime
    _log: Logger
    _logged: dict[Target, dict[Address, str]] = field(factory=dict, init=False)  # the latest remark last
    _budgets: dict[Target, _Budget] = field(factory=dict, init=False)

    def note(self, target: Target, address: Address, level: Any, text: str) -> None:
        """Log a remark, unless it was the last one on that address, or the target had too many."""
        known = self._logged.setdefault(target, {})
        if known.get(address) == text:
            return
        known.pop(address, None)
        known[address] = text
        if len(known) > MAX_ADDRESSES:
            del known[next(iter(known))]
        if self._has_budget(target):
            self._log.emit(level, "{target} {text}", target=str(target), text=text)

    def forget(self, target: Target) -> None:
        """Log remarks on a target again, because it was found."""
        self._logged.pop(target, None)

    def keep(self, targets: set[Target]) -> None:
        """Drop all other targets."""
        for known in (self._logged, self._budgets):
            for target in known.keys() - targets:
                del known[target]

    def _has_budget(self, target: Target) -> bool:
        now = self._clock.seconds()
        budget = self._budgets.setdefault(target, _Budget(now))
        if now - budget.since >= WINDOW:
            if budget.dropped:
                more = plural(budget.dropped, "more remark")
                self._log.info("{target} … and {more} on its addresses", target=str(target), more=more)
            self._budgets[target] = budget = _Budget(now)
        budget.lines += 1
        budget.dropped += budget.lines > MAX_LINES
        return budget.lines <= MAX_LINES
