"""The status of a device in words, from its snapshot and the configuration."""

from __future__ import annotations

from collections.abc import Sequence

from sse_twisted.config.live import LiveConfig
from sse_twisted.fleet import Device, Stage
from sse_twisted.history.events import DeviceEvent
from sse_twisted.runtime.places import Places
from sse_twisted.runtime.text import duration, missing_of, size


def status_of(device: Device, now: float, live: LiveConfig, disk_trouble: str, events: Sequence[DeviceEvent]) -> str:
    """Return one line. `now` is in s since 1970; `disk_trouble` is why the disk fails, or ""."""
    since = duration(now - device.since)
    match device.stage:
        case Stage.ABSENT | Stage.GONE if device.oddity:
            lost = f"; left too early before - {device.left_early}" if device.left_early else ""
            return f"on but not responding correctly ({device.oddity}): restart it{lost}"
        case Stage.ABSENT | Stage.GONE if reason := live.not_expected(device.identifier, live.today(now)):
            return f"not expected today ({reason}), {_looked_for(live)}"
        case Stage.ABSENT:
            return _absent(device, live, events)
        case Stage.CONNECTED:
            return f"connected for {since}, waiting for inspection{_crowd(live.limits.inspection)}"
        case Stage.INSPECTING:
            return f"being inspected for {since}{_crowd(live.limits.inspection)}"
        case Stage.DOWNLOADING:
            return _download(device, since, live)
        case Stage.COLLECTED:
            known = f" ({device.reason})" if device.reason else ""
            return f"can be disconnected, collected {since} ago{known}"
        case Stage.ATTENTION:
            return f"must stay connected - {device.reason}; {_retry(device, now, live, disk_trouble)}"
        case Stage.GONE:
            is_settled = device.left_early or live.is_same_day(device.since, now)
            today = "" if is_settled else f"not seen today, {_looked_for(live)}; "
            return f"{today}gone for {since}, {_left(device)}"


def _absent(device: Device, live: LiveConfig, events: Sequence[DeviceEvent]) -> str:
    if device.left_early:
        return f"was here before, {_looked_for(live)} - {device.left_early}"
    texts = [event.text for event in events if event.level != "debug"]
    last = f"; last event: {texts[-1]}" if texts else ""
    return f"not seen yet, {_looked_for(live)}{last}"


def _looked_for(live: LiveConfig) -> str:
    return f"looked for every {live.settings.scan.interval:g} s"


def _download(device: Device, since: str, live: LiveConfig) -> str:
    count = missing_of(device.missing_count, device.wanted)
    slow = f"; slow ({device.slow}): it gives way to other devices" if device.slow else ""
    if device.downloading:
        return f"downloading {device.downloading}, {size(device.received)} so far; {count}{slow}"
    return f"waiting for its turn to download for {since}; {count}{_crowd(live.limits.downloads)}{slow}"


def _crowd(places: Places) -> str:
    return f"; {len(places.waiting)} waiting, {places.limit} at once" if places.waiting else ""


def _retry(device: Device, now: float, live: LiveConfig, disk_trouble: str) -> str:
    if device.retry_at is None:
        return "continues when downloads are resumed" if live.paused else "continues now"
    paused = ", but downloads are paused" if live.paused and device.missing else ""
    trouble = f", when the disk is writable again ({disk_trouble})" if disk_trouble else ""
    return f"next try in {duration(device.retry_at - now)}{paused}{trouble}"


def _left(device: Device) -> str:
    if device.left_early:
        return f"left too early - {device.left_early}"
    return f"waived - {device.waived}" if device.waived else "collected"
