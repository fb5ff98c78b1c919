"""One visit: one stay of a device on the network, from detection to departure."""

from __future__ import annotations

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
from sse_twisted.event_folder.ledger import Ledger


@define(eq=False)
class Visit:
    """Shared by the steps of one visit; forgotten when the device goes."""

    identifier: int
    address: Address
    driver: Driver
    timezone: int | None = None  # minutes east of UTC, as its settings say
    rules: FilingRules | None = None  # by which its listing was last read
    ledger: Ledger | None = None
    remarked: set[str] = field(factory=set)  # subjects that were said once
    failures: Counter[str] = field(factory=Counter)  # of downloads, by track
    doubts: frozenset[str] = frozenset()  # of its last listing: they count only once
    resumes: bool = True  # until it shows that it can't
    retry_after: float = 0.0  # s that it asked us to wait
    conversations: int = 0  # begun so far
    silences: int = 0  # requests in a row that nobody took
    dropped: bool = False  # its device has gone, or is forgotten; it is still letting go of its files
    _talking: int = 0
    _woken: bool = False
    _bell: Deferred[None] | None = None

    @property
    def name(self) -> str:
        """The device's host name."""
        return self.driver.host_name(self.identifier)

    @property
    def is_talking(self) -> bool:
        """Whether a request is under way: no time for a probe."""
        return self._talking > 0

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Around requests to the device; takes note of whether they were answered."""
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

    def wake(self) -> None:
        """Something has changed: look at everything again, now."""
        self._woken = True
        if self._bell is not None and not self._bell.called:
            self._bell.callback(None)

    async def wait_for_wake(self, clock: IReactorTime, seconds: float | None) -> None:
        """Wait for `wake`, for that many seconds at most."""
        if not self._woken:
            self._bell = Deferred()
            if seconds is not None:
                self._bell.addTimeout(seconds, clock, onTimeoutCancel=lambda *_: None)
            await self._bell
        self._bell = None
        self._woken = False
