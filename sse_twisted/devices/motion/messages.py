"""The device's answers, typed: info.json, settings.json and logs.json in the shapes of all known firmwares.

Nothing is believed before it has a type and a limit. What one entry of a listing gets wrong costs that entry only.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, NoReturn, cast

import msgspec
from attrs import frozen
from msgspec import Meta, Struct, field

from sse_twisted.devices.driver import BadEntry, Count, ListedTrack, Listing, extension_of
from sse_twisted.devices.errors import BadAnswer
from sse_twisted.runtime.text import encodable, one_line

MAX_ENTRIES = 20_000
LISTING_EXTRA = 1024  # bytes that a log takes on the device but does not send: 72 of 72 real downloads
EMPTY_LOG = 1536  # bytes listed for a log without frames: 1,405 of 7,536 entries
FRAME = 52  # bytes
MAX_FRAMES_PER_SECOND = 25  # of the GNSS chip; 10 Hz is the most that was seen

TRAILER = 2  # bytes of the one harmless trailer, "]}", seen once behind a log
OAO = ".oao"
DISCIPLINES = ("2s", "10s", "500m", "1852m", "alpha500", "1h")
BESTS = ("2s_best", "10s_best", "500m_best", "1852m_best", "a500m_best", "1h_best")
FIGURES = frozenset({"end_date", "duration", "distance", "timezone", *BESTS})
MAX_DEPTH = 16  # levels of JSON; the devices use 5

Identifier = Annotated[int, Meta(ge=1, le=999_999)]
Minutes = Annotated[int, Meta(ge=-840, le=840)]
Percent = Annotated[int, Meta(ge=0, le=100)]


@frozen
class MotionInfo:
    """`motion` of info.json. Only the identifier must be right; of the rest, None = not said, or not sensibly."""

    identifier: int
    firmware_name: str | None = None  # as it stands in the list of approved firmwares
    storage: int | None = None  # percent
    battery: int | None = None  # percent


@frozen
class MotionSettings:
    """`settings` of settings.json, where all numbers are strings; None = not said, or not sensibly."""

    gnss_rate: int | None = None  # Hz
    one_log_per_day: int | None = None
    timezone: int | None = None  # minutes east of UTC
    flash: int | None = None  # missing on the model with a display


class _Entry(Struct):
    """One log of logs.json: times in ms UTC, distance in mm, bests in mm/s, 0 = none."""

    file: str
    size: Count  # bytes on the device
    start_date: Count
    end_date: Count = 0
    duration: Count = 0  # ms
    distance: Count = 0
    timezone: Count | None = None  # minutes
    best_2s: Count | None = field(name="2s_best", default=None)
    best_10s: Count | None = field(name="10s_best", default=None)
    best_500m: Count | None = field(name="500m_best", default=None)
    best_1852m: Count | None = field(name="1852m_best", default=None)
    best_alpha500: Count | None = field(name="a500m_best", default=None)
    best_1h: Count | None = field(name="1h_best", default=None)


def length_of(size: int) -> int:
    """Return how many bytes the device sends of a log of that size."""
    return size - LISTING_EXTRA


def listed_track(entry: dict[str, Any]) -> ListedTrack:
    """Read one entry of logs.json; raises msgspec.ValidationError."""
    log = msgspec.convert(_without_odd_figures(entry), _Entry)
    bests = ((name, getattr(log, f"best_{name}")) for name in DISCIPLINES)
    return ListedTrack(
        log.file,
        log.size,
        log.start_date,
        length_of(log.size),
        end_date=log.end_date,
        duration=log.duration,
        distance=log.distance,
        timezone=log.timezone,
        claims=tuple((name, best) for name, best in bests if best is not None),
        extension=extension_of(log.file, OAO),
        is_plausible=_is_plausible(log),
    )


def _is_plausible(log: _Entry) -> bool:
    """Whether the size can be that of a finalised log; 7,532 of 7,536 real entries are."""
    frames, rest = divmod(log.size - EMPTY_LOG, FRAME)
    seconds = (log.end_date - log.start_date) / 1000
    return rest == 0 and seconds >= 0 and 0 <= frames <= MAX_FRAMES_PER_SECOND * (seconds + 1)


def parse_json(data: bytes, what: str) -> Any:
    """Python objects of an answer; raises BadAnswer.

    Not msgspec's own decoder: it takes the last of two equal keys in silence, and a second, empty "logs" would hide a
    day's tracks. Text that is no UTF-8 (names that users type) must not hide them either.
    """
    try:
        tree = json.loads(
            data.decode("utf-8", errors="replace"),
            strict=False,
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise BadAnswer(f"{what} is nested too deep") from None
    except ValueError as error:
        why = ", but a web page" if data.lstrip().startswith(b"<") else f": {one_line(str(error))}"
        raise BadAnswer(f"{what} is no JSON{why}") from None
    _check_depth(tree, what)
    return tree


def _check_depth(tree: Any, what: str) -> None:
    level = [tree]
    for _ in range(MAX_DEPTH):
        inner = (node.values() if isinstance(node, dict) else node for node in level if isinstance(node, dict | list))
        level = [node for nodes in inner for node in nodes]
        if not level:
            return
    raise BadAnswer(f"{what} is nested too deep")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        name = encodable(key)
        if name in result:
            raise ValueError(f"key {one_line(name, 40)!r} twice")
        result[name] = encodable(value) if isinstance(value, str) else value
    return result


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{one_line(text, 40)} is out of range")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def info_of(tree: Any) -> MotionInfo:
    """Of the parsed info.json, in the shape before firmware 3144 or since; raises BadAnswer without an identifier."""
    motion = _object(tree, "motion", "info.json")
    try:
        identifier = msgspec.convert(motion.get("identifier"), Identifier)
    except msgspec.ValidationError as error:
        raise BadAnswer(f"info.json: identifier: {one_line(str(error))}") from None
    firmware = motion.get("firmware")
    name = firmware.get("name") if isinstance(firmware, dict) else firmware
    return MotionInfo(
        identifier,
        firmware_name=None if name is None else one_line(str(name)),
        storage=_sensible(_inner(motion, "filesystem", "level"), Percent),
        battery=_sensible(_inner(motion, "battery", "level"), Percent),
    )


def settings_of(tree: Any) -> MotionSettings:
    """Of the parsed settings.json; raises BadAnswer if there are none."""
    settings = _object(tree, "settings", "settings.json")
    return MotionSettings(
        gnss_rate=_sensible(settings.get("gnss_rate"), Count),
        one_log_per_day=_sensible(settings.get("one_log_per_day"), Count),
        timezone=_sensible(settings.get("timezone"), Minutes),
        flash=_sensible(_inner(settings, "custom_led", "flash"), Count),
    )


def _object(tree: Any, key: str, what: str) -> dict[str, Any]:
    inner = tree.get(key) if isinstance(tree, dict) else None
    if not isinstance(inner, dict):
        raise BadAnswer(f"{what} has no {key!r}")
    return inner


def _inner(tree: dict[str, Any], key: str, inner: str) -> Any:
    value = tree.get(key)
    return value.get(inner) if isinstance(value, dict) else None


def _sensible(value: Any, type_: Any) -> int | None:
    try:
        return cast(int, msgspec.convert(value, type_, strict=False))
    except msgspec.ValidationError:
        return None


def _without_odd_figures(log: dict[str, Any]) -> dict[str, Any]:
    """Leave out what decides nothing and makes no sense: no track is given up for its distance."""
    return {key: value for key, value in log.items() if key not in FIGURES or type(value) is int}


def listing_of(tree: Any) -> Listing:
    """Of the parsed logs.json; raises BadAnswer if there is no list of logs."""
    logs = tree.get("logs") if isinstance(tree, dict) else None
    if not isinstance(logs, list):
        raise BadAnswer("logs.json has no list of logs")
    if len(logs) > MAX_ENTRIES:
        raise BadAnswer(f"logs.json has {len(logs):,} entries, more than {MAX_ENTRIES:,}")
    entries: dict[ListedTrack, None] = {}
    bad: list[BadEntry] = []
    for index, log in enumerate(logs):
        if not isinstance(log, dict):
            bad.append(BadEntry(index, "", f"no object but {type(log).__name__}"))
            continue
        try:
            entries[listed_track(log)] = None
        except msgspec.ValidationError as error:
            bad.append(BadEntry(index, one_line(str(log.get("file", ""))), one_line(str(error))))
    return Listing(tuple(entries), tuple(bad))
