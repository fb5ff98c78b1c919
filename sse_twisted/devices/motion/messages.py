"""Parse info.json, settings.json and logs.json in the shapes of all known firmwares.

Each value is checked for type and limits. An invalid entry of a listing does not affect the others.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from sse_twisted.devices.answer_json import MAX_ENTRIES
from sse_twisted.devices.driver import BadEntry, Count, ListedTrack, Listing, extension_of
from sse_twisted.devices.errors import BadAnswer
from sse_twisted.runtime.text import one_line

LISTING_EXTRA = 1024  # bytes of the listed size that are not sent, in 72 of 72 real downloads
EMPTY_LOG = 1536  # listed bytes of a log without frames; 1,405 of 7,536 real entries
FRAME = 52  # bytes
MAX_FRAMES_PER_SECOND = 25  # limit of the GNSS chip; the highest rate seen is 10 Hz

TRAILER = 2  # bytes of a harmless "]}" after a log, seen once
OAO = ".oao"
BESTS = {  # our disciplines, and their keys in logs.json
    "2s": "2s_best",
    "10s": "10s_best",
    "500m": "500m_best",
    "1852m": "1852m_best",
    "alpha500": "a500m_best",
    "1h": "1h_best",
}
FIGURES = frozenset({"end_date", "duration", "distance", "timezone", *BESTS.values()})
NUMBERS = FIGURES | {"size", "start_date"}
WHOLE_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,18})(?:\.0*)?\s*")
MAX_EXACT = 2**53  # up to which a float tells whole numbers apart
MAX_PATH = 1_024  # characters of a path; longer ones than 255 are listed, but not requested

Identifier = Annotated[int, Meta(ge=1, le=999_999)]
Minutes = Annotated[int, Meta(ge=-840, le=840)]
Percent = Annotated[int, Meta(ge=0, le=100)]


class MotionInfo(Struct, frozen=True):
    """`motion` of info.json. The identifier is required; any other value is None if missing or invalid."""

    identifier: int
    firmware_name: str | None = None  # as in the list of approved firmwares
    storage: int | None = None  # percent
    battery: int | None = None  # percent


class MotionSettings(Struct, frozen=True):
    """`settings` of settings.json, where all numbers are strings; None if missing or invalid."""

    gnss_rate: int | None = None  # Hz
    one_log_per_day: int | None = None
    timezone: int | None = None  # minutes east of UTC
    flash: int | None = None  # missing on the model with a display


class _Entry(Struct, rename={f"of_{name}": key for name, key in BESTS.items()}):
    """One log of logs.json: times in ms UTC, distance in mm, speeds in mm/s."""

    file: Annotated[str, Meta(max_length=MAX_PATH)]
    size: Count  # bytes on the device
    start_date: Count
    end_date: Count = 0
    duration: Count = 0  # ms
    distance: Count = 0
    timezone: Count | None = None  # minutes
    of_2s: Count | UnsetType = UNSET
    of_10s: Count | UnsetType = UNSET
    of_500m: Count | UnsetType = UNSET
    of_1852m: Count | UnsetType = UNSET
    of_alpha500: Count | UnsetType = UNSET
    of_1h: Count | UnsetType = UNSET


def length_of(size: int) -> int:
    """Return how many bytes the device sends for a log of that listed size."""
    return size - LISTING_EXTRA


def listed_track(entry: dict[str, Any]) -> ListedTrack:
    """Parse one entry of logs.json; raises msgspec.ValidationError."""
    try:
        log = msgspec.convert(entry, _Entry)
    except msgspec.ValidationError:
        log = msgspec.convert(_mended(entry), _Entry)
    return ListedTrack(
        log.file,
        log.size,
        log.start_date,
        length_of(log.size),
        end_date=log.end_date,
        duration=log.duration,
        distance=log.distance,
        timezone=log.timezone,
        claims=tuple((name, speed) for name in BESTS if (speed := getattr(log, f"of_{name}")) is not UNSET),
        extension=extension_of(log.file, OAO),
        is_plausible=_is_plausible(log),
    )


def _mended(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the entry with its numbers as ints; figures of another type are dropped, as they must not cost a track."""
    entry = {key: _number(value) if key in NUMBERS else value for key, value in entry.items()}
    return {key: value for key, value in entry.items() if key not in FIGURES or type(value) is int}


