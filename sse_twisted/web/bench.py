"""How the buckets share the bench: how many tiles stand side by side in each, and how dense they are.

The figures are those of a screen of 16:9 from 1280 x 720 on; all sizes follow the screen. Nobody scrolls with a bucket
in his hands: tiles grow denser before they are out of sight, first those that can wait for a look.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from sse_twisted.web.tiles import Column

ACROSS: Final = 8  # tiles side by side whose numbers can be read at 2 m
LARGEST: Final = 5  # side by side tiles are as large as they get
OUT: Final = 0.4  # of the last tile may be out of sight, if all have as much to say as they can
SLACK: Final = 3  # tiles fewer, before a bucket gives room back: a device that comes and goes must not move the others


@frozen
class Zone:
    """One part of the bench: a bucket, or two that stand one above the other."""

    name: str
    columns: tuple[Column, ...]
    least: int = 1  # tiles side by side, if there are any and while there is room
    deep: int = 0  # tiles one above the other that are in sight where ACROSS are side by side, with all that they say
    deep_dense: int = 0  # the same, with a number and a line


RED: Final = Zone("red", (Column.LEFT_EARLY, Column.KEEP_ON), 1, 4, 8)
OFF: Final = Zone("off", (Column.SWITCH_OFF,), 2, 5, 10)
WORK: Final = Zone("work", (Column.WORKING,), 2, 5, 9)
SIDE: Final = Zone("side", (Column.EXPECTED, Column.GONE))
ZONES: Final = (RED, OFF, WORK, SIDE)
SHARING: Final = (RED, OFF, WORK)  # the first one's tiles are the last to grow denser


@frozen
class Share:
    """What a zone has of the bench."""

    across: int  # tiles side by side
    dense: bool


class Bench:
    """The shares, which follow the numbers of tiles with some play."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}

    def shares(self, counts: Mapping[str, int]) -> dict[str, Share]:
        """By the name of the zone; `counts` has the tiles of each column."""
        for column in (column for zone in SHARING for column in zone.columns):
            count = counts.get(column, 0)
            self._held[column] = max(count, min(self._held.get(column, 0), count + SLACK)) if count else 0
        return shares_of(self._held)


def shares_of(counts: Mapping[str, int]) -> dict[str, Share]:
    """The shares of so many tiles in each column: as large as they can be with all in sight, else some are dense."""
    least = {zone.name: zone.least if _rows(zone, counts, 1) else 1 for zone in SHARING}
    for total in range(sum(least.values()), ACROSS + 1):
        height = max(total, LARGEST) / ACROSS
        across = {
            zone.name: max(_across(zone, counts, int(zone.deep * height + OUT)), least[zone.name]) for zone in SHARING
        }
        if sum(across.values()) <= total:
            return _spread(counts, {name: Share(count, dense=False) for name, count in across.items()}, total)
    shares = _narrowed({zone.name: _across(zone, counts, zone.deep_dense) for zone in SHARING})
    for zone in SHARING:
        loose = shares | {
            zone.name: Share(max(_across(zone, counts, zone.deep), shares[zone.name].across), dense=False)
        }
        if sum(max(share.across, least[name]) for name, share in loose.items()) <= ACROSS:
            shares = loose
    return _spread(counts, shares, ACROSS)


def _narrowed(across: Mapping[str, int]) -> dict[str, Share]:
    """Not more than there is room for: what works can wait for a look, and half of the bench is for one zone."""
    red = min(across[RED.name], ACROSS // 2)
    work = min(across[WORK.name], max(ACROSS - red - across[OFF.name], 1))
    off = min(across[OFF.name], ACROSS - red - work)
    return {name: Share(count, dense=True) for name, count in ((RED.name, red), (OFF.name, off), (WORK.name, work))}


def _spread(counts: Mapping[str, int], shares: Mapping[str, Share], total: int) -> dict[str, Share]:
    """Use up what is left of the bench, where tiles stand deepest."""
    shares = dict(shares)
    while _total(shares) < total:
        deepest = max(SHARING, key=lambda zone: _depth(zone, counts, shares[zone.name]))
        share = shares[deepest.name]
        shares[deepest.name] = Share(share.across + 1, share.dense)
    return shares


def _depth(zone: Zone, counts: Mapping[str, int], share: Share) -> float:
    """How much of the bench's height the tiles take."""
    return _rows(zone, counts, share.across) / (zone.deep_dense if share.dense else zone.deep)


def _across(zone: Zone, counts: Mapping[str, int], deep: int) -> int:
    """How many tiles must be side by side so that not more than `deep` are one above the other."""
    across = 1
    while _rows(zone, counts, across) > max(deep, _rows(zone, counts, sum(counts.values()))):
        across += 1
    return across


def _rows(zone: Zone, counts: Mapping[str, int], across: int) -> int:
    """How many tiles are one above the other; the heading of a second column takes the place of one."""
    tiles = [count for column in zone.columns if (count := counts.get(column, 0))]
    return sum(-(-count // max(across, 1)) for count in tiles) + max(len(tiles) - 1, 0)


def _total(shares: Mapping[str, Share]) -> int:
    return sum(share.across for share in shares.values())
