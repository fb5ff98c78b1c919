"""Arrival, departure and last verdict of each visit of a device."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from sse_twisted.fleet import Device, Fleet, Stage

MAX_VISITS = 100  # of each device; a device that comes and goes all day long makes a new visit every half minute


class PastVisit(Struct, frozen=True):
    """One visit of a device, as the API and the state file have it."""

    came: float  # s since 1970
    left: float | None = None  # s since 1970, when it was last known to be present; None while it is present
    verdict: str = ""  # the last one, in words
    judged_at: float | None = None  # s since 1970, when that verdict was given


class Attendance:
    """The last visits of each device; follows the fleet."""

    def __init__(self, fleet: Fleet, max_visits: int = MAX_VISITS) -> None:
        self._fleet = fleet
        self._max_visits = max_visits
        self._visits: dict[int, deque[PastVisit]] = {}
        fleet.observe(self._update)

    @property
    def last_arrival(self) -> float | None:
        """When a device last came, in s since 1970; None before the first."""
        return max((visits[-1].came for visits in self._visits.values() if visits), default=None)

    def of(self, identifier: int, *, since: float = 0.0) -> tuple[PastVisit, ...]:
        """Return the visits of a device that had not ended at `since`, in s since 1970, the oldest first."""
        visits = self._visits.get(identifier, ())
        return tuple(visit for visit in visits if visit.left is None or visit.left >= since)

    def restore(self, identifier: int, visits: Iterable[PastVisit]) -> None:
        """Insert visits of earlier runs, the oldest first, before those of this run."""
        self._visits[identifier] = deque((*visits, *self._visits.get(identifier, ())), maxlen=self._max_visits)

    def _update(self, before: Device, after: Device) -> None:
        if after.stage is Stage.ABSENT and after.identifier not in self._fleet:  # the fleet has forgotten it
            self._visits.pop(after.identifier, None)
            return
        if after.present and not before.present:
            mine = self._visits.setdefault(after.identifier, deque(maxlen=self._max_visits))
            mine.append(PastVisit(after.since))
        elif before.present and after.stage is not before.stage and (visits := self._visits.get(after.identifier)):
            visits[-1] = _after(visits[-1], after, self._fleet.now)


def _after(visit: PastVisit, device: Device, now: float) -> PastVisit:
    """Return the visit of a device that has just reached another stage."""
    if device.stage is Stage.COLLECTED:
        return replace(visit, verdict="can be disconnected", judged_at=device.since)
    if device.stage is Stage.ATTENTION:
        return replace(visit, verdict=f"must stay connected - {device.reason}", judged_at=device.since)
    if device.stage is Stage.GONE and device.left_early:
        return replace(
            visit, left=device.since, verdict=f"left too early - {device.left_early}", judged_at=device.since
        )
    return visit if device.present else replace(visit, left=now)  # `since` may be when it was collected, a day before
