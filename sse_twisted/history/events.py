"""What happened to each device lately, as the log tells it: the last events, by device."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from twisted.logger import LogEvent, formatEvent

from sse_twisted.devices.drivers import device_number

KEPT = 2000  # events of each device; one that is tried again all day long has three in a minute
MOST = 200_000  # events in all, some 50 MB; those of a hundred devices


@frozen
class DeviceEvent:
    """One event of a device."""

    time: float  # s UTC
    level: str  # debug, info, warning, error or critical
    text: str  # as in the log, without the device's name in front


class History:
    """The last events of all devices, and of each its last ones.

    An observer of the journal, which passes on all levels. Were all of them not bounded, a thousand devices in trouble
    would take 500 MB.
    """

    def __init__(self, kept: int = KEPT, most: int = MOST) -> None:
        self._kept = kept
        self._most = most
        self._happenings: dict[int, deque[DeviceEvent]] = {}
        self._order: deque[int] = deque()  # whose each event is, the oldest first
        self._gone: Counter[int] = Counter()  # how many of them, by device, are not kept any more

    def note(self, event: LogEvent) -> None:
        """Keep an event if it is about a device: its field `device`, or `target`, is "motion-<number>"."""
        if (identifier := subject_of(event)) is None:
            return
        failure = event.get("log_failure")
        error = failure.getErrorMessage() if failure is not None else ""
        happening = _happening(event, event["log_time"], event["log_level"].name, error)
        self._happenings.setdefault(identifier, deque()).append(happening)
        self._order.append(identifier)
        self._shorten(identifier)

    @property
    def is_full(self) -> bool:
        """Whether one event more pushes out another one, of whatever device."""
        return len(self._order) >= self._most

    def has_room_for(self, identifier: int) -> bool:
        """Whether one more event of a device pushes none out."""
        return not self.is_full and len(self._happenings.get(identifier, ())) < self._kept

    def precede(self, identifier: int, happening: DeviceEvent) -> None:
        """Take in an event of before all others, for which there is room."""
        self._happenings.setdefault(identifier, deque()).appendleft(happening)
        self._order.appendleft(identifier)

    def recall(self, earlier: History) -> None:
        """Take in what was before the first event that was noted."""
        self._order.extendleft(reversed(earlier._order))
        for identifier, happenings in earlier._happenings.items():
            self._happenings.setdefault(identifier, deque()).extendleft(reversed(happenings))
        for identifier in earlier._happenings:
            self._shorten(identifier)

    def _shorten(self, identifier: int) -> None:
        """Push the oldest events out: of one device, and of all."""
        happenings = self._happenings[identifier]
        while len(happenings) > self._kept:
            happenings.popleft()
            self._gone[identifier] += 1
        while len(self._order) > self._most:
            oldest = self._order.popleft()
            if self._gone[oldest]:
                self._gone[oldest] -= 1
            else:
                self._happenings[oldest].popleft()

    def of(self, identifier: int, *, since: float = 0.0) -> tuple[DeviceEvent, ...]:
        """What is known of a device from `since` s UTC on, the oldest first."""
        return tuple(happening for happening in self._happenings.get(identifier, ()) if happening.time >= since)


def subject_of(event: Mapping[str, Any]) -> int | None:
    """The number of the device that an event is about."""
    return device_number(str(event.get("device") or event.get("target") or ""))


def happening_of(event: LogEvent) -> DeviceEvent | None:
    """An event as `logs/server.json` has it; None if it is not of its form."""
    time, level = event.get("log_time"), event.get("log_level")
    name = level.get("name") if isinstance(level, dict) else None
    if type(time) not in (int, float) or not isinstance(name, str):
        return None
    fields = {key: value for key, value in event.items() if not key.startswith("log_")}
    if not any(isinstance(value, dict | list) for value in fields.values()):
        # What Twisted has flattened lost the formats of its numbers: 2.0 s instead of 2 s.
        event = fields | {"log_format": event.get("log_format")}
    return _happening(event, float(time), name, str(event.get("error", "")))  # type: ignore[arg-type]  # it is a number


def _happening(event: LogEvent, time: float, level: str, error: str) -> DeviceEvent:
    name = str(event.get("device") or event.get("target"))
    text = formatEvent(event).removeprefix(f"{name} ") + (f": {error}" if error else "")
    return DeviceEvent(time, "warning" if level == "warn" else level, text)
