"""Which logs of a device belong to the event, who owns them, and under which names they are kept."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from sse_twisted.config.filing import FilingRules
from sse_twisted.config.roster import Assignment
from sse_twisted.devices.driver import ListedTrack, Listing
from sse_twisted.devices.drivers import device_name
from sse_twisted.event_folder.track_name import TrackName

MM_PER_KM = 1_000_000
MS_PER_HOUR = 3_600_000
MM_PER_S = 1852 / 3.6  # in one knot: a nautical mile of 1852 m an hour
PLAUSIBLE = (dt.date(2015, 1, 1), dt.date(2070, 1, 1))
EPOCH = dt.datetime.fromtimestamp(0, dt.UTC).replace(tzinfo=None)

LogKey = tuple[str, int]
Figures = tuple[int, int, int]


class EventTrack(Struct, frozen=True, gc=False):
    """A log of the event: what the device lists, and the name under which it is kept.

    A faulty device may list twenty thousand. They are in no circle, and the garbage collector has no look at them.
    """

    identifier: int
    log: ListedTrack
    filed_as: TrackName
    owner: Assignment | None
    skipped: bool  # by the filter of slow tracks
    of_event: bool = True  # or requested by an operator

    @property
    def name(self) -> str:
        """The file name, which is the key of the ledger: "DCS122YRD_653_20221018_113632.oao"."""
        return str(self.filed_as)

    @property
    def folder(self) -> str:
        return self.filed_as.folder

    @property
    def local_file(self) -> str:
        return self.filed_as.local_file

    @property
    def day(self) -> dt.date | None:
        return self.filed_as.day

    @property
    def summary(self) -> str:
        """Size, duration, distance and speed, as the original logs them."""
        log = self.log
        knots = (log.claim("500m") or 0) / MM_PER_S
        return (
            f"{log.size / 2**20:.1f} MiB, {log.duration / MS_PER_HOUR:.1f} hours, "
            f"{log.distance / MM_PER_KM:.1f} km, {knots:.1f} knots (500m)"
        )


class Named(Struct, frozen=True):
    """A log and its name in the ledger of the device."""

    name: str
    log: ListedTrack  # as listed when it got the name
    completed: bool


def log_key(log: ListedTrack) -> LogKey:
    """Return the key of a log on its device; it does not change while the log grows."""
    return log.file, log.start_date


def event_tracks(
    identifier: int, listing: Listing, rules: FilingRules, named: Iterable[Named] = ()
) -> tuple[EventTrack, ...]:
    """Return the logs of the event, each under a unique name.

    Day and name are those of the log's start in the device's time zone. The rule reproduces all names of 2022.
    """
    return tuple(track for track in all_tracks(identifier, listing, rules, named) if track.of_event)


def all_tracks(
    identifier: int, listing: Listing, rules: FilingRules, named: Iterable[Named] = ()
) -> tuple[EventTrack, ...]:
    """Return all logs, even those of other days, each under a unique name."""
    tracks = [*_tracks(identifier, listing, rules)]
    if rules.hold:
        named = tuple(named)
        tracks = [*_held(tracks, named)]
    return tuple(_with_unique_names(tracks, named))


def _tracks(identifier: int, listing: Listing, rules: FilingRules) -> Iterator[EventTrack]:
    unassigned = rules.device_name or device_name(identifier)
    for log in listing.entries:
        minutes = log.timezone or 0 if rules.timezone is None else rules.timezone
        start = _local_time(log.start_date, minutes)
        day = start.date() if start else None
        owner = _owner(log, day, rules)
        asked_for = log.file in rules.asked_for
        of_event = asked_for or owner is not None or not is_outside(day, rules.days)
        prefix = f"{owner.file_id}_{identifier}" if owner else unassigned
        name = TrackName(prefix, _stamp(log, start), extension=log.extension)
        skipped = not asked_for and day not in rules.buoy_days and _is_slow(log, rules.slowest)
        yield EventTrack(identifier, log, name, owner, skipped, of_event)


def _owner(log: ListedTrack, day: dt.date | None, rules: FilingRules) -> Assignment | None:
    if day is None:
        return None
    for assignment in rules.assignments:
        moment = _local_time(log.start_date, rules.event_timezone) if assignment.has_times else None
        if assignment.covers_start(day, moment):
            return assignment
    return None


def _stamp(log: ListedTrack, start: dt.datetime | None) -> str:
    """Return the start of a log for its name, in the time zone of the device."""
    if start is None:
        return f"undated_{log.start_date}"
    return start.isoformat("_", "seconds").replace("-", "").replace(":", "").lstrip("0")


def _held(tracks: list[EventTrack], named: tuple[Named, ...]) -> Iterator[EventTrack]:
    """Yield the tracks, those that are stored under the name of an owner with that name."""
    names = {log_key(known.log): TrackName.parse(known.name) for known in named if known.completed}
    for track in tracks:
        former = names.get(log_key(track.log))
        is_held = former is not None and not former.is_unassigned and former.prefix != track.filed_as.prefix
        yield replace(track, filed_as=former.with_number(1), of_event=True) if former and is_held else track


def is_outside(day: dt.date | None, days: tuple[dt.date, dt.date] | None) -> bool:
    """Whether `day` is certainly not one of `days`, the first and the last one; None means every day.

    A track without a plausible day is from a device that lost its clock: it may be of any day.
    """
    if day is None or days is None or not PLAUSIBLE[0] <= day < PLAUSIBLE[1]:
        return False
    return not days[0] <= day <= days[1]


def _is_slow(log: ListedTrack, slowest: float) -> bool:
    """Whether the filter leaves the log out; it keeps a log that was never finalised, which lists no bests."""
    best = log.claim("500m")
    return log.end_date != 0 and best is not None and best < slowest * MM_PER_S


def _local_time(start_date: int, minutes: int) -> dt.datetime | None:
    try:
        return EPOCH + dt.timedelta(0, start_date // 1000 + minutes * 60)
    except OverflowError:
        return None


def _with_unique_names(tracks: list[EventTrack], named: Iterable[Named]) -> Iterator[EventTrack]:
    """Number the logs that began in the same second, so that no log replaces another one.

    Numbers in the ledger stay: a log deleted on the device must not change the names of others.
    """
    named = sorted(named, key=lambda known: not known.completed)
    kept = _kept_names(tracks, named)
    taken = set(kept.values())
    logs = {log_key(track.log) for track in tracks} if named else ()
    of_others = {
        TrackName.parse(known.name): known.log for known in named if known.completed and log_key(known.log) not in logs
    }
    count: dict[TrackName, int] = {}
    for place, track in enumerate(tracks):
        name = kept.get(place)
        while name is None:
            number = count[track.filed_as] = count.get(track.filed_as, 0) + 1
            name = track.filed_as if number == 1 else track.filed_as.with_number(number)
            other = of_others.get(name)
            if name in taken or (other is not None and _figures(other) != _figures(track.log)):
                name = None
        yield track if name == track.filed_as else replace(track, filed_as=name)


def _kept_names(tracks: list[EventTrack], named: list[Named]) -> dict[int, TrackName]:
    """Return the names of logs in the ledger, by place; a name that differs in more than its number is ignored."""
    exact: dict[tuple[TrackName, LogKey, Figures], TrackName] = {}
    grown: defaultdict[tuple[TrackName, LogKey], deque[TrackName]] = defaultdict(deque)
    for known in named:
        if (name := TrackName.parse(known.name)) is None:
            continue
        base = name.with_number(1)
        exact.setdefault((base, log_key(known.log), _figures(known.log)), name)
        grown[base, log_key(known.log)].append(name)
    mine = {
        place: track for place, track in enumerate(tracks) if grown and (track.filed_as, log_key(track.log)) in grown
    }
    kept = {
        place: name
        for place, track in mine.items()
        if (name := exact.pop((track.filed_as, log_key(track.log), _figures(track.log)), None)) is not None
    }
    used = set(kept.values())
    for place, track in mine.items():
        names = grown[track.filed_as, log_key(track.log)]
        while place not in kept and names:
            if (name := names.popleft()) not in used:
                kept[place] = name
    return kept


def _figures(log: ListedTrack) -> Figures:
    """Return the figures that identify a log that has another path on the device now."""
    return log.start_date, log.end_date, log.size
