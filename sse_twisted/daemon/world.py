"""The world outside of the collector: clock, network, names and threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from sse_twisted.config.settings import Names
from sse_twisted.devices.connections import Traffic, device_agent
from sse_twisted.dns.service import NameService
from sse_twisted.runtime.disk import DiskThreads, Starter
from sse_twisted.visits.detection import NameLookup


@frozen
class World:
    """What the collector needs of the world outside; tests give it another one."""

    clock: IReactorTime  # steady, of no calendar
    utc: Callable[[], float]  # s since 1970, as far as this computer knows
    agent: Callable[[Callable[[], float]], IAgent]  # of a connection's time-out in s, asked at each request
    names: Callable[[Callable[[], Names], Logger], NameLookup]
    start_in_thread: Starter


def real_world(reactor: Any) -> World:
    """Sockets, threads, and the time that passes."""
    traffic = Traffic(reactor)
    return World(
        clock=reactor,
        utc=time.time,
        agent=lambda connect_timeout: device_agent(reactor, connect_timeout, traffic),
        names=lambda settings, log: NameService(reactor, log, settings),
        start_in_thread=DiskThreads(reactor).start,
    )