def _is_plausible(log: _Entry) -> bool:
    """Return whether a finalised log can have the size; 7,532 of 7,536 real entries have."""
    frames, rest = divmod(log.size - EMPTY_LOG, FRAME)
    seconds = (log.end_date - log.start_date) / 1000
    return rest == 0 and seconds >= 0 and 0 <= frames <= MAX_FRAMES_PER_SECOND * (seconds + 1)


def info_of(tree: Any) -> MotionInfo:
    """Read a parsed info.json, in its shape before or since firmware 3144; raises BadAnswer without an identifier."""
    motion = _object(tree, "motion", "info.json")
    try:
        identifier = msgspec.convert(_number(motion.get("identifier")), Identifier)
    except msgspec.ValidationError as error:
        raise BadAnswer(f"info.json: identifier: {one_line(str(error))}") from None
    firmware = motion.get("firmware")
    name = firmware.get("name") if isinstance(firmware, dict) else firmware
    return MotionInfo(
        identifier,
        firmware_name=None if name is None else one_line(str(name)),
        storage=_valid(_inner(motion, "filesystem", "level"), Percent),
        battery=_valid(_inner(motion, "battery", "level"), Percent),
    )


def settings_of(tree: Any) -> MotionSettings:
    """Read a parsed settings.json; raises BadAnswer without settings."""
    settings = _object(tree, "settings", "settings.json")
    return MotionSettings(
        gnss_rate=_valid(settings.get("gnss_rate"), Count),
        one_log_per_day=_valid(settings.get("one_log_per_day"), Count),
        timezone=_valid(settings.get("timezone"), Minutes),
        flash=_valid(_inner(settings, "custom_led", "flash"), Count),
    )


def _object(tree: Any, key: str, what: str) -> dict[str, Any]:
    inner = tree.get(key) if isinstance(tree, dict) else None
    if not isinstance(inner, dict):
        raise BadAnswer(f"{what} has no {key!r}")
    return inner


def _inner(tree: dict[str, Any], key: str, inner: str) -> Any:
    value = tree.get(key)
    return value.get(inner) if isinstance(value, dict) else None


def _valid(value: Any, type_: Any) -> int | None:
    try:
        return cast(int, msgspec.convert(_number(value), type_))
    except msgspec.ValidationError:
        return None


def _number(value: Any) -> Any:
    """Return a whole number that is written as 601.0, "601", "0601" or "601.0" as an int; any other value as it is."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_EXACT:
        return int(value)
    if isinstance(value, str) and (match := WHOLE_NUMBER.fullmatch(value)):
        return int(match[1])
    return value


def listing_of(tree: Any) -> Listing:
    """Read a parsed logs.json; raises BadAnswer without a list of logs."""
    logs = tree.get("logs") if isinstance(tree, dict) else None
    if not isinstance(logs, list):
        raise BadAnswer("logs.json has no list of logs")
    if len(logs) > MAX_ENTRIES:
        raise BadAnswer(f"logs.json has more than {MAX_ENTRIES:,} entries")
    entries: dict[ListedTrack, None] = {}
    bad: list[BadEntry] = []
    for index, log in enumerate(logs):
        if not isinstance(log, dict):
            bad.append(BadEntry(index, "", f"expected an object, got {type(log).__name__}"))
            continue
        try:
            entries[listed_track(log)] = None
        except msgspec.ValidationError as error:
            bad.append(BadEntry(index, one_line(str(log.get("file", ""))), one_line(str(error))))
    return Listing(tuple(entries), tuple(bad))
