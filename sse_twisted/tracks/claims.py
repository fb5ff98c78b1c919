"""The check of a header's claims against the fixes: each speed is checked at its own second.

That is far stronger than a comparison of session maxima. It needs no model of runs, and shows fixes that were cut off
or exchanged. Event firmware does not store slow fixes, so a window may have places of which only limits are known:
they are filled once with standstill and once with the highest speed that would not have been stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from typing import Final

import numpy as np
from msgspec import Struct

from sse_twisted.tracks.alpha import MAX_PATH
from sse_twisted.tracks.bests import METRES, METRICS, SECONDS, Measures, distance
from sse_twisted.tracks.format import Alpha, Best, Fixes, Header, Rules
from sse_twisted.tracks.grid import Grid, Places, Speeds, filled, on_grid, usable, widened
from sse_twisted.tracks.windows import NONE

LATE: Final = 10  # s between the end of an alpha and its stamp, with Alpha.EVERY_SECOND
MAX_WINDOW: Final = 2 * 3600  # s; a best of 1852 m is faster than half a knot
# Relative; the distances of five complete real tracks differ from their headers by up to 0.05 %.
DISTANCE_OFF: Final = 0.001
OTHER_ROUNDING: Final = 10  # mm/s, 0.02 knots; no event file needs it
DISTANCE_AT_REST: Final = 1000  # mm; logs at rest claim up to a few hundred


class ClaimCheck(StrEnum):
    """The result of checking a claim against the fixes."""

    EXACT = "exact"  # reproduced to the mm/s
    WITHIN = "within bounds"  # of what fixes that are not stored can have been
    UNSEEN = "unseen"  # the fixes that would decide are not in the file
    CONTRADICTED = "contradicted"


class Claim(Struct, frozen=True):
    """One figure of a header and its check; speeds in mm/s, the distance in mm. `second` is UTC; 0 if it has none.

    For a contradicted claim, `found` is the nearest figure that the fixes allow; None if they allow none.
    """

    name: str
    second: int
    value: int
    check: ClaimCheck
    found: int | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether it is contradicted by more than the rounding of other firmware."""
        return self.check is ClaimCheck.CONTRADICTED and (
            self.found is None or abs(self.value - self.found) > OTHER_ROUNDING
        )

    @property
    def is_above(self) -> bool:
        """Whether more is claimed than the fixes allow."""
        return self.check is ClaimCheck.CONTRADICTED and (self.found is None or self.value > self.found)


class _Evidence(Struct, frozen=True, eq=False, dict=True):
    """The fixes on their own grid, and on a wide grid from the first to the last fix that was received."""

    fixes: Fixes
    rules: Rules
    actual: Measures
    wide: Grid
    known: Places  # of the wide grid, where certainly no usable fix was received
    fastest: int  # mm/s, the limit for a missing fix

    @cached_property
    def each_second(self) -> Measures:
        """The fixes on whole seconds."""
        return Measures(on_grid(self.fixes[self.fixes.time % 1000 == 0], 1, self.rules))

    def missing(self, first: int, stop: int) -> int:
        """Return at how many of these places of the wide grid a fix may have been received that is not in the file."""
        begin, end = self.wide.fixes(first, stop)
        known = np.searchsorted(self.known, [first, stop])
        return stop - first - (end - begin) - int(known[1] - known[0])

    def limits(self, name: str, first: int, stop: int) -> tuple[Speeds, Speeds]:
        """Return the windows to these places of the wide grid, with missing fixes at their slowest and fastest."""
        # No window that ends at `first` or later starts before `begin`.
        frequency = self.wide.frequency
        begin = self.back(first, METRES[name] * 1000) if name in METRES else first - SECONDS[name] * frequency
        begin = max(0, begin, first - MAX_WINDOW * frequency)
        grids = (filled(self.wide, begin, stop, speed, self.known) for speed in (0, self.fastest))
        lower, upper = (METRICS[name](grid)(0, *grid.fixes(first - begin, stop - begin)) for grid in grids)
        return lower, upper

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
    grid = measures.grid
    if grid.length:
        grid = widened(grid, header.start_date, header.end_date)
    unusable = fixes.time[~usable(fixes, rules)]
    known = (unusable - grid.start) * grid.frequency // 1000
    empty = np.zeros(grid.length, np.bool_)
    empty[known[(known >= 0) & (known < grid.length)]] = True
    empty[grid.place] = False
    known = np.flatnonzero(empty)
    fastest = rules.logging_threshold or int(grid.speed.max(initial=0))  # a lost fix can be the fastest
    evidence = _Evidence(fixes, rules, measures, grid, known, fastest)
    claimed = ((name, best) for name, bests in header.bests.items() for best in bests)
    bests = (Claim(name, best.second, best.value, *_check(name, best, evidence)) for name, best in claimed)
    return (*bests, *_check_totals(header, evidence))


