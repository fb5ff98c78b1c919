"""The bytes of an OAO track: a header of 512 bytes, then frames back to back; little endian, packed, no end marker.

Worked out from 86 files of real devices, in which only modes 0x0AD0, 0x0AD4 and 0x0AD5 occur. The names and lengths of
the other modes are from public C structures of open loggers.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Octets: TypeAlias = NDArray[np.uint8]
Frames: TypeAlias = NDArray[Any]  # structured, of dtype FRAME

HEADER_SIZE: Final = 512
FRAME_SIZE: Final = 52
BATCH_SIZE: Final = 1024  # rows whose bytes become floats at once: of frames of fixes 208 KB, which stay in the cache

MODE_FAMILY: Final = 0x0A  # high byte of every mode
HEADER_MODE: Final = 0x0AD0
SECOND_MODE: Final = 0x0AD4  # a GNSS fix on a whole second
BETWEEN_MODE: Final = 0x0AD5  # a GNSS fix between two whole seconds
LENGTHS: Final = {
    HEADER_MODE: HEADER_SIZE,
    0x0AD1: 12,  # track point
    0x0AD2: 34,  # emergency
    0x0AD3: 34,  # point of interest
    SECOND_MODE: FRAME_SIZE,
    BETWEEN_MODE: FRAME_SIZE,
    0x0AD6: 32,  # attitude
}

_POSITION: Final = [("latitude", "<i4"), ("longitude", "<i4"), ("altitude", "<i4")]  # 1e-7 degrees, mm above the sea
_EXTREME: Final = [*_POSITION, ("speed", "<u4")]
_BEST: Final = [("second", "<u4"), ("value", "<u4")]  # end of the window in UTC seconds, mm/s

HEADER: Final = np.dtype(
    [
        ("mode", "<u2"),
        ("checksum", "u1", (2,)),
        ("identifier", "<u2"),
        ("nickname", "S10"),
        ("start_date", "<u8"),  # ms UTC of the first fix received; dates and positions are not those of stored frames
        ("start", _POSITION),
        ("end_date", "<u8"),  # ms UTC of the last fix received; 0 = never finalised
        ("end", _POSITION),
        ("distance", "<u4"),  # mm
        ("minimum", _EXTREME),
        ("maximum", _EXTREME),
        ("above_12kn", "<u4"),  # mm/s
        ("above_12kn_seconds", "<u4"),
        ("1s", _BEST, (5,)),
        ("10s", _BEST, (5,)),
        ("1h", _BEST, (5,)),
        ("500m", _BEST, (5,)),
        ("alpha500", _BEST, (5,)),
        ("1852m", _BEST, (5,)),
        ("gybe", _BEST, (5,)),
        ("elevation_gain", "<u4"),  # mm
        ("2s", _BEST, (5,)),
        ("firmware", "<u2"),
        ("timezone", "<i2"),  # minutes east of UTC
        ("frequency", "u1"),  # Hz
        ("one_log_per_day", "u1"),
        ("unused", "u1", (18,)),
        ("signature", "u1", (64,)),
    ]
)

FRAME: Final = np.dtype(
    [
        ("mode", "<u2"),
        ("checksum", "u1", (2,)),
        ("latitude", "<i4"),  # 1e-7 degrees
        ("longitude", "<i4"),
        ("altitude", "<i4"),  # mm above the sea
        ("speed", "<u4"),  # mm/s over ground, by Doppler
        ("heading", "<u4"),  # 1e-5 degrees, of motion
        ("utc", "<u8"),  # ms since 1970
        ("fix", "u1"),  # 0 none, 2 = 2D, 3 = 3D
        ("satellites", "u1"),
        ("speed_accuracy", "<u4"),  # mm/s
        ("horizontal_accuracy", "<u4"),  # mm
        ("vertical_accuracy", "<u4"),  # mm
        ("heading_accuracy", "<u4"),  # 1e-5 degrees
        ("hdop", "<u2"),  # 0.01; 9999 = none
    ]
)


def checksums(rows: Octets) -> Octets:
    """Return the two bytes of the checksum of each row of an (n, length) matrix of frames of one length.

    It is an 8-bit Fletcher sum of all bytes but the two of the checksum, modulo 256 rather than 255.
    """
    return _sums(rows, _stored_left_out(rows.shape[1])).T.astype(np.uint8)


def sums_hold(rows: Octets) -> NDArray[np.bool_]:
    """Tell for each row of an (n, length) matrix of frames of one length whether its checksum is right.

    The sum misses about one in 65,536 random errors.
    """
    first, second = _sums(rows, _stored_subtracted(rows.shape[1]))
    held: NDArray[np.bool_] = (first | second) & 255 == 0
    return held


def fixes_hold(rows: Octets) -> NDArray[np.bool_]:
    """Tell for each row of an (n, 52) matrix whether it is a GNSS frame with a right checksum."""
    return sums_hold(rows) & modes_hold(rows)


def modes_hold(rows: Octets) -> NDArray[np.bool_]:
    """Tell for each row of an (n, 52) matrix whether it begins as a GNSS frame."""
    held: NDArray[np.bool_] = (rows[:, 0] | 1 == BETWEEN_MODE & 0xFF) & (rows[:, 1] == MODE_FAMILY)
    return held


def _sums(rows: Octets, weights: NDArray[Any]) -> NDArray[np.signedinteger[Any]]:
    """Return for each of two weights the sums of all rows."""
    sums = np.empty((len(weights), len(rows)), weights.dtype)
    copied = np.empty((min(len(rows), BATCH_SIZE), rows.shape[1]), weights.dtype)
    for start in range(0, len(rows), BATCH_SIZE):
        some = rows[start : start + BATCH_SIZE]
        batch = copied[: len(some)]
        batch[...] = some
        for weight, each in zip(weights, sums, strict=True):  # faster than one product with a matrix of two columns
            np.dot(batch, weight, out=each[start : start + len(some)])
    return sums.astype(np.int32 if weights.dtype == np.float32 else np.int64)


@cache
def _stored_left_out(length: int) -> NDArray[Any]:
    # The last byte enters the second sum once, the one before it twice, and so on; bytes 2 and 3 are skipped.
    first = [1, 1, 0, 0] + [1] * (length - 4)
    second = [length - 2, length - 3, 0, 0, *range(length - 4, 0, -1)]
    single = 255 * sum(second) < 1 << 24  # float32 holds every sum exactly, and is twice as fast
    return np.array([first, second], np.float32 if single else np.float64)


@cache
def _stored_subtracted(length: int) -> NDArray[Any]:
    weights = _stored_left_out(length).copy()
    weights[0, 2] = weights[1, 3] = -1
    return weights
