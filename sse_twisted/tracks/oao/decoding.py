"""The OAO format of the Motion GPS and of ESP loggers, as the registry knows it."""

from __future__ import annotations

from typing import Final

import numpy as np

from sse_twisted.tracks.format import (
    ESP_ACCURACY,
    ESP_RULES,
    MAX_RATE,
    NO_HDOP,
    Accuracy,
    Buffer,
    Device,
    Evidence,
    Fixes,
    Header,
    Integrity,
    Offsets,
    Rules,
    SpeedSource,
    Track,
    measured_rate,
)
from sse_twisted.tracks.oao.firmware import ESP_IDENTIFIER, rules_of
from sse_twisted.tracks.oao.integrity import NAME, OaoVerifier, is_header, is_headerless
from sse_twisted.tracks.oao.layout import FRAME, FRAME_SIZE, Frames

# Of 13 real sessions, the worst best has a mean speed error of 371 mm/s, and its fixes have 9 satellites.
ACCURACY: Final = Accuracy(min_satellites=9, max_hdop=NO_HDOP, max_speed_error=1 << 31, max_mean_error=500)
COPIED: Final = ("utc", "speed", "heading", "speed_accuracy", "satellites", "fix", "hdop")


class OaoFormat:
    """A `TrackFormat`; see the package for the layout."""

    name = NAME
    extension = ".oao"

    def __init__(self, *, is_verified: bool = False) -> None:
        """Take whether the files to decode are verified and whole, so that no checksum need be computed."""
        self._is_verified = is_verified

    def recognises(self, start: bytes) -> bool:
        return is_header(start) or is_headerless(start)

    def verifier(self) -> OaoVerifier:
        return OaoVerifier()

    def decode(self, data: Buffer) -> Track:
        frames, offsets, integrity = frames_of(data, is_verified=self._is_verified)
        fixes, header = fixes_of(frames), integrity.header
        told = header.frequency if header else 0
        rules = rules_of(header.identifier, header.firmware) if header else Rules()
        rules = ESP_RULES if integrity.header_missing else rules
        return Track(
            fixes=fixes,
            integrity=integrity,
            offsets=offsets,
            fix_size=FRAME_SIZE,
            rate=told if 0 < told <= MAX_RATE else measured_rate(fixes.time),
            rules=rules,
            speeds=SpeedSource.DOPPLER,
            evidence=Evidence.CONSISTENT,
            device=Device("ESP-GPS") if integrity.header_missing else _device(header),
            accuracy=ESP_ACCURACY if rules is ESP_RULES else ACCURACY,
        )


def frames_of(data: Buffer, *, is_verified: bool = False) -> tuple[Frames, Offsets, Integrity]:
    """Return the sound GNSS frames of a file, their offsets, and the integrity of all bytes.

    The frames share the memory of `data` where no bytes lie between them; they are read-only if it is.
    """
    runs: list[tuple[int, int]] = []
    verifier = OaoVerifier(lambda offset, count: runs.append((offset, count)), is_verified=is_verified)
    verifier.feed(data)
    integrity = verifier.finish()
    if not integrity.fixes:
        return np.empty(0, FRAME), range(0), integrity
    (first, _), (last, count) = runs[0], runs[-1]
    end = last + count * FRAME_SIZE
    if first + integrity.fixes * FRAME_SIZE == end:
        return np.frombuffer(data, FRAME, integrity.fixes, first), range(first, end, FRAME_SIZE), integrity
    parts = [np.frombuffer(data, FRAME, count, offset) for offset, count in runs]
    offsets = [np.arange(offset, offset + count * FRAME_SIZE, FRAME_SIZE) for offset, count in runs]
    return np.concatenate(parts), np.concatenate(offsets), integrity


def fixes_of(frames: Frames) -> Fixes:
    """Return the columns of frames. Those that speeds are made of are copied: side by side they are far faster."""
    time, speed, course, speed_error, satellites, fix, hdop = (np.ascontiguousarray(frames[name]) for name in COPIED)
    return Fixes(
        time=time.view(np.int64),
        latitude=frames["latitude"] / 1e7,
        longitude=frames["longitude"] / 1e7,
        speed=speed,
        course=course,
        speed_error=speed_error,
        satellites=satellites,
        fix=fix,
        hdop=hdop,
        altitude=frames["altitude"],
        horizontal_error=frames["horizontal_accuracy"],
        vertical_error=frames["vertical_accuracy"],
        course_error=frames["heading_accuracy"],
    )


def _device(header: Header | None) -> Device:
    if header is None:
        return Device()
    if header.identifier == ESP_IDENTIFIER and not header.firmware:
        return Device("ESP-GPS")
    return Device("Motion", header.nickname, str(header.identifier))
