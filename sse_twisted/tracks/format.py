"""The seam between a file format and everything that is computed from fixes.

A format implements `TrackFormat`, and `formats.py` lists it. The rest of the program knows the neutral types of this
module only. Run `tests/tracks/test_formats.py` first when you write a format.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum, auto
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from attrs import frozen
from msgspec import Struct
from msgspec.structs import astuple
from numpy.typing import NDArray

Buffer: TypeAlias = bytes | bytearray | memoryview
Column: TypeAlias = NDArray[np.integer[Any]]
Degrees: TypeAlias = NDArray[np.float64]
Times: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Offsets: TypeAlias = range | NDArray[np.int64]

KNOT: Final = 1852 / 3.6  # mm/s
NO_HDOP: Final = 9999  # in the column of HDOP: the receiver had none
MAX_RATE: Final = 25  # Hz; no GNSS chip in a logger is faster
UNKNOWN: Final = "unknown"  # kind of a file in no known format


class Alpha(Enum):
    """How a device searches for its alpha 500."""

    NONE = auto()
    EVERY_SECOND = auto()  # among the fixes on whole seconds; the device stamps the result 10 s late
    FULL_RATE = auto()


class SpeedSource(Enum):
    """Where the speeds of a track come from."""

    DOPPLER = auto()  # measured by the receiver
    POSITIONS = auto()  # computed from positions, by the device or by us


class Evidence(StrEnum):
    """What is known of the bytes of a track, the best grade first; see `evidence.py`."""

    PROVEN = "proven"  # checksums protect every byte, and the length is known: nothing is missing
    CONSISTENT = "consistent"  # checksums protect the fixes; a missing end would not be seen
    AS_HANDED_IN = "as handed in"  # there is nothing to check the bytes against


class Rules(Struct, frozen=True):
    """How a device counts, chosen by its format for each track. Speeds in mm/s.

    A limit applies only where the track has its column.
    """

    min_fix: int = 3  # 3D; official: "Fix < 3 and/or Satellites < 7 should be ignored"
    min_satellites: int = 7
    max_speed_error: int = 1000  # reproduces the maximum speed of 79 of 79 real files
    unusable_stands: bool = False  # whether an unusable fix counts as speed 0; otherwise as missing
    logging_threshold: int = 0  # the device counts slower fixes, but does not store them
    alpha: Alpha = Alpha.FULL_RATE
    parts: int = 1  # means are rounded down to 1/parts of a mm/s


# ESP loggers count by these rules, whatever the format of their file: 5 satellites or more, and an unusable fix is 0.
# They show km/h with three decimals, hence the parts.
ESP_RULES: Final = Rules(min_fix=0, min_satellites=5, unusable_stands=True, parts=1000)
# Nothing is left out of files whose device is not known to leave anything out; what is doubtful is remarked instead.
UNFILTERED: Final = Rules(min_fix=1, min_satellites=0, max_speed_error=1 << 31)


class Best(Struct, frozen=True):
    """A speed in mm/s, and the UTC second in which its window ended."""

    second: int
    value: int


@frozen
class Header:
    """What a device claims of a whole track.

    Dates are ms UTC of the first and last fix that it received, stored or not; `end_date` is 0 where the log was never
    finalised. The distance is in mm, speeds in mm/s, the time zone in minutes east of UTC, the frequency in Hz
    (0: unknown). `bests` maps the name of a discipline to its claims, the fastest first.
    """

    identifier: int  # number of the device
    nickname: str
    start_date: int
    end_date: int
    distance: int
    max_speed: int
    firmware: int
    timezone: int
    frequency: int
    bests: Mapping[str, tuple[Best, ...]]


class Damage(Struct, frozen=True):
    """Bytes of a track that cannot be used, and a short phrase that says why."""

    offset: int
    length: int
    what: str
    hides_fixes: bool = True  # whether fixes can have been there


class Integrity(Struct, frozen=True):
    """The result of verifying all bytes of a file.

    A cut between two fixes leaves no trace here: only the length that the device lists shows it.
    """

    length: int  # bytes seen
    kind: str  # name of the format; of other files `formats.kind_of` names it, or "unknown"
    header: Header | None = None  # None if it is damaged, or the format has none
    fixes: int = 0  # sound fixes
    damages: tuple[Damage, ...] = ()  # in order of offset; a format may keep only the first
    damage_count: int = 0
    unknown: int = 0  # intact records that are not decoded
    trailer: bytes = b""  # harmless bytes behind the last record; any other trailer is a Damage
    whole: bool = False  # nothing is damaged, and everything is there that the format requires
    header_missing: bool = False  # the format has a header, but the file begins without one, as it may


class Verifier(Protocol):
    """Verifies a file while it arrives, in chunks of any size. The result does not depend on the chunks."""

    @property
    def header(self) -> Header | None:
        """The header, as soon as it has arrived; None if it is damaged, or the format has none."""

    @property
    def verified_to(self) -> int:
        """The offset up to which all bytes are whole; a transfer can be resumed there. It never decreases."""

    def feed(self, data: Buffer) -> None:
        """Take the bytes that follow."""

    def finish(self) -> Integrity:
        """Judge all bytes. Nothing can be fed afterwards."""


class Fixes(Struct, frozen=True, eq=False):
    """The fixes of a track as columns of equal length, in the order of the file; None where the format has no column.

    A time can be any number if the file is hostile. Columns may share the memory of the file, so do not write to them.
    """

    time: Times  # ms UTC
    latitude: Degrees
    longitude: Degrees
    speed: Column  # mm/s over ground
    course: Column | None = None  # 1e-5 degrees
    speed_error: Column | None = None  # mm/s
    satellites: Column | None = None
    fix: Column | None = None  # as u-blox counts: 0 none, 2 = 2D, 3 = 3D
    hdop: Column | None = None  # 0.01, or NO_HDOP
    altitude: Column | None = None  # mm above the sea
    horizontal_error: Column | None = None  # mm
    vertical_error: Column | None = None  # mm
    course_error: Column | None = None  # 1e-5 degrees

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, which: Mask | slice | NDArray[np.intp]) -> Fixes:
        """Return the chosen fixes; a slice copies nothing."""
        columns: tuple[Any, ...] = astuple(self)
        chosen: list[Any] = [column if column is None else column[which] for column in columns]
        return Fixes(*chosen)


class Accuracy(Struct, frozen=True):
    """How exact the fixes of a best should be. The defaults are those of GPSResults and GPS Speedreader.

    Public: https://logiqx.github.io/gps-wizard/filtering/ (5 satellites, HDOP 5.0, speed error by receiver and rate).
    """

    min_satellites: int = 5
    max_hdop: int = 500  # 0.01
    max_speed_error: int = 2058  # mm/s, 4 knots: Locosys at 5 Hz and more
    max_mean_error: int = 1 << 31  # mm/s, of the fixes of a best on average


# Of u-blox receivers in ESP loggers: 1.2 knots, by GPS Speedreader.
ESP_ACCURACY: Final = Accuracy(max_speed_error=617)


class Device(Struct, frozen=True):
    """What a file says of its device. Only the model is for everybody: owner and serial help to find the owner."""

    model: str = ""  # such as "GT-31"
    owner: str = ""  # the name that a user typed in
    serial: str = ""  # number or MAC address
    lag: int = 0  # ms; by how much the receiver's filter delays speeds, if that was measured


class Track(Struct, frozen=True, eq=False):
    """A decoded file: the sound fixes, and what is known about them."""

    fixes: Fixes
    integrity: Integrity
    offsets: Offsets  # the byte at which each fix begins
    fix_size: int  # bytes of one fix, on average where they differ
    rate: int  # Hz: fixes that the device logs each second; 0 if unknown
    rules: Rules
    speeds: SpeedSource
    evidence: Evidence  # by the bytes alone
    device: Device = Device()
    remarks: tuple[str, ...] = ()  # one line each: what the format knows to be doubtful
    # Speed errors (mm/s) and HDOP (0.01) above these make a best doubtful, and fewer satellites than that.
    accuracy: Accuracy = Accuracy()

    @property
    def header(self) -> Header | None:
        """What the device claims of the track."""
        return self.integrity.header


class TrackFormat(Protocol):
    """A file format of tracks."""

    name: str  # in reports, such as "oao"
    extension: str  # of its files in lower case, such as ".oao"

    def recognises(self, start: bytes) -> bool:
        """Tell whether a file that begins with these bytes (512, or all of a shorter file) is of this format."""

    def verifier(self) -> Verifier:
        """Return a verifier for one file."""

    def decode(self, data: Buffer) -> Track:
        """Decode a whole file, damaged or not. Raises nothing: a file of another format is a track without fixes."""


def measured_rate(time: Times) -> int:
    """Return the rate in Hz by the median of the steps in time; 0 if there are none."""
    steps = np.diff(time)
    steps = steps[steps > 0]
    if not len(steps):
        return 0
    return min(max(1, round(1000 / float(np.median(steps)))), MAX_RATE)
