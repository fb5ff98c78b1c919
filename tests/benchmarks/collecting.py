"""The collector of a benchmark in a process of its own: the real one, with sockets, threads and a disk."""

from __future__ import annotations

import cProfile
import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import maybeDeferred

from sse_twisted.config.settings import read_settings
from sse_twisted.daemon.collector import Collector
from sse_twisted.daemon.world import real_world
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.fleet import Device
from sse_twisted.runtime.gc_freeze import GcFreeze
from sse_twisted.web.service import WebService
from tests.benchmarks.blocking import Blame, ReactorWatch, ThreadWatch
from tests.benchmarks.holding import LockWatch, TurnWatch
from tests.benchmarks.memory import Growth, census, heap
from tests.benchmarks.partner import Commands, Handlers, Message, run, usage


class Observed:
    """A collector that tells each change of a device's stage, and on request how late its reactor was."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._collector: Collector | None = None
        self._web: WebService | None = None
        self._watch = ReactorWatch(reactor)
        self._beside = ThreadWatch()
        self._turns = TurnWatch(reactor)
        self._lock = LockWatch()
        self._growth = Growth()
        self._blame: Blame | None = None
        self._profile: cProfile.Profile | None = None
        handlers: Handlers = {
            "prepare": self._prepare,
            "start": self._start,
            "serve": self._serve,
            "watch": self._start_watch,
            "delays": self._stop_watch,
            "blame": self._report,
            "usage": lambda: usage() | heap(),
            "trace": self._growth.begin,
            "growth": lambda: {"text": self._growth.report()},
            "profile": self._start_profile,
            "stats": self._stop_profile,
        }
        self._commands = Commands(reactor, handlers, self._end)

    def _prepare(self, config: str, blame: bool) -> Message:
        settings = read_settings(Path(config))
        folder = EventFolder(Path(settings.event.folder))
        self._collector = Collector(folder, settings, lambda: settings, real_world(self._reactor))
        self._collector.fleet.observe(self._tell)
        GcFreeze(self._reactor, self._collector.log).startService()
        if blame:
            self._blame = Blame(self._watch)
        return {}

    def _start(self) -> Message:
        assert self._collector is not None
        at = time.monotonic()
        self._collector.startService()
        return {"at": at}

    def _serve(self) -> Message:
        """Serve the board as well; gives its port."""
        assert self._collector is not None
        self._web = WebService(self._reactor, self._collector, "tcp:0:interface=127.0.0.1", None)
        self._web.startService()
        assert self._web.port is not None
        host: Any = self._web.port.getHost()
        return {"port": host.port}

    def _start_watch(self) -> Message:
        self._watch.start()
        self._beside.start()
        self._turns.start()
        self._lock.start()
        return {}

    def _stop_watch(self) -> Message:
        late, own = self._watch.stop()
        beside, turns, held = self._beside.stop(), self._turns.stop(), self._lock.stop()
        return {"reactor": late, "own": own, "thread": beside, "turns": turns, "held": held}

    def _report(self) -> Message:
        reactor = self._blame.report() if self._blame is not None else ""
        return {"text": f"{reactor}\n{self._lock.report()}\n{census()}"}

    def _start_profile(self) -> Message:
        self._profile = cProfile.Profile()
        self._profile.enable()
        return {}

    def _stop_profile(self, file: str) -> Message:
        assert self._profile is not None
        self._profile.disable()
        self._profile.dump_stats(file)
        return {}

    def _tell(self, before: Device, after: Device) -> None:
        if after.stage is not before.stage:
            self._commands.say(after.stage, device=after.identifier, at=time.monotonic(), reason=after.reason)

    def _end(self) -> None:
        self._watch.stop()
        if self._web is not None:
            self._web.stopService()
        stopping = maybeDeferred(self._collector.stopService) if self._collector is not None else maybeDeferred(int)
        stopping.addBoth(lambda _: self._reactor.callWhenRunning(self._reactor.stop))


def main() -> None:
    """Collect until the input ends."""
    run(Observed)


if __name__ == "__main__":
    main()
