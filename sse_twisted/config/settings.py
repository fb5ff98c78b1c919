"""Every setting with its default, its unit and its limits, as it is read from `sse.toml`.

The same classes validate the original server's `server.json` (see `server_json.py`). A mistake is reported in one line
with the file and the key.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from sse_twisted.config.addresses import is_host, is_ipv4, split_address
from sse_twisted.config.validation_errors import key_and_reason
from sse_twisted.devices.drivers import DeviceExpected, device_name, device_number
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.runtime.log_levels import Level
from sse_twisted.runtime.text import NotUtf8, text_of

Seconds = Annotated[float, Meta(ge=0.01, le=86_400)]
Interval = Annotated[float, Meta(ge=0.1, le=86_400)]  # s; a loop without a pause would block the reactor
Limit = Annotated[int, Meta(ge=1, le=10_000)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Port = Annotated[int, Meta(ge=1, le=65_535)]

DEFAULT_PORT = 80
MAX_EXCERPT = 60  # characters of an invalid line in a message


class SettingsError(ValueError):
    """A message in one line: the file, the key, and what is wrong with it."""


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[event]`: where everything is stored, and which days count."""

    folder: str = ""  # the event folder, relative to this file
    first_day: datetime.date | None = None  # of the event; default: the roster's first
    last_day: datetime.date | None = None  # inclusive; default: the roster's last


class Devices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[devices]`: devices beside those of the roster, and where they answer."""

    listed: tuple[str, ...] = ()  # collected although no roster names them: device names or "host[:port]"
    addresses: dict[str, str] = {}  # fixed "host[:port]" by device name, used instead of resolving the name
    port: Port = DEFAULT_PORT  # of HTTP, unless an address has its own


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[names]`: how the host names of devices are resolved."""

    servers: tuple[str, ...] = ()  # "address[:port]" of name servers; default: the system's
    search: tuple[str, ...] | None = None  # domains tried below the bare name; default: the system's
    timeout: Seconds = 1.0  # s until a name counts as unknown; a later answer is used in the next scan
    catch_all: tuple[str, ...] = ("10.10.10.10",)  # addresses that mean "absent", as on a Sky SR101
    hosts_file: str = "/etc/hosts"  # "" for none
    resolver_file: str = "/etc/resolv.conf"


class Scan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[scan]`: how often absent devices are looked for."""

    interval: Interval = 1.0  # s between scans, at least 0.1


class Detection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[detection]`: the first connection to a device."""

    limit: Limit = 64  # at once
    timeout: Seconds = 1.0  # s until a device that does not accept a connection counts as absent


class Inspection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[inspection]`: identity, settings and listing of a device."""

    limit: Limit = 16  # at once
    timeout: Seconds = 10.0  # s without any byte of a response; the cleanup waits as long


class Downloads(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[downloads]`: what a transfer may take, in time and on the disk."""

    limit: Limit = 16  # at once
    timeout: Seconds = 10.0  # s without a byte
    minimum_rate: Annotated[float, Meta(ge=0, le=1e6)] = 1.0  # KB/s on average after 30 s; 0 = any
    largest_track: Annotated[int, Meta(ge=1, le=1_000_000)] = 1024  # MB; a longer body is cut off
    first_retry: Interval = 2.0  # s until a failed track is retried, doubled each time ...
    last_retry: Interval = 60.0  # ... up to this
    disk_reserve: Annotated[int, Meta(ge=0, le=1_000_000)] = 50  # MB to leave free; with less, downloads pause


