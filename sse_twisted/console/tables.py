"""Results of commands as text for a terminal: aligned tables of at most 100 columns."""

from __future__ import annotations

import datetime
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from sse_twisted.config.settings import Settings
from sse_twisted.control.metrics import Figures
from sse_twisted.control.reports import DeviceReport, Missing, Semaphore
from sse_twisted.event_folder.track_report import TrackReport
from sse_twisted.fleet import Device, Stage
from sse_twisted.runtime.text import duration, one_line, plural, size

WIDTH = 100
GAP = "  "
MIN_WRAPPED = 12  # columns of a wrapped text
MAX_TEXT = 2000  # characters of one text
SAILOR_WIDTH = 20  # columns


def table(heading: Sequence[str], rows: Iterable[Sequence[str]], *, whole: bool = False) -> str:
    """Align columns, numbers to the right.

    A last column that exceeds WIDTH is cut with "…", or wrapped below its own start if `whole`.
    """
    lines = [tuple(heading), *((*map(one_line, row[:-1]), _readable(row[-1])) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = [_is_numeric(column[1:]) for column in zip(*lines, strict=True)]
    below = sum(len(GAP) + width for width in widths[:-1])
    padded = (GAP.join(map(_pad, line, widths, right)) for line in lines)
    return "\n".join(_wrapped(line, below) if whole else _fit(line) for line in padded)


def _readable(text: str) -> str:
    return one_line(text, MAX_TEXT)


def _is_numeric(cells: Sequence[str]) -> bool:
    """Whether all non-empty cells are numbers, with or without a unit."""
    return bool(cells) and all(re.fullmatch(r"[0-9][0-9.,/]*( ?[A-Za-z%]+)?", cell) or not cell for cell in cells)


def _pad(cell: str, width: int, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)


def _fit(line: str, width: int = WIDTH) -> str:
    line = line.rstrip()
    return line if len(line) <= width else line[: width - 1] + "…"


def _wrapped(line: str, below: int) -> str:
    """Wrap a line at WIDTH; further lines begin in column `below`."""
    if len(line.rstrip()) <= WIDTH or below > WIDTH - MIN_WRAPPED:
        return _fit(line)
    return textwrap.fill(
        line[below:],
        WIDTH,
        initial_indent=line[:below],
        subsequent_indent=" " * below,
        break_on_hyphens=False,
    )


def fleet_table(devices: Sequence[Device], now: float) -> str:
    """Return one line for each device, and counts by stage."""
    heading = ("device", "sailor", "stage", "since", "battery", "tracks", "finding")
    rows = (
        (
            device.name,
            _fit(one_line(device.sailor), SAILOR_WIDTH),
            str(device.stage),
            "" if device.stage is Stage.ABSENT else duration(now - device.since),
            "" if device.battery is None else f"{device.battery}%",
            f"{device.wanted - len(device.missing)}/{device.wanted}" if device.wanted else "",
            _finding(device),
        )
        for device in devices
    )
    stages = (f"{count} {stage}" for stage in Stage if (count := sum(device.stage is stage for device in devices)))
    return f"{table(heading, rows)}\n{plural(len(devices), 'device')}: {', '.join(stages) or 'none'}"


def _finding(device: Device) -> str:
    if device.left_early:
        return f"left early: {device.left_early}"
    if device.stage is Stage.ATTENTION:
        return device.reason
    waived = (f"waived: {device.waived}",) if device.waived else ()
    return "; ".join((*waived, *device.findings))


def device_text(report: DeviceReport, why: str, zone: datetime.tzinfo, now: float) -> str:
    """Return all details of one device; `now` is in s of the clock, times of events are in `zone`."""
    return "\n".join(_device_lines(report, why, zone, now))


def _device_lines(report: DeviceReport, why: str, zone: datetime.tzinfo, now: float) -> Iterator[str]:
    device = report.device
    since = f" for {duration(now - device.since)}" if device.since else ""
    name = f"{device.name}: {device.sailor or 'unassigned'}, {device.stage}{since}"
    yield _fit(_readable(name))
    yield from (_beside(f"{subject:<9}", text) for subject, text in _facts(report, why))
    yield tracks_table(report.tracks)
    if report.others:
        yield f"outside the event; fetch({device.identifier}, name) downloads them:"
        yield tracks_table(report.others)
    for event in report.happenings:
        time = datetime.datetime.fromtimestamp(event.time, zone)
        yield _beside(f"{time:%H:%M:%S}  {event.level:<8}", event.text)


def _facts(report: DeviceReport, why: str) -> Iterator[tuple[str, str]]:
    device = report.device
    yield "waits for", why
    battery = "unknown" if device.battery is None else f"{device.battery}%"
    yield "address", f"{device.address or 'unknown'}, battery {battery}"
    for assignment in report.assignments:
        days = f"{assignment.first_day} to {assignment.last_day}"
        yield "roster", f"{assignment.file_id} {assignment.sailor}, {days} (line {assignment.line})"
    yield from (("finding", finding) for finding in device.findings)
    if device.left_incomplete:
        yield "alarm", _finding(device)


def _beside(subject: str, text: str) -> str:
    return _wrapped(subject + GAP + _readable(text), len(subject + GAP))


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
    rows = ((f"motion-{one.identifier}", _fit(one_line(one.sailor), SAILOR_WIDTH), one.why) for one in missing)
    return (
        table(("device", "sailor", "waits for"), rows, whole=True)
        if missing
        else "all devices expected today are collected"
    )


def semaphores_table(semaphores: Sequence[Semaphore]) -> str:
    """Return one line for each step."""
    rows = ((one.step, str(one.limit), str(one.limit - one.free), str(one.waiting)) for one in semaphores)
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
    tree = msgspec.to_builtins(settings)
    lines = (f"{name}.{key} = {_value(value)}" for name, values in tree.items() for key, value in values.items())
    return "\n".join(_fit(line) for line in lines)


def _value(value: object) -> str:
    return msgspec.json.encode(value).decode()
