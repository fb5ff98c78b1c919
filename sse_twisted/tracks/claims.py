"""The check of a header's claims against the fixes: each speed is checked at its own second.

That is far stronger than a comparison of session maxima. It needs no model of runs, and shows fixes that were cut off
or exchanged. Event firmware does not store slow fixes, so a window may have places of which only limits are known:
they are filled once with standstill and once with the highest speed that would not have been stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import numpy as np
from attrs import frozen

from sse_twisted.tracks.bests import METRES, METRICS, SECONDS, Measures, distance
from sse_twisted.tracks.format import Alpha, Best, Fixes, Header, Rules
from sse_twisted.tracks.grid import Grid, Places, Speeds, filled, on_grid, usable, widened
from sse_twisted.tracks.windows import NONE

LATE: Final = 10  # s between the end of an alpha and its stamp, with Alpha.EVERY_SECOND
LONGEST_ALPHA: Final = 500_000  # mm
LONGEST_WINDOW: Final = 2 * 3600  # s; a best of 1852 m is faster than half a knot
# Part of the distance; five complete real tracks differ from their headers by up to 0.05 %.
DISTANCE_OFF: Final = 0.001
OTHER_ROUNDING: Final = 10  # mm/s, 0.02 knots; no event file needs it
DISTANCE_AT_REST: Final = 1000  # mm; logs at rest claim up to a few hundred


class ClaimCheck(StrEnum):
    """The result of checking a claim against the fixes."""

    EXACT = "exact"  # reproduced to the mm/s
    WITHIN = "within bounds"  # of what fixes that are not stored can have been
    UNSEEN = "unseen"  # the fixes that would decide are not in the file
    CONTRADICTED = "contradicted"


@frozen
class Claim:
    """One figure of a header and its check; speeds in mm/s, the distance in mm. `second` is UTC; 0 if it has none.

    For a contradicted claim, `found` is the nearest figure that the fixes allow; None if they allow none.
    """

    name: str
    second: int
    value: int
    bearing: ClaimCheck
    found: int | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether it is contradicted by more than the rounding of other firmware."""
        return self.bearing is ClaimCheck.CONTRADICTED and (
            self.found is None or abs(self.value - self.found) > OTHER_ROUNDING
        )

    @property
    def is_above(self) -> bool:
        """Whether more is claimed than the fixes allow."""
        return self.bearing is ClaimCheck.CONTRADICTED and (self.found is None or self.value > self.found)


@frozen(eq=False)
class _Evidence:
    """The fixes on their own grid, and on a wide grid from the first to the last fix that was received."""

    actual: Measures
    wide: Grid
    known: Places  # of the wide grid, where certainly no usable fix was received
    fastest: int  # mm/s, the limit for a missing fix

    def missing(self, first: int, stop: int) -> int:
        """Return at how many of these places of the wide grid a fix may have been received that is not in the file."""
        begin, end = self.wide.fixes(first, stop)
        known = np.searchsorted(self.known, [first, stop])
        return stop - first - (end - begin) - int(known[1] - known[0])

    def limits(self, name: str, first: int, stop: int) -> tuple[Speeds, Speeds]:
        """Return the windows to these places of the wide grid, with missing fixes at their slowest and fastest."""
        begin = max(self._begin(name, first), first - LONGEST_WINDOW * self.wide.frequency)
        grids = (filled(self.wide, begin, stop, speed, self.known) for speed in (0, self.fastest))
        lower, upper = (METRICS[name](grid)(0, *grid.fixes(first - begin, stop - begin)) for grid in grids)
        return lower, upper

    def _begin(self, name: str, place: int) -> int:
        """Return a place before the start of every window that ends at `place` or later."""
        if name not in METRES:
            return max(0, place - SECONDS[name] * self.wide.frequency)
        return self.back(place, METRES[name] * 1000)

    def back(self, place: int, distance: int) -> int:
        """Return the last place from which `distance` (mm) was sailed until `place`; 0 if there is none."""
        sailed = self.wide.sailed
        fix = int(np.searchsorted(self.wide.place, place))
        begin = int(np.searchsorted(sailed, sailed[fix] - distance * self.wide.frequency))
        return int(self.wide.place[begin - 1]) + 1 if begin else 0


def check_claims(header: Header, fixes: Fixes, measures: Measures, rules: Rules) -> tuple[Claim, ...]:
    """Check every best of the header, its maximum and its distance.

    `fixes` are those of one session, and `measures` belong to the same fixes.
    """
    if not header.end_date:  # never finalised, or an ESP logger: nothing is claimed
        return ()
    evidence = _evidence(header, fixes, measures, rules)
    return (
        *(
            _check_alpha(best, fixes, evidence, rules) if name == "alpha500" else _check(name, best, evidence)
            for name, bests in header.bests.items()
            for best in bests
        ),
        *_check_totals(header, evidence, rules),
    )


