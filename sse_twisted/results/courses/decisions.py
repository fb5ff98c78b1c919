"""What the committee decides about runs: a JSON object a line in `results/decisions.jsonl`, which nothing rewrites."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from sse_twisted.config.validation_errors import key_and_reason
from sse_twisted.results.courses.runs import Passage

PATH: Final = "results/decisions.jsonl"
SAME: Final = 10.0  # s between a passage and the one that was decided about; a line set anew moves it
MAX_TEXT: Final = 500


class DecisionError(ValueError):
    """A decision is incomplete or contradicts itself; the text says why."""


class Action(StrEnum):
    """What can be decided."""

    EXCLUDE = "exclude"  # a run does not count
    COUNT = "count"  # a passage counts whatever the limits say
    WITHDRAW = "withdraw"  # none of a track's runs counts
    COURSE = "course"  # line, times or other keys of a course are set anew
    UNDO = "undo"


Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]


class Decision(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A decision. `time` identifies it."""

    time: Annotated[str, Meta(description="when it was made, UTC in ISO 8601; no two have the same")]
    who: Text
    reason: Text
    action: Action
    day: Annotated[dt.date | None, Meta(description="of the course")] = None
    course: str = ""
    track: Annotated[str, Meta(description="name of the track")] = ""
    run: Annotated[str, Meta(description="time of the passage of the line, UTC in ISO 8601")] = ""
    set: Annotated[dict[str, Any] | None, Meta(description="keys of courses.json, for a course")] = None
    undoes: Annotated[str, Meta(description="time of the decision that is undone")] = ""


class Decisions(Struct, frozen=True, dict=True):
    """All decisions in their order. `unreadable` are numbers of lines, and what is wrong with each."""

    made: tuple[Decision, ...] = ()
    unreadable: tuple[tuple[int, str], ...] = ()

    @cached_property
    def undone(self) -> dict[str, Decision]:
        """The decision that undoes each decision which is undone, by the time of the latter."""
        undone: dict[str, Decision] = {}
        for decision in reversed(self.made):
            if decision.action is Action.UNDO and decision.time not in undone:
                undone.setdefault(decision.undoes, decision)
        return undone

    @cached_property
    def in_force(self) -> tuple[Decision, ...]:
        """Those that no later one undoes."""
        undone = self.undone
        return tuple(each for each in self.made if each.action is not Action.UNDO and each.time not in undone)

    def find(self, time: str) -> Decision | None:
        """Return the decision with a time."""
        return self._by_time.get(time)

    def state(self, day: dt.date) -> tuple[object, ...]:
        """Return what changes with the decisions about a day, or what is unreadable."""
        return (*self._times.get(day, ()), *self._times.get(None, ()), *self.unreadable)

    @property
    def days(self) -> frozenset[dt.date]:
        """The days of which a course was decided, undone or not."""
        return frozenset(each.day for each in self.made if each.action is Action.COURSE and each.day is not None)

    @cached_property
    def _by_time(self) -> dict[str, Decision]:
        return {each.time: each for each in self.made}

    @cached_property
    def _times(self) -> dict[dt.date | None, list[str]]:
        """The times of the decisions about each day; one that undoes another is about the day of that one."""
        times: dict[dt.date | None, list[str]] = {}
        days: dict[str, dt.date | None] = {}
        for each in self.made:
            days[each.time] = days[each.undoes] if each.action is Action.UNDO else each.day
            times.setdefault(days[each.time], []).append(each.time)
        return times


def check(decision: Decision, times: Container[str]) -> None:
    """Raise DecisionError unless a decision has all that its action needs, and its time is not one of `times`.

    `times` are those of the decisions before it.
    """
    if decision.time in times:
        raise DecisionError(f"there is a decision of {decision.time} already")
    if decision.action is Action.UNDO:
        if decision.undoes not in times:
            raise DecisionError(f"no decision of {decision.undoes or '(no time)'}")
        return
    needed = {Action.WITHDRAW: ("track",), Action.COURSE: ("day", "course", "set")}.get(
        decision.action, ("day", "course", "track", "run")
    )
    if missing := [name for name in needed if not getattr(decision, name)]:
        raise DecisionError(f"{decision.action}: missing {', '.join(missing)}")
    if decision.run and seconds_of(decision.run) is None:
        raise DecisionError(f"invalid time of a run {decision.run!r}: expected UTC in ISO 8601")


