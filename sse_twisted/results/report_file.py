"""`tracks.json` beside a device's ledger: the reports of its tracks, by name, as `sse-track --json` prints them.

The file may be damaged, or written by another program or version. Its types and bounds are checked before use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from sse_twisted.event_folder.files import quarantine
from sse_twisted.runtime.bounded_file import UnusableFile, read_bounded
from sse_twisted.tracks.claims import ClaimCheck
from sse_twisted.tracks.report import RULES, Report
from sse_twisted.tracks.session import NEVER

NAME = "tracks.json"

Speed = Annotated[float, Meta(ge=0, le=1e6)]  # in any unit
SpeedMm = Annotated[int, Meta(ge=0, le=10**9)]  # mm/s
Metres = Annotated[float, Meta(ge=0, le=1e8)]
Moment = Annotated[int, Meta(ge=0, le=NEVER)]  # ms since 1970


class _Best(Struct):
    knots: Speed = field(name="kn")
    metres: Speed = field(name="m/s")


class _Session(Struct):
    start: Moment
    end: Moment
    distance: Metres = field(name="distance_m")
    bests: dict[str, list[_Best]]
    five_by_ten: _Best | None = field(name="5x10s")


class _Header(Struct):
    frequency: int


class _Claim(Struct):
    value: SpeedMm
    bearing: ClaimCheck


class _Report(Struct):
    """The fields of a report that are used; `tracks.report` writes more."""

    whole: bool
    header: _Header | None
    session: _Session | None
    claimed: dict[str, _Claim]
    doubtful: bool
    remarks: list[str]
    sha256: str


def read_reports(path: Path) -> tuple[dict[str, Report], str]:
    """Return the reports by track, and what was done with an unreadable file, or "". Blocks.

    A file that is torn or of another shape is set aside. Reports by the rules of another version are left out.
    """
    try:
        try:
            tree: dict[str, Report] = msgspec.json.decode(read_bounded(path))
            msgspec.convert(tree, dict[str, _Report])
        except FileNotFoundError:
            return {}, ""
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IsADirectoryError, UnusableFile):
            return {}, f"kept as {quarantine(path)}"
    except OSError as error:
        return {}, f"left in place ({error.strerror})"
    return {name: report for name, report in tree.items() if report.get("rules") == RULES}, ""
