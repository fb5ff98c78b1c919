"""The best speeds of a day, as the devices report them: nothing here was computed from a track."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from msgspec import Meta, Struct

from sse_twisted.event_folder.names import MM_PER_S

DISCIPLINES = {"500m": "500m_best", "10s": "10s_best", "2s": "2s_best"}  # and the ledger's key, in mm/s


class Place(Struct, frozen=True):
    """One sailor in one discipline."""

    rank: Annotated[int, Meta(description="equal for equal speeds, and the next ones left out")]
    id: Annotated[int, Meta(description="of the device")]
    sailor: str
    file_id: str
    knots: Annotated[float, Meta(description="as the device reports it")]
    track: Annotated[str, Meta(description="in which it was sailed")]


class Claim(Struct, frozen=True):
    """What a device reports of one track of somebody's."""

    id: int
    sailor: str
    file_id: str
    track: str
    bests: Mapping[str, int]  # by discipline, mm/s, 0 = none


def ranking(claims: Iterable[Claim], discipline: str) -> tuple[Place, ...]:
    """Everybody's best of the day, the fastest first; who has none is left out."""
    best: dict[tuple[int, str], Claim] = {}
    for claim in claims:
        key = (claim.id, claim.file_id)
        speed = claim.bests.get(discipline, 0)
        if speed > 0 and (key not in best or speed > best[key].bests[discipline]):
            best[key] = claim
    ordered = sorted(best.values(), key=lambda claim: (-claim.bests[discipline], claim.sailor, claim.id))
    places: list[Place] = []
    before = 0
    for number, claim in enumerate(ordered, 1):
        speed = claim.bests[discipline]
        rank = places[-1].rank if speed == before else number
        before = speed
        places.append(Place(rank, claim.id, claim.sailor, claim.file_id, speed / MM_PER_S, claim.track))
    return tuple(places)
