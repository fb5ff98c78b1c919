"""The command line of `twistd sse`, and the assembly of what it starts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.application.service import IService, MultiService
from twisted.internet.endpoints import serverFromString
from twisted.python import usage

from sse_twisted import __version__
from sse_twisted.check import check
from sse_twisted.collector import Collector
from sse_twisted.demo import Demo
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.lock import FolderInUse, check_free
from sse_twisted.original_settings import read_original_settings
from sse_twisted.settings import Settings, SettingsError, read_settings
from sse_twisted.signals import SignalService
from sse_twisted.web.security import TokenError, read_token
from sse_twisted.web.service import DEFAULT_ENDPOINT, WebService
from sse_twisted.world import real_world

MOST_DEMO_DEVICES = 200
OFF = "off"


def _count(text: str | int) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"--demo-devices {text!r} is no number") from None


class Options(usage.Options):
    """Options of `twistd sse`."""

    synopsis = "[--config FILE] [--event DIR] | --demo"
    longdesc = (
        "Notices each Motion GPS logger as it joins the WiFi, inspects it, downloads its new tracks, verifies them "
        "byte by byte, and says when it can be disconnected. Who carries which device stands in config/motions.csv "
        "of the event folder. Run it in front with 'twistd -n sse ...', or as a daemon with twistd's own options "
        "--pidfile, --logfile, --umask, --uid. SIGHUP reads the configuration again; SIGTERM and SIGINT end it."
    )
    optParameters = [  # noqa: RUF012 - as twisted.python.usage wants it
        ["config", "c", None, "Configuration: an sse.toml, or the original server's server.json."],
        ["event", "e", None, "The event folder; wins over the configuration, and is enough without one."],
        ["web", "w", None, f"Where the board is served: a server endpoint, or off. Default: {DEFAULT_ENDPOINT}"],
        ["web-token-file", None, None, "A file of mode 0600 with the token for commands. Default: made at each start."],
        ["demo-devices", None, 24, f"How many devices the demo simulates (1 to {MOST_DEMO_DEVICES}).", _count],
    ]
    optFlags = [  # noqa: RUF012 - as twisted.python.usage wants it
        ["demo", None, "Collect from simulated devices in this process, into a new temporary event folder."],
        ["check", None, "Say what would be done and each mistake of configuration and roster; start nothing."],
    ]

    def opt_version(self) -> None:
        """Show the version and exit."""
        print(f"sse_twisted {__version__}")
        sys.exit(0)

    def postOptions(self) -> None:
        """Refuse what can't be started, before anything is."""
        for name in ("config", "event", "web-token-file"):
            if self[name]:  # twistd may change to another folder before they are read again
                self[name] = str(Path(self[name]).absolute())
        if not 1 <= self["demo-devices"] <= MOST_DEMO_DEVICES:
            raise usage.UsageError(f"--demo-devices {self['demo-devices']}: 1 to {MOST_DEMO_DEVICES} are possible")
        _check_web(self)
        if self["demo"]:
            _check_demo(self)
            self.settings = Settings()
            return
        self.settings = _settings(self)
        if self["check"]:
            mistakes = check(EventFolder(Path(self.settings.event.folder)), self.settings, self["config"], print)
            sys.exit(1 if mistakes else 0)
        check_event_folder(Path(self.settings.event.folder))


def _check_demo(options: Options) -> None:
    if options["config"] or options["check"]:
        raise usage.UsageError("--demo has a configuration of its own: leave out --config and --check")
    folder = Path(options["event"] or "")
    if options["event"] and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise usage.UsageError(f"--demo writes a roster: {folder} must be a new or empty folder")


def _check_web(options: Options) -> None:
    if (endpoint := options["web"]) not in (None, OFF):
        try:
            serverFromString(_NoReactor(), endpoint)
        except Exception as error:  # noqa: BLE001 - whatever the plugin for this kind of endpoint raises
            raise usage.UsageError(f"--web {endpoint!r} is no endpoint that can be had: {error}") from None
    if options["web-token-file"]:
        try:
            read_token(Path(options["web-token-file"]))
        except TokenError as error:
            raise usage.UsageError(f"--web-token-file {error}") from None


class _NoReactor:
    """Enough to find out whether an endpoint is one: nothing listens yet."""


def _settings(options: Options) -> Settings:
    try:
        return load_settings(options["config"], options["event"])
    except SettingsError as error:
        raise usage.UsageError(str(error)) from None


def load_settings(config: str | None, event: str | None) -> Settings:
    """The settings of a file, or the defaults without one; raises SettingsError."""
    settings = Settings()
    if config is not None:
        file = Path(config).absolute()
        settings = read_original_settings(file) if file.suffix.lower() == ".json" else read_settings(file)
    if event == "":
        raise SettingsError("--event is empty: where is the event folder?")
    if event is not None:
        settings = replace(settings, event=replace(settings.event, folder=str(Path(event).absolute())))
    if not settings.event.folder:
        where = f"{config}: event.folder is not set, and there" if config else "there"
        raise SettingsError(f"{where} is no --event DIR: where is the event folder? (--demo needs none)")
    return settings


def check_event_folder(folder: Path) -> None:
    """Raise UsageError if a collector could not work in the folder."""
    try:
        if not folder.is_dir():
            raise usage.UsageError(f"{folder}: there is no such event folder; make it, with its config/motions.csv")
        if closed := EventFolder(folder).closed():
            raise usage.UsageError(f"{closed}: the event folder is not writable")
        check_free(folder)
    except OSError as error:
        raise usage.UsageError(f"{folder}: {error.strerror}") from None
    except FolderInUse as error:
        raise usage.UsageError(str(error)) from None


def makeService(options: Options) -> IService:
    """The tree of services for `twistd sse`."""
    from twisted.internet import reactor

    if options["demo"]:
        demo = Demo(reactor, options["demo-devices"], options["event"])
        return with_signals(reactor, [demo, *_web(reactor, options, demo.collector)], demo.reload)
    config, event = options["config"], options["event"]
    folder = EventFolder(Path(options.settings.event.folder))
    collector = Collector(folder, options.settings, lambda: load_settings(config, event), real_world(reactor))
    return with_signals(reactor, [collector, *_web(reactor, options, collector)], collector.reload)


def _web(reactor: Any, options: Options, collector: Collector) -> list[IService]:
    if options["web"] == OFF:
        return []
    return [WebService(reactor, collector, options["web"], options["web-token-file"])]


def with_signals(reactor: Any, services: Iterable[IService], reload: Callable[[], None]) -> IService:
    """The services, and beside them the handling of signals for as long as they run."""
    together = MultiService()
    for service in (SignalService(reactor, reload), *services):
        service.setServiceParent(together)
    return together
