"""The environment of the collector: clock, network, names and threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from sse_twisted.config.settings import Names
from sse_twisted.devices.connections import DeviceAgent, Traffic, device_agent
from sse_twisted.dns.service import NameService
from sse_twisted.runtime.disk_threads import DiskThreads
from sse_twisted.runtime.group_sync import Starter
from sse_twisted.runtime.worker import Worker
from sse_twisted.visits.detection import NameLookup


class World(Struct, frozen=True):
    """All that the collector needs from its environment; tests pass their own."""

    clock: IReactorTime  # monotonic
    utc: Callable[[], float]  # s since 1970; the clock of this computer may be wrong
    agent: Callable[[Callable[[], float]], DeviceAgent]  # takes the connection time-out in s, called for each request
    names: Callable[[Callable[[], Names], Logger], NameLookup]
    start_in_thread: Starter
    start_thread: Callable[[], Starter]  # for a disk elsewhere: what runs functions in a thread of its own
    worker: Callable[[Logger], Worker] | None = None  # None: what takes long is done in threads


def real_world(reactor: Any) -> World:
    """Return the environment of a running process."""
    traffic = Traffic(reactor)
    in_reactors_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())  # the disk may hang
    return World(
        clock=reactor,
        utc=time.time,
        agent=lambda connect_timeout: device_agent(reactor, connect_timeout, traffic),
        names=lambda settings, log: NameService(reactor, log, settings, in_reactors_thread),
        start_in_thread=DiskThreads(reactor).start,
        start_thread=lambda: DiskThreads(reactor, "elsewhere", 1, 1).start,
        worker=partial(Worker, reactor),
    )
