"""What the results software is told of the event, `config/event.json`, as far as it concerns us."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from sse_twisted.runtime.text import one_line, text_of

MAX_MINUTES = 14 * 60  # of a time zone
MAX_DECIMALS = 3  # speeds in the results file have no more


class EventFacts(Struct, frozen=True):
    """The name of the event, and how the results software shows times and speeds."""

    name: str = ""
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    zone: int = 0  # minutes that it adds to the times in the results file
    decimals: int = 2
    courses: Mapping[str, str] = {}  # first letter of a course -> what it is called
    mistakes: tuple[str, ...] = ()

    def title(self, course: str) -> str:
        """Return what people call a course: "Shore 1" for S1."""
        kind = self.courses.get(course[:1], "")
        return f"{kind} {course[1:]}".strip() if kind else course


def parse_event_facts(data: bytes) -> EventFacts:
    """Parse the file. What cannot be read has its default, and is named in `mistakes`."""
    try:
        tree = json.loads(text_of(data))
    except (ValueError, RecursionError) as error:
        return EventFacts(mistakes=(f"invalid JSON: {error}",))
    if not isinstance(tree, dict):
        return EventFacts(mistakes=("expected a JSON object",))
    mistakes: list[str] = []
    event = tree.get("Event")
    event = event if isinstance(event, dict) else {"Name": event}
    names = tree.get("Courses")
    names = names if isinstance(names, dict) else {}
    return EventFacts(
        name=one_line(event["Name"]) if isinstance(event.get("Name"), str) else "",
        first_day=_day(event, "Start Date", mistakes),
        last_day=_day(event, "End Date", mistakes),
        zone=_whole(tree, "Time Zone", 0, MAX_MINUTES, mistakes),
        decimals=_whole(tree, "Decimals", 2, MAX_DECIMALS, mistakes),
        courses={key: one_line(text) for key, text in names.items() if isinstance(text, str)},
        mistakes=tuple(mistakes),
    )


def _whole(tree: Mapping[str, Any], key: str, default: int, most: int, mistakes: list[str]) -> int:
    value = tree.get(key, default)
    if type(value) is int and abs(value) <= most and (value >= 0 or key == "Time Zone"):
        return value
    mistakes.append(f"{key}: expected a whole number up to {most}, got {value!r}")
    return default


def _day(event: Mapping[str, Any], key: str, mistakes: list[str]) -> dt.date | None:
    value = event.get(key)
    if value is None:
        return None
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        mistakes.append(f"Event.{key}: expected a date such as 2023-10-07, got {value!r}")
        return None
