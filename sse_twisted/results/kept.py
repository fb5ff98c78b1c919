"""`tracks.json`: what the tracks of a device said, as it is kept beside its ledger.

Somebody else may have written it, or an earlier version of us: nothing in it is believed before it has its type.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from sse_twisted.tracks.claims import ClaimCheck
from sse_twisted.tracks.report import Report
from sse_twisted.tracks.session import NEVER

FILE = "tracks.json"

Figure = Annotated[float, Meta(ge=0, le=1e6)]  # of a speed, in whatever unit
Millimetres = Annotated[int, Meta(ge=0, le=10**9)]  # a second
Metres = Annotated[float, Meta(ge=0, le=1e8)]
Moment = Annotated[int, Meta(ge=0, le=NEVER)]  # ms since 1970


class _Speed(Struct):
    knots: Figure = field(name="kn")
    metres: Figure = field(name="m/s")


class _Session(Struct):
    start: Moment
    end: Moment
    distance: Metres = field(name="distance_m")
    bests: dict[str, list[_Speed]]
    five_by_ten: _Speed | None = field(name="5x10s")


class _Header(Struct):
    frequency: int


class _Claim(Struct):
    value: Millimetres
    bearing: ClaimCheck


class _Kept(Struct):
    """What is read of a report: `tracks.report` makes it, with more."""

    whole: bool
    header: _Header | None
    session: _Session | None
    claimed: dict[str, _Claim]
    doubtful: bool
    remarks: list[str]
    sha256: str


def reports_in(data: bytes) -> dict[str, Report] | None:
    """The reports in a `tracks.json`, by track; None if it is torn, or of another shape."""
    try:
        tree: dict[str, Report] = msgspec.json.decode(data)
        msgspec.convert(tree, dict[str, _Kept])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return tree