def line_of(decision: Decision) -> bytes:
    """Return a decision as a line of the file."""
    return msgspec.json.encode(decision) + b"\n"


def read_decisions(data: bytes) -> Decisions:
    """Read the file. A line that is torn or was made by hand and is wrong is named, and the others count."""
    made: dict[str, Decision] = {}
    unreadable = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            decision = msgspec.json.decode(line.strip(), type=Decision)
            check(decision, made)
        except msgspec.ValidationError as error:
            key, reason = key_and_reason(error, Decision)
            unreadable.append((number, f"{key}: {reason}" if key else reason))
        except (msgspec.DecodeError, DecisionError, UnicodeDecodeError) as error:
            unreadable.append((number, str(error)))
        else:
            made[decision.time] = decision
    return Decisions(tuple(made.values()), tuple(unreadable))


def seconds_of(text: str) -> float | None:
    """Return a time in ISO 8601 as s since 1970; None for any other text, and where some zone has no date for it."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo and dt.MINYEAR < moment.year < dt.MAXYEAR else None


def iso(seconds: float) -> str:
    """Return s since 1970 in ISO 8601, UTC, to a millisecond."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Decided(Struct, frozen=True):
    """A passage, and the last decision about it or its track."""

    passage: Passage
    decision: Decision | None = None

    @property
    def counts(self) -> bool:
        """Whether it is a run of the results: by a decision, else by the rule."""
        if self.decision is None:
            return self.passage.counts
        return self.decision.action is Action.COUNT and self.passage.run is not None

    @property
    def why_not(self) -> str:
        """Why it is no run of the results; "" if it is one."""
        if self.counts:
            return ""
        if self.decision is not None and self.decision.action is not Action.COUNT:
            return f"{self.decision.reason} ({self.decision.who})"
        reason, detail = self.passage.reason, self.passage.detail
        return f"{reason}: {detail}" if detail else str(reason)


def decide(
    passages: Iterable[Passage], decisions: Iterable[Decision], day: dt.date, course: str, track: str
) -> tuple[Decided, ...]:
    """Apply the decisions in force about a track to its passages; of two about one passage, the later counts."""
    mine = [each for each in decisions if each.track == track]
    withdrawn = next((each for each in reversed(mine) if each.action is Action.WITHDRAW), None)
    found = [Decided(passage, withdrawn) for passage in passages]
    for decision in mine:
        at = seconds_of(decision.run) if decision.run else None
        if at is None or withdrawn or (decision.day, decision.course) != (day, course) or not found:
            continue
        nearest = min(range(len(found)), key=lambda index: abs(found[index].passage.time - at))
        if abs(found[nearest].passage.time - at) <= SAME:
            found[nearest] = Decided(found[nearest].passage, decision)
    return tuple(found)


def by_track(decisions: Iterable[Decision]) -> Mapping[str, tuple[Decision, ...]]:
    """Return the decisions about each track, in their order."""
    found: dict[str, list[Decision]] = {}
    for each in decisions:
        if each.track and each.action is not Action.COURSE:
            found.setdefault(each.track, []).append(each)
    return {track: tuple(mine) for track, mine in found.items()}


def changes_of(decisions: Iterable[Decision], day: dt.date) -> Mapping[str, Mapping[str, Any]]:
    """Return the keys of courses.json that were set anew for a day, by course."""
    changes: dict[str, dict[str, Any]] = {}
    for decision in decisions:
        if decision.action is Action.COURSE and decision.day == day and decision.set:
            changes.setdefault(decision.course, {}).update(decision.set)
    return changes
