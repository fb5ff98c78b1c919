"""The state file `.sse_twisted/memory.json`: the state of each device, so that no restart forgets an alarm.

The file is evidence, not truth: a start believes "collected" only as far as ledger and files confirm it.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from attrs import define, field
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall

from sse_twisted.event_folder.files import quarantine
from sse_twisted.event_folder.folder import Stamps
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Device, Stage, TrackSummary
from sse_twisted.history.attendance import Attendance, PastVisit
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.runtime.disk import DiskTrouble, PathTrouble
from sse_twisted.runtime.group_sync import Steps
from sse_twisted.runtime.tasks import Tasks

FORMAT: Final = "sse_twisted memory"
VERSION: Final = 2
RETRY_DELAY = 5.0  # s, where only this file can't be written
MIN_INTERVAL = 1.0  # s between two writes: while a hundred devices arrive, each changes several times a second
MAX_SIZE = 64 * 1024 * 1024  # bytes; a larger file is neither written nor read

Moment = Annotated[float, Meta(ge=0, le=1e11)]  # s since 1970


class SavedDevice(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The snapshot of one device, and its visits. Defaults are omitted, so that older versions read it too."""

    stage: Stage
    since: Moment
    battery: int | None = None
    findings: tuple[str, ...] = ()
    more_findings: int = 0
    wanted: int = 0
    missing: tuple[str, ...] = ()
    unnamed: int = 0
    tracks: tuple[TrackSummary, ...] = ()
    reason: str = ""
    left_early: str = ""
    waived: str = ""
    visits: tuple[PastVisit, ...] = ()


SAVED: Final = tuple(name for name in SavedDevice.__struct_fields__ if name != "visits")
_saved_values = attrgetter(*SAVED)


def saved_fields(device: Device | SavedDevice) -> dict[str, Any]:
    """Return the fields that a snapshot and a saved device have in common."""
    return dict(zip(SAVED, _saved_values(device), strict=True))


class _Visited(Struct, frozen=True, eq=False, dict=True):
    """A snapshot of a device and its visits; encoded once, however often the file is written."""

    device: Device
    visits: tuple[PastVisit, ...]

    @property
    def is_kept(self) -> bool:
        """Whether the file has it."""
        return bool(self.visits or self.device.stage is not Stage.ABSENT or self.device.left_incomplete)

    @cached_property
    def encoded(self) -> Raw:
        return _encoded(self.device, self.visits)

    @property
    def brief(self) -> Raw:
        """Only what an alarm or a verdict needs."""
        device = self.device
        short = replace(device, missing=(), unnamed=device.missing_count, tracks=(), findings=())
        return _encoded(short, self.visits[-1:])


def _encoded(device: Device, visits: tuple[PastVisit, ...]) -> Raw:
    return Raw(msgspec.json.encode(SavedDevice(**saved_fields(device), visits=visits)))


