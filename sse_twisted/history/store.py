"""What is known of each device, on disk: `.sse_twisted/memory.json`, so that a restart forgets no alarm and no waiver.

It is never more than what was known once: the restorer, which reads it, believes "collected" only as far as ledger
and files bear it out.
"""

from __future__ import annotations

import errno
import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from attrs import frozen
from msgspec import Meta, Struct
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from sse_twisted.event_folder.files import set_aside
from sse_twisted.event_folder.folder import EventFolder, Stamps
from sse_twisted.fleet import Device, Fleet, Stage, TrackSummary
from sse_twisted.history.attendance import Attendance, PastVisit
from sse_twisted.runtime.disk import Disk, DiskTrouble, PathTrouble
from sse_twisted.runtime.tasks import Tasks

FORMAT: Final = "sse_twisted memory"
VERSION: Final = 2
AGAIN = 5.0  # s until it is tried again, where only this file can't be written
PAUSE = 1.0  # s from one writing to the next: of a hundred devices that arrive each changes several times a second
LARGEST = 64 * 1024 * 1024  # bytes; a larger one is not written, for the next start would not read it

Moment = Annotated[float, Meta(ge=0, le=1e11)]  # s since 1970


class SavedDevice(Struct, frozen=True, forbid_unknown_fields=True):
    """One device, as its snapshot had it."""

    stage: Stage
    since: Moment
    battery: int | None = None
    findings: tuple[str, ...] = ()
    wanted: int = 0
    missing: tuple[str, ...] = ()
    tracks: tuple[TrackSummary, ...] = ()
    reason: str = ""
    left_early: str = ""
    waived: str = ""
    visits: tuple[PastVisit, ...] = ()


KEPT = tuple(name for name in SavedDevice.__struct_fields__ if name != "visits")
_kept: operator.attrgetter[Any] = operator.attrgetter(*KEPT)


_device = msgspec.json.Decoder(SavedDevice)
D = TypeVar("D", SavedDevice, msgspec.Raw)


class File(Struct, Generic[D], frozen=True, forbid_unknown_fields=True):
    """The whole file.

    What makes JSON of all devices in one go, or reads it, does not let go of Python's lock: 1,000 of 100 tracks each
    would keep the reactor for up to 0.05 s at each writing, and 0.2 s at the start. So each is done by itself.
    """

    format: Literal["sse_twisted memory"]
    version: Literal[1, 2]
    saved_at: Moment
    ended: bool  # whether that collector has stopped: answers that it did not know were kept by somebody else
    devices: dict[int, D]
    answers: dict[int, Stamps] | None = None  # that were kept before, of whatever device; version 1 did not say


SavedState = File[SavedDevice]


class _Head(Struct):
    """What tells whose file it is."""

    format: Any = None
    version: Any = None


@frozen
class LoadedState:
    """What a start finds; `memory` is None if there is none that can be used, and `remark` says why not."""

    memory: SavedState | None = None
    written_at: float = 0.0  # s since 1970, by the clock that stamps the files
    remark: str = ""


def load_state(path: Path) -> LoadedState:
    """The memory of earlier runs; one that is torn, foreign or of another version is set aside. Blocks."""
    try:
        status = path.stat()
        if status.st_size > LARGEST:
            raise ValueError(f"it has {status.st_size:,} bytes")
        return LoadedState(_decode(path.read_bytes()), status.st_mtime)
    except FileNotFoundError:
        return LoadedState()
    except OSError as error:
        why = str(error.strerror)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        why = str(error)
    try:
        return LoadedState(remark=f"{why}; it is kept as {set_aside(path)}")
    except OSError as error:
        return LoadedState(remark=f"{why}; it can't be kept under another name ({error.strerror})")


def _decode(data: bytes) -> SavedState:
    """Raises ValueError or RecursionError."""
    try:
        head = msgspec.json.decode(data, type=_Head)
    except msgspec.ValidationError:  # it is JSON, but no object
        head = _Head()
    if head.format != FORMAT:
        raise ValueError("it is none of this collector")
    if head.version not in (1, VERSION):
        raise ValueError(f"it is of version {head.version!r:.20}, and this collector knows {VERSION}")
    file = msgspec.json.decode(data, type=File[msgspec.Raw])
    devices = {identifier: _device.decode(device) for identifier, device in file.devices.items()}
    return SavedState(file.format, file.version, file.saved_at, file.ended, devices, file.answers)


