"""One visit: one stay of a device on the network, from detection to departure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from sse_twisted.config.filing import FilingRules
from sse_twisted.devices.connections import Address
from sse_twisted.devices.driver import Driver
from sse_twisted.devices.errors import DeviceError, Unreachable
from sse_twisted.event_folder.ledger import Ledger, StoredTrack

QUICK_ANSWER = 5.0  # s; a device that takes longer to answer does not count against a limit any more
MAX_REMARKS = 300  # log lines of one visit about its tracks; a faulty device may list thousands in each listing
MAX_SILENCES = 2  # unanswered requests in a row, after which a device may have gone


@define(eq=False)
class StoredAnswer:
    """An answer that is being stored, or is on disk."""

    sha256: bytes
    is_on_disk: bool = False


@define(eq=False)
class Visit:
    """State that the steps of one visit share; discarded when the device has gone."""

    identifier: int
    address: Address
    driver: Driver
    is_hearsay: bool = False  # whether it answers in the place of another device
    timezone: int | None = None  # minutes east of UTC, as its settings say
    rules: FilingRules | None = None  # applied to its last listing
    ledger: Ledger | None = None
    unstored: dict[str, bytes] = field(factory=dict)  # answers of a stranger that are stored with its listing, by file
    stored_answers: dict[str, StoredAnswer] = field(factory=dict)  # the last ones of this inspection, by file
    remarked: set[str] = field(factory=set)  # subjects that were logged
    examined: dict[str, object] = field(factory=dict)  # the last answers with findings, and what was expected, by file
    missing: tuple[str, ...] = ()  # names of all tracks that were missing at the last comparison
    failure_lines: int = 0  # in the log
    stored: tuple[StoredTrack, ...] = ()  # its tracks that are on disk, at the last comparison
    failures: Counter[str] = field(factory=Counter)  # of downloads, by track
    doubts: frozenset[str] = frozenset()  # about its last listing; each counts once
    retry_after: float = 0.0  # s, as the device asked
    conversations: int = 0  # requests started so far
    silences: int = 0  # unanswered requests in a row
    identified_at: float = -math.inf  # s of the clock, when the cleanup last asked for its number
    is_slow: bool = False  # whether its last download was slow
    ignores_range: bool = False  # whether it sent a whole track when asked for a part
    dropped: bool = False  # its device has gone or was reset; the visit is releasing its files
    _talking: int = 0
    _woken: bool = False
    _bell: Deferred[None] | None = None

    @property
    def name(self) -> str:
        return self.driver.host_name(self.identifier)

    @property
    def is_talking(self) -> bool:
        return self._talking > 0

    def is_new(self, subject: str) -> bool:
        """Return whether to log a subject now: once in a visit, and only so many."""
        if subject in self.remarked or len(self.remarked) >= MAX_REMARKS:
            return False
        self.remarked.add(subject)
        return True

    def may_log_failure(self) -> bool:
        """Return whether one more failed download is worth a line: a faulty device may list thousands of tracks."""
        self.failure_lines += 1
        return self.failure_lines <= MAX_REMARKS

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Wrap requests to the device and count whether they are answered."""
        self.conversations += 1
        self._talking += 1
        try:
            yield
            self.silences = 0
        except Unreachable:
            self.silences += 1
            raise
        except DeviceError:
            self.silences = 0
            raise
        finally:
            self._talking -= 1

    def forget_files(self) -> None:
        """Read and store all again: another disk is in the place of the first."""
        self.ledger = None
        self.stored_answers = {}

    def wake(self) -> None:
        """Inspect the device again now, because something has changed."""
        self._woken = True
        if self._bell is not None and not self._bell.called:
            self._bell.callback(None)

    async def wait_for_wake(self, clock: IReactorTime, seconds: float | None) -> None:
        """Wait for `wake`, or for at most `seconds`; None waits without limit."""
        if not self._woken:
            self._bell = Deferred()
            if seconds is not None:
                self._bell.addTimeout(seconds, clock, onTimeoutCancel=lambda *_: None)
            await self._bell
        self._bell = None
        self._woken = False
