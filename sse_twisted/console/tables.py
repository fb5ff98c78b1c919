"""What the commands give, as text for a terminal: aligned tables of at most 100 columns."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from sse_twisted.fleet import Device, Stage
from sse_twisted.motion.errors import one_line
from sse_twisted.reports import DeviceReport, Missing, Semaphore, TrackReport
from sse_twisted.settings import Settings
from sse_twisted.statistics import Figures
from sse_twisted.words import counted, duration, size

WIDTH = 100
GAP = "  "
SAILOR = 20  # columns


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they must be; the last one is cut where the screen ends. Numbers stand to the right."""
    lines = [tuple(heading), *(tuple(map(one_line, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = [_is_numeric(column[1:]) for column in zip(*lines, strict=True)]
    return "\n".join(_fit(GAP.join(map(_pad, line, widths, right))) for line in lines)


def _is_numeric(cells: Sequence[str]) -> bool:
    return bool(cells) and all(cell[:1].isdigit() or not cell for cell in cells)


def _pad(cell: str, width: int, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)


def _fit(line: str, width: int = WIDTH) -> str:
    line = line.rstrip()
    return line if len(line) <= width else line[: width - 1] + "…"


def fleet_table(devices: Sequence[Device], now: float) -> str:
    """One line for each device, and a sum."""
    heading = ("device", "sailor", "stage", "since", "battery", "tracks", "finding")
    rows = (
        (
            device.name,
            _fit(one_line(device.sailor), SAILOR),
            str(device.stage),
            "" if device.stage is Stage.ABSENT else duration(now - device.since),
            "" if device.battery is None else f"{device.battery}%",
            f"{device.wanted - len(device.missing)}/{device.wanted}" if device.wanted else "",
            _finding(device),
        )
        for device in devices
    )
    stages = (f"{count} {stage}" for stage in Stage if (count := sum(device.stage is stage for device in devices)))
    return f"{table(heading, rows)}\n{counted(len(devices), 'device')}: {', '.join(stages) or 'none'}"


def _finding(device: Device) -> str:
    if device.left_early:
        return f"left early: {device.left_early}"
    if device.stage is Stage.ATTENTION:
        return device.reason
    waived = (f"waived: {device.waived}",) if device.waived else ()
    return "; ".join((*waived, *device.findings))


def device_text(report: DeviceReport, why: str, zone: datetime.tzinfo, now: float) -> str:
    """Everything about one device, its name first."""
    return "\n".join(_fit(one_line(line)) for line in _device_lines(report, why, zone, now))


def _device_lines(report: DeviceReport, why: str, zone: datetime.tzinfo, now: float) -> Iterator[str]:
    device = report.device
    yield f"{device.name}: {device.sailor or 'nobody'}, {device.stage} for {duration(now - device.since)}"
    yield f"waits for  {why}"
    battery = "unknown" if device.battery is None else f"{device.battery}%"
    yield f"address    {device.address or 'unknown'}, battery {battery}"
    for assignment in report.assignments:
        days = f"{assignment.first_day} to {assignment.last_day}"
        yield f"roster     {assignment.file_id} {assignment.sailor}, {days} (line {assignment.line})"
    yield from (f"finding    {finding}" for finding in device.findings)
    if device.left_incomplete:
        yield f"alarm      {_finding(device)}"
    yield from tracks_table(report.tracks).splitlines()
    if report.others:
        yield f"of another time, to be had by fetch({device.identifier}, name):"
        yield from tracks_table(report.others).splitlines()
    yield from (
        f"{datetime.datetime.fromtimestamp(happening.time, zone):%H:%M:%S}  {happening.level:<8}  {happening.text}"
        for happening in report.happenings
    )


def tracks_table(tracks: Sequence[TrackReport]) -> str:
    """One line for each track."""
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
    return table(heading, rows) if tracks else "no tracks"


def missing_table(missing: Sequence[Missing]) -> str:
    """One line for each device that is expected."""
    rows = ((f"motion-{one.identifier}", _fit(one_line(one.sailor), SAILOR), one.why) for one in missing)
    return table(("device", "sailor", "waits for"), rows) if missing else "everybody expected today is collected"


def semaphores_table(semaphores: Sequence[Semaphore]) -> str:
    """One line for each step."""
    rows = ((one.step, str(one.limit), str(one.limit - one.free), str(one.waiting)) for one in semaphores)
    return table(("step", "at once", "busy", "waiting"), rows)


def stats_text(figures: Figures) -> str:
    """One line for each figure."""
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
    """One line for each setting, as `table.key = value`."""
    tree = msgspec.to_builtins(settings)
    lines = (f"{name}.{key} = {_value(value)}" for name, values in tree.items() for key, value in values.items())
    return "\n".join(_fit(line) for line in lines)


def _value(value: object) -> str:
    return msgspec.json.encode(value).decode()
