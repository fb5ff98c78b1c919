"""The renaming of tracks that are here, after the roster or the time zone of their device was corrected.

A move keeps a copy of any other file at the new name, renames the file, syncs both folders, and saves the ledger, in
that order. A kill in between leaves the file under its new name and the ledger with the old one; the next run finds the
file by its bytes. There are never two files of a track, and an entry of the ledger without a file does not count.
"""

from __future__ import annotations

import glob
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import evolve, frozen
from msgspec.structs import replace

from sse_twisted.config.filing import FilingRules
from sse_twisted.devices.driver import ListedTrack, Listing
from sse_twisted.event_folder.files import keep_copy, make_folder, same_content, sync_folder
from sse_twisted.event_folder.folder import EventFolder, taken_over
from sse_twisted.event_folder.ledger import Fetched, Ledger, Status
from sse_twisted.event_folder.naming import EventTrack, LogKey, Named, event_tracks, log_key
from sse_twisted.event_folder.partial import SUPERSEDED, examine
from sse_twisted.event_folder.track_name import TrackName
from sse_twisted.event_folder.verification import is_header_of


@frozen
class Move:
    """A track that was renamed."""

    old: str
    track: EventTrack
    superseded: bool  # whether there was another file too, which is kept in gpslogs/superseded


@frozen
class Left:
    """A track that could not be renamed."""

    name: str
    why: str


Step = Move | Left


def refile(
    folder: EventFolder, identifier: int, listing: Listing, rules: FilingRules, ledger: Ledger
) -> Iterator[Step]:
    """Rename the tracks whose names in the ledger are outdated, one at each step; blocks, raises OSError.

    `listing` is the one of a visit; the ledger describes logs that are not in it. Without a roster nothing moves: the
    tracks have owners, even if the file is missing.
    """
    if not rules.with_roster:
        return
    named = ledger.named()
    listed = {log_key(log) for log in listing.entries}
    best = {log_key(known.log): known for known in sorted(named, key=_by_size)}
    others = (_with_timezone(known) for key, known in best.items() if key not in listed)
    tracks = event_tracks(identifier, Listing((*listing.entries, *others)), rules, named)
    refiling = _Refiling(folder, ledger, named, tracks)
    yield from refiling.run()
    yield from refiling.of_other_days()


