"""The board of a benchmark in a process of its own: a fleet that changes without devices, and the real web server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.task import LoopingCall

from sse_twisted.config.roster import parse_roster
from sse_twisted.config.settings import Settings
from sse_twisted.daemon.collector import Collector
from sse_twisted.daemon.world import real_world
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.fleet import Stage
from sse_twisted.web.service import WebService
from tests.benchmarks.blocking import ReactorWatch
from tests.benchmarks.partner import Commands, Handlers, Message, run, usage

WORKING = 20  # devices that are on the bench at once, and change
SIZE = 10_000_000  # bytes of the track that they seem to download


class Shown:
    """A web server whose fleet changes at a rate; each change carries its moment as a finding."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._watch = ReactorWatch(reactor)
        self._web: WebService | None = None
        self._numbers: list[int] = []
        self._changes = 0
        self._loop = LoopingCall(self._change)
        handlers: Handlers = {
            "prepare": self._prepare,
            "change": self._start,
            "watch": self._start_watch,
            "delays": self._stop_watch,
            "usage": usage,
        }
        self._commands = Commands(reactor, handlers, self._end)

    def _prepare(self, folder: str) -> Message:
        event = EventFolder(Path(folder))
        settings = Settings()
        collector = Collector(event, settings, lambda: settings, real_world(self._reactor))
        collector.live.change(roster=parse_roster(event.roster.read_bytes()))
        self._fleet = collector.fleet
        self._numbers = sorted(device.identifier for device in collector.fleet)
        self._web = WebService(self._reactor, collector, "tcp:0:interface=127.0.0.1", None)
        self._web.startService()
        assert self._web.port is not None
        host: Any = self._web.port.getHost()
        return {"port": host.port, "devices": len(self._numbers)}

    def _start(self, rate: float) -> Message:
        for number in self._numbers[:WORKING]:
            self._fleet.update(number, stage=Stage.DOWNLOADING, downloading="track", size=SIZE, wanted=2)
        self._loop.start(1 / rate)
        return {}

    def _change(self) -> None:
        number = self._numbers[self._changes % WORKING]
        self._changes += 1
        received = self._changes * 10_000 % SIZE
        self._fleet.update(number, received=received, findings=(f"at {time.time():.4f}",))

    def _start_watch(self) -> Message:
        self._watch.start()
        return {}

    def _stop_watch(self) -> Message:
        late, own = self._watch.stop()
        return {"reactor": late, "own": own}

    def _end(self) -> None:
        self._watch.stop()
        if self._loop.running:
            self._loop.stop()
        stopping = maybeDeferred(self._web.stopService) if self._web is not None else maybeDeferred(int)
        stopping.addBoth(lambda _: self._reactor.callWhenRunning(self._reactor.stop))


def main() -> None:
    """Show until the input ends."""
    run(Shown)


if __name__ == "__main__":
    main()
