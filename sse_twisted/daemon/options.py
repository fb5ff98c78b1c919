"""The command line of `twistd sse`. What only a running collector needs is imported later, in `assembly.py`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace
from twisted.logger import ILogObserver, LogEvent, Logger, formatEvent
from twisted.python import usage
from zope.interface import implementer

from sse_twisted.config.printout import example, settings_as_toml
from sse_twisted.config.settings import Copies, Settings, SettingsError
from sse_twisted.console.accounts import HOST_KEY, AccountsError, check_private, read_accounts
from sse_twisted.console.endpoints import DEFAULT, OFF, Access, EndpointError, check_endpoint, check_free, check_local
from sse_twisted.control.bundle import Source
from sse_twisted.daemon.bundle import NO_REPORTS, BundleError, make_bundle
from sse_twisted.daemon.check import check, folder_problem
from sse_twisted.daemon.configuration import copies_problem, load_settings, read_configuration
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.lock import FolderInUse
from sse_twisted.event_folder.lock import check_free as check_not_in_use
from sse_twisted.runtime.disk import LONGEST_WAIT, answers
from sse_twisted.runtime.options import Options as OneLineOptions
from sse_twisted.runtime.start_watch import StartWatch
from sse_twisted.web.security import DEFAULT_ENDPOINT, TokenError, read_token

MOST_DEMO_DEVICES = 200


def _count(text: str | int) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"--demo-devices {text!r}: expected a number") from None


class Options(OneLineOptions):
    """Options of `twistd sse`."""

    synopsis = "[--config FILE] [--event DIR] [options] | --demo [options]"
    longdesc = (
        "Detects each GPS logger as it joins the WiFi, inspects it, downloads its new tracks, verifies them "
        "byte by byte, and says when it can be disconnected. Assignments are read from config/motions.csv in the event "
        "folder. Run it in the foreground with 'twistd -n sse ...', or as a daemon with twistd's own options "
        "--pidfile, --logfile, --umask, --uid. SIGHUP reads the configuration again; SIGTERM and SIGINT stop it. "
        "The manual is on the board, at /help."
    )
    optParameters = [  # noqa: RUF012 - as twisted.python.usage wants it
        ["config", "c", None, "Configuration: an sse.toml, or the original server's server.json."],
        ["event", "e", None, "Event folder; overrides event.folder, so no --config is needed."],
        ["web", "w", None, f"Board endpoint, or '{OFF}' [default: {DEFAULT_ENDPOINT}]."],
        ["web-token-file", None, None, "File of mode 0600 with the command token [default: a new token for each run]."],
        ["manhole", None, None, f"Telnet console endpoint, or '{OFF}' [default: {DEFAULT}]."],
        ["manhole-passwd", None, None, "File with lines of user:password [default: a random password for each run]."],
        ["manhole-ssh", None, None, f"SSH console endpoint [default: {OFF}]."],
        ["manhole-keys", None, None, "File of public keys for SSH [default: .sse_twisted/authorized_keys]."],
        ["bundle", None, None, "Write a support bundle without tracks and names to this new ZIP file, and exit."],
        ["demo-devices", None, 24, f"Number of simulated devices in the demo, 1 to {MOST_DEMO_DEVICES}.", _count],
    ]
    optFlags = [  # noqa: RUF012 - as twisted.python.usage wants it
        ["demo", None, "Collect from simulated devices in this process, into a new temporary event folder."],
        ["check", None, "Print what would be done, and each mistake in configuration and roster; start nothing."],
        ["print-config", None, "Print the settings as an sse.toml with comments, and exit."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self.copies: list[str] = []

    def opt_copy(self, folder: str) -> None:
        """Copy of the event folder on another disk; may be repeated, adds to copies.folders."""
        self.copies.append(str(Path(folder).absolute()) if folder else "")

    def postOptions(self) -> None:
        """Reject options with which the collector cannot start; raises UsageError, or SystemExit when done."""
        for name in ("config", "event", "bundle", "manhole-passwd", "manhole-keys", "web-token-file"):
            if self[name]:  # twistd may change to another folder before they are read again
                self[name] = str(Path(self[name]).absolute())
        with StartWatch(self._folders, Logger(observer=_print)):
            self._check()

    def _folders(self) -> Iterator[Path]:
        """Yield the folders that the options name so far, on whichever disks."""
        if self["config"]:
            yield Path(self["config"]).parent
        if settings := getattr(self, "settings", None):
            yield Path(settings.event.folder)
        elif self["event"]:
            yield Path(self["event"])

    def _check(self) -> None:
        _check_disk(Path(self["config"]).parent if self["config"] else None)
        _check_disk(Path(self["event"]) if self["event"] else None)
        if self["print-config"]:
            sys.stdout.write(_printed_config(self))
            sys.exit(0)
        if self["bundle"] is not None:
            sys.stdout.write(f"{_bundle(self)}\n")
            sys.exit(0)
        if not 1 <= self["demo-devices"] <= MOST_DEMO_DEVICES:
            raise usage.UsageError(f"--demo-devices {self['demo-devices']}: expected 1 to {MOST_DEMO_DEVICES}")
        self.access = access(self)
        _check_web(self)
        if self["demo"]:
            _check_demo(self)
            self.settings = Settings()
            return
        self.settings = _settings(self)
        folder = EventFolder(Path(self.settings.event.folder))
        _check_disk(folder.root)
        with self.acting_as_the_daemon():
            check_copies(self.settings)
            if self["check"]:
                sys.exit(1 if check(folder, self.settings, self["config"], time.time(), print) else 0)
            check_event_folder(folder.root)
            if self.access.ssh:
                _check_host_key(folder)


@implementer(ILogObserver)
def _print(event: LogEvent) -> None:
    print(formatEvent(event), file=sys.stderr)


def access(options: Options) -> Access:
    """Return the endpoints and the accounts of the console; raises UsageError."""
    telnet, ssh = options["manhole"] or DEFAULT, options["manhole-ssh"] or OFF
    passwords, keys = (Path(options[name]) if options[name] else None for name in ("manhole-passwd", "manhole-keys"))
    try:
        telnet, ssh = (_place(telnet, check_local), _place(ssh, check_endpoint))
        for endpoint in (telnet if options["manhole"] else "", ssh):
            if endpoint:
                check_free(endpoint)
        with options.acting_as_the_daemon():  # who reads them at the start
            if passwords:
                read_accounts(passwords)
            if keys:
                check_private(keys, forbidden=0o022)  # a user who can add a key can log in
    except (AccountsError, EndpointError) as error:
        raise usage.UsageError(f"the console: {error}") from None
    return Access(telnet, must_listen=bool(options["manhole"]), passwords=passwords, ssh=ssh, keys=keys)


def _check_host_key(folder: EventFolder) -> None:
    folder.close_state()
    try:
        if (folder.secrets / HOST_KEY).exists():
            check_private(folder.secrets / HOST_KEY)
    except (AccountsError, OSError) as error:
        raise usage.UsageError(f"the console: {error}") from None


def _place(endpoint: str, check: Callable[[str], str]) -> str:
    return "" if endpoint == OFF else check(endpoint)


def _check_demo(options: Options) -> None:
    if options["config"] or options["check"] or options.copies:
        raise usage.UsageError("--demo has its own configuration: leave out --config, --check and --copy")
    if options.parent is not None and (options.parent.get("uid") or options.parent.get("gid")):
        raise usage.UsageError("--demo creates its event folder as the current user: leave out --uid and --gid")
    folder = Path(options["event"] or "")
    if options["event"] and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise usage.UsageError(f"--demo writes its own roster: {folder} must be a new or empty folder")


def _check_web(options: Options) -> None:
    try:
        if (endpoint := options["web"]) not in (None, OFF):
            check_endpoint(endpoint)
            check_free(endpoint)
        if options["web-token-file"]:
            with options.acting_as_the_daemon():
                read_token(Path(options["web-token-file"]))
    except (EndpointError, TokenError) as error:
        raise usage.UsageError(f"the board: {error}") from None


def _settings(options: Options) -> Settings:
    try:
        return load_settings(options["config"], options["event"], options.copies)
    except SettingsError as error:
        raise usage.UsageError(str(error)) from None


def _printed_config(options: Options) -> str:
    """Return what --print-config prints: the settings in force, or the example without any; raises UsageError."""
    if options["demo"] or options["check"]:
        raise usage.UsageError("--print-config starts nothing: leave out --demo and --check")
    if options["config"] is None and options["event"] is None:
        return example()
    try:
        printed = settings_as_toml(read_configuration(options["config"], options["event"]))
        printed.encode()
    except SettingsError as error:
        raise usage.UsageError(str(error)) from None
    except UnicodeEncodeError:
        raise usage.UsageError(f"{options['event']!r} is not UTF-8, so no sse.toml can name it") from None
    return printed


def _bundle(options: Options) -> str:
    """Write the bundle of --bundle and return what to tell; raises UsageError."""
    if options["demo"] or options["check"]:
        raise usage.UsageError("--bundle starts nothing: leave out --demo and --check")
    if not options["bundle"]:
        raise usage.UsageError("--bundle is empty: pass the path of a new ZIP file")
    reports = {"reports/none.txt": NO_REPORTS}
    try:
        settings = load_settings(options["config"], options["event"])
    except SettingsError as error:  # a bundle is needed most where something is wrong
        if not options["event"]:
            raise usage.UsageError(f"{error}; pass --event DIR to make a bundle all the same") from None
        settings, reports["reports/configuration.txt"] = load_settings(None, options["event"]), f"{error}\n"
    folder, configuration = EventFolder(Path(settings.event.folder)), options["config"]
    _check_disk(folder.root)
    source = Source(folder, settings, Path(configuration) if configuration else None, secret_files(options), reports)
    try:
        return make_bundle(Path(options["bundle"]), source, time.time())
    except BundleError as error:
        raise usage.UsageError(str(error)) from None


def secret_files(options: Options) -> tuple[Path, ...]:
    """Return the files of passwords and tokens that the options name."""
    return tuple(Path(options[name]) for name in ("manhole-passwd", "web-token-file") if options[name])


def _check_disk(folder: Path | None) -> None:
    """Raise UsageError if the disk of a folder hangs: nothing could end a start that waits for it."""
    if folder is not None and not answers(folder):
        raise usage.UsageError(f"{folder}: its disk has not answered for {LONGEST_WAIT:.0f} s; is it plugged in?")


def check_copies(settings: Settings) -> None:
    """Raise UsageError if folders cannot be copies, wherever links lead to. Those on a disk that hangs can."""
    folders = tuple(folder for folder in settings.copies.folders if answers(Path(folder)))
    if folders and (problem := copies_problem(replace(settings, copies=Copies(folders)), os.path.realpath)):
        raise usage.UsageError(problem)


def check_event_folder(folder: Path) -> None:
    """Raise UsageError if a collector cannot work in the folder."""
    if problem := folder_problem(folder):
        raise usage.UsageError(problem)
    try:
        check_not_in_use(folder)
    except OSError as error:
        raise usage.UsageError(f"{folder}: {error.strerror}") from None
    except FolderInUse as error:
        raise usage.UsageError(str(error)) from None
