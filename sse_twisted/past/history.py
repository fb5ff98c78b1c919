"""What happened to each device lately, as the log tells it: the last events, by device."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen
from twisted.logger import LogEvent, formatEvent

from sse_twisted.settings import identifier_of

KEPT = 2000  # events of each device; one that is tried again all day long has three in a minute


@frozen
class Happening:
    """One event of a device."""

    time: float  # s UTC
    level: str  # debug, info, warning, error or critical
    text: str  # as in the log, without the device's name in front


class History:
    """The last events of every device; an observer of the journal, which passes on all levels."""

    def __init__(self, kept: int = KEPT) -> None:
        self.kept = kept
        self._happenings: dict[int, deque[Happening]] = {}

    def note(self, event: LogEvent) -> None:
        """Keep an event if it is about a device: its field `device`, or `target`, is "motion-<number>"."""
        if (identifier := subject_of(event)) is None:
            return
        failure = event.get("log_failure")
        error = failure.getErrorMessage() if failure is not None else ""
        happening = _happening(event, event["log_time"], event["log_level"].name, error)
        self._happenings.setdefault(identifier, deque(maxlen=self.kept)).append(happening)

    def recall(self, earlier: Mapping[int, Iterable[Happening]]) -> None:
        """Take in what was before the first event that was noted, by device, the oldest first."""
        for identifier, happenings in earlier.items():
            since_start = self._happenings.get(identifier, ())
            self._happenings[identifier] = deque((*happenings, *since_start), maxlen=self.kept)

    def of(self, identifier: int, *, since: float = 0.0) -> tuple[Happening, ...]:
        """What is known of a device from `since` s UTC on, the oldest first."""
        return tuple(happening for happening in self._happenings.get(identifier, ()) if happening.time >= since)


def subject_of(event: Mapping[str, Any]) -> int | None:
    """The number of the device that an event is about."""
    return identifier_of(str(event.get("device") or event.get("target") or ""))


def happening_of(event: LogEvent) -> Happening | None:
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


def _happening(event: LogEvent, time: float, level: str, error: str) -> Happening:
    name = str(event.get("device") or event.get("target"))
    text = formatEvent(event).removeprefix(f"{name} ") + (f": {error}" if error else "")
    return Happening(time, "warning" if level == "warn" else level, text)
