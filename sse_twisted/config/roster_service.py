"""Reload the roster whenever the organisers change its file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.roster import Assignment, Roster, RosterError, parse_roster
from sse_twisted.devices.drivers import device_name
from sse_twisted.runtime.disk import Disk
from sse_twisted.runtime.periodic import PeriodicService
from sse_twisted.runtime.tasks import Tasks
from sse_twisted.runtime.text import plural

INTERVAL = 2.0  # s between checks of the file


class RosterService(PeriodicService):
    """Applies each new version of `config/motions.csv`; an invalid one is logged as an error and not applied.

    A version is read when two checks in a row find the same file. A file that is still being saved is a valid roster
    of fewer people, and the tracks of the others would not be collected.
    """

    def __init__(self, path: Path, disk: Disk, live: LiveConfig, clock: IReactorTime, log: Logger) -> None:
        super().__init__(clock, log, lambda: INTERVAL)
        self._path = path
        self._disk = disk
        self._live = live
        self._applied: object = ()  # the stamp of the version that was read last
        self._found: object = ()  # the stamp at the last check
        self._tasks = Tasks(log)

    def stopService(self) -> None:
        super().stopService()
        self._tasks.stop()

    def round(self) -> None:
        if "check" not in self._tasks:
            self._tasks.start("check", self.check(), "Checking the roster failed")

    def read_first(self) -> None:
        """Read the file before any device is looked for: without a roster, every log would be wanted and unassigned."""
        self._found = _stamp(self._path)
        self._apply(*self._read())

    async def check(self) -> None:
        """Apply the file if it differs from the version applied and has not changed since the last check."""
        self._apply(*await self._disk.run(self._read))

    def _apply(self, stamp: object, roster: Roster | str) -> None:
        if stamp == self._applied:
            return
        is_first, self._applied = self._applied == (), stamp
        if isinstance(roster, str):
            self._refuse(stamp, roster, is_first)
            return
        for remark in roster.remarks:
            self._log.info("Roster line {line}: {text}", line=remark.line, text=remark.text)
        for mistake in roster.mistakes:
            self._log.warn("Roster line {line}: {text}", line=mistake.line, text=mistake.text)
        for remark in roster.remarks:
            self._log.info("Roster line {line}: remark: {text}", line=remark.line, text=remark.text)
        for change in changes(self._live.roster, roster):
            self._log.info("Roster: {change}", change=change)
        self._live.change(roster=roster)

    def _refuse(self, stamp: object, why: str, is_first: bool) -> None:
        """Log why there is no new roster. With devices in the configuration, having none at the start is intended."""
        listed = len(self._live.targets())
        devices = plural(listed, "device")
        if is_first and stamp is None and listed:
            text = "No roster: tracks of the {devices} in the configuration go to gpslogs/unassigned"
            self._log.info(text, devices=devices, count=listed)
            return
        live = "keeping the previous one"
        if is_first:
            live = f"only the {devices} in the configuration will be collected" if listed else "no device is expected"
        self._log.error("Cannot read the roster ({why}): {live}", why=why, live=live)

    def _read(self) -> tuple[object, Roster | str]:
        """Return the stamp of the file, and its roster or why it has none; runs in a thread."""
        stamp, before = _stamp(self._path), self._found
        self._found = stamp
        if stamp == self._applied or stamp != before:
            return self._applied, ""
        try:
            return stamp, parse_roster(self._path.read_bytes())
        except FileNotFoundError:
            return stamp, f"no such file: {self._path}"
        except (OSError, RosterError) as error:
            return stamp, str(error)


def _stamp(path: Path) -> object:
    """Return a value that changes with the file; None without a file, the reason if its status is unreadable."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return str(error)
    return status.st_mtime_ns, status.st_size, status.st_ino


def changes(old: Roster, new: Roster) -> Iterator[str]:
    """Yield each assignment added or removed; for a first roster, its summary only."""
    if not old.assignments:
        yield new.summary
        return
    before, after = ({_text(assignment): None for assignment in roster.assignments} for roster in (old, new))
    yield from (f"removed {text}" for text in before if text not in after)
    yield from (f"added {text}" for text in after if text not in before)


def _text(assignment: Assignment) -> str:
    days = f"{assignment.first_day} to {assignment.last_day}"
    return f"{device_name(assignment.identifier)} {assignment.file_id} {assignment.sailor}, {days}"
