"""The report of `sse-track` on a file: plain data for JSON, and lines of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from sse_twisted import __version__
from sse_twisted.runtime.text import plural
from sse_twisted.tracks.analysis import Analysis
from sse_twisted.tracks.bests import Speed
from sse_twisted.tracks.claims import Claim, ClaimCheck
from sse_twisted.tracks.doubts import REMARKED, Doubt, Doubts
from sse_twisted.tracks.format import Header, SpeedSource
from sse_twisted.tracks.formats import is_readable
from sse_twisted.tracks.moments import utc
from sse_twisted.tracks.session import SPEEDS, Session, knots

UNITS: Final[Mapping[str, Callable[[float], float]]] = {
    "kn": knots,
    "km/h": lambda speed: speed * 0.0036,
    "m/s": lambda speed: speed / 1000,
}
RULES: Final = 2  # increases whenever the figures of a track change with the program
DEVICE_WIDTH: Final = 6
COLUMNS: Final = ("2s", "10s", "5x10s", "500m", "alpha500", "1852m", "1h")

Report = dict[str, Any]


def edition() -> str:
    """Return what must be the same where reports are to be the same: the version, and the rules of the figures."""
    return f"{__version__} with rules {RULES}"


def report_of(analysis: Analysis, length: int) -> Report:
    """Return the report as in JSON: speeds in three units, times in ms UTC. `length` is that of the file in bytes."""
    integrity, header, session = analysis.track.integrity, analysis.track.header, analysis.session
    return {
        "rules": RULES,
        "kind": integrity.kind,
        "rate": analysis.track.rate,
        "doppler": analysis.track.speeds is SpeedSource.DOPPLER,
        "evidence": str(analysis.track.evidence),
        "model": analysis.track.device.model,
        "bytes": length,
        "whole": integrity.whole,
        "fixes": integrity.fixes,
        "unusable_fixes": analysis.unusable,
        "unknown_frames": integrity.unknown,
        "damages": [
            {
                "byte": loss.damage.offset,
                "bytes": loss.damage.length,
                "what": loss.damage.what,
                "fixes": loss.fixes,
                "from": loss.since,
                "to": loss.until,
            }
            for loss in analysis.losses
        ],
        "damage_count": integrity.damage_count,
        "header": _header(header) if header else None,
        "session": _session(session, analysis.doubts) if session else None,
        "claims": dict(Counter(str(claim.check) for claim in analysis.claims)),
        "contradicted": [
            {"name": claim.name, "second": claim.second, "value": claim.value, "found": claim.found}
            for claim in analysis.claims
            if claim.check is ClaimCheck.CONTRADICTED
        ],
        "claimed": _claimed(analysis.claims),
        "doubtful": any(claim.is_doubtful for claim in analysis.claims) or _has_spike(analysis.doubts),
        "remarks": list(analysis.remarks),
    }


def _claimed(claims: Iterable[Claim]) -> Report:
    """Return the best that the header claims for each discipline, in mm/s, and the result of its check."""
    best: Report = {}
    for claim in claims:
        if claim.name != "distance":
            best.setdefault(claim.name, {"value": claim.value, "bearing": str(claim.check)})
    return best


def _header(header: Header) -> Report:
    return {
        "identifier": header.identifier,
        "nickname": header.nickname,
        "firmware": header.firmware,
        "frequency": header.frequency,
        "timezone": header.timezone,
        "start": header.start_date,
        "end": header.end_date,
        "distance_m": header.distance / 1000,
    }


def _has_spike(doubts: Doubts) -> bool:
    """Tell whether a best that is remarked has a spike; in an hour, one changes little."""
    return any(Doubt.SPIKE in of_best for name in REMARKED for of_best in doubts.get(name, ())[:1])


def _session(session: Session, doubts: Doubts) -> Report:
    return {
        "start": session.start,
        "end": session.end,
        "moving_s": session.moving / 1000,
        "distance_m": session.distance / 1000,
        "maximum": _speed(session.maximum),
        "5x10s": _speed(session.five_by_ten) if session.five_by_ten is not None else None,
        "bests": {
            name: [_best(*each) for each in zip(bests, doubts[name], strict=True)]
            for name, bests in session.bests.items()
        },
    }


def _best(best: Speed, doubts: tuple[Doubt, ...]) -> Report:
    told = {"doubts": [str(doubt) for doubt in doubts]} if doubts else {}
    return _speed(best.value) | {"from": best.start, "to": best.end} | told


def _speed(value: float) -> Report:
    return {unit: round(convert(value), 3) for unit, convert in UNITS.items()}


class Totals(Struct, frozen=True):
    """The figures of a track by its fixes."""

    duration: int  # ms from the first to the last
    distance: int  # mm
    best_500m: int  # mm/s, 0 = none


def totals_of(report: Mapping[str, Any]) -> Totals | None:
    """Return the figures that a listing has too; None if the track has no fixes."""
    session = report["session"]
    if not session:
        return None
    duration = max(session["end"] - session["start"], 0)
    return Totals(duration, round(session["distance_m"] * 1000), best_of(report, "500m") or 0)


def is_track(report: Report) -> bool:
    """Tell whether the file is of a known format, damaged or not."""
    return is_readable(report.get("kind", ""))


def complaint(report: Report) -> str:
    """Return one line that says why the file is not a whole track; "" if it is one."""
    if "error" in report:
        return str(report["error"])
    if not is_track(report):
        return (
            f"not a track that can be read ({report['kind']})" if report["bytes"] else "not a track: the file is empty"
        )
    damages = report["damages"]
    if not damages:
        return "" if report["whole"] else "damaged header at byte 0"
    first = damages[0]
    lost = f", {plural(first['fixes'], 'fix', 'fixes')} lost" if first["fixes"] else ""
    if first["from"] is not None and first["to"] is not None:
        lost += f" between {utc(first['from'])} and {utc(first['to'])[11:]} UTC"
    more = report["damage_count"] - 1
    others = f"; and {plural(more, 'more damage')}" if more else ""
    return f"{first['what']} at byte {first['byte']:,} ({plural(first['bytes'], 'byte')}{lost}){others}"


def heading(width: int, unit: str) -> str:
    """Return the first line of a table with names of that width."""
    columns = (column.replace("alpha500", "alpha") for column in COLUMNS)
    figures = "".join(f"  {column:>6}" for column in ("max", *columns))
    return f"{f'track ({unit})':<{width}}  device  hours      km{figures}  format  Hz  speeds     evidence"


def row(name: str, report: Report, width: int, unit: str) -> Iterator[str]:
    """Yield the line of a track, and a line for each complaint and remark."""
    session, header = report.get("session"), report.get("header")
    model = report.get("model", "")
    device = header["identifier"] if header else model if 0 < len(model) <= DEVICE_WIDTH else "?"
    if session is not None:
        hours = (session["end"] - session["start"]) / 3_600_000
        best = (session["maximum"], *(best_in(session, column) for column in COLUMNS))
        figures = "".join(f"  {figure[unit]:6.2f}" if figure else f"  {'-':>6}" for figure in best)
        size = f"{hours:5.1f}  {session['distance_m'] / 1000:6.1f}"
        yield f"{name:<{width}}  {device:>6}  {size}{figures}{_source(report)}"
    else:
        yield f"{name:<{width}}  {device:>6}  no fixes"
    yield from (f"    ! {remark}" for remark in (complaint(report), *report.get("remarks", ())) if remark)


def _source(report: Report) -> str:
    speeds = "Doppler" if report["doppler"] else "positions"
    return f"  {report['kind']:<6}  {report['rate']:>2}  {speeds:<9}  {report['evidence']}"


def best_of(report: Mapping[str, Any], name: str) -> int | None:
    """Return the best of one of COLUMNS in mm/s, by the fixes."""
    best = best_in(report["session"], name) if report["session"] else None
    return round(best["m/s"] * 1000) if best else None


def best_in(session: Report, name: str) -> Report | None:
    """Return the best of one of COLUMNS in all units."""
    if name == "5x10s":
        average: Report | None = session["5x10s"]
        return average
    bests: list[Report] = session["bests"].get(name, [])
    return bests[0] if bests else None


def details(report: Report, unit: str) -> Iterator[str]:
    """Yield header, claims, and the five best of each discipline with their start times."""
    header, session = report.get("header"), report.get("session")
    if header:
        yield (
            f"    {header['nickname'] or 'no nickname'}, firmware {header['firmware']}, {header['frequency']} Hz, "
            f"{utc(header['start'])} to {utc(header['end']) if header['end'] else 'no end'} UTC"
        )
    if not header and report.get("model"):
        yield f"    device: {report['model']}"
    if report.get("fixes"):
        yield f"    {plural(report['fixes'], 'fix', 'fixes')}, {report['unusable_fixes']:,} of them unusable"
    if report.get("claims"):
        yield f"    claims: {', '.join(f'{count} {check}' for check, count in report['claims'].items())}"
    for name in SPEEDS:
        if session and (bests := session["bests"].get(name)):
            yield f"    {name:<8}  " + "  ".join(f"{best[unit]:.3f} ({utc(best['from'])[11:]})" for best in bests)
