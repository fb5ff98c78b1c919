"""Captive portals and transparent proxies: networks in which every address answers with a web page.

Where one device does, something is wrong with it. Where many do, no device is there: they count as absent, in one line.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sse_twisted.config.live import Target
from sse_twisted.devices.errors import DeviceError, Refused, WebPage
from sse_twisted.runtime.text import plural

MIN_TARGETS = 5  # whose addresses answer with a web page within WINDOW
MIN_SCANS = 2  # in a row with a web page, before it is logged of one target: by then the others are known
WINDOW = 60.0  # s


@define(eq=False)
class Portal:
    """Counts the targets that were found to be a web page. It is there while there are at least MIN_TARGETS."""

    _clock: IReactorTime
    _log: Logger
    _is_anyone_here: Callable[[], bool] = lambda: False  # whether a device is present
    _pages: dict[Target, tuple[float, int]] = field(factory=dict, init=False)  # s of the last page, and scans in a row
    _is_there: bool = field(default=False, init=False)  # as logged

    @property
    def trouble(self) -> str:
        """What the portal does; "" if there is none, or devices are found all the same."""
        there = f"a web page answers at {self._addresses()}, as in a WiFi with a login page"
        return there if self.is_open() and not self._is_anyone_here() else ""

    def note(self, target: Target, has_page: bool) -> bool:
        """Take the outcome of a scan for a target; return whether a web page there is a fault of that device alone."""
        now = self._clock.seconds()
        _, scans = self._pages.pop(target, (0.0, 0))
        if has_page:
            self._pages[target] = now, scans + 1
        is_open = self.is_open()
        if is_open and not self._is_there:
            text = "A web page answers at {addresses}, as in a WiFi with a login page: those devices count as absent"
            self._log.warn(text, addresses=self._addresses())
        elif self._is_there and not is_open:
            self._log.info("Addresses of devices no longer answer with a web page")
        self._is_there = is_open
        return has_page and not is_open and scans + 1 >= MIN_SCANS

    def is_open(self) -> bool:
        """Whether a web page answers for so many targets that it is none of theirs."""
        oldest = self._clock.seconds() - WINDOW
        for target in [target for target, (when, _) in self._pages.items() if when < oldest]:
            del self._pages[target]
        return len(self._pages) >= MIN_TARGETS

    def _addresses(self) -> str:
        return plural(len(self._pages), "device address", "device addresses")


def is_web_page(error: DeviceError) -> bool:
    """Whether a response is that of a portal: HTML, or a redirect to its login page."""
    return isinstance(error, WebPage) or (isinstance(error, Refused) and 300 <= error.status < 400)
