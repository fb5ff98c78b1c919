"""Reads which tracks of a day count for course runs: for a running collector and for `sse-results` alike. Blocks."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Sequence

from attrs import define, field

from sse_twisted.config.assignment import Assignment
from sse_twisted.config.settings import Expected
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.handin.ledger import PATH, Ledger
from sse_twisted.results.backups import Backup, Counting, backups_of, counting_on, not_collected, with_backups
from sse_twisted.results.days import reconcile

Stamp = tuple[int, int, int]


@define
class CountingReader:
    """Judges the devices by their ledgers, so that the same files give the same results at any time."""

    _folder: EventFolder
    _people: Callable[[], Sequence[Assignment]]
    _expected: Callable[[], Expected]
    _known: tuple[Stamp, dict[datetime.date, list[Backup]]] | None = field(default=None, init=False)

    def on(self, day: datetime.date) -> Counting:
        """Return which tracks of a day count; all do where nothing was handed in."""
        backups = self._backups().get(day)
        if not backups:
            return Counting()
        ledgers, people = self._folder.all_entries(), self._people()
        with_device = [each for each in people if each.identifier]
        found = reconcile(day, with_device, ledgers, {}, {}, {}, self._expected(), today=day)
        return counting_on(with_backups(found, not_collected(backups, ledgers), people))

    def _backups(self) -> dict[datetime.date, list[Backup]]:
        """Return the hand-ins by day; the ledger is read when it has changed."""
        try:
            status = (self._folder.root / PATH).stat()
        except OSError:
            return {}
        stamp = status.st_mtime_ns, status.st_size, status.st_ino
        if self._known is None or self._known[0] != stamp:
            entries = Ledger()
            with contextlib.suppress(OSError):  # of another user
                entries = Ledger.read(self._folder.root)
            self._known = stamp, backups_of(entries.entries.values())
        return self._known[1]
