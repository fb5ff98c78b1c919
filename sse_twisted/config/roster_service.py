"""Reading the roster again when the organisers have changed it."""

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

LOOK = "look"
INTERVAL = 2.0  # s between looks at the file


class RosterService(PeriodicService):
    """Puts each new version of `config/motions.csv` in force; a broken one leaves the old one in force, loudly.

    A version counts when it is the same at two looks: one that is still being saved is a valid roster of fewer people,
    and what it leaves out would not be collected.
    """

    def __init__(self, path: Path, disk: Disk, live: LiveConfig, clock: IReactorTime, log: Logger) -> None:
        super().__init__(clock, log, lambda: INTERVAL)
        self._path = path
        self._disk = disk
        self._live = live
        self._seen: object = ()
        self._coming: object = ()  # seen at the last look, and not yet in force
        self._tasks = Tasks(log)

    def stopService(self) -> None:
        super().stopService()
        self._tasks.stop()

    def round(self) -> None:
        """Look whether the file is another one than before."""
        if LOOK not in self._tasks:
            self._tasks.start(LOOK, self.look(), "The roster could not be taken")

    def read_first(self) -> None:
        """Read the file before anybody is looked for: without it every log would seem to be wanted, and nobody's."""
        self._coming = _stamp(self._path)
        self._take(*self._read())

    async def look(self) -> None:
        """Read the file if it has changed and is no more changing, and put it in force."""
        self._take(*await self._disk.run(self._read))

    def _take(self, seen: object, roster: Roster | str) -> None:
        if seen == self._seen:
            return
        first, self._seen = self._seen == (), seen
        if isinstance(roster, str):
            self._refuse(seen, roster, first)
            return
        for mistake in roster.mistakes:
            self._log.warn("Roster line {line}: {text}", line=mistake.line, text=mistake.text)
        for change in changes(self._live.roster, roster):
            self._log.info("Roster: {change}", change=change)
        self._live.change(roster=roster)

    def _refuse(self, seen: object, why: str, first: bool) -> None:
        """There is no new roster; at home there is none at all, and the devices of the configuration are expected."""
        listed = len(self._live.targets())
        devices = plural(listed, "device")
        if first and seen is None and listed:
            text = "There is no roster: tracks of the {devices} of the configuration go to gpslogs/unassigned"
            self._log.info(text, devices=devices, count=listed)
            return
        live = "the one before stays in force"
        if first:
            live = f"nobody but the {devices} of the configuration is expected" if listed else "nobody is expected"
        self._log.error("The roster can't be read ({why}): {live}", why=why, live=live)

    def _read(self) -> tuple[object, Roster | str]:
        """What the file is, to be compared, and its roster, or why there is none; in a thread."""
        path = self._path
        stamp, before = _stamp(path), self._coming
        self._coming = stamp
        if stamp == self._seen or stamp != before:
            return self._seen, ""
        try:
            return stamp, parse_roster(path.read_bytes())
        except FileNotFoundError:
            return stamp, f"there is no {path}"
        except (OSError, RosterError) as error:
            return stamp, str(error)


def _stamp(path: Path) -> object:
    """What is different when the file is another one; None without a file, a text if it can't be looked at."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return str(error)
    return status.st_mtime_ns, status.st_size, status.st_ino


def changes(old: Roster, new: Roster) -> Iterator[str]:
    """What is different, one line each; of a first roster just how much there is."""
    if not old.assignments:
        yield new.summary
        return
    before, after = ({_text(assignment): None for assignment in roster.assignments} for roster in (old, new))
    yield from (f"no more {text}" for text in before if text not in after)
    yield from (f"now {text}" for text in after if text not in before)


def _text(assignment: Assignment) -> str:
    days = f"{assignment.first_day} to {assignment.last_day}"
    return f"{device_name(assignment.identifier)} {assignment.file_id} {assignment.sailor}, {days}"
