"""Which track of a sailor counts on a day: that of the event's device, or what was handed in. Pure.

The event's device counts, unless it is short, damaged or missing, or somebody decides. Both are shown. Of several
hand-ins of the same hours one counts: first Doppler, then the better evidence, then the higher rate.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, structs

from sse_twisted.config.assignment import Assignment
from sse_twisted.event_folder.ledger import Entries, Status
from sse_twisted.event_folder.naming import MM_PER_KM, MM_PER_S, MS_PER_HOUR
from sse_twisted.event_folder.track_name import TrackName
from sse_twisted.handin.ledger import HandIn
from sse_twisted.results.days import BackupTrack, Day, Line, State
from sse_twisted.results.ranking import Sailed, figures_of
from sse_twisted.tracks.format import Evidence
from sse_twisted.tracks.report import Report, totals_of

GRADES = tuple(map(str, Evidence))
OPEN = (State.LEFT_EARLY, State.MISSING)  # the alarm stays, whatever was handed in


class Backup(Struct, frozen=True):
    """A handed-in track of a day. `decided` is what somebody said: whether it counts instead of the device."""

    key: str
    file_id: str
    name: str
    report: Report
    decided: bool | None = None

    @property
    def number(self) -> int:
        """The number of the device of its owner, as it is in the name; 0 without one."""
        parsed = TrackName.parse(self.name)
        return int(parsed.prefix.rpartition("_")[2]) if parsed else 0


def backups_of(entries: Iterable[HandIn]) -> dict[datetime.date, list[Backup]]:
    """Return the filed tracks of all hand-ins by day."""
    found: dict[datetime.date, list[Backup]] = {}
    for entry in entries:
        parts = entry.parts
        for day, path in entry.filed.items():
            if entry.file_id and not entry.trouble and day in parts:
                decided = entry.counts[day].counts if day in entry.counts else None
                name = path.rpartition("/")[2]
                found.setdefault(day, []).append(Backup(entry.key, entry.file_id, name, parts[day].report, decided))
    return found


def not_collected(backups: Iterable[Backup], ledgers: Mapping[int, Entries]) -> list[Backup]:
    """Return those that no device has brought itself."""
    return [
        backup
        for backup in backups
        if ledgers.get(backup.number, {}).get(backup.name, {}).get("status") != Status.COMPLETED
    ]


def with_backups(day: Day, backups: Sequence[Backup], assignments: Iterable[Assignment]) -> Day:
    """Return a day with what was handed in beside each device, and with the sailors who have no device."""
    if not backups:
        return day
    by_owner: dict[str, list[Backup]] = {}
    for backup in sorted(backups, key=lambda each: each.name):
        by_owner.setdefault(backup.file_id, []).append(backup)
    sound = {line.file_id for line in day.lines if line.state is State.COLLECTED and line.tracks and not line.damaged}
    lines = [
        _line(line, by_owner[line.file_id], is_sound=line.file_id in sound) if line.file_id in by_owner else line
        for line in day.lines
    ]
    known = {line.file_id for line in day.lines}
    sailors = {each.file_id: each for each in assignments}
    for file_id, mine in by_owner.items():
        if file_id not in known:
            person = sailors.get(file_id)
            bare = Line(
                id=0,
                sailor=person.sailor if person else "",
                tally=person.tally if person else "",
                file_id=file_id,
                state=State.NO_TRACK,
                tracks=(),
                missing=(),
                hours=0.0,
                km=0.0,
                knots=0.0,
                measured=False,
                remark="",
            )
            lines.append(_line(bare, mine, is_sound=False))
    return structs.replace(day, lines=tuple(lines))


def _line(line: Line, mine: Sequence[Backup], *, is_sound: bool) -> Line:
    """Return a line with its backups. If they count, figures and state are theirs, unless the state is open."""
    chosen = _chosen(mine) if not is_sound or any(backup.decided for backup in mine) else ()
    shown = tuple(_shown(backup, backup.decided or backup in chosen) for backup in mine)
    counting = [each for each in shown if each.counts]
    if not counting:
        return structs.replace(line, backups=shown)
    names = ", ".join(each.track for each in counting)
    if line.state in OPEN:
        state, remark = line.state, f"{line.remark}; backup handed in: {names}"
    else:
        state, remark = State.BACKUP, _former(line)
    return structs.replace(
        line,
        state=state,
        remark=remark,
        backups=shown,
        hours=sum(each.hours for each in counting),
        km=sum(each.km for each in counting),
        knots=max(each.knots for each in counting),
        measured=False,
    )


def _chosen(mine: Sequence[Backup]) -> list[Backup]:
    """Return those that count by the rule or by a decision: none that lies beside a better one."""
    chosen: list[Backup] = []
    for backup in sorted((each for each in mine if each.decided is not False), key=_quality):
        if backup.decided or not any(_overlap(backup, other) for other in chosen):
            chosen.append(backup)
    return chosen


def _quality(backup: Backup) -> tuple[bool, bool, int, int]:
    """Return what sorts the best first; what somebody decided comes before all."""
    report = backup.report
    return not backup.decided, not report["doppler"], GRADES.index(report["evidence"]), -int(report["rate"])


def _overlap(one: Backup, other: Backup) -> bool:
    """Whether two tracks have hours in common; one without a session has none."""
    ours, theirs = one.report["session"], other.report["session"]
    return bool(ours and theirs) and ours["start"] < theirs["end"] and theirs["start"] < ours["end"]


def _former(line: Line) -> str:
    """Return what the line said of the device before."""
    if line.state is State.COLLECTED:
        return line.remark or ("its track is damaged" if line.damaged else "decided: the backup counts")
    said = f"the device: {line.state}" if line.id and line.state not in (State.SHORT, State.NOT_EXPECTED) else ""
    return ": ".join(filter(None, (said, line.remark)))


def _shown(backup: Backup, counts: bool) -> BackupTrack:
    totals = totals_of(backup.report)
    return BackupTrack(
        key=backup.key,
        track=backup.name,
        counts=counts,
        decided=backup.decided is not None,
        hours=totals.duration / MS_PER_HOUR if totals else 0.0,
        km=totals.distance / MM_PER_KM if totals else 0.0,
        knots=totals.best_500m / MM_PER_S if totals else 0.0,
        kind=str(backup.report["kind"]),
        doppler=bool(backup.report["doppler"]),
        evidence=str(backup.report["evidence"]),
    )


class Counting(Struct, frozen=True):
    """Which tracks of a day count. All do but these: handed-in ones by name, those of devices by prefix."""

    backups: frozenset[str] = frozenset()  # names of all that were handed in
    idle_backups: frozenset[str] = frozenset()
    idle_devices: frozenset[str] = frozenset()  # "ABC601XYZ_601"

    def counts(self, track: str) -> bool:
        """Whether a track counts, by its name."""
        if track in self.backups:
            return track not in self.idle_backups
        name = TrackName.parse(track)
        return name is None or name.prefix not in self.idle_devices


def counting_on(day: Day) -> Counting:
    """Return which tracks of a day with its backups count."""
    all_of_day = [backup for line in day.lines for backup in line.backups]
    return Counting(
        frozenset(backup.track for backup in all_of_day),
        frozenset(backup.track for backup in all_of_day if not backup.counts),
        frozenset(f"{line.file_id}_{line.id}" for line in day.lines if any(backup.counts for backup in line.backups)),
    )


def sailed_with(day: Day, sailed: Iterable[Sailed], backups: Iterable[Backup]) -> list[Sailed]:
    """Return the tracks that count for a ranking: of the devices, and of those that were handed in."""
    counting = counting_on(day)
    people = {line.file_id: line.sailor for line in day.lines}
    numbers = {line.file_id: line.id for line in reversed(day.lines)}
    return [
        *(each for each in sailed if counting.counts(each.track)),
        *(
            Sailed(numbers.get(each.file_id, 0), people.get(each.file_id, ""), each.file_id, each.name,
                   figures_of({}, each.report), backup=each.key, doppler=bool(each.report["doppler"]))
            for each in backups
            if counting.counts(each.name)
        ),
    ]  # fmt: skip
