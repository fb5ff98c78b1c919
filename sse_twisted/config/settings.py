"""What can be set: every setting with its default, its unit and its limits.

Read from `sse.toml`, or from the original server's `server.json` (see `original_settings`). The same typed
classes check both, so a mistake is one line that names the file and the key.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from sse_twisted.config.mistakes import complaint_of
from sse_twisted.devices.drivers import DeviceExpected, device_name, device_number
from sse_twisted.runtime.log_levels import Level
from sse_twisted.runtime.text import NotUtf8, text_of

Seconds = Annotated[float, Meta(ge=0.01, le=86_400)]
Interval = Annotated[float, Meta(ge=0.1, le=86_400)]  # s; a loop without a pause would keep the reactor to itself
Limit = Annotated[int, Meta(ge=1, le=10_000)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Port = Annotated[int, Meta(ge=1, le=65_535)]

DEFAULT_PORT = 80
SHOWN = 60  # characters of a line with a mistake


class SettingsError(ValueError):
    """One line for the user: which file, which key, and what is wrong with it."""


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[event]`"""

    folder: str = ""  # the event folder, relative to this file
    first_day: datetime.date | None = None  # of the event; default: the roster's first
    last_day: datetime.date | None = None  # inclusive; default: the roster's last


class Devices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[devices]`"""

    listed: tuple[str, ...] = ()  # to be collected though no roster names them: device names or "host[:port]"
    addresses: dict[str, str] = {}  # of a device, by its name, "host[:port]": fixed, instead of looking up the name
    port: Port = DEFAULT_PORT  # of HTTP, where an address names none


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[names]`: how host names of devices become addresses."""

    servers: tuple[str, ...] = ()  # "address[:port]" of name servers; default: the system's
    search: tuple[str, ...] | None = None  # domains tried below the bare name; default: the system's
    timeout: Seconds = 1.0  # s until a name counts as unknown; a later answer serves the next round
    catch_all: tuple[str, ...] = ("10.10.10.10",)  # addresses that mean "absent", as on a Sky SR101
    hosts_file: str = "/etc/hosts"  # "" for none
    resolver_file: str = "/etc/resolv.conf"


class Scan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[scan]`"""

    interval: Interval = 2.0  # s between rounds, at least 0.1


class Detection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[detection]`"""

    limit: Limit = 64  # at once
    timeout: Seconds = 1.0  # s until a device that does not accept a connection counts as absent


class Inspection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[inspection]`"""

    limit: Limit = 16  # at once
    timeout: Seconds = 10.0  # s without a word of an answer; the cleanup waits as long for one


class Downloads(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[downloads]`"""

    limit: Limit = 16  # at once
    timeout: Seconds = 10.0  # s without a byte
    minimum_rate: Annotated[float, Meta(ge=0, le=1e6)] = 1.0  # KB/s on average, from 30 s on; 0 = any
    largest_track: Annotated[int, Meta(ge=1, le=1_000_000)] = 1024  # MB; a longer body is cut off
    first_retry: Interval = 2.0  # s, doubled at each further one ...
    last_retry: Interval = 60.0  # ... up to this
    disk_reserve: Annotated[int, Meta(ge=0, le=1_000_000)] = 50  # MB to leave free: below it downloads pause


