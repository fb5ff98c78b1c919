"""The FIT format, as the registry knows it: length and checksum prove a file whole, the records become columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sse_twisted.tracks.fit.checksum import crc16
from sse_twisted.tracks.fit.reading import NONE, Reading
from sse_twisted.tracks.fit.worker import read_in_worker
from sse_twisted.tracks.format import (
    NO_HDOP,
    UNFILTERED,
    UNKNOWN,
    Buffer,
    Damage,
    Device,
    Evidence,
    Fixes,
    Integrity,
    Mask,
    SpeedSource,
    Track,
    measured_rate,
)
from sse_twisted.tracks.positions import speeds_between
from sse_twisted.tracks.whole_files import WholeFileVerifier

NAME: Final = "fit"
MAGIC: Final = b".FIT"
MIN_HEADER: Final = 12  # bytes; 14 with a checksum of the header
CRC_SIZE: Final = 2
RECORD_SIZE: Final = 30  # bytes, about
SEMICIRCLES: Final = 180 / (1 << 31)  # degrees
NEAR: Final = 10_000  # ms to a known place, within which the place of a speed is not far off
COROS_LAG: Final = 3000  # ms, measured against a Motion on the same body

Values = NDArray[np.int64]


class FitFormat:
    """Activities of watches. A checksum at the end covers the whole file."""

    name = NAME
    extension = ".fit"

    def __init__(self, read: Callable[[bytes], Reading] = read_in_worker) -> None:
        self._read = read

    def recognises(self, start: bytes) -> bool:
        return len(start) >= MIN_HEADER and MIN_HEADER <= start[0] < 64 and start[8:12] == MAGIC

    def verifier(self) -> WholeFileVerifier:
        return WholeFileVerifier(lambda data: self.decode(data).integrity, whole_to)

    def decode(self, data: Buffer) -> Track:
        data = bytes(data)
        if not self.recognises(data[:MIN_HEADER]):
            return _track(Reading(), Integrity(len(data), UNKNOWN))
        reading = self._read(data)
        damages = tuple(_damages(data, reading))
        integrity = Integrity(
            length=len(data),
            kind=NAME,
            fixes=len(reading.columns["time"]),
            damages=damages,
            damage_count=len(damages),
            whole=not damages,
        )
        return _track(reading, integrity)


def whole_to(data: bytes) -> int:
    """Return the end of the last file of a chain, up to which all lengths and checksums are right."""
    return max((end for _, end, is_sound in _files(data) if is_sound), default=0)


def _files(data: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield start and end of each file of a chain, and whether it is whole; nothing behind the first that is not."""
    start = 0
    while start < len(data):
        size = data[start]
        length = int.from_bytes(data[start + 4 : start + 8], "little")
        end = start + size + length + CRC_SIZE
        is_header = size >= MIN_HEADER and data[start + 8 : start + 12] == MAGIC
        is_sound = is_header and end <= len(data) and crc16(memoryview(data)[start:end]) == 0
        yield start, end, is_sound
        if not is_sound:
            return
        start = end


def _damages(data: bytes, reading: Reading) -> Iterator[Damage]:
    start, end, is_sound = list(_files(data))[-1]
    sound_to = min(reading.sound_to, len(data) - 1)
    if reading.problem:
        cut = f": cut after {len(data) - start:,} of {end - start:,} bytes" if end > len(data) else ""
        yield Damage(sound_to, len(data) - sound_to, reading.problem + cut)
    elif not is_sound:
        what = "the checksum at the end does not match: bytes before it were changed"
        yield Damage(max(0, len(data) - CRC_SIZE), min(CRC_SIZE, len(data)), what, hides_fixes=False)


