"""Results of commands as text for a terminal: aligned tables of at most 100 columns."""

from __future__ import annotations

import datetime
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from sse_twisted.config.settings import Settings
from sse_twisted.control.metrics import Figures
from sse_twisted.control.reports import DayTracks, DeviceReport, Missing, Semaphore
from sse_twisted.copies.copy import CopyReport
from sse_twisted.event_folder.track_report import TrackReport
from sse_twisted.fleet import Device, Stage
from sse_twisted.runtime.text import duration, one_line, plural, size

WIDTH = 100
GAP = "  "
MIN_WRAPPED = 12  # columns of a wrapped text
MAX_TEXT = 2000  # characters of one text
SAILOR_WIDTH = 20  # columns
NUMBER = re.compile(r"([0-9][0-9.,/]*( ?[A-Za-z%]+)?)?")  # with or without a unit; or an empty cell


class Result:
    """The value that a command returns; the console prints the text that `show` returns for it."""

    def __init__(self, value: Any, show: Callable[[Any], str] = str) -> None:
        self.value = value
        self._text = show(value)

    def __repr__(self) -> str:
        return self._text


def table(heading: Sequence[str], rows: Iterable[Sequence[object]], *, whole: bool = False) -> str:
    """Align columns, numbers to the right.

    A last column that exceeds WIDTH is cut with "…", or wrapped below its own start if `whole`.
    """
    lines = [tuple(heading), *(tuple(one_line(str(cell), MAX_TEXT) for cell in row) for row in rows)]
    columns = []
    for column in zip(*lines, strict=True):
        width = max(map(len, column))
        align = str.rjust if all(map(NUMBER.fullmatch, column[1:])) else str.ljust
        columns.append([align(cell, width) for cell in column])
    below = sum(len(column[0]) + len(GAP) for column in columns[:-1])
    padded = map(GAP.join, zip(*columns, strict=True))
    return "\n".join(_wrapped(line, below) if whole else one_line(line.rstrip(), WIDTH) for line in padded)


def _wrapped(line: str, below: int) -> str:
    """Wrap a line at WIDTH; further lines begin in column `below`. Cut it if that leaves too little room."""
    if below > WIDTH - MIN_WRAPPED:
        return one_line(line.rstrip(), WIDTH)
    return line[:below] + f"\n{' ' * below}".join(textwrap.wrap(line[below:], WIDTH - below, break_on_hyphens=False))


def fleet_table(devices: Sequence[Device], now: float) -> str:
    """Return one line for each device, and counts by stage."""
    heading = ("device", "sailor", "stage", "since", "battery", "tracks", "finding")
    rows = (
        (
            device.name,
            one_line(device.sailor, SAILOR_WIDTH),
            device.stage,
            "" if device.stage is Stage.ABSENT else duration(now - device.since),
            "" if device.battery is None else f"{device.battery}%",
            f"{device.wanted - device.missing_count}/{device.wanted}" if device.wanted else "",
            _finding(device),
        )
        for device in devices
    )
    stages = {str(stage): sum(device.stage is stage for device in devices) for stage in Stage}
    return f"{table(heading, rows)}\n{plural(len(devices), 'device')}: {_counts(stages)}"


def _finding(device: Device) -> str:
    if device.left_early:
        return f"left early: {device.left_early}"
    if device.stage is Stage.ATTENTION:
        return device.reason
    waived = (f"waived: {device.waived}",) if device.waived else ()
    return "; ".join((*waived, *device.findings))


def device_text(report: DeviceReport, why: str, zone: datetime.tzinfo, now: float) -> str:
    """Return all details of one device; `now` is in s of the clock, times of events are in `zone`."""
    device = report.device
    since = f" for {duration(now - device.since)}" if device.since else ""
    lines = [
        one_line(f"{device.name}: {device.sailor or 'unassigned'}, {device.stage}{since}", WIDTH),
        *(_beside(f"{subject:<9}", text) for subject, text in _facts(report, why)),
        tracks_table(report.tracks),
        *_more(report.more_tracks),
    ]
    if report.others:
        lines.append(f"outside the event; fetch({device.identifier}, name) downloads them:")
        lines += (tracks_table(report.others), *_more(report.more_others))
    for event in report.events:
        time = datetime.datetime.fromtimestamp(event.time, zone)
        lines.append(_beside(f"{time:%H:%M:%S}  {event.level:<8}", event.text))
    return "\n".join(lines)