class Cleanup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[cleanup]`"""

    interval: Interval = 10.0  # s between rounds, at least 0.1
    limit: Limit = 16  # at once
    timeout: Seconds = 5.0  # s until a device that does not accept a connection has gone


class Expected(DeviceExpected, frozen=True, forbid_unknown_fields=True):
    """`[expected]`: what a device should be like; a deviation is a finding, never a reason not to collect."""

    short_hours: Percent = 40  # % of the day's median: a device with less has a short track; 0 = never
    short_distance: Percent = 20  # % of the day's median, likewise; why these two: `results.short_tracks`


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[filters]`"""

    best_500m: Annotated[float, Meta(ge=0, le=100)] = 1.0  # knots; slower tracks are skipped


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[web]`"""

    hosts: tuple[str, ...] = ()  # names under which browsers reach this machine, beside its own name and addresses
    streams: Limit = 100  # pages and programs that follow the board at once


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[log]`"""

    console: Level = "info"  # twistd's own log
    file: Level = "info"  # logs/server.log and logs/server.json


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `sse.toml`."""

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
    web: Web = Web()
    log: Log = Log()

    def __post_init__(self) -> None:
        """Check what no single key shows; msgspec turns the ValueError into its own."""
        if (self.event.first_day is None) != (self.event.last_day is None):
            raise ValueError("event.first_day and event.last_day: set both or neither")
        if self.event.first_day and self.event.last_day and self.event.last_day < self.event.first_day:
            raise ValueError("event.last_day is before event.first_day")
        if self.downloads.last_retry < self.downloads.first_retry:
            raise ValueError("downloads.last_retry is shorter than downloads.first_retry")
        self._check_devices()
        self._check_names()
        if "\0" in self.event.folder:
            raise ValueError(f"event.folder: {self.event.folder!r} is no path")

    def _check_devices(self) -> None:
        numbers: dict[int, str] = {}
        for name, address in self.devices.addresses.items():
            if (number := device_number(name)) is None:
                raise ValueError(f"devices.addresses: {name!r} is not a device name such as {device_name(601)}")
            if number in numbers:
                raise ValueError(f"devices.addresses: {numbers[number]!r} and {name!r} are the same device")
            numbers[number] = name
            _checked_device(f"devices.addresses.{name}", address)
        for name in self.devices.listed:
            _checked_device("devices.listed", name)

    def _check_names(self) -> None:
        for server in self.names.servers:
            host, _ = _checked("names.servers", server)
            if not is_ipv4(host):
                raise ValueError(f"names.servers: {host!r} is no IPv4 address")
        for address in self.names.catch_all:
            if not is_ipv4(address):
                raise ValueError(f"names.catch_all: {address!r} is no IPv4 address")
        for domain in self.names.search or ():
            if not is_host(domain):
                raise ValueError(f"names.search: {domain!r} is no domain, such as lan or home.arpa")


def _checked(key: str, address: str) -> tuple[str, int]:
    try:
        return split_address(address, DEFAULT_PORT)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _checked_device(key: str, address: str) -> None:
    """As `_checked`, for a device's name or an address; a misspelt device name is not taken for another host."""
    host, _, _ = address.partition(":")
    name, _, _ = host.partition(".")
    word, dash, _ = name.lower().partition("-")
    looks_like_a_device = bool(dash) and device_number(f"{word}-1") is not None and device_number(name) is None
    if host.isdecimal() or looks_like_a_device:
        raise ValueError(f"{key}: {address!r} is not a device name such as {device_name(601)}")
    _checked(key, address)


def is_ipv4(text: str) -> bool:
    """Whether it is an address, and no name."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def is_host(text: str) -> bool:
    """Whether a name server can be asked for it: a name or a domain, or an address."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?", text):
        return False
    return all(0 < len(label) < 64 for label in text.split("."))


def split_address(address: str, default_port: int) -> tuple[str, int]:
    """Host and port of `host[:port]`, or ValueError."""
    host, colon, digits = address.partition(":")
    if re.fullmatch(r"([A-Za-z0-9_-]*\.)*[0-9]+", host) and not is_ipv4(host):  # RFC 1123: no domain is a number
        raise ValueError(f"{address!r} is no IPv4 address")
    port = int(digits) if re.fullmatch(r"[0-9]{1,5}", digits) else 0 if colon else default_port
    if not is_host(host) or not 1 <= port <= 65_535:
        raise ValueError(f"{address!r} is no address of the form host[:port]")
    return host, port


def convert_settings(tree: dict[str, Any], file: Path) -> Settings:
    """Settings of the tables as they were read from `file`; raises SettingsError."""
    try:
        return msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        key, text = complaint_of(error, Settings)
        raise SettingsError(f"{file}: {key}: {text}" if key else f"{file}: {text}") from None


def read_settings(file: Path) -> Settings:
    """Settings of an `sse.toml`, with its event folder made absolute; raises SettingsError."""
    settings = convert_settings(_read_toml(file), file)
    if not settings.event.folder:
        return settings
    folder = str((file.parent / settings.event.folder).resolve())
    return msgspec.structs.replace(settings, event=msgspec.structs.replace(settings.event, folder=folder))


def _read_toml(file: Path) -> dict[str, Any]:
    text = ""
    try:
        text = text_of(file.read_bytes())
        tree: dict[str, Any] = msgspec.toml.decode(text)
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except RecursionError:
        raise SettingsError(f"{file}: nested too deep") from None
    except NotUtf8 as error:
        raise SettingsError(f"{file}: {error}") from None
    except msgspec.DecodeError as error:
        raise SettingsError(f"{file}: {_with_its_line(str(error), text)}") from None
    return tree


def _with_its_line(message: str, text: str) -> str:
    """What the parser says, behind the number of the line, and what stands there; of the end it is the last one."""
    lines = text.rstrip().split("\n")
    what, _, place = message.partition(" (at ")
    number = re.match(r"line (\d+)", place)
    line = min(int(number[1]), len(lines)) if number else len(lines)
    return f"line {line}: {what}: {lines[line - 1].strip()[:SHOWN]!r}"


def differences(old: Settings, new: Settings) -> Iterator[str]:
    """What changed, one `table.key: old -> new` each."""
    before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
    for table, values in after.items():
        for key, value in values.items():
            if before[table][key] != value:
                yield f"{table}.{key}: {before[table][key]} -> {value}"
