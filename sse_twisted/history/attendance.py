"""When each device came and left, and what was said of it last, for as far back as anybody knows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from attrs import evolve, frozen

from sse_twisted.fleet import Device, Fleet, Stage

KEPT = 100  # visits of each device; one that comes and goes all day long makes a new one every half minute


@frozen
class PastVisit:
    """One visit, as it is remembered."""

    came: float  # s since 1970
    left: float | None = None  # s since 1970, or when it was last known to be there; None while it is
    verdict: str = ""  # the last one, in words
    judged_at: float | None = None  # s since 1970, when that was given


class Attendance:
    """Follows the fleet from its making on."""

    def __init__(self, fleet: Fleet, kept: int = KEPT) -> None:
        self._fleet = fleet
        self._kept = kept
        self._stays: dict[int, deque[PastVisit]] = {}
        fleet.observe(self._note)

    @property
    def last_arrival(self) -> float | None:
        """When a device last came, in s since 1970; None if none is known to have come."""
        return max((stays[-1].came for stays in self._stays.values() if stays), default=None)

    def of(self, identifier: int, *, since: float = 0.0) -> tuple[PastVisit, ...]:
        """The visits of a device that had not ended at `since`, in s since 1970; the oldest first."""
        stays = self._stays.get(identifier, ())
        return tuple(stay for stay in stays if stay.left is None or stay.left >= since)

    def recall(self, identifier: int, stays: Iterable[PastVisit]) -> None:
        """Take in visits of earlier runs, the oldest first."""
        since_start = self._stays.get(identifier, ())
        self._stays[identifier] = deque((*stays, *since_start), maxlen=self._kept)

    def _note(self, before: Device, after: Device) -> None:
        if after.present and not before.present:
            stays = self._stays.setdefault(after.identifier, deque(maxlen=self._kept))
            stays.append(PastVisit(after.since))
        elif before.present and after.stage is not before.stage and self._stays.get(after.identifier):
            stays = self._stays[after.identifier]
            stays[-1] = _after(stays[-1], after, self._fleet.now)


def _after(stay: PastVisit, device: Device, now: float) -> PastVisit:
    """What is known of a visit when its device has come to another stage."""
    if device.stage is Stage.COLLECTED:
        return evolve(stay, verdict="can be disconnected", judged_at=device.since)
    if device.stage is Stage.ATTENTION:
        return evolve(stay, verdict=f"must stay connected - {device.reason}", judged_at=device.since)
    if device.stage is Stage.GONE and device.left_early:
        return evolve(stay, left=device.since, verdict=f"left too early - {device.left_early}", judged_at=device.since)
    return stay if device.present else evolve(stay, left=now)  # `since` may be when it was done, the day before
