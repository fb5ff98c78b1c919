"""Remarks that a client can cause at will, and that must not fill the log."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

INTERVAL = 60.0  # s between two remarks of the same subject
MAX_SUBJECTS = 100  # that are remembered


@define(eq=False)
class Seldom:
    """Allows one remark of each subject within INTERVAL."""

    _clock: IReactorTime
    _made_at: dict[str, float] = field(init=False, factory=dict)  # subject: s of the clock, the latest last

    def allows(self, subject: str) -> bool:
        """Return whether to make a remark now; it then counts as made."""
        now = self._clock.seconds()
        if now - self._made_at.get(subject, now - INTERVAL) < INTERVAL:
            return False
        self._made_at.pop(subject, None)
        self._made_at[subject] = now
        if len(self._made_at) > MAX_SUBJECTS:
            del self._made_at[next(iter(self._made_at))]
        return True
