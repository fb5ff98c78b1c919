"""What happened to each device lately, as the log tells it: the last events, by device."""

from __future__ import annotations

from collections import deque

from attrs import frozen
from twisted.logger import LogEvent, formatEvent

from sse_twisted.settings import identifier_of

KEPT = 200  # events of each device


@frozen
class Happening:
    """One event of a device."""

    time: float  # s UTC
    level: str  # debug, info, warning, error or critical
    text: str  # as in the log, without the device's name in front


class History:
    """The last events of every device; an observer of the journal, which passes on all levels."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._happenings: dict[int, deque[Happening]] = {}

    def note(self, event: LogEvent) -> None:
        """Keep an event if it is about a device: its field `device`, or `target`, is "motion-<number>"."""
        name = str(event.get("device") or event.get("target") or "")
        if (identifier := identifier_of(name)) is None:
            return
        text = formatEvent(event).removeprefix(f"{name} ")
        if (failure := event.get("log_failure")) is not None:
            text += f": {failure.getErrorMessage()}"
        level = event["log_level"].name
        happening = Happening(event["log_time"], "warning" if level == "warn" else level, text)
        self._happenings.setdefault(identifier, deque(maxlen=self._kept)).append(happening)

    def of(self, identifier: int, *, since: float = 0.0) -> tuple[Happening, ...]:
        """What is known of a device from `since` s UTC on, the oldest first."""
        return tuple(happening for happening in self._happenings.get(identifier, ()) if happening.time >= since)
