"""Read a file that was handed in: what it is, of which days, and what its device says of itself. Blocks."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import asdict, replace

from sse_twisted.handin.intake import MAX_SIZE
from sse_twisted.handin.ledger import Part
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.tracks.analysis import Analysis, analyse_track
from sse_twisted.tracks.evidence import is_rolled_over, without_rollover
from sse_twisted.tracks.fit.worker import NOT_READ
from sse_twisted.tracks.format import Mask, Track
from sse_twisted.tracks.formats import FORMATS, decode, format_named, is_readable
from sse_twisted.tracks.plot.picture import marks_of, plot
from sse_twisted.tracks.report import RULES, report_of
from sse_twisted.tracks.session import in_time

VERSION: Final = 2000 + RULES  # of what an examination tells
MIN_FIXES: Final = 10  # of a day; a receiver may date its first fixes wrongly
DAY_MS: Final = 86_400_000
MAX_DAYS: Final = 40  # in one file
ARCHIVES: Final = ("zip", "gzip", "7z", "rar")


class Told(Struct, frozen=True):
    """What a file tells; of one that is no track only the trouble, of one that cannot be read the error."""

    error: str = ""
    trouble: str = ""
    kind: str = ""
    extension: str = ""
    device: int = 0
    model: str = ""
    owner: str = ""
    serial: str = ""
    parts: dict[str, Part] = msgspec.field(default_factory=dict)
    rolled_parts: dict[str, Part] = msgspec.field(default_factory=dict)
    stray_days: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """The fields of the line in the ledger."""
        return {name: value for name, value in asdict(self).items() if name != "error"}


def examine(path: Path, name: str, zone: dt.tzinfo) -> Told:
    """Read a file by its content; `name` helps with the extension. Raises nothing."""
    try:
        data = read_bounded(path, MAX_SIZE)
    except OSError as error:
        return Told(error=error.strerror or str(error))
    track = decode(data, name)
    kind = track.integrity.kind
    if not is_readable(kind):
        return Told(trouble=_not_a_track(kind))
    form = next(each for each in FORMATS if each.name == kind)
    if not len(track.fixes):
        damage = track.integrity.damages
        if any(each.what.startswith(NOT_READ) for each in damage):  # no word about the file, as of a worker that dies
            return Told(error=NOT_READ)
        trouble = f"no fix in it can be read: {damage[0].what}" if damage else "it has no fixes"
        return Told(trouble=trouble, kind=kind)
    digest = hashlib.sha256(data).hexdigest()
    days = days_of(track, zone)
    counted = {day for day, mask in days.items() if mask.sum() >= MIN_FIXES}
    if not counted:
        return Told(trouble=f"it has fewer than {MIN_FIXES} fixes with a usable date", kind=kind)
    if len(counted) > MAX_DAYS:
        return Told(trouble=f"it has fixes of {len(counted)} days", kind=kind)
    header, told = track.header, track.device
    extension = Path(name).suffix if format_named(name) is form else form.extension
    return Told(
        kind=kind,
        extension=extension,
        device=header.identifier if header else 0,
        model=told.model,
        owner=told.owner,
        serial=told.serial,
        parts=_parts(track, days, digest),
        rolled_parts=_rolled(track, zone, digest) if is_rolled_over(track.fixes.time) else {},
        stray_days=tuple(str(day) for day in days if day not in counted),
    )


def _parts(track: Track, days: dict[dt.date, Mask], digest: str) -> dict[str, Part]:
    """Return the parts of a track by day, without the days that have too few fixes."""
    is_all = len(days) == 1
    counted = {day: mask for day, mask in days.items() if mask.sum() >= MIN_FIXES}
    return {str(day): _part(track, mask, is_all=is_all, digest=digest) for day, mask in counted.items()}


def _rolled(track: Track, zone: dt.tzinfo, digest: str) -> dict[str, Part]:
    """Return what the parts of a track are if the GPS week rollover has dated it."""
    later = without_rollover(track)
    return _parts(later, days_of(later, zone), digest)


def _not_a_track(kind: str) -> str:
    if kind in ARCHIVES:
        return f"not a track but an archive ({kind}): unpack it, and hand in the files"
    return f"not a track that can be read ({kind})"


def days_of(track: Track, zone: dt.tzinfo) -> dict[dt.date, Mask]:
    """Return the days of a zone with a fix, and which fixes are of each."""
    offset = dt.datetime.fromtimestamp(0, zone).utcoffset() or dt.timedelta()
    numbers = (track.fixes.time + round(offset.total_seconds() * 1000)) // DAY_MS
    of_session = in_time(track.fixes.time)
    days = {}
    for number in np.unique(numbers[of_session]):
        try:
            day = dt.date(1970, 1, 1) + dt.timedelta(days=int(number))
        except OverflowError:
            continue
        days[day] = of_session & (numbers == number)
    return days


def picture(path: Path, name: str, title: str, timezone: int) -> str | None:
    """Draw a file as SVG, `timezone` minutes east of UTC; None if it cannot be read. Blocks, raises nothing."""
    try:
        analysis = analyse_track(decode(read_bounded(path, MAX_SIZE), name))
    except OSError:
        return None
    return plot(analysis.track, marks_of(analysis.session), title, timezone)


def _part(track: Track, mask: Mask, *, is_all: bool, digest: str) -> Part:
    analysis = analyse_track(track if is_all else _cut(track, mask))
    times = track.fixes.time[mask]
    report = report_of(analysis, track.integrity.length) | {"sha256": digest}
    return Part(int(times.min()), int(times.max()), _without_private(report, analysis))


def _cut(track: Track, mask: Mask) -> Track:
    """Return a track with the fixes of one day; what its device claims of all days is left out."""
    offsets = np.asarray(track.offsets)[mask]
    integrity = replace(track.integrity, header=None, fixes=int(mask.sum()))
    return replace(track, fixes=track.fixes[mask], offsets=offsets, integrity=integrity)


def _without_private(report: dict[str, Any], analysis: Analysis) -> dict[str, Any]:
    """Return the report without what its owner typed into the device."""
    header = report["header"]
    return report | {"header": header and {**header, "nickname": ""}, "damages": report["damages"][:10]}