class _Written(Struct, frozen=True, eq=False):
    """What the file has: the stamps of the stored answers, and each device."""

    answers: dict[int, Stamps]
    devices: dict[int, _Visited]
    new: set[int]  # devices that had changed; what they answered before may have been stored later than it


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file.

    Each device is encoded and decoded on its own, because msgspec holds the GIL meanwhile. Encoded at once, 1,000
    devices with 100 tracks each would block the reactor for 0.05 s at each write, and for 0.2 s at the start.
    """

    format: Literal["sse_twisted memory"]
    version: Literal[1, 2]
    saved_at: Moment
    ended: bool  # whether the collector had stopped: newer answers were then stored by another program
    devices: dict[int, Raw]
    answers: dict[int, Stamps] | None = None  # stored before, of all devices; not in version 1


class _Head(Struct):
    format: Any = None
    version: Any = None


class SavedState(Struct, frozen=True):
    """The decoded file; without a file, an ended run that knew no device."""

    saved_at: float = 0.0  # s since 1970
    ended: bool = True
    devices: Mapping[int, SavedDevice] = msgspec.field(default_factory=dict)
    answers: Mapping[int, Stamps] | None = None
    written_at: int = 0  # ns since 1970, by the clock that stamps the files

    def knows(self, identifier: int, answers: Stamps) -> bool:
        """Whether this state is newer than all stored answers of a device."""
        if self.answers is None:
            return max(answers.info, answers.listing)[0] <= self.written_at
        return answers.may_be_copies_of(self.answers.get(identifier, Stamps()))

    def may_be_listed(self, identifier: int, answers: Stamps) -> bool:
        """Whether a device that has responded since this state may also have been listed since."""
        before = (self.answers or {}).get(identifier, answers)
        same_info = Stamps(answers.info).may_be_copies_of(Stamps(before.info))
        return same_info or not Stamps(listing=answers.listing).may_be_copies_of(Stamps(listing=before.listing))


def load_state(path: Path) -> tuple[SavedState | None, str]:
    """Return the state, or None and the reason why the file is unusable, which is then quarantined. Blocks."""
    try:
        written_at = path.stat().st_mtime_ns
        return _decode(read_bounded(path, MAX_SIZE), written_at), ""
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        why = str(error.strerror)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        why = str(error)
    try:
        return None, f"{why}; kept as {quarantine(path)}"
    except OSError as error:
        return None, f"{why}; could not be renamed: {error.strerror}"


def _decode(data: bytes, written_at: int) -> SavedState:
    """Decode the file; raises ValueError or RecursionError."""
    head = msgspec.json.decode(data, type=_Head)
    if head.format != FORMAT:
        raise ValueError("not a state file of this collector")
    if head.version not in (1, VERSION):
        raise ValueError(f"unknown version {head.version!r:.20}; this collector reads versions 1 and {VERSION}")
    file = msgspec.json.decode(data, type=_File)
    decoder = msgspec.json.Decoder(SavedDevice)
    devices = {identifier: decoder.decode(device) for identifier, device in file.devices.items()}
    return SavedState(file.saved_at, file.ended, devices, file.answers, written_at)


@define(eq=False, slots=False)
class StateStore(Service):
    """Saves the state of the fleet: a change at once, further changes within the next second together."""

    _work: Workplace
    _attendance: Attendance
    _is_restored: bool = field(default=False, init=False)  # whether the fleet has the state of earlier runs
    _changed: bool = field(default=False, init=False)
    _ended: bool = field(default=False, init=False)
    _not_before: float = field(default=0.0, init=False)  # s of the clock, when the next write may begin
    _timer: IDelayedCall | None = field(default=None, init=False)
    _turn: DeferredLock = field(factory=DeferredLock, init=False)
    _trouble: str = field(default="", init=False)
    _written: _Written = field(factory=lambda: _Written({}, {}, set()), init=False)
    _unwritten: set[int] | None = field(default=None, init=False)  # devices that have changed since; None: all

    def __attrs_post_init__(self) -> None:
        self._tasks = Tasks(self._work.log)
        self._work.fleet.observe(self._take_change)

    def begin(self) -> None:
        """Save from now on, because the fleet has the state of earlier runs."""
        if self.running:
            self._is_restored = self._changed = True
            self._write_at(self._not_before)

    def stopService(self) -> Deferred[None] | None:
        """Write for the last time; the result fires when that is done."""
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._is_restored:
            return None
        self._changed = self._ended = True
        return self._start_writing()

    def try_again(self) -> None:
        """Write unsaved changes, because the disk is writable again."""
        if self._changed:
            self._write_at(self._not_before)

    def write_again(self) -> None:
        """Write the state even if it has not changed: the file may be older than the last one that was written."""
        self._changed, self._unwritten = True, None
        self._write_at(self._not_before)

    async def save(self) -> None:
        """Save the present state; a failure is logged and retried later."""
        async with self._turn:
            if self._changed and self._is_restored:
                await self._write()

    async def save_now(self) -> None:
        """Do the same; raises DiskTrouble if only this run knows the state until a later attempt succeeds."""
        await self.save()
        if self._trouble and self._changed:
            raise DiskTrouble(self._trouble)

    def _take_change(self, before: Device, after: Device) -> None:
        if self._unwritten is not None:
            self._unwritten.add(after.identifier)
        if _saved_values(before) != _saved_values(after):
            self._changed = True
            self._write_at(self._not_before)

    def _write_at(self, moment: float) -> None:
        """Write at a moment of the clock, at the latest."""
        if not self.running or not self._is_restored:
            return
        wait = max(moment - self._work.clock.seconds(), 0.0)
        if self._timer is None:
            self._timer = self._work.clock.callLater(wait, self._start_writing)
        elif moment < self._timer.getTime():
            self._timer.reset(wait)

    def _start_writing(self) -> Deferred[None]:
        self._timer = None
        own_key = object()  # the last write waits for a running one, and must not replace it
        return self._tasks.start(own_key, self.save(), "Saving the state of the devices failed")

    async def _write(self) -> None:
        changed, self._unwritten = self._unwritten, set()
        try:
            written = await self._changes(changed)
            self._changed = False
            self._not_before = self._work.clock.seconds() + MIN_INTERVAL
            await self._work.disk.commit(self._saving(self._work.fleet.now, self._ended, written))
        except DiskTrouble as error:
            self._changed, self._unwritten = True, None
            if isinstance(error, PathTrouble):  # otherwise the disk calls try_again
                self._write_at(self._work.clock.seconds() + RETRY_DELAY)
            if not self._trouble:
                self._work.log.error("Cannot save the state of the devices, retrying: {error}", error=str(error))
            self._trouble = str(error)
        except BaseException:
            self._changed, self._unwritten = True, None
            raise
        else:
            self._trouble = ""
            self._written = written

    async def _changes(self, changed: set[int] | None) -> _Written:
        """Return what is to be written, in which only devices that have changed are new; None stands for all.

        The stamps are read before the fleet: an answer in between must look newer than the file.
        """
        disk, folder, fleet = self._work.disk, self._work.folder, self._work.fleet
        former = self._written
        if changed is None:
            former = _Written({}, {}, set())
            answers = await disk.run(folder.all_stamps)
        else:
            looked_at = changed | former.new
            others = {number: stamps for number, stamps in former.answers.items() if number not in looked_at}
            answers = others | await disk.run(folder.stamps_of, looked_at)
        if changed is None or self._unwritten is None:
            numbers = {device.identifier for device in fleet}
        else:
            numbers = changed | self._unwritten
        devices = {number: _Visited(fleet[number], self._attendance.of(number)) for number in numbers}
        return _Written(answers, former.devices | devices, numbers)

    def _saving(self, now: float, ended: bool, written: _Written) -> Steps[None]:
        """Encode and write, in steps; without names, tracks and visits if the file were too large with them."""
        kept = {number: visited for number, visited in written.devices.items() if visited.is_kept}
        for brief in (False, True):
            encoded = {number: visited.brief if brief else visited.encoded for number, visited in kept.items()}
            data = msgspec.json.encode(_File(FORMAT, VERSION, max(now, 0.0), ended, encoded, written.answers))
            if len(data) <= MAX_SIZE:
                break
        else:
            raise OSError(errno.EFBIG, f"it would have {len(data):,} bytes", str(self._work.folder.state_file))
        yield from self._work.folder.saving_state(data)
