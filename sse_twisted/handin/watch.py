"""Watch folders for files that are handed in: `hand-in/` of the event, sticks, and the days of `gpslogs` themselves.

A file is taken when two looks in a row find it unchanged. In `hand-in/` it is removed once it is kept; elsewhere it
stays, and is not read again until it changes. A stick that is pulled costs nothing: what was read of it is forgotten.
A stick that hangs costs the thread that reads it: each folder that is not of the event has one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import stat
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from attrs import define, field
from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

from sse_twisted.event_folder.files import add_folder
from sse_twisted.event_folder.ledger import Status
from sse_twisted.event_folder.track_name import TrackName
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.handin.intake import MAX_SIZE, Kept, Unacceptable, too_large
from sse_twisted.handin.ledger import FOLDER, KEPT, PATH
from sse_twisted.handin.register import shown
from sse_twisted.handin.service import HandInService
from sse_twisted.runtime.disk import LONGEST_WAIT, DiskTrouble
from sse_twisted.runtime.group_sync import Starter
from sse_twisted.runtime.periodic import PeriodicService
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.tracks.formats import format_named

INTERVAL: Final = 2.0  # s between looks
CHUNK: Final = 1 << 20  # bytes that are read at once
MAX_FILES: Final = 5_000  # of a folder, in one look
MAX_DEPTH: Final = 6  # of folders on a stick
STATE: Final = ".sse_twisted"  # is in each event folder, and in each copy of one
OF_SYSTEMS: Final = frozenset({"thumbs.db", "desktop.ini"})  # files that systems put into every folder

Stamp = tuple[int, int, int]
T = TypeVar("T")


class Changed(Exception):
    """A file that was written to while it was read."""


class Found(Struct, frozen=True):
    """A file in a watched folder."""

    path: Path
    stamp: Stamp
    source: str  # the folder, for people
    day: dt.date | None = None  # of the folder in `gpslogs` in which it is
    removes: bool = False  # whether it is removed once it is kept


@define(eq=False)
class Place:
    """Where files are looked for: the event folder, or a folder elsewhere, whose disk may hang without any other."""

    name: str  # for people; "" for the event folder
    start: Starter  # runs what blocks in a thread
    clock: IReactorTime
    before: dict[Path, Stamp] = field(factory=dict, init=False)  # at the last look
    done: dict[Path, Stamp] = field(factory=dict, init=False)  # taken, or refused
    is_said_to_hang: bool = field(default=False, init=False)
    _called_at: float | None = field(default=None, init=False)  # s of the clock; None if no call is under way

    async def blocking(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function in a thread of the place."""
        self._called_at = self.clock.seconds()
        try:
            result: T = await self.start(function, *args)
            return result
        finally:
            self._called_at = None
            self.is_said_to_hang = False

    @property
    def hangs(self) -> bool:
        """Whether a call has not returned for long."""
        return self._called_at is not None and self.clock.seconds() - self._called_at > LONGEST_WAIT


