"""What `twistd sse` starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService, MultiService
from twisted.python import usage

from sse_twisted.config.server_json import remarks_on
from sse_twisted.console.endpoints import OFF
from sse_twisted.console.service import ConsoleService
from sse_twisted.daemon.collector import Collector
from sse_twisted.daemon.configuration import load_settings
from sse_twisted.daemon.options import Options, secret_files
from sse_twisted.daemon.world import real_world
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.runtime.gc_freeze import GcFreeze
from sse_twisted.runtime.log_output import LogOutputService
from sse_twisted.runtime.monotonic import MonotonicClock
from sse_twisted.runtime.one_thread import compute_in_one_thread
from sse_twisted.runtime.signals import SignalService
from sse_twisted.runtime.start_watch import StartWatch
from sse_twisted.runtime.systemd import ReadinessService
from sse_twisted.web.service import WebService

if TYPE_CHECKING:
    from sse_twisted.daemon.demo import Demo


def assemble(reactor: Any, options: Options) -> IService:
    """Return the services of a run, in the order in which they start."""
    compute_in_one_thread()
    service: Demo | Collector
    if options["demo"]:
        with options.mistakes_in_one_line():
            service = _demo(reactor, options)
        collector = service.collector
    else:
        config, event = options["config"], options["event"]
        folder = EventFolder(Path(options.settings.event.folder))
        service = collector = Collector(
            folder,
            options.settings,
            lambda: load_settings(config, event, options.copies),
            real_world(reactor),
            lambda: remarks_on(config),
            Path(config) if config else None,
            (*secret_files(options), *([Path(options["manhole-keys"])] if options["manhole-keys"] else ())),
        )
    folder, live = collector.folder, {"collector": collector}
    log = collector.log
    start = StartWatch(lambda: (folder.root,), log, status=0)
    board = [_board(reactor, collector, options)] if options["web"] != OFF else []
    return multi_service(
        MonotonicClock(reactor),
        LogOutputService(reactor, log),
        SignalService(reactor, collector.reload, lambda: collector.abandoned, start),
        service,
        # These watch the collector; they start when it has locked the event folder.
        ConsoleService(reactor, options.access, lambda: folder.secrets, collector.commands, live, collector.disk, log),
        *board,
        ReadinessService(reactor),
        GcFreeze(reactor, log),
    )


def _board(reactor: Any, collector: Collector, options: Options) -> WebService:
    configuration = Path(options["config"]) if options["config"] else None
    return WebService(
        reactor, collector, options["web"], options["web-token-file"], configuration, secret_files(options)
    )


def _demo(reactor: Any, options: Options) -> Demo:
    from sse_twisted.daemon.demo import Demo

    try:
        return Demo(reactor, options["demo-devices"], options["event"])
    except OSError as error:
        raise usage.UsageError(f"{error.filename or '--demo'}: {error.strerror}") from None


def multi_service(*services: IService) -> IService:
    """Return a service that starts these in this order."""
    parent = MultiService()
    for service in services:
        service.setServiceParent(parent)
    return parent
