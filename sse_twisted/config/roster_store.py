"""The last good roster and the decisions of operators on it, as they are saved for the next start."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from msgspec import Struct

from sse_twisted.config.roster import Assignment, Roster
from sse_twisted.config.roster_changes import TrackMove

FORMAT: Final = "sse_twisted roster"
VERSION: Final = 1
MAX_DAYS = 60  # whose marks "not expected" are kept

Excused = Mapping[datetime.date, Mapping[int, str]]  # by day: the reasons why devices are not expected


class SavedRoster(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `.sse_twisted/roster.json` holds. A new key needs a default: files of earlier versions lack it."""

    format: Literal["sse_twisted roster"] = FORMAT
    version: Literal[1] = VERSION
    digest: str = ""  # of the version of config/motions.csv that is in force
    assignments: tuple[Assignment, ...] = ()  # in force, even those of `kept`
    kept: tuple[Assignment, ...] = ()
    hold: bool = False  # whether stored tracks stay with their owners
    moves: tuple[TrackMove, ...] = ()  # that wait for a decision, or were refused
    refused: bool = False
    excused: dict[datetime.date, dict[int, str]] = {}


def encode(saved: SavedRoster) -> bytes:
    """Return the file, indented for people."""
    return msgspec.json.format(msgspec.json.encode(saved), indent=1) + b"\n"


def decode(data: bytes) -> SavedRoster:
    """Read the file; raises ValueError or RecursionError."""
    return msgspec.json.decode(data, type=SavedRoster)


def latest(excused: Excused) -> dict[datetime.date, dict[int, str]]:
    """Return the marks of the latest days, without days that have none."""
    return {day: dict(excused[day]) for day in sorted(excused)[-MAX_DAYS:] if excused[day]}


def in_force(saved: SavedRoster) -> Roster:
    """Return the last good roster."""
    return Roster(saved.assignments, kept=saved.kept)