def _check(name: str, best: Best, evidence: _Evidence) -> tuple[ClaimCheck, int | None]:
    """Return the result for one best and, if it is contradicted, the nearest figure that the fixes allow."""
    metric, grid, second = evidence.actual[name], evidence.actual.grid, best.second
    is_alpha = name == "alpha500"
    every_second = is_alpha and evidence.rules.alpha is Alpha.EVERY_SECOND
    if every_second:
        metric, grid, second = evidence.each_second[name], evidence.each_second.grid, second - LATE
    values = metric(0, *grid.fixes(*grid.places(second)))
    if (values == best.value).any():
        return ClaimCheck.EXACT, None
    wide = evidence.wide
    first, stop = wide.places(second)
    if first >= stop:
        return ClaimCheck.UNSEEN, None
    if not is_alpha:
        return _compare(best.value, *evidence.limits(name, first, stop))
    # The positions and speeds of missing fixes are unknown. Where they are missing on the path of an alpha, only the
    # fastest fix there limits it. The same holds for EVERY_SECOND, whose exact rule is unknown: the search above
    # reproduces two of ten alphas in two real files.
    begin = evidence.back(stop, MAX_PATH)
    if every_second or evidence.missing(begin, stop):
        fastest = wide.speed[slice(*wide.fixes(begin, stop))].max(initial=evidence.fastest)
        return _compare(best.value, np.zeros(1, np.int64), np.array([fastest]))
    return ClaimCheck.CONTRADICTED, _nearest(values, best.value)


def _compare(value: int, lower: Speeds, upper: Speeds) -> tuple[ClaimCheck, int | None]:
    """Compare a claimed value with pairs of limits; ignore a pair whose upper limit is NONE."""
    complete = upper != NONE
    if not complete.any():
        return ClaimCheck.UNSEEN, None
    if ((lower <= value) & (value <= upper))[complete].any():
        return ClaimCheck.WITHIN, None
    return ClaimCheck.CONTRADICTED, _nearest(np.concatenate([upper, lower[complete]]), value)


def _nearest(values: Speeds, claimed: int) -> int | None:
    values = values[values != NONE]
    return int(values[np.abs(values - claimed).argmin()]) if len(values) else None


def _check_totals(header: Header, evidence: _Evidence) -> Iterator[Claim]:
    """Check the maximum and the distance, which have no second."""
    fastest = int(evidence.actual.grid.speed.max(initial=0))
    missing = evidence.missing(0, evidence.wide.length)
    if header.max_speed or fastest:
        result: tuple[ClaimCheck, int | None] = ClaimCheck.CONTRADICTED, fastest
        if header.max_speed == fastest:
            result = ClaimCheck.EXACT, None
        elif missing and fastest < header.max_speed <= evidence.rules.logging_threshold:
            result = ClaimCheck.WITHIN, None
        yield Claim("maximum", 0, header.max_speed, *result)
    shortest = distance(evidence.wide)
    # The device never stores the first fix that it receives, however fast it is.
    longest = shortest + (fastest + evidence.fastest * missing) // evidence.wide.frequency
    shortest -= int(DISTANCE_OFF * shortest) + DISTANCE_AT_REST
    longest += int(DISTANCE_OFF * longest) + DISTANCE_AT_REST
    yield Claim("distance", 0, header.distance, *_compare(header.distance, np.array([shortest]), np.array([longest])))
