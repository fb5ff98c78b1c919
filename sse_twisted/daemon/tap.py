"""The command line of `twistd sse`, and the assembly of what it starts."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.application.service import IService, MultiService
from twisted.python import usage

from sse_twisted.config.server_json import read_original_settings
from sse_twisted.config.settings import Settings, SettingsError, read_settings
from sse_twisted.console.accounts import AccountsError, check_private, read_accounts
from sse_twisted.console.endpoints import DEFAULT, OFF, EndpointError, check_endpoint, check_free, check_local
from sse_twisted.console.service import HOST_KEY, Access, ConsoleService
from sse_twisted.daemon.check import check
from sse_twisted.daemon.collector import Collector
from sse_twisted.daemon.demo import Demo
from sse_twisted.daemon.world import real_world
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.lock import FolderInUse
from sse_twisted.event_folder.lock import check_free as check_not_in_use
from sse_twisted.runtime.gc_freeze import GcFreeze
from sse_twisted.runtime.monotonic import MonotonicClock
from sse_twisted.runtime.options import Options as OneLineOptions
from sse_twisted.runtime.options import acting_user
from sse_twisted.runtime.signals import SignalService
from sse_twisted.runtime.systemd import ReadinessService
from sse_twisted.web.security import TokenError, read_token
from sse_twisted.web.service import DEFAULT_ENDPOINT, WebService

MOST_DEMO_DEVICES = 200


def _count(text: str | int) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"--demo-devices {text!r} is no number") from None


class Options(OneLineOptions):
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
        ["manhole", None, None, f"Where the console is to be had by telnet, or '{OFF}' [default: {DEFAULT}]."],
        ["manhole-passwd", None, None, "Its passwords, lines of user:password; default: a random one for each run."],
        ["manhole-ssh", None, None, "Where the console is to be had by SSH [default: nowhere]."],
        ["manhole-keys", None, None, "Its public keys; default: .sse_twisted/authorized_keys in the event folder."],
        ["demo-devices", None, 24, f"How many devices the demo simulates (1 to {MOST_DEMO_DEVICES}).", _count],
    ]
    optFlags = [  # noqa: RUF012 - as twisted.python.usage wants it
        ["demo", None, "Collect from simulated devices in this process, into a new temporary event folder."],
        ["check", None, "Say what would be done and each mistake of configuration and roster; start nothing."],
    ]

    def postOptions(self) -> None:
        """Refuse what can't be started, before anything is."""
        for name in ("config", "event", "manhole-passwd", "manhole-keys", "web-token-file"):
            if self[name]:  # twistd may change to another folder before they are read again
                self[name] = str(Path(self[name]).absolute())
        if not 1 <= self["demo-devices"] <= MOST_DEMO_DEVICES:
            raise usage.UsageError(f"--demo-devices {self['demo-devices']}: 1 to {MOST_DEMO_DEVICES} are possible")
        self.access = access(self)
        _check_web(self)
        if self["demo"]:
            _check_demo(self)
            self.settings = Settings()
            return
        self.settings = _settings(self)
        folder = EventFolder(Path(self.settings.event.folder))
        with self.acting_as_the_daemon():
            if self["check"]:
                sys.exit(1 if check(folder, self.settings, self["config"], time.time(), print) else 0)
            check_event_folder(folder.root)
            if self.access.ssh:
                _check_host_key(folder)


def access(options: Options) -> Access:
    """Who may use the console, and where; raises UsageError."""
    telnet, ssh = options["manhole"] or DEFAULT, options["manhole-ssh"] or OFF
    passwords, keys = options["manhole-passwd"], options["manhole-keys"]
    try:
        telnet, ssh = (_place(telnet, check_local), _place(ssh, check_endpoint))
        if options["manhole"] and telnet:
            check_free(telnet)
        if ssh:
            check_free(ssh)
        if passwords:
            read_accounts(Path(passwords))
        if keys:
            check_private(Path(keys), forbidden=0o022)  # whoever can add a key can log in
    except (AccountsError, EndpointError) as error:
        raise usage.UsageError(f"the console: {error}") from None
    return Access(
        telnet,
        must_listen=bool(options["manhole"]),
        passwords=Path(passwords) if passwords else None,
        ssh=ssh,
        keys=Path(keys) if keys else None,
    )


def _check_host_key(folder: EventFolder) -> None:
    try:
        if (folder.state / HOST_KEY).exists():
            check_private(folder.state / HOST_KEY)
    except (AccountsError, OSError) as error:
        raise usage.UsageError(f"the console: {error}") from None


def _place(endpoint: str, check: Callable[[str], str]) -> str:
    return "" if endpoint == OFF else check(endpoint)


def _check_demo(options: Options) -> None:
    if options["config"] or options["check"]:
        raise usage.UsageError("--demo has a configuration of its own: leave out --config and --check")
    if options.parent is not None and (options.parent.get("uid") or options.parent.get("gid")):
        raise usage.UsageError("--demo makes its event folder as whoever starts it: leave out --uid and --gid")
    folder = Path(options["event"] or "")
    if options["event"] and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise usage.UsageError(f"--demo writes a roster: {folder} must be a new or empty folder")


def _check_web(options: Options) -> None:
    try:
        if (endpoint := options["web"]) not in (None, OFF):
            check_endpoint(endpoint)
            check_free(endpoint)
        if options["web-token-file"]:
            read_token(Path(options["web-token-file"]))
    except (EndpointError, TokenError) as error:
        raise usage.UsageError(f"the board: {error}") from None


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
            raise usage.UsageError(f"{closed}: the event folder is not writable for {acting_user()}")
        check_not_in_use(folder)
    except OSError as error:
        raise usage.UsageError(f"{folder}: {error.strerror}") from None
    except FolderInUse as error:
        raise usage.UsageError(str(error)) from None


def makeService(options: Options) -> IService:
    """The tree of services for `twistd sse`."""
    from twisted.internet import reactor

    if options["demo"]:
        with options.mistakes_in_one_line():
            demo = _demo(reactor, options)
        beside = _beside(reactor, options, demo.collector)
        signals = SignalService(reactor, demo.reload)
        return multi_service(MonotonicClock(reactor), signals, demo, *beside, ReadinessService(reactor), GcFreeze())
    config, event = options["config"], options["event"]
    folder = EventFolder(Path(options.settings.event.folder))
    collector = Collector(folder, options.settings, lambda: load_settings(config, event), real_world(reactor))
    beside = _beside(reactor, options, collector)
    signals = SignalService(reactor, collector.reload)
    return multi_service(MonotonicClock(reactor), signals, collector, *beside, ReadinessService(reactor), GcFreeze())


def _demo(reactor: Any, options: Options) -> Demo:
    try:
        return Demo(reactor, options["demo-devices"], options["event"])
    except OSError as error:
        raise usage.UsageError(f"{error.filename or '--demo'}: {error.strerror}") from None


def _beside(reactor: Any, options: Options, collector: Collector) -> list[IService]:
    """What looks into a collector; to be started after it, when the event folder is its own."""
    beside: list[IService] = [console_of(reactor, options.access, collector)]
    if options["web"] != OFF:
        beside.append(WebService(reactor, collector, options["web"], options["web-token-file"]))
    return beside


def console_of(reactor: Any, access: Access, collector: Collector) -> ConsoleService:
    """The console of a collector."""
    state = collector.folder.state
    return ConsoleService(reactor, access, state, collector.commands, {"collector": collector}, collector.log)


def multi_service(*services: IService) -> IService:
    """All of them, to be started in this order."""
    parent = MultiService()
    for service in services:
        service.setServiceParent(parent)
    return parent
