"""The interface to a kind of device: everything that the rest of the collector knows of it.

A kind of device is a folder beside this file, with a class that implements `Driver`; `drivers.py` lists the kinds. For
a new one, run `tests/devices/test_drivers.py` first, which tests all of them. No other code depends on the kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Generic, Protocol, TypeVar

from msgspec import Meta, Struct

from sse_twisted.devices.connections import Address
from sse_twisted.devices.http import DeviceHttp
from sse_twisted.runtime.log_levels import Level

T_co = TypeVar("T_co", covariant=True)

MAX_PATH = 255  # characters
MAX_NUMBER = 2**62  # of any number in a listing; many JSON readers reject larger ones

Count = Annotated[int, Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)]


class Identity(Struct, frozen=True):
    """Which device answers; None if a value is missing or invalid."""

    number: int  # on its sticker, 1 to 999,999; unique within an event, whatever the kinds of its devices
    battery: int | None = None  # percent


class DeviceSettings(Struct, frozen=True):
    """The settings of a device that the collector uses."""

    timezone: int | None = None  # minutes east of UTC; None if missing or invalid


class ListedTrack(Struct, frozen=True, gc=False):
    """A track in the listing of a device: times in ms since 1970 UTC, distance in mm, speeds in mm/s."""

    file: str  # the path to request
    size: Count  # bytes, as listed
    start_date: Count
    length: int  # bytes that the device sends
    end_date: Count = 0  # 0 if the track was never finalised, as when the battery is flat
    duration: Count = 0  # ms
    distance: Count = 0
    timezone: Count | None = None  # minutes east of UTC
    claims: tuple[tuple[str, int], ...] = ()  # best speed by discipline, 0 = none; only what is listed
    extension: str = ""  # with its dot, safe in a file name
    is_plausible: bool = True  # whether a finalised track can have this size

    def claim(self, discipline: str) -> int | None:
        """Return the best speed in a discipline such as "500m"; None if it is not listed."""
        for name, speed in self.claims:
            if name == discipline:
                return speed
        return None

    @property
    def path_problem(self) -> str:
        """Why the path can't be requested; "" if it can."""
        path = self.file
        if not path.startswith("/") or path.startswith("//"):
            return "path is not on the device"
        if ".." in path.split("/") or "\\" in path:
            return "path contains '..' or a backslash"
        if not path.isprintable() or "\ufffd" in path or len(path) > MAX_PATH or path.endswith("/"):
            return "invalid path"
        return ""


class BadEntry(Struct, frozen=True):
    """An unreadable entry of a listing; the device must stay connected."""

    index: int
    file: str
    why: str


class Listing(Struct, frozen=True):
    """All tracks of a device, each once, and the unreadable entries."""

    entries: tuple[ListedTrack, ...] = ()
    bad: tuple[BadEntry, ...] = ()


class Reply(Struct, Generic[T_co], frozen=True):
    """An answer of a device, and the bytes to store in the event folder."""

    value: T_co
    stored: bytes


class AnswerFiles(Struct, frozen=True):
    """The names of the files in which the event folder stores the last answers of a device."""

    identity: str
    settings: str
    listing: str


class Finding(Struct, frozen=True):
    """A value that a device reports, compared with what is expected; never a reason not to collect."""

    subject: str  # logged once per visit
    actual: str  # for people, with its unit
    expected: str  # "" if any value is
    ok: bool
    text: str  # for the log, and for the board if not as expected
    usual: Level = "debug"  # log level if as expected

    @property
    def level(self) -> Level:
        return self.usual if self.ok else "warning"


class Driver(Protocol):
    """One kind of device. The three async methods request an answer and raise DeviceError; all others are pure."""

    @property
    def kind(self) -> str:
        """A short word for the kind, such as "motion"."""

    @property
    def files(self) -> AnswerFiles:
        """The names of the stored answers."""

    def host_name(self, number: int) -> str:
        """Return the name of a device, as in DNS, log lines and folders."""

    def number_of(self, host_name: str) -> int | None:
        """Return the number of a device from its host name; None if it is not of this kind."""

    async def identify(self, http: DeviceHttp, at: Address) -> Reply[Identity]:
        """Ask which device is at an address."""

    async def settings(self, http: DeviceHttp, at: Address) -> Reply[DeviceSettings] | None:
        """Request the settings; None for a kind without any."""

    async def listing(self, http: DeviceHttp, at: Address) -> Reply[Listing]:
        """Request the tracks. The caller verifies afterwards, by `identify`, which device they are from."""

    def stored_settings(self, stored: bytes) -> DeviceSettings:
        """Parse stored settings; raises BadAnswer."""

    def stored_listing(self, stored: bytes) -> Listing:
        """Parse a stored listing; raises BadAnswer."""

    def length_of(self, size: int) -> int:
        """Return how many bytes the device sends for a track that it lists with `size`."""

    def is_whole(self, size: int, length: int) -> bool:
        """Return whether a file of `length` bytes is all of a track that is listed with `size`."""

    def accepts_length(self, track: ListedTrack, announced: int) -> bool:
        """Return whether a Content-Length is accepted at once; any other must be received twice."""

    def findings(self, files: Mapping[str, bytes], expected: Any) -> Iterator[Finding]:
        """Compare stored answers, by file name, with `expected`, the table [expected] of the settings.

        Invalid answers have no findings.
        """


def extension_of(path: str, default: str) -> str:
    """Return the extension of a path with its dot; `default` unless it is safe in a file name."""
    match = re.search(r"\.[A-Za-z0-9]{1,8}$", path, re.ASCII)
    return match[0] if match else default
