"""Read the file of the roster, and what follows from a new version."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from pathlib import Path

from attrs import define, field
from msgspec import Struct

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.roster import Roster, RosterError, parse_roster
from sse_twisted.config.roster_changes import TrackMove, successor, with_kept, without_kept
from sse_twisted.config.spreadsheet import SAVE_AS_CSV
from sse_twisted.runtime.bounded_file import read_bounded

MAX_ROSTER = 4 * 1024 * 1024  # bytes; three hundred lines have 30,000
UNREADABLE = "unreadable"  # instead of the stamp of a file that is to be read again although it does not change
Planned = Callable[[Roster, Roster], tuple[TrackMove, ...]]


class RosterFiles(Struct, frozen=True):
    """The roster of the organisers, and the file in which the collector keeps the last good one. Methods block."""

    roster: Path
    kept: Path
    save: Callable[[bytes], None]
    quarantine: Callable[[Path], Path]
    planned: Planned  # the stored tracks that a roster takes from the owners that they have by another


class Found(Struct, frozen=True):
    """A version of the file, and what follows from it."""

    stamp: object
    roster: Roster | str  # or why there is none
    digest: str = ""
    former: Roster | None = None  # in force when this was found
    next: Roster | None = None  # in force after it
    moves: tuple[TrackMove, ...] = ()
    is_readable: bool = True  # False: to be read again, even if it does not change
    is_missing: bool = False
    workbook: str = ""  # the name of a workbook beside it that is newer


@define
class RosterReader:
    """Finds versions of the file. `read` blocks; all else is set by the service, when it has taken a version."""

    files: RosterFiles
    _live: LiveConfig
    _today: Callable[[], datetime.date]
    applied: object = ()  # the stamp of the version that was taken last
    digest: str = ""  # of the version in force
    is_good: bool = False  # whether the roster in force stays if another one is spoilt
    _found: object = field(default=(), init=False)  # the stamp at the last check

    def read_first(self) -> Found | None:
        """Do the same as `read`, without a check before."""
        self._found = self._stamp()
        return self.read()

    def read(self) -> Found | None:
        """Return a version that was not read before and has not changed since the last check; runs in a thread."""
        path, former = self.files.roster, self._live.roster
        stamp, before = self._stamp(), self._found
        self._found = stamp
        if stamp == self.applied or stamp != before:
            return None
        try:
            data = read_bounded(path, MAX_ROSTER)
            new = parse_roster(data)
        except FileNotFoundError:
            workbook = _workbook_beside(path)
            hint = f"; {workbook} is a workbook: {SAVE_AS_CSV}" if workbook else ""
            return Found(stamp, f"no such file: {path}{hint}", is_missing=True)
        except RosterError as error:
            return Found(stamp, str(error))
        except OSError as error:
            return Found(stamp, str(error), is_readable=False)
        if self.applied != () and self._stamp() != stamp:  # it was saved while it was read
            return None
        if new.spoilt and (self.is_good or not new.assignments):
            return Found(stamp, new)
        digest, workbook = hashlib.sha256(data).hexdigest(), _workbook_beside(path)
        following = successor(former, new, self._today())
        moves: tuple[TrackMove, ...] = ()
        if digest == self.digest:
            following = with_kept(without_kept(following), former.kept)
        else:
            moves = self.files.planned(former, without_kept(following))
        return Found(stamp, new, digest, former, following, moves, workbook=workbook)

    def _stamp(self) -> object:
        """Return a value that changes with the file, and when a newer workbook appears beside it."""
        return _stamp(self.files.roster), _workbook_beside(self.files.roster)


def _stamp(path: Path) -> object:
    """Return a value that changes with the file; None without a file, the reason if its status is unreadable."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return str(error)
    return status.st_mtime_ns, status.st_size, status.st_ino


def _workbook_beside(path: Path) -> str:
    """Return the name of a workbook of the same name that is newer; "" if there is none, or only a lock of Excel."""
    for suffix in (".xlsx", ".xlsm", ".xls", ".ods"):
        workbook = path.with_suffix(suffix)
        try:
            if not path.exists() or workbook.stat().st_mtime_ns > path.stat().st_mtime_ns:
                return workbook.name if workbook.exists() else ""
        except OSError:
            continue
    return ""
