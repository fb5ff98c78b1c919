"""Rename stored tracks after a correction of the roster or of a device's time zone.

A move keeps a copy of any other file at the new name, renames the file, syncs both folders, and saves the ledger, in
that order. If the process is killed in between, the file has its new name and the ledger the old one; the next run
finds the file by its bytes. A track never has two files, and a ledger entry without a file does not count.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

from attrs import define
from msgspec import Struct
from msgspec.structs import replace

from sse_twisted.config.filing import FilingRules
from sse_twisted.devices.driver import ListedTrack, Listing
from sse_twisted.event_folder.files import add_folder, keep_copy, move_file, remove_file, same_content, sync
from sse_twisted.event_folder.folder import EventFolder, adopt
from sse_twisted.event_folder.ledger import Fetched, Ledger, Status
from sse_twisted.event_folder.naming import EventTrack, LogKey, Named, event_tracks, log_key
from sse_twisted.event_folder.partial import SUPERSEDED, examine
from sse_twisted.event_folder.partial_files import listed_size, partial_path
from sse_twisted.event_folder.track_name import TrackName
from sse_twisted.event_folder.verification import is_header_of


class Move(Struct, frozen=True):
    """A track that was renamed."""

    old: str
    track: EventTrack
    superseded: bool  # whether another file had the new name; it is kept in gpslogs/superseded


class Left(Struct, frozen=True):
    """A track that could not be renamed."""

    name: str
    why: str


Step = Move | Left


def refile(
    folder: EventFolder, identifier: int, listing: Listing, rules: FilingRules, ledger: Ledger
) -> Iterator[Step]:
    """Rename the tracks whose names in the ledger are outdated, one at each step. Blocks, raises OSError.

    `listing` is the one of a visit; logs that are not in it are taken from the ledger. Without a roster nothing moves:
    the tracks have owners, even if the roster file is missing.
    """
    if not (rules.with_roster and ledger.entries):
        return
    refiling = _refiling(folder, identifier, listing, rules, ledger)
    yield from refiling.run()
    yield from refiling.of_other_days()


def may_be_outdated(tracks: Collection[EventTrack], named: Collection[Named]) -> bool:
    """Whether `refile` may find anything to do for `named`, when a listing has `tracks` by the same rules.

    It does not, if each log is listed once and all names are those that it would give them.
    """
    names = {track.name: log_key(track.log) for track in tracks if track.of_event}
    is_once = len({log_key(track.log) for track in tracks}) == len(tracks)
    return not is_once or any(names.get(known.name) != log_key(known.log) for known in named)


def owner_changes(
    folder: EventFolder, identifier: int, rules: FilingRules, ledger: Ledger
) -> Iterator[tuple[str, EventTrack]]:
    """Yield the stored tracks that `refile` would take from their owners, with what they would be. Blocks."""
    if rules.with_roster:
        yield from _refiling(folder, identifier, Listing(), rules, ledger).owner_changes()


def _refiling(folder: EventFolder, identifier: int, listing: Listing, rules: FilingRules, ledger: Ledger) -> _Refiling:
    named = ledger.named()
    listed = {log_key(log) for log in listing.entries}
    best = {log_key(known.log): known for known in sorted(named, key=_by_size)}
    others = (_with_timezone(known) for key, known in best.items() if key not in listed)
    tracks = event_tracks(identifier, Listing((*listing.entries, *others)), rules, named)
    return _Refiling(folder, ledger, {known.name: known for known in named}, tracks)


@define
class _Refiling:
    """The renaming of one device's tracks."""

    _folder: EventFolder
    _ledger: Ledger
    _named: dict[str, Named]
    _tracks: tuple[EventTrack, ...]

    def run(self) -> Iterator[Step]:
        """Rename every track, first those whose new names no other waiting track still has."""
        waiting = self._outdated_names()
        aside: set[EventTrack] = set()
        while waiting:
            given_away = {name for names in waiting.values() for name in names}
            free = [track for track in waiting if track.name not in given_away]
            if not free:  # the tracks exchange names in a circle
                track, names = next(iter(waiting.items()))
                if track not in aside and (other := self._step_aside(names[0], track)) is not None:
                    yield Move(names[0], other, superseded=False)
                    aside.add(track)
                    waiting[track] = [other.name, *names[1:]]
                    continue
                free = [track]
            for track in free:
                yield from self._refile(track, waiting.pop(track))

    def of_other_days(self) -> Iterator[Left]:
        """Report tracks with an owner whose day is not one of the event."""
        keys = {log_key(track.log) for track in self._tracks}
        for known in self._named.values():
            if log_key(known.log) in keys or (file := self._file(known.name)) is None:
                continue
            if "unassigned" not in file.relative_to(self._folder.root).parts:
                yield Left(known.name, "its day is no longer one of the event")

    def owner_changes(self) -> Iterator[tuple[str, EventTrack]]:
        """Yield each stored track of an owner that would be of another one or unassigned, under its present name."""
        for track, names in self._outdated_names().items():
            for name in names:
                former = TrackName.parse(name)
                if former is None or former.is_unassigned or former.prefix == track.filed_as.prefix:
                    continue
                if self._is_completed(name) and self._file(name) is not None:
                    yield name, track

    def _outdated_names(self) -> dict[EventTrack, list[str]]:
        """Return the other names of each log in the ledger, the best first; if it is listed twice, of its size only."""
        named: defaultdict[LogKey, list[Named]] = defaultdict(list)
        for known in sorted(self._named.values(), key=_by_size, reverse=True):
            named[log_key(known.log)].append(known)
        listed = Counter(log_key(track.log) for track in self._tracks)
        outdated = {}
        for track in self._tracks:
            key, size = log_key(track.log), (track.log.size, track.log.end_date)
            same = [known for known in named[key] if listed[key] == 1 or (known.log.size, known.log.end_date) == size]
            if names := [known.name for known in same if known.name != track.name]:
                outdated[track] = names
        return outdated

    def _refile(self, track: EventTrack, former: list[str]) -> Iterator[Step]:
        target = self._folder.root / track.local_file
        respelled = any(file and _is_same_entry(file, target) for file in map(self._file, former))
        if is_stored := not respelled and (fetched := self._folder.stored(track, self._ledger)) is not None:
            self._ledger.record(track, Status.COMPLETED, fetched)
        for name in former:
            if name not in self._ledger.entries:
                continue
            if not self._is_completed(name) and self._file(name) is None:
                self._rename_entry(name, track)
            elif is_stored:
                yield Move(name, track, superseded=self._retire(name, track))
            elif (superseded := self._move(name, track)) is not None:
                is_stored = self._is_completed(track.name)
                yield Move(name, track, superseded)
            else:
                yield Left(name, self._why_not(name))
        if self._ledger.changed:
            self._ledger.save()

    def _rename_entry(self, name: str, track: EventTrack) -> None:
        """Rename a track without a file, and its partial files; an entry that already has the new name stays."""
        self._carry_parts(name, track)
        if track.name in self._ledger.entries:
            self._ledger.drop(name)
        else:
            self._ledger.rename(name, track)

    def _move(self, name: str, track: EventTrack) -> bool | None:
        """Move a file; return whether another file had its new name, None if it can't be moved.

        A track that is not completed may have a file, since its log has grown: that file is moved but does not count.
        """
        source, target = self._file(name), self._folder.root / track.local_file
        fetched = self._download_at(source or target, name, is_moved=source is None)
        if fetched is None and (source is None or self._is_completed(name) or not self._is_sound(name, source)):
            return None
        superseded = source is not None and self._rename(source, target, track)
        self._carry_parts(name, track)
        sync(target.parent)
        if (place := self._place(name)) is not None and place.parent.is_dir():
            sync(place.parent)
        self._ledger.rename(name, track, fetched)
        self._ledger.save()
        return superseded

    def _rename(self, source: Path, target: Path, track: EventTrack) -> bool:
        add_folder(target.parent, self._within)
        if not target.exists() or _is_same_entry(source, target):
            move_file(source, target, self._within)
            return False
        if target.samefile(source):  # a rename would leave both names of one file
            remove_file(source, self._within)
            return False
        superseded = not same_content(source, target)
        if superseded:
            keep_copy(target, self._folder.root / SUPERSEDED / Path(track.folder).name)
        move_file(source, target, self._within)
        return superseded

    def _retire(self, name: str, track: EventTrack) -> bool:
        """Remove a file whose log is stored at its right name; return whether its content differed and was kept."""
        superseded = False
        if (source := self._file(name)) is not None:
            superseded = not same_content(source, self._folder.root / track.local_file)
            if superseded:
                keep_copy(source, self._folder.root / SUPERSEDED / source.parent.name)
            remove_file(source, self._within)
            sync(source.parent)
        self._carry_parts(name, track)
        self._ledger.drop(name)
        self._ledger.save()
        return superseded

    def _step_aside(self, name: str, track: EventTrack) -> EventTrack | None:
        """Move a file to an unused number of its name for now; return None if it can't be moved."""
        former = TrackName.parse(name)
        if former is None or self._file(name) is None:
            return None
        numbered = map(former.with_number, itertools.count(2))
        unknown = (other for other in numbered if str(other) not in self._ledger.entries)
        free = next(other for other in unknown if not (self._folder.root / other.local_file).exists())
        aside = replace(track, filed_as=free)
        if self._move(name, aside) is None:
            return None
        self._named[aside.name] = replace(self._named[name], name=aside.name)
        return aside

    def _download_at(self, path: Path, name: str, *, is_moved: bool) -> Fetched | None:
        """Return the completed download `name` if `path` is its file, else None.

        A file of ours is known by its length; by its digest if it already has its new name, because an earlier run was
        killed or a person renamed it. A file of the original is examined.
        """
        if not self._is_plain(path) or not self._is_completed(name):
            return None
        fetched = self._ledger.completed(name)
        if fetched is None:
            return adopt(path, self._named[name].log, self._tracks[0].identifier)
        is_same = examine(path).sha256 == fetched.sha256 if is_moved else path.stat().st_size == fetched.length
        return fetched if is_same else None

    def _is_sound(self, name: str, path: Path) -> bool:
        """Whether the file has all of the log as it was before it grew."""
        integrity = examine(path).integrity
        return integrity.whole and is_header_of(self._named[name].log, self._tracks[0].identifier, integrity.header)

    def _is_completed(self, name: str) -> bool:
        return self._ledger.entries.get(name, {}).get("status") == Status.COMPLETED

    def _why_not(self, name: str) -> str:
        if self._file(name) is None:
            return "its file is missing"
        return "its file is incomplete" if self._ledger.completed(name) is None else "its file has another length"

    def _carry_parts(self, name: str, track: EventTrack) -> None:
        """Rename the partial files of the track."""
        if (place := self._place(name)) is None:
            return
        partials, final = self._folder.partials, self._folder.root / track.local_file
        for part in partials.of(place):
            if os.path.lexists(part):
                target = partial_path(final, listed_size(part))
                add_folder(target.parent, self._within)
                if target.exists():
                    remove_file(part, self._within)
                else:
                    move_file(part, target, self._within)
                partials.add(final, target)
            partials.drop(place, part)

    def _place(self, name: str) -> Path | None:
        """Return the path of a track in the ledger, whichever machine wrote its entry."""
        parsed = TrackName.parse(name)
        path = "/" + str(self._ledger.entries.get(name, {}).get("local_file", "")).replace("\\", "/")
        return self._folder.root / parsed.local_file if parsed and path.endswith(f"/{parsed.local_file}") else None

    def _file(self, name: str) -> Path | None:
        place = self._place(name)
        return place if place is not None and self._is_plain(place) else None

    def _is_plain(self, path: Path) -> bool:
        """Whether a path below `gpslogs` is a file, and neither it nor a folder on the way to it is a link."""
        inner = path.relative_to(self._within).parents
        return path.is_file() and not any((self._within / step).is_symlink() for step in (path, *list(inner)[:-1]))

    @property
    def _within(self) -> Path:
        return self._folder.root / "gpslogs"


def _with_timezone(known: Named) -> ListedTrack:
    """Return the log with the time zone of its name, which counts if the device's settings have none."""
    name = TrackName.parse(known.name)
    minutes = name.minutes_east(known.log.start_date) if name else None
    return known.log if minutes is None else replace(known.log, timezone=minutes)


def _by_size(known: Named) -> tuple[bool, int]:
    return known.completed, known.log.size


def _is_same_entry(source: Path, target: Path) -> bool:
    """Whether two names are one entry of a folder, since its file system ignores case or Unicode's forms.

    To remove one of them would remove the file. A hard link has two entries.
    """
    if not target.exists() or not source.samefile(target) or not source.parent.samefile(target.parent):
        return False
    return not {source.name, target.name} <= {path.name for path in target.parent.iterdir()}