class Cleanup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[cleanup]`: how a device is found to have gone."""

    interval: Interval = 10.0  # s between checks for departed devices, at least 0.1
    limit: Limit = 16  # at once
    timeout: Seconds = 5.0  # s until a device that does not accept a connection has gone


class Expected(DeviceExpected, frozen=True, forbid_unknown_fields=True):
    """`[expected]`: a deviation of a device is a finding; the device is collected all the same."""

    short_hours: Percent = 40  # % of the day's median hours: a device with less has a short track; 0 = never
    short_distance: Percent = 20  # % of the day's median distance, likewise; see `results/short_tracks.py`


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[filters]`: which tracks are too slow to be downloaded."""

    best_500m: Annotated[float, Meta(ge=0, le=100)] = 1.0  # knots; slower tracks are skipped


Columns = Annotated[tuple[str, ...], Meta(min_length=1)]


class Ranking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[ranking]`: the entrants that are compared with each other."""

    # Columns of the roster, or lists of several: the entrants that share their cells have a ranking of their own.
    by: tuple[str | Columns, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are named, each once."""
        return tuple(dict.fromkeys(name for each in self.by for name in ((each,) if isinstance(each, str) else each)))


class HandIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[hand_in]`: where tracks of other devices come from, beside the page."""

    folders: tuple[str, ...] = ()  # more folders whose tracks are taken, such as where sticks are mounted


class Copies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[copies]`: copies of the event folder, with which another computer can go on."""

    folders: tuple[str, ...] = ()  # on other disks, relative to this file; each must be there, and empty at first
    required: bool = False  # whether a device may be disconnected only when one copy has its tracks


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[web]`: who may reach the board, and how many at once."""

    hosts: tuple[str, ...] = ()  # more names under which browsers reach this machine, beside its own
    streams: Limit = 100  # pages and programs that follow the board at the same time


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[log]`: the lowest level that each output has."""

    console: Level = "info"  # twistd's own log
    file: Level = "info"  # logs/server.log and logs/server.json


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `sse.toml`, by table; a table or key that is missing has its default."""

    event: Event = Event()
    devices: Devices = Devices()
    names: Names = Names()
    scan: Scan = Scan()
    detection: Detection = Detection()
    inspection: Inspection = Inspection()
    downloads: Downloads = Downloads()
    cleanup: Cleanup = Cleanup()
    expected: Expected = Expected()
    filters: Filters = Filters()
    ranking: Ranking = Ranking()
    hand_in: HandIn = HandIn()
    copies: Copies = Copies()
    web: Web = Web()
    log: Log = Log()

    def __post_init__(self) -> None:
        """Check values and combinations; msgspec turns the ValueError into a ValidationError."""
        if (self.event.first_day is None) != (self.event.last_day is None):
            raise ValueError("event.first_day and event.last_day: set both or neither")
        if self.event.first_day and self.event.last_day and self.event.last_day < self.event.first_day:
            raise ValueError("event.last_day is before event.first_day")
        if self.downloads.last_retry < self.downloads.first_retry:
            raise ValueError("downloads.last_retry is shorter than downloads.first_retry")
        self._check_devices()
        self._check_names()
        if "\0" in self.event.folder:
            raise ValueError(f"event.folder: {self.event.folder!r} is not a valid path")
        for folder in self.hand_in.folders:
            if "\0" in folder or not Path(folder).is_absolute():
                raise ValueError(f"hand_in.folders: {folder!r} is not an absolute path")
        for folder in self.copies.folders:
            if not folder or "\0" in folder:
                raise ValueError(f"copies.folders: {folder!r} is not a valid path")

    def _check_devices(self) -> None:
        numbers: dict[int, str] = {}
        for name, address in self.devices.addresses.items():
            if (number := device_number(name)) is None:
                raise ValueError(f"devices.addresses: {name!r} is not a device name such as {device_name(601)}")
            if number in numbers:
                raise ValueError(f"devices.addresses: {numbers[number]!r} and {name!r} are the same device")
            numbers[number] = name
            _check_device(f"devices.addresses.{name}", address)
        for name in self.devices.listed:
            _check_device("devices.listed", name)

    def _check_names(self) -> None:
        servers = [_split("names.servers", server)[0] for server in self.names.servers]
        for key, addresses in (("names.servers", servers), ("names.catch_all", self.names.catch_all)):
            for address in addresses:
                if not is_ipv4(address):
                    raise ValueError(f"{key}: {address!r} is not a valid IPv4 address")
        for domain in self.names.search or ():
            if not is_host(domain):
                raise ValueError(f"names.search: {domain!r} is not a domain such as lan or home.arpa")


def _split(key: str, address: str) -> tuple[str, int]:
    try:
        return split_address(address, DEFAULT_PORT)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _check_device(key: str, address: str) -> None:
    """Check a device name or an address. A misspelt device name, with an O for a 0, is not taken for a host name."""
    host, _, _ = address.partition(":")
    name, _, _ = host.partition(".")
    word, dash, _ = name.lower().partition("-")
    looks_like_a_device = bool(dash) and device_number(f"{word}-1") is not None and device_number(name) is None
    if host.isdecimal() or looks_like_a_device:
        raise ValueError(f"{key}: {address!r} is not a device name such as {device_name(601)}")
    _split(key, address)


def convert_settings(tree: dict[str, Any], file: Path) -> Settings:
    """Validate the tables of a file, which is named in messages only; raises SettingsError."""
    try:
        return msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        key, reason = key_and_reason(error, Settings)
        raise SettingsError(": ".join(filter(None, (str(file), key, reason)))) from None


def read_settings(file: Path) -> Settings:
    """Read an `sse.toml` and make its folders absolute; raises SettingsError."""
    settings = convert_settings(_read_toml(file), file)
    folders = tuple(os.path.abspath(file.parent / folder) for folder in settings.copies.folders)  # noqa: PTH100 - a disk may hang
    settings = replace(settings, copies=replace(settings.copies, folders=folders))
    if not settings.event.folder:
        return settings
    folder = str((file.parent / settings.event.folder).resolve())
    return replace(settings, event=replace(settings.event, folder=folder))


def _read_toml(file: Path) -> dict[str, Any]:
    text = ""
    try:
        text = text_of(read_bounded(file))
        tree: dict[str, Any] = msgspec.toml.decode(text)
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except RecursionError:
        raise SettingsError(f"{file}: nested too deep") from None
    except NotUtf8 as error:
        raise SettingsError(f"{file}: {error}") from None
    except msgspec.DecodeError as error:
        raise SettingsError(f"{file}: {_with_line(str(error), text)}") from None
    return tree


def _with_line(message: str, text: str) -> str:
    """Put the number and the text of the line into a parser's message; an error at the end is in the last line."""
    lines = text.rstrip().split("\n")
    what, _, place = message.partition(" (at ")
    number = re.match(r"line (\d+)", place)
    line = min(int(number[1]), len(lines)) if number else len(lines)
    return f"line {line}: {what}: {lines[line - 1].strip()[:MAX_EXCERPT]!r}"


def differences(old: Settings, new: Settings) -> Iterator[str]:
    """Yield one `table.key: old -> new` for each change."""
    before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
    for table, values in after.items():
        for key, value in values.items():
            if before[table][key] != value:
                yield f"{table}.{key}: {before[table][key]} -> {value}"