class StateStore(Service):
    """Notes down what is known of the fleet: a change at once, and those of the next second multi_service."""

    def __init__(
        self, folder: EventFolder, disk: Disk, fleet: Fleet, attendance: Attendance, clock: IReactorTime, log: Logger
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._fleet = fleet
        self._attendance = attendance
        self._clock = clock
        self._log = log
        self._is_complete = False  # whether the fleet knows what earlier runs knew
        self._changed = False
        self._ended = False
        self._not_before = 0.0  # s of the clock, when to write again
        self._timer: IDelayedCall | None = None
        self._turn = DeferredLock()
        self._tasks = Tasks(log)
        self._trouble = ""
        fleet.observe(self._note)

    def begin(self) -> None:
        """The fleet knows what earlier runs knew: from now on the file may be replaced."""
        if self.running:
            self._is_complete = True
            self._changed = True
            self._write_at(self._not_before)

    def stopService(self) -> Deferred[None] | None:
        """Write for the last time; fires when that is done."""
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._is_complete:
            return None
        self._changed = self._ended = True
        return self._start_writing()

    def try_again(self) -> None:
        """The disk can be written to again."""
        if self._changed:
            self._write_at(self._not_before)

    async def save(self) -> None:
        """Bring to disk what is known now; that it can't be written is in the log."""
        async with self._turn:
            if self._changed and self._is_complete:
                await self._write()

    def _note(self, before: Device, after: Device) -> None:
        if _kept(before) != _kept(after):
            self._changed = True
            self._write_at(self._not_before)

    def _write_at(self, moment: float) -> None:
        """Write at a moment of the clock, at the latest."""
        if not self.running or not self._is_complete:
            return
        wait = max(moment - self._clock.seconds(), 0.0)
        if self._timer is None:
            self._timer = self._clock.callLater(wait, self._start_writing)
        elif moment < self._timer.getTime():
            self._timer.reset(wait)

    def _start_writing(self) -> Deferred[None]:
        self._timer = None
        own_key = object()  # the last writing at stop waits for one under way, and must not replace it
        return self._tasks.start(own_key, self.save(), "What is known of the day could not be kept")

    async def _write(self) -> None:
        # First the answers, then what is known: a kill must not leave one that says less than the answers do.
        answers = await self._disk.run(self._folder.all_stamps)
        self._changed = False
        self._not_before = self._clock.seconds() + PAUSE
        visits = {device.identifier: self._attendance.of(device.identifier) for device in self._fleet}
        devices = tuple(device for device in self._fleet if visits[device.identifier] or _is_worth_it(device))
        try:
            await self._disk.write(self._save, self._fleet.now, self._ended, devices, visits, answers)
        except DiskTrouble as error:
            self._changed = True
            if isinstance(error, PathTrouble):  # else the disk says when it can be written to again
                self._write_at(self._clock.seconds() + AGAIN)
            if not self._trouble:
                self._log.error("What is known of the day can't be kept: {error}", error=str(error))
            self._trouble = str(error)
        except BaseException:
            self._changed = True
            raise
        else:
            self._trouble = ""

    def _save(
        self,
        now: float,
        ended: bool,
        devices: Sequence[Device],
        visits: Mapping[int, tuple[PastVisit, ...]],
        answers: dict[int, Stamps],
    ) -> None:
        """In a thread."""
        remembered = ((device.identifier, _remembered(device, visits[device.identifier])) for device in devices)
        encoded = {identifier: msgspec.Raw(msgspec.json.encode(device)) for identifier, device in remembered}
        data = msgspec.json.encode(File(FORMAT, VERSION, max(now, 0.0), ended, encoded, answers))
        if len(data) > LARGEST:
            raise OSError(errno.EFBIG, f"it would have {len(data):,} bytes", str(self._folder.memory))
        self._folder.keep_state(data)


def _remembered(device: Device, visits: tuple[PastVisit, ...]) -> SavedDevice:
    return SavedDevice(**{name: getattr(device, name) for name in KEPT}, visits=visits)


def _is_worth_it(device: Device) -> bool:
    """Whether it was met in an earlier run, or is missed."""
    return device.stage is not Stage.ABSENT or device.left_incomplete
