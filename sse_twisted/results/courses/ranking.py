"""The ranking of a day's runs. Pure.

An entrant's best run counts. Speeds that are equal after rounding share a rank, and the next ranks are skipped; inside
a rank the order is by 3 decimals, then by time. Runs of one entrant within 5 s are one run, sailed with two devices.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct

TOGETHER: Final = 5.0  # s between the ends of what is one run, on two devices
DECIMALS: Final = 2  # that are shown, unless event.json says otherwise


class Scored(Struct, frozen=True):
    """A run that counts, in the rounded figures of the results file, which the results software ranks too."""

    entrant: str  # Entrant ID, else File ID
    course: str
    track: str
    end: int  # s since 1970
    knots: float  # 3 decimals
    course_made: float  # degrees true


class Entrant(Struct, frozen=True):
    """An entrant, as on the roster."""

    key: str  # Entrant ID, else File ID
    sailor: str
    columns: Mapping[str, str]  # of the roster, such as "Craft Type"


class Standing(Struct, frozen=True):
    """The place of an entrant."""

    rank: Annotated[int, Meta(description="equal speeds share a rank, and the next ranks are skipped")]
    entrant: Annotated[str, Meta(description="Entrant ID, else File ID")]
    sailor: str
    columns: Annotated[Mapping[str, str], Meta(description="of the roster")]
    knots: Annotated[float, Meta(description="of the best run, rounded as in the results")]
    course: Annotated[str, Meta(description="course of the best run")]
    course_made: Annotated[float, Meta(description="degrees true, from start to end of the best run")]
    end: Annotated[int, Meta(description="end of the best run, s since 1970")]
    track: Annotated[str, Meta(description="name of the track of the best run")]
    runs: Annotated[int, Meta(description="number of runs that count")]


def merged(runs: Iterable[Scored], decimals: int = DECIMALS) -> tuple[Scored, ...]:
    """Join the runs of each entrant that end within TOGETHER of the one before; the mean of their speeds counts."""
    groups: dict[str, list[list[Scored]]] = {}
    for run in sorted(runs, key=lambda run: (run.end, run.track)):
        mine = groups.setdefault(run.entrant, [])
        if mine and run.end - mine[-1][-1].end < TOGETHER:
            mine[-1].append(run)
        else:
            mine.append([run])
    return tuple(_mean(group, decimals) for mine in groups.values() for group in mine)


def _mean(group: list[Scored], decimals: int) -> Scored:
    first = group[0]
    if len(group) == 1:
        return first
    knots = round(sum(run.knots for run in group) / len(group), decimals)
    return Scored(first.entrant, first.course, first.track, first.end, knots, first.course_made)


def rank(runs: Iterable[Scored], entrants: Mapping[str, Entrant], decimals: int = DECIMALS) -> tuple[Standing, ...]:
    """Return the standing of each entrant with a run, the fastest first."""
    counted: dict[str, list[Scored]] = {}
    for run in merged(runs, decimals):
        counted.setdefault(run.entrant, []).append(run)
    best = sorted(
        (min(mine, key=lambda run: (-run.knots, run.end)) for mine in counted.values()),
        key=lambda run: (-round(run.knots, decimals), -run.knots, run.end, run.entrant),
    )
    order = [-round(run.knots, decimals) for run in best]
    return tuple(
        _standing(run, entrants, 1 + bisect_left(order, -round(run.knots, decimals)), counted, decimals) for run in best
    )


def _standing(
    run: Scored, entrants: Mapping[str, Entrant], place: int, counted: Mapping[str, list[Scored]], decimals: int
) -> Standing:
    entrant = entrants.get(run.entrant) or Entrant(run.entrant, "", {})
    return Standing(
        rank=place,
        entrant=run.entrant,
        sailor=entrant.sailor,
        columns=entrant.columns,
        knots=round(run.knots, decimals),
        course=run.course,
        course_made=run.course_made,
        end=run.end,
        track=run.track,
        runs=len(counted[run.entrant]),
    )
