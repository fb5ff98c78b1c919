"""The last events of each device, as its log lines tell them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from msgspec import Struct
from twisted.logger import LogEvent, formatEvent

from sse_twisted.devices.drivers import device_number

MAX_EVENTS = 2000  # events; a device that is retried all day long has three in a minute
MAX_TEXT = 1_000  # characters of an event
MAX_IN_ALL = 200_000  # of all devices together, some 50 MB


class DeviceEvent(Struct, frozen=True, gc=False):
    """One event of a device, as the API has it."""

    time: float  # s UTC
    level: str  # debug, info, warning, error or critical
    text: str  # as in the log, without the device's name in front


class History:
    """The last events of all devices; observes the journal, which passes on all levels.

    Bounded twice: a thousand devices in trouble would otherwise take 500 MB of RAM.
    """

    def __init__(
        self,
        number_of: Callable[[str], int | None] = device_number,
        max_events: int = MAX_EVENTS,
        max_in_all: int = MAX_IN_ALL,
    ) -> None:
        """Take `number_of`, which returns the number in a host name of a device, None for any other name."""
        self._number_of = number_of
        self._max_events = max_events
        self._max_in_all = max_in_all
        self._events: dict[int, deque[DeviceEvent]] = {}
        self._order: deque[int] = deque()  # the device of each event, the oldest first
        self._dropped: Counter[int] = Counter()  # by device, how many events in `_order` are not in `_events` any more

    def note(self, event: LogEvent) -> None:
        """Keep a log event whose field `device` or `target` is the host name of a device; ignore all others."""
        if (identifier := self.subject_of(event)) is None:
            return
        failure = event.get("log_failure")
        error = failure.getErrorMessage() if failure is not None else ""
        device_event = _device_event(event, event["log_time"], event["log_level"].name, error)
        self._events.setdefault(identifier, deque()).append(device_event)
        self._order.append(identifier)
        self._shorten(identifier)

    def subject_of(self, event: Mapping[str, Any]) -> int | None:
        """Return the number of the device that a log event is about."""
        return self._number_of(str(event.get("device") or event.get("target") or ""))

    @property
    def is_full(self) -> bool:
        """Whether one more event, of any device, drops another one."""
        return len(self._order) >= self._max_in_all

    def has_room_for(self, identifier: int) -> bool:
        """Whether one more event of a device drops none."""
        return not self.is_full and len(self._events.get(identifier, ())) < self._max_events

    def prepend(self, identifier: int, event: DeviceEvent) -> None:
        """Insert an event that is older than all others; call it only while there is room."""
        self._events.setdefault(identifier, deque()).appendleft(event)
        self._order.appendleft(identifier)

    def restore(self, earlier: History) -> None:
        """Insert the events of earlier runs before those of this run."""
        self._order.extendleft(reversed(earlier._order))
        for identifier, events in earlier._events.items():
            self._events.setdefault(identifier, deque()).extendleft(reversed(events))
        for identifier in earlier._events:
            self._shorten(identifier)

    def _shorten(self, identifier: int) -> None:
        """Drop the oldest events: of one device, then of all."""
        events = self._events.get(identifier, deque())
        while len(events) > self._max_events:
            events.popleft()
            self._dropped[identifier] += 1
        while len(self._order) > self._max_in_all:
            oldest = self._order.popleft()
            if self._dropped[oldest]:
                self._dropped[oldest] -= 1
                continue
            del self._dropped[oldest]
            self._events[oldest].popleft()
            if not self._events[oldest]:  # else every number that ever responded stays
                del self._events[oldest]

    def of(self, identifier: int, *, since: float = 0.0) -> tuple[DeviceEvent, ...]:
        """Return the events of a device from `since` s UTC on, the oldest first."""
        return tuple(event for event in self._events.get(identifier, ()) if event.time >= since)


def event_of(entry: LogEvent) -> DeviceEvent | None:
    """Return the event of an entry of `logs/server.json`; None if it is not of that form."""
    time, level = entry.get("log_time"), entry.get("log_level")
    name = level.get("name") if isinstance(level, dict) else None
    if not isinstance(time, int | float) or not isinstance(name, str):
        return None
    fields = {key: value for key, value in entry.items() if not key.startswith("log_")}
    if not any(isinstance(value, dict | list) for value in fields.values()):
        # Twisted's flattened fields have lost the formats of numbers: 2.0 s instead of 2 s.
        entry = fields | {"log_format": entry.get("log_format")}
    return _device_event(entry, float(time), name, str(entry.get("error", "")))


def words_of(event: LogEvent) -> str:
    """Return what `formatEvent` does; in a tenth of its time if the format calls nothing."""
    words = event.get("log_format")
    if isinstance(words, str) and "log_flattened" not in event:
        with suppress(Exception):  # whatever it is, `formatEvent` tells of it
            return words.format_map(event)
    return formatEvent(event)


def _device_event(event: LogEvent, time: float, level: str, error: str) -> DeviceEvent:
    name = str(event.get("device") or event.get("target"))
    text = words_of(event).removeprefix(f"{name} ") + (f": {error}" if error else "")
    text = text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
    return DeviceEvent(time, "warning" if level == "warn" else level, text)
