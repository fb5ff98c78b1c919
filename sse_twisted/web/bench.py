"""The layout of the board: how many tiles are side by side in each zone, and whether they are dense.

The numbers are for 16:9 screens from 1280 x 720 on; all sizes scale with the screen. An operator with a bucket in both
hands cannot scroll, so tiles become dense before any is out of sight, first in the zones that can wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sse_twisted.web.tiles import Column

MAX_ACROSS: Final = 8  # tiles side by side whose numbers can be read at 2 m
MOST_ACROSS: Final = 9  # the same where some would be out of sight otherwise
LARGE_ACROSS: Final = 5  # tiles have their largest size up to here
TWO_LINES: Final = 1.12  # the height of a full tile whose name takes two lines, in heights of one without
DENSE_TWO_LINES: Final = 1.22  # the same of a dense tile
DENSE_LARGE: Final = 1.5  # the same with a number of the size that is left beside its sign
DENSE_TALL: Final = 1.8
DENSE_MARGIN: Final = 1.2  # rows of dense tiles that fit beyond those of the zone
MAX_CUT: Final = 0.4  # part of the last row that may be out of sight, if every tile has all of its lines
HYSTERESIS: Final = 3  # tiles fewer before a column shrinks, so that a device that comes and goes moves no others


class Zone(Struct, frozen=True):
    """A part of the board: one column, or two above each other. Rows are those in sight at MAX_ACROSS."""

    name: str
    columns: tuple[Column, ...]
    min_across: int = 1  # unless the zone is empty or there is no room
    rows: int = 0  # of full tiles
    dense_rows: int = 0  # of dense tiles
    tall: float = 1.45  # the height of a full tile with its number above its sign, in heights of one without


RED: Final = Zone("red", (Column.LEFT_EARLY, Column.KEEP_ON), 1, 4, 8, 1.3)
OFF: Final = Zone("off", (Column.SWITCH_OFF,), 2, 5, 10)
WORK: Final = Zone("work", (Column.WORKING,), 2, 5, 9, 1.65)
SIDE: Final = Zone("side", (Column.EXPECTED, Column.GONE))
ZONES: Final = (RED, OFF, WORK, SIDE)
FLEXIBLE: Final = (RED, OFF, WORK)  # they share the width; the first one becomes dense last


class Room(IntEnum):
    """What there is room for in the height of a zone."""

    NONE = 0
    NAMES = 1  # names in two lines
    NUMBERS = 2  # and large numbers, above their signs
    BESIDE = 3  # in dense tiles: names in two lines, and larger numbers beside their signs


class ZoneLayout(Struct, frozen=True):
    """The width of a zone, the density of its tiles and their size."""

    across: int  # tiles side by side
    dense: bool  # a number, a sign and one line
    room: Room = Room.NONE


class Bench:
    """The layout of the board, which follows the numbers of tiles with hysteresis."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def layout(self, counts: Mapping[str, int]) -> dict[str, ZoneLayout]:
        """Return the layout by name of the zone; `counts` is the number of tiles by column."""
        for column in (column for zone in FLEXIBLE for column in zone.columns):
            count = counts.get(column, 0)
            self._counts[column] = max(count, min(self._counts.get(column, 0), count + HYSTERESIS)) if count else 0
        return layout_of(self._counts)


def layout_of(counts: Mapping[str, int]) -> dict[str, ZoneLayout]:
    """Return the layout with tiles that are as large as there is room."""
    layout = _across_and_density(counts)
    total = sum(zone.across for zone in layout.values())
    return {
        zone.name: replace(layout[zone.name], room=_room(zone, counts, layout[zone.name], total)) for zone in FLEXIBLE
    }


def _room(zone: Zone, counts: Mapping[str, int], layout: ZoneLayout, total: int) -> Room:
    headings = max(sum(counts.get(column, 0) > 0 for column in zone.columns) - 1, 0)
    rows = _rows(zone, counts, layout.across) - headings
    if layout.dense:
        most, tall, two_lines = zone.dense_rows + DENSE_MARGIN - headings, DENSE_TALL, DENSE_TWO_LINES
    else:
        most = zone.rows * max(total, LARGE_ACROSS) / MAX_ACROSS + MAX_CUT - headings
        tall, two_lines = zone.tall, TWO_LINES
    if rows * tall <= most:
        return Room.NUMBERS
    if layout.dense and rows * DENSE_LARGE <= most:
        return Room.BESIDE
    return Room.NAMES if rows * two_lines <= most else Room.NONE


def _across_and_density(counts: Mapping[str, int]) -> dict[str, ZoneLayout]:
    """Return the layout with the largest tiles that are all in sight; some zones are dense if there is no other way."""
    least = {zone.name: zone.min_across if _rows(zone, counts, 1) else 1 for zone in FLEXIBLE}
    for total in range(sum(least.values()), MAX_ACROSS + 1):
        height = max(total, LARGE_ACROSS) / MAX_ACROSS
        across = {
            zone.name: max(_across(zone, counts, int(zone.rows * height + MAX_CUT)), least[zone.name])
            for zone in FLEXIBLE
        }
        if sum(across.values()) <= total:
            return _widen(counts, {name: ZoneLayout(count, dense=False) for name, count in across.items()}, total)
    needed = {zone.name: _across(zone, counts, zone.dense_rows) for zone in FLEXIBLE}
    most = min(max(sum(needed.values()), MAX_ACROSS), MOST_ACROSS)
    layout = _dense(needed, most)
    for zone in FLEXIBLE:
        full = ZoneLayout(max(_across(zone, counts, zone.rows), layout[zone.name].across), dense=False)
        larger = layout | {zone.name: full}
        if sum(max(each.across, least[name]) for name, each in larger.items()) <= most:
            layout = larger
    return _widen(counts, layout, most)


def _dense(across: Mapping[str, int], most: int) -> dict[str, ZoneLayout]:
    """Return dense zones that fit: working devices can wait for a look, and half of the board is enough for alarms."""
    red = min(across[RED.name], most // 2)
    work = min(across[WORK.name], max(most - red - across[OFF.name], 1))
    off = min(across[OFF.name], most - red - work)
    widths = {RED.name: red, OFF.name: off, WORK.name: work}
    return {name: ZoneLayout(width, dense=True) for name, width in widths.items()}


def _widen(counts: Mapping[str, int], layout: Mapping[str, ZoneLayout], total: int) -> dict[str, ZoneLayout]:
    """Give the remaining width to the zones that fill most of their height."""
    layout = dict(layout)
    while sum(each.across for each in layout.values()) < total:
        fullest = max(FLEXIBLE, key=lambda zone: _filled(zone, counts, layout[zone.name]))
        before = layout[fullest.name]
        layout[fullest.name] = ZoneLayout(before.across + 1, before.dense)
    return layout


def _filled(zone: Zone, counts: Mapping[str, int], layout: ZoneLayout) -> float:
    """Return how much of the height of a zone its tiles take."""
    return _rows(zone, counts, layout.across) / (zone.dense_rows if layout.dense else zone.rows)


def _across(zone: Zone, counts: Mapping[str, int], rows: int) -> int:
    """Return how many tiles must be side by side for at most `rows` rows."""
    across = 1
    while _rows(zone, counts, across) > max(rows, _rows(zone, counts, sum(counts.values()))):
        across += 1
    return across


def _rows(zone: Zone, counts: Mapping[str, int], across: int) -> int:
    """Return the number of rows; the heading of a second column counts as one."""
    tiles = [count for column in zone.columns if (count := counts.get(column, 0))]
    return sum(-(-count // max(across, 1)) for count in tiles) + max(len(tiles) - 1, 0)
