"""What becomes of the roster in force when its file changes. Pure functions."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator

from attrs import evolve
from msgspec import Struct
from msgspec.structs import replace

from sse_twisted.config.roster import Assignment, Mistake, Roster, Unreadable
from sse_twisted.devices.drivers import device_name
from sse_twisted.runtime.text import plural

MIN_MOVES = 4  # tracks that a change takes from their owners, from which on it needs a confirmation
MAX_NAMES = 12  # in a message
MARKS = ("entrant", "file_id", "identifier")  # of an assignment, and of a line that cannot be read

Mark = tuple[str, str | int]  # one of MARKS, and its value


class TrackMove(Struct, frozen=True):
    """A stored track that a new roster takes from its owner."""

    identifier: int
    track: str  # its name now
    name: str  # its name under the new roster
    day: datetime.date | None
    owner: str  # the sailor or the File ID
    new_owner: str  # "": the track would be unassigned

    def __str__(self) -> str:
        return f"{self.track} ({self.owner}) to {self.name} ({self.new_owner or 'unassigned'})"


class Question(Struct, frozen=True):
    """What an operator must confirm or refuse of a version of the roster."""

    version: str
    vanished: tuple[Assignment, ...] = ()  # still in force, although the version lacks them
    moves: tuple[TrackMove, ...] = ()  # of tracks that keep their names
    is_refused: bool = False  # until the roster changes again

    @property
    def text(self) -> str:
        """What would change, for a message on the board: the tracks are too many to be named there."""
        devices = [*dict.fromkeys(device_name(each.identifier) for each in self.vanished)]
        lacking = (
            f"the roster lacks {plural(len(devices), 'device')} of today ({shortened(devices)})" if devices else ""
        )
        moves = f"{plural(len(self.moves), 'stored track')} would change owner" if self.moves else ""
        return "; ".join(filter(None, (lacking, moves)))


def successor(former: Roster, new: Roster, today: datetime.date) -> Roster:
    """Return the roster that is in force after `former` once `new` was read.

    A line that cannot be read leaves its entrant's former assignment in force. If more than a third of the devices of
    `today` would vanish, their assignments stay too, as `kept`. What stays counts after what can be read.
    """
    carried = [*_carried(former, new)]
    lines: defaultdict[int, list[str]] = defaultdict(list)
    for each in carried:
        lines[each.line].append(device_name(each.identifier))
    mistakes = tuple(
        Mistake(each.line, f"{each.text}; {' and '.join(lines.pop(each.line))} stays with its former assignment")
        if each.line in lines
        else each
        for each in new.mistakes
    )
    without = replace(new, assignments=(*new.assignments, *carried), mistakes=mistakes)
    before, after = former.carriers(today), without.carriers(today)
    vanished = before.keys() - after.keys()
    if 3 * len(vanished) <= len(before):
        return without
    return with_kept(without, [each for each in former.assignments if each.identifier in vanished])


def with_kept(roster: Roster, kept: Iterable[Assignment]) -> Roster:
    """Return the roster with assignments of an earlier version, which count after its own."""
    own = frozenset(roster.assignments)
    more = tuple(each for each in kept if each not in own)
    return replace(roster, assignments=(*roster.assignments, *more), kept=more)


def without_kept(roster: Roster) -> Roster:
    """Return the roster as its file has it."""
    kept = frozenset(roster.kept)
    return replace(roster, assignments=tuple(a for a in roster.assignments if a not in kept), kept=())


def needs_decision(moves: Iterable[TrackMove], former: Roster, new: Roster) -> bool:
    """Whether moves wait for an operator: there are many, or a track loses its owner who only changes the device."""
    moves = [*moves]
    return len(moves) >= MIN_MOVES or any(_has_other_device(move, former, new) for move in moves if not move.new_owner)


def changes(old: Roster, new: Roster) -> Iterator[str]:
    """Yield each assignment added or removed; for a first roster, its summary only."""
    if not old.assignments:
        yield new.summary
        return
    same = frozenset(old.assignments) & frozenset(new.assignments)
    before, after = ({str(each): None for each in roster.assignments if each not in same} for roster in (old, new))
    yield from (f"removed {text}" for text in before if text not in after)
    yield from (f"added {text}" for text in after if text not in before)


def shortened(words: list[str]) -> str:
    """Return a list of words for a message: of many only some."""
    return ", ".join(words) if len(words) <= MAX_NAMES else f"{', '.join(words[: MAX_NAMES - 2])} … {words[-1]}"


def _carried(former: Roster, new: Roster) -> Iterator[Assignment]:
    """Yield the former assignments of the lines that cannot be read, with the numbers of these lines.

    An entrant may have several lines: a former assignment of which a readable line has the device or the dates is that
    line's.
    """
    unreadable: defaultdict[Mark, list[Unreadable]] = defaultdict(list)
    for line in new.unreadable:
        if (mark := _mark_of(line, former)) is not None:
            unreadable[mark].append(line)
    for (name, value), lines in unreadable.items():
        left = [each for each in former.assignments if getattr(each, name) == value]
        readable = [each for each in new.assignments if getattr(each, name) == value]
        for same in (_is_equal, _has_same_device):
            for each in [*readable]:
                if (match := next((old for old in left if same(old, each)), None)) is not None:
                    left.remove(match)
                    readable.remove(each)
        for line, assignment in zip(lines, left, strict=False):
            yield evolve(assignment, line=line.line)


def _mark_of(line: Unreadable, former: Roster) -> Mark | None:
    """Return by what a line is recognised in the former roster: the first of MARKS that is there; None if none is."""
    for name in MARKS:
        value = getattr(line, name)
        if value and any(getattr(each, name) == value for each in former.assignments):
            return name, value
    return None


def _is_equal(one: Assignment, other: Assignment) -> bool:
    return one == other


def _has_same_device(one: Assignment, other: Assignment) -> bool:
    return one.identifier == other.identifier


def _has_other_device(move: TrackMove, former: Roster, new: Roster) -> bool:
    file_id = move.track.rpartition(f"_{move.identifier}_")[0]  # it may hold the same underscores and number
    owners = [each for each in former.of(move.identifier) if each.file_id == file_id]
    return any(
        each.identifier != move.identifier
        and (each.file_id == owner.file_id or (owner.entrant and each.entrant == owner.entrant))
        for owner in owners
        for each in new.assignments
    )
