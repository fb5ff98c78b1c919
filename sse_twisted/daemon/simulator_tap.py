"""`twistd sse-simulator`: options of the command line, and the fleet that they describe."""

from __future__ import annotations

import math
import re
import textwrap
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from twisted.application.service import IService
from twisted.python import usage

from sse_twisted.manual import chapter
from sse_twisted.runtime.options import Options as OneLineOptions
from sse_twisted.runtime.text import plural
from sse_twisted.simulator.addresses import free_ports, loopback_address, own_addresses, try_tcp, try_udp
from sse_twisted.simulator.captures import CaptureError, captured_devices
from sse_twisted.simulator.device import SimulatedDevice
from sse_twisted.simulator.dns import DnsMode, NameServer
from sse_twisted.simulator.faults import FAULTS, Fault, parse_fault
from sse_twisted.simulator.fleet import FleetMember, Schedule, SimulatedFleet, assign_faults
from sse_twisted.simulator.generator import generate_afternoon, generate_device, generate_load
from sse_twisted.simulator.http import DeviceServer

T = TypeVar("T")

NAME_SERVER: Final = "127.0.0.1"
_LARGEST_IDENTIFIER: Final = 65_535  # two bytes of a track's header


def whole(text: str) -> int:
    """Return a whole number from 0 on; raises ValueError."""
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def amount(text: str) -> float:
    """Return a number from 0 on; raises ValueError."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(f"{text!r} is not a number from 0 on")
    return number


class Options(OneLineOptions):
    """Options of `twistd sse-simulator`. `--help` ends with the manual's chapter on its use."""

    synopsis = "[--devices N | --captures DIR] [options]"
    optParameters: Final = [
        ["devices", "d", 10, "number of invented devices, each with the tracks of an afternoon", whole],
        ["captures", "c", None, "folder of captures instead of invented devices: DIR/motions/motion-<id>/*.json"],
        ["tracks", None, None, "folder of real tracks for --captures: <id>_<YYYY-MM-DD-HHMM>.oao"],
        [
            "size",
            None,
            0,
            "KB of one plain track for each invented device, instead of an afternoon's; for load tests",
            whole,
        ],
        ["first-id", None, 601, "number of the first invented device", whole],
        ["address", None, None, "address before that of the first device; each has its own [default: 127.1.0.0]"],
        ["interface", None, None, "common address of all devices; each device has its own port, from --port on"],
        ["port", "p", 8080, "port of the devices; with --interface, 0 takes any free ports", whole],
        ["dns-port", None, 0, "UDP port of a name server for motion-<id>; 0: no name server", whole],
        ["dns-mode", None, "nxdomain", "response to unknown names: nxdomain, catch-all or silence"],
        ["domain", None, "", "domain of the devices at the name server, e.g. lan"],
        ["rate", None, 500.0, "KB/s that a device sends; 0: no limit", amount],
        ["latency", None, 0.02, "seconds before each response", amount],
        ["arrivals", None, 0.0, "seconds over which the devices arrive", amount],
        ["stay", None, 0.0, "seconds that a device stays; 0: for ever", amount],
        ["away", None, 0.0, "seconds after which a device that left comes back; 0: never", amount],
        ["seed", None, 1, "seed of everything that is random", whole],
    ]
    optFlags: Final = [
        ["stale-names", None, "the name server also knows absent devices, as routers do"],
        ["ranges", None, "devices support HTTP Range, so a track continues where it was cut"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[tuple[Fault, float]] = []

    def opt_fault(self, text: str) -> None:
        """NAME[@BYTE][:SECONDS][=PROBABILITY]: inject a fault with this probability (1); repeatable."""
        try:
            self.faults.append(parse_fault(text))
        except ValueError as error:
            raise usage.UsageError(str(error)) from error

    def postOptions(self) -> None:
        _, last = self._identifiers()
        if last > _LARGEST_IDENTIFIER:
            raise usage.UsageError(
                f"--first-id and --devices reach {last}: the largest number of a device is {_LARGEST_IDENTIFIER}"
            )
        if self["tracks"] is not None and self["captures"] is None:
            raise usage.UsageError("--tracks needs --captures")
        if self["address"] is not None and self["interface"] is not None:
            raise usage.UsageError("--address or --interface, not both")
        if not self["port"] and self["interface"] is None:
            raise usage.UsageError("--port 0 needs --interface: otherwise one port serves all devices")
        for name in ("address", "interface"):
            if self[name] is not None:
                _or_usage_error(partial(loopback_address, self[name]), f"--{name}")
        for name in ("port", "dns-port"):
            if self[name] > 65_535:
                raise usage.UsageError(f"--{name} {self[name]}: expected 65535 or less")
        _or_usage_error(lambda: DnsMode(self["dns-mode"]), "--dns-mode")

    def getUsage(self, width: int | None = None) -> str:  # noqa: N802 - a name of usage.Options
        column = max(len(name) for name in FAULTS) + 4
        lines = [
            textwrap.fill(text, width or 80, initial_indent=f"  {name:<{column - 2}}", subsequent_indent=" " * column)
            for name, text in FAULTS.items()
        ]
        return "\n".join(
            [super().getUsage(width), "Faults (with the defaults of BYTE and SECONDS):", *lines, "", _use()]
        )

    def _identifiers(self) -> tuple[int, int]:
        if self["devices"] < 1 or self["first-id"] < 1:
            raise usage.UsageError("--devices and --first-id are at least 1")
        return self["first-id"], self["first-id"] + self["devices"] - 1


def _use() -> str:
    """Return the manual's chapter as plain text."""
    return re.sub(r"^(# |```(sh)?\n?)", "", chapter("simulator"), flags=re.MULTILINE)


def makeService(options: Options) -> IService:
    """Return the fleet of the options; raises UsageError if captures are missing, or ports are missing or in use."""
    from twisted.internet import reactor

    with options.mistakes_in_one_line():
        fleet = _or_usage_error(lambda: assemble_fleet(reactor, options), "no fleet")
        _check_free(fleet, options["dns-port"])
    return fleet


def _check_free(fleet: SimulatedFleet, dns_port: int) -> None:
    places = [(try_tcp, address, port, "--port") for address, port in fleet.addresses.values()]
    if dns_port:
        places.append((try_udp, NAME_SERVER, dns_port, "--dns-port"))
    for attempt, address, port, option in places:
        try:
            attempt(address, port)
        except OSError as error:
            text = f"cannot listen on {address}:{port} ({error.strerror}): choose another {option}"
            raise usage.UsageError(f"{text}, or end the program that uses it") from None


def assemble_fleet(reactor: Any, options: Options) -> SimulatedFleet:
    """Build the devices with their endpoints and schedule; raises CaptureError or ValueError."""
    preparations = _captured(options) if options["captures"] is not None else _invented(reactor, options)
    chance = Random(options["seed"])
    moments = sorted(chance.uniform(0, options["arrivals"]) for _ in preparations)
    places = _places(options, len(preparations))
    members = []
    for (device, prepare), moment, (address, port) in zip(preparations, moments, places, strict=True):
        device.bytes_per_second = options["rate"] * 1000
        device.latency = options["latency"]
        device.supports_range = bool(options["ranges"])
        schedule = Schedule(arrival=moment, stay=options["stay"] or None, away=options["away"] or None)
        members.append(FleetMember(DeviceServer(reactor, device, address, port), schedule, prepare))
    assign_faults((device for device, _ in preparations), options.faults, options["seed"])
    name_server = None
    if options["dns-port"]:
        mode = DnsMode(options["dns-mode"])
        name_server = NameServer(
            reactor, interface=NAME_SERVER, port=options["dns-port"], domain=options["domain"], mode=mode
        )
    return SimulatedFleet(reactor, members, name_server=name_server, stale_names=bool(options["stale-names"]))


Preparation = tuple[SimulatedDevice, Callable[[], object] | None]


def _captured(options: Options) -> list[Preparation]:
    tracks = Path(options["tracks"]) if options["tracks"] is not None else None
    return [(device, None) for device in captured_devices(Path(options["captures"]), tracks)]


def _invented(reactor: Any, options: Options) -> list[Preparation]:
    seed, size, now_ms = options["seed"], options["size"] * 1000, int(time.time() * 1000)

    def logs_for(device: SimulatedDevice) -> Callable[[], object]:
        if size:
            return lambda: device.logs.extend(generate_load(device.identifier, [size], now_ms - 8 * 3_600_000))
        return lambda: device.logs.extend(generate_afternoon(device.identifier, seed, now_ms))

    identifiers = range(options["first-id"], options["first-id"] + options["devices"])
    devices = [generate_device(identifier, seed) for identifier in identifiers]
    return [(device, logs_for(device)) for device in devices]


def _places(options: Options, count: int) -> Iterable[tuple[str, int]]:
    interface, port = options["interface"], options["port"]
    if interface is None:
        return [(address, port) for address in own_addresses(options["address"] or "127.1.0.0", count)]
    if not port:
        return [(interface, free) for free in free_ports(interface, count)]
    if port + count > 65_536:
        raise ValueError(f"no {plural(count, 'port')} from {port} on")
    return [(interface, port + number) for number in range(count)]


def _or_usage_error(make: Callable[[], T], what: str) -> T:
    try:
        return make()
    except (CaptureError, ValueError) as error:
        raise usage.UsageError(f"{what}: {error}") from error
