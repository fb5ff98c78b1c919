"""The device's answers, typed: info.json, settings.json and logs.json in the shapes of all known firmwares.

Nothing is believed before it has a type and a limit. What one entry of a listing gets wrong costs that entry only.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec
from attrs import frozen
from msgspec import Meta, Struct, field

from sse_twisted.motion.errors import BadAnswer, one_line

MOST_ENTRIES = 20_000
LONGEST_PATH = 255
LISTING_EXTRA = 1024  # bytes that a log takes on the device but does not send: 72 of 72 real downloads
EMPTY_LOG = 1536  # bytes listed for a log without frames: 1,405 of 7,536 entries
FRAME = 52  # bytes
MOST_FRAMES_PER_SECOND = 25  # of the GNSS chip; 10 Hz is the most that was seen

Text = Annotated[str, Meta(max_length=200)]
Count = Annotated[int, Meta(ge=-(2**62), le=2**62)]
Identifier = Annotated[int, Meta(ge=1, le=999_999)]

T = TypeVar("T")


class Coded(Struct, frozen=True):
    """Hardware or firmware since firmware 3144."""

    code: Count
    name: Text


class Level(Struct, frozen=True):
    """Storage or battery."""

    level: Annotated[int, Meta(ge=0, le=1000)]  # percent


class Motion(Struct, frozen=True):
    """`motion` of info.json."""

    identifier: Identifier
    hardware: Coded | Text | None = None  # plain text before firmware 3144
    firmware: Coded | Count | None = None  # plain number before firmware 3144
    filesystem: Level | None = None
    battery: Level | None = None

    @property
    def firmware_name(self) -> str:
        """As it stands in the list of approved firmwares."""
        name = self.firmware.name if isinstance(self.firmware, Coded) else str(self.firmware)
        return one_line(name)


class InfoAnswer(Struct, frozen=True):
    """info.json."""

    motion: Motion


class CustomLed(Struct, frozen=True):
    """Missing on the model with a display."""

    flash: Count | None = None


class DeviceSettings(Struct, frozen=True):
    """`settings` of settings.json, where all numbers are strings; None = the device does not say."""

    gnss_rate: Count | None = None  # Hz
    one_log_per_day: Count | None = None
    timezone: Annotated[int, Meta(ge=-840, le=840)] | None = None  # minutes east of UTC
    custom_led: CustomLed | None = None


class SettingsAnswer(Struct, frozen=True):
    """settings.json."""

    settings: DeviceSettings


class LogEntry(Struct, frozen=True):
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

    @property
    def length(self) -> int:
        """How many bytes the device should send."""
        return self.size - LISTING_EXTRA

    @property
    def is_plausible(self) -> bool:
        """Whether the size can be that of a log that was finalised; 7,532 of 7,536 real entries are."""
        frames, rest = divmod(self.size - EMPTY_LOG, FRAME)
        seconds = (self.end_date - self.start_date) / 1000
        return rest == 0 and seconds >= 0 and 0 <= frames <= MOST_FRAMES_PER_SECOND * (seconds + 1)

    @property
    def path_problem(self) -> str:
        """Why the path can't be asked for; "" if it can."""
        path = self.file
        if not path.startswith("/") or path.startswith("//"):
            return "its path is not one of the device"
        if ".." in path.split("/") or "\\" in path:
            return "its path leads elsewhere"
        if not path.isprintable() or len(path) > LONGEST_PATH or path.endswith("/"):
            return "its path is unusable"
        return ""


@frozen
class BadEntry:
    """An entry of logs.json that has no meaning."""

    index: int
    file: str
    why: str


@frozen
class Listing:
    """logs.json: each log once, and the entries that could not be understood."""

    entries: tuple[LogEntry, ...] = ()
    bad: tuple[BadEntry, ...] = ()


def parse_json(data: bytes, what: str) -> Any:
    """Python objects of an answer; raises BadAnswer.

    Not msgspec's own decoder: it takes the last of two equal keys in silence, and a second, empty "logs" would hide a
    day's tracks. Text that is no UTF-8 (names that users type) must not hide them either.
    """
    try:
        return json.loads(
            data.decode("utf-8", errors="replace"),
            strict=False,
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
        )
    except RecursionError:
        raise BadAnswer(f"{what} is nested too deep") from None
    except ValueError as error:
        raise BadAnswer(f"{what} is no JSON: {one_line(str(error))}") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {one_line(twice, 40)!r} twice")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _typed(tree: Any, type_: type[T], what: str, *, strict: bool = True) -> T:
    try:
        return msgspec.convert(tree, type_, strict=strict)
    except msgspec.ValidationError as error:
        raise BadAnswer(f"{what}: {one_line(str(error))}") from None


def info_of(tree: Any) -> Motion:
    """Of the parsed info.json; raises BadAnswer."""
    return _typed(tree, InfoAnswer, "info.json").motion


def settings_of(tree: Any) -> DeviceSettings:
    """Of the parsed settings.json; raises BadAnswer."""
    return _typed(tree, SettingsAnswer, "settings.json", strict=False).settings


def listing_of(tree: Any) -> Listing:
    """Of the parsed logs.json; raises BadAnswer if there is no list of logs."""
    logs = tree.get("logs") if isinstance(tree, dict) else None
    if not isinstance(logs, list):
        raise BadAnswer("logs.json has no list of logs")
    if len(logs) > MOST_ENTRIES:
        raise BadAnswer(f"logs.json has {len(logs):,} entries, more than {MOST_ENTRIES:,}")
    entries: dict[LogEntry, None] = {}
    bad: list[BadEntry] = []
    for index, log in enumerate(logs):
        try:
            entries[msgspec.convert(log, LogEntry)] = None
        except msgspec.ValidationError as error:
            file = str(log.get("file", "")) if isinstance(log, dict) else ""
            bad.append(BadEntry(index, one_line(file), one_line(str(error))))
    return Listing(tuple(entries), tuple(bad))