class HandInWatch(PeriodicService):
    """Takes the files of all watched folders: those of one place one after the other."""

    def __init__(self, work: Workplace, service: HandInService, start_thread: Callable[[], Starter]) -> None:
        """`start_thread` returns what runs functions in a new thread, for a folder that is not of the event."""
        super().__init__(work.clock, work.log, lambda: INTERVAL)
        self._work = work
        self._service = service
        self._start_thread = start_thread
        self._event = Place("", self._start_in_event, work.clock)
        self._elsewhere: dict[str, Place] = {}  # by folder
        self._ours: dict[str, int] = {}  # tracks that nobody has copied, by name: the device of each
        self._present: frozenset[int] = frozenset()  # devices at the last look
        self._tasks = Tasks(work.log)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return self._tasks.stop()

    def round(self) -> None:
        if not self._service.register.is_ready:
            return
        folders = self._work.live.settings.hand_in.folders
        known, self._elsewhere = self._elsewhere, {}
        for folder in folders:
            self._elsewhere[folder] = known.get(folder) or Place(folder, self._start_thread(), self._work.clock)
        for place in (self._event, *self._elsewhere.values()):
            if place not in self._tasks:
                self._tasks.start(place, self._look(place), "The folders of the hand-ins could not be read")
            elif place.name and place.hangs and not place.is_said_to_hang:
                place.is_said_to_hang = True
                text = "{folder} has not answered for {seconds} s: no hand-in is taken from it until it does"
                self._log.warn(text, folder=place.name, seconds=round(LONGEST_WAIT))

    def _start_in_event(self, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(self._work.disk.run(function, *args))

    async def _look(self, place: Place) -> None:
        try:
            found = await (self._find_in_event() if place is self._event else self._find_in(place))
        except (DiskTrouble, OSError):  # the disk of the event folder, and its watch says so; the next look tries again
            return
        place.done = {path: stamp for path, stamp in place.done.items() if path in {each.path for each in found}}
        stable = [each for each in found if place.before.get(each.path) == each.stamp]
        place.before = {each.path: each.stamp for each in found}
        for each in stable:
            if place.done.get(each.path) != each.stamp:
                await self._take(place, each)

    async def _find_in_event(self) -> list[Found]:
        if not await self._work.disk.run((self._work.folder.root / KEPT).is_dir):
            await self._work.disk.write(add_folder, self._work.folder.root / KEPT, self._work.folder.root)
        devices = frozenset(device.identifier for device in self._work.fleet if device.present)
        return await self._event.blocking(self._find, devices)

    async def _find_in(self, place: Place) -> list[Found]:
        return await place.blocking(_tracks_in, place.name, self._work.folder.root / FOLDER)

    # Finding: all of it blocks

    def _find(self, present: frozenset[int]) -> list[Found]:
        root = self._work.folder.root
        own = {root / KEPT, root / PATH}
        inbox = islice(_files(root / FOLDER, own), MAX_FILES)
        found = [Found(path, stamp, FOLDER, removes=True) for path, stamp in inbox]
        return [*found, *islice(self._copied(present), MAX_FILES)]

    def _copied(self, present: frozenset[int]) -> Iterator[Found]:
        """Yield the tracks in the folders of the days that are in no ledger, and of no device that is here."""
        root = self._work.folder.root
        filed = {path for entry in self._service.ledger.entries.copy().values() for path in entry.filed.values()}
        entries_of = lru_cache(maxsize=1)(self._work.folder.entries)  # the tracks of a device follow each other
        known, self._ours = self._ours, {}
        moved, self._present = present ^ self._present, present  # those that have come or gone

        def is_ours(name: str, number: int) -> bool:
            if number in present or (number > 0 and entries_of(number).get(name, {}).get("status") == Status.COMPLETED):
                self._ours[name] = number
            return name in self._ours

        for day in _days(root / "gpslogs"):
            folder = root / "gpslogs" / f"{day:%Y%m%d}"
            for entry in _entries(folder):
                name = entry.name
                if name in known and known[name] not in moved:
                    self._ours[name] = known[name]
                    continue
                number = _number_in(name)
                if number is None or f"gpslogs/{folder.name}/{name}" in filed or not _is_file(entry):
                    continue
                path = folder / name
                done = self._event.done.get(path)
                with contextlib.suppress(OSError):
                    if (done and done == _stamp(path)) or not is_ours(name, number):
                        yield Found(path, _stamp(path), "gpslogs", day)

    # Taking

    async def _take(self, place: Place, found: Found) -> None:
        name = shown(found.path.name)
        try:
            kept = await self._keep(place, found)
            if found.day is not None:
                local_file = f"gpslogs/{found.day:%Y%m%d}/{found.path.name}"
                await self._service.take_placed(kept, found.day, local_file)
            else:
                entry = await self._service.register.take(kept, found.source)
                await self._service.settled(entry)
            if found.removes:
                await self._work.disk.write(_remove_same, found)
        except Unacceptable as error:
            text = "Hand-in {name} in {folder} is not taken: {why}"
            self._log.warn(text, name=name, folder=found.source, why=str(error))
        except Changed:
            return
        except DiskTrouble as error:
            self._log.warn("Hand-in {name} waits for the disk: {error}", name=name, error=str(error))
            return
        except OSError as error:
            text = "Hand-in {name} in {folder} cannot be read, retrying: {error}"
            self._log.warn(text, name=name, folder=found.source, error=error.strerror or str(error))
            place.before.pop(found.path, None)
            return
        place.done[found.path] = found.stamp

    async def _keep(self, place: Place, found: Found) -> Kept:
        """Copy a file piece by piece; raises Unacceptable, Changed, DiskTrouble, or OSError if it cannot be read."""
        if found.stamp[1] > MAX_SIZE:
            raise too_large(found.stamp[1])
        disk = self._work.disk
        incoming = self._service.register.incoming(found.path.name)
        source: BinaryIO = await place.blocking(_open, found.path)
        try:
            while piece := await place.blocking(source.read, CHUNK):
                await disk.write(incoming.write, piece)
            if await place.blocking(_stamp, found.path) != found.stamp:
                raise Changed
            return await disk.write(incoming.finish)
        finally:
            place.start(source.close).addErrback(lambda failure: failure.trap(OSError, CancelledError))
            await disk.run(incoming.abort)


def _tracks_in(folder: str, inbox: Path) -> list[Found]:
    """Return the tracks in a folder that is not of the event, by their names."""
    listed = islice(_files(Path(folder), {inbox}), MAX_FILES)
    return [Found(path, stamp, folder) for path, stamp in listed if format_named(path.name)]


def _days(folder: Path) -> list[dt.date]:
    """Return the days that have a folder, in order."""
    days = []
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            with contextlib.suppress(ValueError):
                if re.fullmatch(r"[0-9]{8}", path.name):
                    days.append(dt.date.fromisoformat(path.name))
    return sorted(days)


def _files(folder: Path, without: set[Path], depth: int = MAX_DEPTH) -> Iterator[tuple[Path, Stamp]]:
    """Yield the regular files of a folder and below, no link; `without` are files and folders."""
    for entry in _entries(folder):
        path = folder / entry.name
        if path in without:
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                if depth:
                    yield from _files(path, without, depth - 1)
            elif entry.is_file(follow_symlinks=False):
                yield path, _stamp(path)
        except OSError:
            continue


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, by name: nothing that is hidden, and nothing at all of an event or its copy."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []
    if any(entry.name == STATE for entry in entries):
        return []
    return [each for each in entries if not each.name.startswith((".", "~")) and each.name.lower() not in OF_SYSTEMS]


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def _number_in(name: str) -> int | None:
    """Return the number of the device in the name of a track, 0 if it has none; None if it is not named as a track."""
    track = TrackName.parse(name)
    if track is None or not format_named(name):
        return None
    digits = track.prefix.rpartition("_")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 6 else 0


def _stamp(path: Path) -> Stamp:
    status = path.lstat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _open(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Changed
    return os.fdopen(descriptor, "rb")


def _remove_same(found: Found) -> None:
    """Remove a file that is kept, unless it has changed since."""
    if _stamp(found.path) == found.stamp:
        found.path.unlink()