def _more(count: int) -> tuple[str, ...]:
    return (f"and {count:,} more, older ones",) if count else ()


def _facts(report: DeviceReport, why: str) -> Iterator[tuple[str, str]]:
    device = report.device
    yield "status", why
    battery = "unknown" if device.battery is None else f"{device.battery}%"
    yield "address", f"{device.address or 'unknown'}, battery {battery}"
    for assignment in report.assignments:
        yield "roster", f"{assignment.file_id} {assignment.sailor}, {assignment.period} (line {assignment.line})"
    yield from (("finding", finding) for finding in device.findings)
    if device.more_findings:
        yield "finding", f"and {device.more_findings:,} more findings"
    if device.left_incomplete:
        yield "alarm", _finding(device)


def _beside(subject: str, text: str) -> str:
    return _wrapped(subject + GAP + one_line(text, MAX_TEXT), len(subject + GAP))


def day_tracks_text(found: DayTracks, day: object) -> str:
    """Return the tracks of a day under their number."""
    more = f", and {found.left_out:,} more that are left out" if found.left_out else ""
    return f"{plural(len(found.tracks), 'track')} of {day}{more}\n{tracks_table(found.tracks)}"


def tracks_table(tracks: Sequence[TrackReport]) -> str:
    """Return one line for each track."""
    heading = ("track", "status", "size", "hours", "km", "knots", "outcome")
    rows = (
        (
            track.name,
            track.status,
            size(track.size),
            f"{track.hours:.1f}",
            f"{track.kilometres:.1f}",
            f"{track.knots:.1f}",
            f"{track.outcome} {track.remark}".strip(),
        )
        for track in tracks
    )
    return table(heading, rows, whole=True) if tracks else "no tracks"


def missing_table(missing: Sequence[Missing]) -> str:
    """Return one line for each expected device that is not collected."""
    if not missing:
        return "all devices expected today are collected"
    rows = ((one.name, one_line(one.sailor, SAILOR_WIDTH), one.why) for one in missing)
    return table(("device", "sailor", "status"), rows, whole=True)


def copies_table(copies: Sequence[CopyReport]) -> str:
    """Return one line for each copy of the event folder."""
    rows = ((one.folder, one.tracks, one.files_left, one.state) for one in copies)
    return table(("copy", "tracks", "to copy", "state"), rows, whole=True) if copies else "there is no copy"


def semaphores_table(semaphores: Sequence[Semaphore]) -> str:
    """Return one line for each step."""
    rows = ((one.step, one.limit, one.limit - one.free, one.waiting) for one in semaphores)
    return table(("step", "limit", "busy", "waiting"), rows)


def stats_text(figures: Figures) -> str:
    """Return one line for each count."""
    lines = {
        "rounds": _counts(figures.rounds),
        "requests": f"{figures.requests:,}",
        "received": size(figures.received),
        "tracks": _counts(figures.tracks),
        "failures": _counts(figures.failures),
        "retries": f"{figures.retries:,}",
        "devices": _counts(figures.stages),
        "reactor delay": f"{figures.reactor_delay * 1e3:.1f} ms, {figures.longest_reactor_delay * 1e3:.1f} ms at most",
        "memory": size(figures.memory) if figures.memory else "unknown",
    }
    return "\n".join(f"{name:<13}  {value}" for name, value in lines.items())


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "none"


def settings_text(settings: Settings) -> str:
    """Return one line for each setting, as `table.key = value`."""
    lines = (
        f"{name}.{key} = {'not set' if value is None else msgspec.json.encode(value).decode()}"
        for name, values in msgspec.to_builtins(settings).items()
        for key, value in values.items()
    )
    return "\n".join(one_line(line, WIDTH) for line in lines)
