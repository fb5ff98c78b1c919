"""The known kinds of devices, and the kind of each device."""

from __future__ import annotations

from collections.abc import Iterator

from sse_twisted.devices.driver import Driver
from sse_twisted.devices.motion.driver import MotionDriver
from sse_twisted.devices.motion.findings import MotionExpected as DeviceExpected

__all__ = ["KNOWN", "DeviceExpected", "Drivers", "device_name", "device_number"]


class Drivers:
    """The kinds of devices in use. A device is of the first kind until its name or its answer shows another one.

    Numbers are unique within an event, since rosters identify devices by number only. Any thread may read this.
    """

    def __init__(self, first: Driver, *others: Driver) -> None:
        self._drivers = (first, *others)
        self._of: dict[int, Driver] = {}

    def __iter__(self) -> Iterator[Driver]:
        return iter(self._drivers)

    def of(self, number: int) -> Driver:
        return self._of.get(number, self._drivers[0])

    def learn(self, number: int, driver: Driver) -> None:
        if driver is not self._drivers[0]:
            self._of[number] = driver
        else:  # not remembered: there may be ever new numbers
            self._of.pop(number, None)

    def name(self, number: int) -> str:
        """Return the host name of a device, as in log lines."""
        return self.of(number).host_name(number)

    def number(self, host_name: str) -> int | None:
        """Return the number from a host name and remember the kind; None if no kind has such names."""
        for driver in self._drivers:
            if (number := driver.number_of(host_name)) is not None:
                self.learn(number, driver)
                return number
        return None


KNOWN = (MotionDriver(),)


def device_name(number: int) -> str:
    """Return the host name of a device of the first known kind."""
    return KNOWN[0].host_name(number)


def device_number(host_name: str) -> int | None:
    """Return the number from a host name of any known kind, else None."""
    return next((number for driver in KNOWN if (number := driver.number_of(host_name)) is not None), None)
