"""The seam to a kind of device: everything that the rest of the collector knows of it.

A kind of device is a folder beside this file, with a class that implements `Driver`; `drivers.py` lists them. The suite
`tests/devices/test_drivers.py` runs over all of them and is the first thing to run for a new one. The collector never
asks what kind a device is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Generic, Protocol, TypeVar

from attrs import frozen
from msgspec import Meta, Struct

from sse_twisted.devices.connections import Address
from sse_twisted.devices.http import DeviceHttp
from sse_twisted.runtime.log_levels import Level

T_co = TypeVar("T_co", covariant=True)

MAX_PATH = 255  # characters
MAX_NUMBER = 2**62  # of any figure that a device lists; a larger one does not fit into JSON readers

Count = Annotated[int, Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)]


@frozen
class Identity:
    """Which device answers. None means that it does not say, or says nonsense."""

    number: int  # on its sticker, 1 to 999,999; unique within an event, whatever the kinds of its devices
    battery: int | None = None  # percent


@frozen
class DeviceSettings:
    """The settings of a device that matter to the collector."""

    timezone: int | None = None  # minutes east of UTC; None if it does not say


class ListedTrack(Struct, frozen=True):
    """A track as its device lists it: times in ms UTC, distance in mm, speeds in mm/s."""

    file: str  # the path to ask for
    size: Count  # bytes, as listed
    start_date: Count
    length: int  # bytes that the device sends
    end_date: Count = 0  # 0 if the track was never finalised, as when the battery is flat
    duration: Count = 0  # ms
    distance: Count = 0
    timezone: Count | None = None  # minutes east of UTC
    claims: tuple[tuple[str, int], ...] = ()  # best speed by discipline, 0 = none; what is not listed is missing
    extension: str = ""  # of the file, with its dot, fit for a file name
    is_plausible: bool = True  # whether the size can be that of a finalised track

    def claim(self, discipline: str) -> int | None:
        """Return the best speed in a discipline such as "500m", None if the device does not list it."""
        return next((speed for name, speed in self.claims if name == discipline), None)

    @property
    def path_problem(self) -> str:
        """Why the path can't be requested; "" if it can."""
        path = self.file
        if not path.startswith("/") or path.startswith("//"):
            return "its path is not one of the device"
        if ".." in path.split("/") or "\\" in path:
            return "its path leads elsewhere"
        if not path.isprintable() or "\ufffd" in path or len(path) > MAX_PATH or path.endswith("/"):
            return "its path is unusable"
        return ""


@frozen
class BadEntry:
    """An entry of a listing that can't be read; it keeps the device on."""

    index: int
    file: str
    why: str


@frozen
class Listing:
    """All tracks of a device, each once, and the entries that can't be read."""

    entries: tuple[ListedTrack, ...] = ()
    bad: tuple[BadEntry, ...] = ()


@frozen
class Reply(Generic[T_co]):
    """An answer of a device, and the bytes that keep it in the event folder."""

    value: T_co
    stored: bytes


@frozen
class AnswerFiles:
    """The names in the event folder under which a device's last answers are kept."""

    identity: str
    settings: str
    listing: str


@frozen
class Finding:
    """One thing that a device says of itself, beside what is expected of it; never a reason not to collect."""

    subject: str  # logged once in a visit
    actual: str  # for people, with its unit
    expected: str  # "" where nothing is
    ok: bool
    text: str  # in the log; and among the device's findings where it is not as expected
    usual: Level = "debug"  # log level where it is as expected

    @property
    def level(self) -> Level:
        return self.usual if self.ok else "warning"


class Driver(Protocol):
    """One kind of device. All methods are pure but for the three that ask a device; those raise DeviceError."""

    @property
    def kind(self) -> str:
        """A short word for the kind."""

    @property
    def files(self) -> AnswerFiles:
        """Where the event folder keeps the answers."""

    def host_name(self, number: int) -> str:
        """Return the name under which name servers know the device, and which log lines and folders use."""

    def number_of(self, host_name: str) -> int | None:
        """Return the number in a host name of this kind, None for any other name."""

    async def identify(self, http: DeviceHttp, at: Address) -> Reply[Identity]:
        """Ask which device answers at an address."""

    async def settings(self, http: DeviceHttp, at: Address) -> Reply[DeviceSettings] | None:
        """Ask for the settings; None for a kind that has none."""

    async def listing(self, http: DeviceHttp, at: Address) -> Reply[Listing]:
        """Ask for the tracks. Whose they are is asked afterwards by `identify`."""

    def stored_settings(self, stored: bytes) -> DeviceSettings:
        """Read the settings that an earlier visit stored; raises BadAnswer."""

    def stored_listing(self, stored: bytes) -> Listing:
        """Read the listing that an earlier visit stored; raises BadAnswer."""

    def length_of(self, size: int) -> int:
        """Return how many bytes the device sends of a track that it lists with `size`."""

    def is_whole(self, size: int, length: int) -> bool:
        """Whether a file of `length` bytes is all of a track that is listed with `size`."""

    def accepts_length(self, track: ListedTrack, announced: int) -> bool:
        """Whether a Content-Length can be believed at once; any other must be announced twice."""

    def findings(self, files: Mapping[str, bytes], expected: Any) -> Iterator[Finding]:
        """Compare stored answers, by file name, with what the settings expect; nonsense has no findings.

        `expected` is the table [expected] of the settings; a driver takes from it what it knows.
        """


def extension_of(path: str, default: str) -> str:
    """Return the extension of a path with its dot; `default` where there is none that is fit for a file name."""
    match = re.search(r"\.[A-Za-z0-9]{1,8}$", path, re.ASCII)
    return match[0] if match else default