class _Refiling:
    """The renaming of one device's tracks."""

    def __init__(
        self, folder: EventFolder, ledger: Ledger, named: Iterable[Named], tracks: tuple[EventTrack, ...]
    ) -> None:
        self._folder = folder
        self._root = folder.root
        self._ledger = ledger
        self._named = {known.name: known for known in named}
        self._tracks = tracks
        self._names: defaultdict[LogKey, list[Named]] = defaultdict(list)  # that each log has
        for known in sorted(self._named.values(), key=_by_size, reverse=True):
            self._names[log_key(known.log)].append(known)

    def run(self) -> Iterator[Step]:
        """Rename every track, first those whose new names no other waiting track still has."""
        listed = Counter(log_key(track.log) for track in self._tracks)
        waiting = {track: names for track in self._tracks if (names := self._former(track, listed))}
        aside: set[EventTrack] = set()
        while waiting:
            given_away = {name for names in waiting.values() for name in names}
            free = [track for track in waiting if track.name not in given_away]
            if not free:  # a ring
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
        """Report the tracks that have an owner though their day is not one of the event."""
        keys = {log_key(track.log) for track in self._tracks}
        for known in self._named.values():
            if log_key(known.log) in keys or (file := self._file(known.name)) is None:
                continue
            if "unassigned" not in file.relative_to(self._root).parts:
                yield Left(known.name, "its day is not one of the event any more")

    def _former(self, track: EventTrack, listed: Counter[LogKey]) -> list[str]:
        """Return the log's other names in the ledger, the best first; if it is listed twice, those of this size."""
        key, log = log_key(track.log), track.log
        return [
            known.name
            for known in self._names[key]
            if known.name != track.name
            and (listed[key] == 1 or (known.log.size, known.log.end_date) == (log.size, log.end_date))
        ]

    def _refile(self, track: EventTrack, former: list[str]) -> Iterator[Step]:
        fetched = self._folder.held(track, self._ledger)
        if fetched is not None:
            self._ledger.record(track, Status.COMPLETED, fetched)
        is_here = fetched is not None
        for name in former:
            if name not in self._ledger.entries:
                continue
            if not self._is_completed(name) and self._file(name) is None:
                self._rename_entry(name, track)
            elif is_here:
                yield Move(name, track, superseded=self._retire(name, track))
            elif (superseded := self._move(name, track)) is not None:
                is_here = self._is_completed(track.name)
                yield Move(name, track, superseded)
            else:
                yield Left(name, self._why_not(name))
        if self._ledger.changed:
            self._ledger.save()

    def _rename_entry(self, name: str, track: EventTrack) -> None:
        """Rename a track that is not here, and its partial files; an entry that has the new name already stays."""
        self._carry_parts(name, track)
        if track.name in self._ledger.entries:
            self._ledger.drop(name)
        else:
            self._ledger.rename(name, track)

    def _move(self, name: str, track: EventTrack) -> bool | None:
        """Move a file; returns whether there was another one at its new name, None if it can't be moved.

        What the ledger does not call completed may have a file: the log has grown since. It goes along, and does not
        count.
        """
        source, target = self._file(name), self._root / track.local_file
        fetched = self._whole(name, source) if source is not None else self._moved_before(name, target)
        if fetched is None and (source is None or self._is_completed(name) or not self._is_sound(name, source)):
            return None
        superseded = source is not None and self._rename(source, target, track)
        self._carry_parts(name, track)
        sync_folder(target.parent)
        if (place := self._place(name)) is not None and place.parent.is_dir():
            sync_folder(place.parent)
        self._ledger.rename(name, track, fetched)
        self._ledger.save()
        return superseded

    def _rename(self, source: Path, target: Path, track: EventTrack) -> bool:
        make_folder(target.parent)
        if not target.exists():
            source.rename(target)
            return False
        if target.samefile(source):  # rename leaves both, of two names of one file
            source.unlink()
            return False
        superseded = not same_content(source, target)
        if superseded:
            keep_copy(target, self._root / SUPERSEDED / Path(track.folder).name)
        source.rename(target)
        return superseded

    def _retire(self, name: str, track: EventTrack) -> bool:
        """Remove a file whose log is here at its right name; returns whether it held something else, which is kept."""
        source = self._file(name)
        superseded = False
        if source is not None:
            superseded = not same_content(source, self._root / track.local_file)
            if superseded:
                keep_copy(source, self._root / SUPERSEDED / source.parent.name)
            source.unlink()
            sync_folder(source.parent)
        self._carry_parts(name, track)
        self._ledger.drop(name)
        self._ledger.save()
        return superseded

    def _step_aside(self, name: str, track: EventTrack) -> EventTrack | None:
        """Move a file to an unused number of its name for now; returns None if it can't be moved."""
        former = TrackName.parse(name)
        if former is None or self._file(name) is None:
            return None
        numbered = map(former.with_number, itertools.count(2))
        unknown = (other for other in numbered if str(other) not in self._ledger.entries)
        free = next(other for other in unknown if not (self._root / other.local_file).exists())
        aside = evolve(track, filed_as=free)
        if self._move(name, aside) is None:
            return None
        self._named[aside.name] = evolve(self._named[name], name=aside.name)
        return aside

    def _whole(self, name: str, path: Path) -> Fetched | None:
        """Return the download under `name`, if its file has its length; the original's files are examined."""
        if not self._is_completed(name):
            return None
        fetched = self._ledger.completed(name)
        if fetched is not None:
            return fetched if path.stat().st_size == fetched.length else None
        return self._examined(name, path)

    def _moved_before(self, name: str, path: Path) -> Fetched | None:
        """Return the same for a file that has its new name already: a run was killed, or a person renamed it."""
        fetched = self._ledger.completed(name)
        if not _is_plain(path) or not self._is_completed(name):
            return None
        if fetched is None:
            return self._examined(name, path)
        return fetched if examine(path).sha256 == fetched.sha256 else None

    def _examined(self, name: str, path: Path) -> Fetched | None:
        return taken_over(path, self._named[name].log, self._tracks[0].identifier)

    def _is_sound(self, name: str, path: Path) -> bool:
        """Whether the file holds the log as it was before."""
        integrity = examine(path).integrity
        return integrity.whole and is_header_of(self._named[name].log, self._tracks[0].identifier, integrity.header)

    def _is_completed(self, name: str) -> bool:
        return self._ledger.entries.get(name, {}).get("status") == Status.COMPLETED

    def _why_not(self, name: str) -> str:
        if self._file(name) is None:
            return "there is no such file"
        return "its file is not whole" if self._ledger.completed(name) is None else "its file has another length"

    def _carry_parts(self, name: str, track: EventTrack) -> None:
        """Rename the partial files of the track."""
        place = self._place(name)
        if place is None:
            return
        for part in place.parent.glob(f".{glob.escape(name)}.*.part"):
            target = self._root / track.folder / part.name.replace(name, track.name, 1)
            make_folder(target.parent)
            if target.exists():
                part.unlink()
            else:
                part.rename(target)

    def _place(self, name: str) -> Path | None:
        """Return the path of the ledger's file of that name, whatever machine wrote its entry."""
        parsed = TrackName.parse(name)
        path = "/" + str(self._ledger.entries.get(name, {}).get("local_file", "")).replace("\\", "/")
        return self._root / parsed.local_file if parsed and path.endswith(f"/{parsed.local_file}") else None

    def _file(self, name: str) -> Path | None:
        place = self._place(name)
        return place if place is not None and _is_plain(place) else None


def _with_timezone(known: Named) -> ListedTrack:
    """Return the log with the time zone of its name, which counts where the device's settings have none."""
    name = TrackName.parse(known.name)
    minutes = name.minutes_east(known.log.start_date) if name else None
    return known.log if minutes is None else replace(known.log, timezone=minutes)


def _by_size(known: Named) -> tuple[bool, int]:
    return known.completed, known.log.size


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
