"""The simulated devices of a benchmark, and their name server, in a process of their own."""

from __future__ import annotations

import os
import random
import time
from functools import partial
from typing import Any, Final

from twisted.internet.defer import DeferredList

from sse_twisted.simulator.addresses import free_ports, own_addresses
from sse_twisted.simulator.device import SimulatedDevice, SimulatedLog
from sse_twisted.simulator.dns import DnsMode, NameServer
from sse_twisted.simulator.generator import generate_load
from sse_twisted.simulator.http import DeviceServer
from sse_twisted.simulator.listings import make_entry
from sse_twisted.simulator.tracks import log_path, track_for_entry
from tests.benchmarks.partner import Commands, Handlers, Message, run, usage

START: Final = 1_760_257_800_000  # ms: 2025-10-12, 08:30 UTC
_DAY: Final = 86_400_000  # ms


class Fleet:
    """Devices on loopback addresses of their own, all on one port."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._servers: dict[int, Any] = {}  # DeviceServers, and what behaves like one
        self._names: NameServer | None = None
        handlers: Handlers = {
            "prepare": self._prepare,
            "arrive": self._arrive,
            "leave": self._leave,
            "usage": usage,
            "tracks": self._tracks,
        }
        self._commands = Commands(reactor, handlers, self._end)

    def _prepare(
        self,
        sizes: dict[str, list[int]],
        old_logs: int | dict[str, int],
        latency: float,
        rate: float,
        mode: str,
        domain: str,
        slow: dict[str, float],
        resume: bool,
        unwanted: dict[str, int] | None = None,
    ) -> Message:
        """Make devices that are absent: bytes of the event's tracks by number, latency in s, rate in bytes/s.

        `slow` are the rates of those with another one, which may `resume`. `old_logs` and `unwanted`, logs of the day
        that are too slow to be wanted, are counts, of all or by number.
        """
        (port,) = free_ports("127.0.0.1", 1)
        self._port = port
        network = os.getpid()
        addresses = own_addresses(f"127.{network % 250 + 2}.{network // 250 % 250}.0", len(sizes))
        for (number, device_sizes), address in zip(sizes.items(), addresses, strict=True):
            device = SimulatedDevice(int(number), latency=latency, bytes_per_second=slow.get(number, rate))
            device.supports_range = resume and number in slow
            old = old_logs if isinstance(old_logs, int) else old_logs[number]
            device.logs += [_old_log(device.identifier, age) for age in range(old, 0, -1)]
            device.logs += [_unwanted(device.identifier, count) for count in range((unwanted or {}).get(number, 0))]
            device.logs += generate_load(device.identifier, device_sizes, START)
            self._servers[device.identifier] = DeviceServer(self._reactor, device, address, port)
        self._names = NameServer(self._reactor, domain=domain, mode=DnsMode(mode))
        self._names.startService()
        return {"port": port, "name_server": f"127.0.0.1:{self._names.port}"}

    def _arrive(self, devices: list[int]) -> None:
        """Let them join, known by name; `arrive` is said when all have."""
        arrivals = [self._servers[device].arrive() for device in devices]
        DeferredList(arrivals, fireOnOneErrback=True).addCallback(self._arrived, devices)

    def _arrived(self, _: object, devices: list[int]) -> None:
        assert self._names is not None
        for device in devices:
            self._names.names[f"motion-{device}"] = self._servers[device].interface
        self._commands.say("arrive", at=time.monotonic())

    def _leave(self, devices: list[int]) -> None:
        departures = [self._servers[device].leave() for device in devices]
        for device in devices:
            assert self._names is not None
            del self._names.names[f"motion-{device}"]
        DeferredList(departures).addCallback(lambda _: self._commands.say("leave"))

    def _tracks(self) -> Message:
        """The addresses of all tracks that are neither old nor unwanted."""
        urls = [
            f"http://{server.interface}:{self._port}{log.path}"
            for server in self._servers.values()
            for log in server.device.logs
            if log.ready
        ]
        return {"urls": urls}

    def _end(self) -> None:
        self._reactor.callWhenRunning(self._reactor.stop)


def _old_log(identifier: int, age: int) -> SimulatedLog:
    """A log of `age` days ago, before the event: a listing is full of them."""
    start = START - 7 * _DAY - age * _DAY
    path = log_path(identifier, start)
    best = random.Random(age).randint(4_000, 12_000)
    entry = make_entry(path, 512 + 52 * 9_000, start_date=start, end_date=start + 3_600_000, **{"500m_best": best})
    return SimulatedLog(path, partial(track_for_entry, entry, identifier), entry)


def _unwanted(identifier: int, count: int) -> SimulatedLog:
    """A log of the event's day, of a walk to the water."""
    start = START - (count + 1) * 3_600_000
    path = log_path(identifier, start)
    entry = make_entry(path, 512 + 52 * 500, start_date=start, end_date=start + 600_000, **{"500m_best": 400})
    return SimulatedLog(path, partial(track_for_entry, entry, identifier), entry)


def main() -> None:
    """Serve until the input ends."""
    run(Fleet)


if __name__ == "__main__":
    main()