def _track(reading: Reading, integrity: Integrity) -> Track:
    columns = {name: np.frombuffer(column, np.int64) for name, column in reading.columns.items()}
    fixes = _fixes(columns)
    count = len(fixes)
    return Track(
        fixes=fixes,
        integrity=integrity,
        offsets=columns["offset"],
        fix_size=max(1, integrity.length // count) if count else RECORD_SIZE,
        rate=measured_rate(fixes.time),
        rules=UNFILTERED,
        speeds=SpeedSource.DOPPLER if (columns["speed"] != NONE).any() else SpeedSource.POSITIONS,
        evidence=Evidence.PROVEN if integrity.whole else Evidence.AS_HANDED_IN,
        device=_device(reading),
        remarks=tuple(_remarks(columns)),
    )


def _remarks(columns: dict[str, Values]) -> Iterator[str]:
    count = len(columns["time"])
    without_speed = int((columns["speed"] == NONE).sum())
    without_place = int((columns["latitude"] == NONE).sum())
    if without_speed:
        yield f"{without_speed:,} of {count:,} records have no speed"
    if without_place:
        yield f"{without_place:,} of {count:,} records have no place"


def _device(reading: Reading) -> Device:
    is_told = reading.model.lower().startswith(reading.maker.lower())
    model = reading.model if is_told else f"{reading.maker} {reading.model}".strip()
    return Device(model, "", reading.serial, COROS_LAG if reading.maker == "COROS" else 0)


def _fixes(columns: dict[str, Values]) -> Fixes:
    """Return the columns. A record without speed has fix 0; if no record has one, speeds are made from positions.

    Some watches store places and speeds in different records: one without a place is put between its neighbours, and
    has fix 2 if they are far.
    """
    time = columns["time"] * 1000
    has_place = (columns["latitude"] != NONE) & (columns["longitude"] != NONE)
    latitude, longitude = (_placed(time, columns[name] * SEMICIRCLES, has_place) for name in ("latitude", "longitude"))
    speed, has_speed = columns["speed"], columns["speed"] != NONE
    if has_place.any() and not has_speed.any():
        made, has_speed = speeds_between(time, latitude, longitude)
        speed = np.round(made * 1000).astype(np.int64)
    fix = np.where(_is_near(time, has_place), np.uint8(3), np.uint8(2))
    return Fixes(
        time=time,
        latitude=latitude,
        longitude=longitude,
        speed=np.where(has_speed, np.clip(speed, 0, 1 << 31), 0),
        course=_told(columns["course"], 0)
        if (columns["course"][has_speed] != NONE).all() and has_speed.any()
        else None,
        satellites=_told(columns["satellites"], 0) if (columns["satellites"] != NONE).any() else None,
        fix=np.where(has_speed & np.isfinite(latitude), fix, np.uint8(0)),
        hdop=_told(columns["hdop"], NO_HDOP) if (columns["hdop"] != NONE).any() else None,
        altitude=(_told(columns["altitude"], 2500) * 200 - 500_000) if (columns["altitude"] != NONE).any() else None,
    )


def _told(column: Values, otherwise: int) -> Values:
    values: Values = np.where(column == NONE, otherwise, np.clip(column, -(1 << 40), 1 << 40))
    return values


def _placed(time: Values, degrees: NDArray[np.floating[Any]], has_place: Mask) -> NDArray[np.float64]:
    """Return degrees for each record: its own, or those between its neighbours; NaN where there is no place at all."""
    known, which = np.unique(time[has_place], return_index=True)
    if not len(known):
        return np.full(len(time), np.nan)
    between: NDArray[np.float64] = np.interp(time, known, degrees[has_place][which])
    return np.where(has_place, degrees, between)


def _is_near(time: Values, has_place: Mask) -> Mask:
    known = np.unique(time[has_place])
    if not len(known):
        return np.zeros(len(time), np.bool_)
    following = np.searchsorted(known, time)
    before = np.abs(time - known[np.maximum(following - 1, 0)])
    after = np.abs(known[np.minimum(following, len(known) - 1)] - time)
    near: Mask = np.minimum(before, after) <= NEAR
    return near