def _evidence(header: Header, fixes: Fixes, measures: Measures, rules: Rules) -> _Evidence:
    grid = measures.grid
    if grid.length:
        grid = widened(grid, header.start_date, header.end_date)
    unusable = fixes.time[~usable(fixes, rules)]
    known = np.unique((unusable - grid.start) * grid.frequency // 1000)
    known = np.setdiff1d(known[(known >= 0) & (known < grid.length)], grid.place, assume_unique=True)
    fastest = rules.logging_threshold or int(grid.speed.max(initial=0))  # a lost fix can be the fastest
    return _Evidence(measures, grid, known, fastest)


def _check(name: str, best: Best, evidence: _Evidence) -> Claim:
    grid = evidence.actual.grid
    exact = evidence.actual[name](0, *grid.fixes(*grid.places(best.second)))
    if (exact == best.value).any():
        return Claim(name, best.second, best.value, ClaimCheck.EXACT)
    first, stop = evidence.wide.places(best.second)
    if first >= stop:
        return Claim(name, best.second, best.value, ClaimCheck.UNSEEN)
    return _within(name, best, *evidence.limits(name, first, stop))


def _within(name: str, best: Best, lower: Speeds, upper: Speeds) -> Claim:
    complete = upper != NONE
    if not complete.any():
        return Claim(name, best.second, best.value, ClaimCheck.UNSEEN)
    if ((lower <= best.value) & (best.value <= upper))[complete].any():
        return Claim(name, best.second, best.value, ClaimCheck.WITHIN)
    limits = np.concatenate([upper[complete], lower[complete & (lower != NONE)]])
    nearest = int(limits[np.abs(limits - best.value).argmin()])
    return Claim(name, best.second, best.value, ClaimCheck.CONTRADICTED, nearest)


def _check_alpha(best: Best, fixes: Fixes, evidence: _Evidence, rules: Rules) -> Claim:
    """Search for the alpha; where fixes are missing on its way, only the fastest fix there limits it.

    The positions of missing fixes are unknown, and so is whether they were too slow for a path.
    """
    metric, grid, second = evidence.actual["alpha500"], evidence.actual.grid, best.second
    if rules.alpha is Alpha.EVERY_SECOND:
        grid = on_grid(fixes[fixes.time % 1000 == 0], 1, rules)
        metric, second = METRICS["alpha500"](grid), second - LATE
    values = metric(0, *grid.fixes(*grid.places(second)))
    if (values == best.value).any():
        return Claim("alpha500", best.second, best.value, ClaimCheck.EXACT)
    grid = evidence.wide
    first, stop = grid.places(second)
    if first >= stop:
        return Claim("alpha500", best.second, best.value, ClaimCheck.UNSEEN)
    begin = evidence.back(stop, LONGEST_ALPHA)
    # The exact rule of EVERY_SECOND is unknown: it reproduces two of ten alphas in two real files.
    if evidence.missing(begin, stop) or rules.alpha is Alpha.EVERY_SECOND:
        fastest = max(evidence.fastest, int(grid.speed[slice(*grid.fixes(begin, stop))].max(initial=0)))
        return _within("alpha500", best, np.zeros(1, np.int64), np.array([fastest]))
    return Claim("alpha500", best.second, best.value, ClaimCheck.CONTRADICTED, _nearest(values, best.value))


def _nearest(values: Speeds, claimed: int) -> int | None:
    values = values[values != NONE]
    return int(values[np.abs(values - claimed).argmin()]) if len(values) else None


def _check_totals(header: Header, evidence: _Evidence, rules: Rules) -> Iterator[Claim]:
    """Check the maximum and the distance, which have no second."""
    fastest = int(evidence.actual.grid.speed.max(initial=0))
    bearing = ClaimCheck.CONTRADICTED
    if header.max_speed == fastest:
        bearing = ClaimCheck.EXACT
    elif evidence.missing(0, evidence.wide.length) and fastest < header.max_speed <= rules.logging_threshold:
        bearing = ClaimCheck.WITHIN
    if header.max_speed or fastest:
        found = None if bearing is not ClaimCheck.CONTRADICTED else fastest
        yield Claim("maximum", 0, header.max_speed, bearing, found)
    shortest = distance(evidence.wide)
    # The device never stores the first fix that it receives, however fast it is.
    missing = fastest + evidence.fastest * evidence.missing(0, evidence.wide.length)
    longest = shortest + missing // evidence.wide.frequency
    shortest -= int(DISTANCE_OFF * shortest) + DISTANCE_AT_REST
    longest += int(DISTANCE_OFF * longest) + DISTANCE_AT_REST
    if shortest <= header.distance <= longest:
        yield Claim("distance", 0, header.distance, ClaimCheck.WITHIN)
    else:
        nearest = shortest if header.distance < shortest else longest
        yield Claim("distance", 0, header.distance, ClaimCheck.CONTRADICTED, nearest)
