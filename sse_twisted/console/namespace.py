"""The names of a console session: commands, each with its help, and views that print as tables."""

from __future__ import annotations

import datetime
import inspect
import pydoc
from collections.abc import Callable, Mapping

from attrs import frozen
from twisted.internet.defer import Deferred

from sse_twisted.console import tables
from sse_twisted.control.commands import CommandError, Commands
from sse_twisted.control.reports import DeviceReport, Semaphore
from sse_twisted.event_folder.track_report import TrackReport
from sse_twisted.fleet import Device, Stage
from sse_twisted.runtime.text import plural

READING = ("fleet", "device", "tracks", "missing", "why", "stats", "settings", "semaphores")
ACTING = ("rescan", "retry", "fetch", "forget", "pause", "resume", "waive", "reload", "loglevel")


@frozen
class Result:
    """The result of a command: its value, and the text that the console prints for it."""

    text: str
    value: object = None

    def __repr__(self) -> str:
        return self.text


class Command:
    """A function of the console; prints its usage when it is typed without brackets."""

    def __init__(self, do: Callable[..., object]) -> None:
        self._do = do
        self._signature = inspect.signature(do)
        self.meaning = inspect.getdoc(do) or ""

    @property
    def usage(self) -> str:
        """Name and parameters, as "tracks([day])"."""
        parameters = self._signature.parameters.values()
        takes = (each.name if each.default is each.empty else f"[{each.name}]" for each in parameters)
        return f"{self._do.__name__}({', '.join(takes)})"

    def __repr__(self) -> str:
        purpose, _, _ = self.meaning.partition("\n")
        return f"{self.usage}: {purpose}"

    def __call__(self, *values: object, **named: object) -> object:
        """Call the function; raises CommandError for wrong arguments."""
        try:
            self._signature.bind(*values, **named)
        except TypeError as error:
            raise CommandError(f"usage: {self.usage} ({error})") from None
        return self._do(*values, **named)


class View:
    """A name that prints the current state; needs no brackets."""

    def __init__(self, show: Callable[[], str], doc: str) -> None:
        self._show = show
        self.__doc__ = doc

    def __repr__(self) -> str:
        return self._show()

    def __call__(self, *_: object, **__: object) -> View:
        """Return the view itself, so that brackets do no harm."""
        return self


class Leave:
    """The commands `exit` and `quit`, which end the session, not the collector."""

    def __init__(self, leave: Callable[[], object]) -> None:
        self._leave = leave

    def __repr__(self) -> str:
        return "exit() or ^D ends the session, not the collector"

    def __call__(self, *_: object) -> None:
        """End the session."""
        self._leave()


class Namespace:
    """The names of one session; `live` are objects for inspection, by name."""

    def __init__(self, commands: Commands, live: Mapping[str, object]) -> None:
        self._commands = commands
        self._live = live

    def names(self) -> dict[str, object]:
        """Return all names of the session with their values."""
        commands = self._commands
        views = {
            "fleet": View(
                lambda: tables.fleet_table(commands.fleet(), commands.now),
                "All devices: stage and time in it, battery, tracks collected and wanted, findings.",
            ),
            "settings": View(lambda: tables.settings_text(commands.settings), "The current settings."),
        }
        methods = {name: Command(getattr(self, name)) for name in (*READING, *ACTING, "help") if name not in views}
        return {"__name__": "__console__", "__doc__": None, **self._live, **methods, **views}

    @property
    def greeting(self) -> str:
        """All names, and examples of use."""
        return "\n".join(
            (
                f"Reading: {', '.join(READING)}",
                f"Acting:  {', '.join(ACTING)}",
                f"Live:    {', '.join(self._live)}. help(name) explains; ^D ends the session, not the collector.",
                "Try:     fleet        device(601)        why(601)",
            )
        )

    def help(self, thing: object = None) -> None:
        """Explain a name; without one, list all names."""
        if thing is None:
            print(self.greeting)
        elif isinstance(thing, Command):
            print(f"{thing.usage}\n\n{thing.meaning}")
        elif isinstance(thing, View):
            print(thing.__doc__)
        else:
            print(pydoc.plain(pydoc.render_doc(thing)))

    def device(self, device: int | str) -> Deferred[Result]:
        """Show all details of a device, with its tracks and its last 20 events.

        device(601)
        """

        def show(report: DeviceReport) -> Result:
            commands = self._commands
            return Result(tables.device_text(report, commands.why(device), commands.zone, commands.now), report)

        return self._commands.device(device).addCallback(show)

    def tracks(self, day: str | datetime.date | None = None) -> Deferred[Result]:
        """List the tracks of a day (default: today) with their outcome.

        tracks("2025-10-12")
        """
        chosen = self._commands.today if day is None else day

        def show(tracks: tuple[TrackReport, ...]) -> Result:
            return Result(f"{plural(len(tracks), 'track')} of {chosen}\n{tables.tracks_table(tracks)}", tracks)

        return self._commands.tracks(chosen).addCallback(show)

    def missing(self) -> Result:
        """List the devices expected today that are not collected, and why."""
        missing = self._commands.missing()
        return Result(tables.missing_table(missing), missing)

    def why(self, device: int | str) -> Result:
        """Explain what a device is waiting for.

        why(601)
        """
        why = self._commands.why(device)
        return Result(why, why)

    def stats(self) -> Result:
        """Show counts since the start (scans, requests, tracks, failures, retries), reactor delay and memory."""
        figures = self._commands.stats()
        return Result(tables.stats_text(figures), figures)

    def semaphores(self) -> Result:
        """Show how many devices are in each step, and how many wait for it."""
        semaphores: tuple[Semaphore, ...] = self._commands.semaphores()
        return Result(tables.semaphores_table(semaphores), semaphores)

    def rescan(self) -> Result:
        """Look for all absent devices now."""
        self._commands.rescan()
        return Result("looking for all absent devices")

    def retry(self, device: int | str) -> Deferred[Result]:
        """Inspect a device again now, download what is missing, and show the verdict.

        retry(601)
        """

        def show(after: Device) -> Result:
            collected = after.stage is Stage.COLLECTED
            verdict = "can be disconnected" if collected else f"must stay connected - {after.reason}"
            return Result(f"{after.name} {verdict}", after)

        return self._commands.retry(device).addCallback(show)

    def fetch(self, device: int | str, track: str) -> Deferred[Result]:
        """Download a track that was skipped, or is outside the event.

        fetch(601, "motion-601_20250912_090000.oao"); the device must stay connected until the download ends.
        """

        def show(report: TrackReport) -> Result:
            return Result(f"{report.name} downloaded, {report.outcome}: {report.local_file}", report)

        return self._commands.fetch(device, track).addCallback(show)

    def forget(self, device: int | str) -> Result:
        """End the visit of a device and reset it, so that its next detection begins a new visit.

        forget(601)
        """
        self._commands.forget(device)
        return Result("visit reset; the device is looked for again")

    def pause(self) -> Result:
        """Start no more downloads; those in progress finish. resume() continues."""
        self._commands.pause()
        return Result("downloads paused; resume() continues")

    def resume(self) -> Result:
        """Continue downloads after pause()."""
        self._commands.resume()
        return Result("downloads resumed")

    def waive(self, device: int | str, reason: str) -> Deferred[Result]:
        """Give up the missing tracks of a device that left too early.

        waive(601, "did not sail")
        """
        return self._commands.waive(device, reason).addCallback(lambda _: Result("waived"))

    def reload(self) -> Result:
        """Read the configuration again, as SIGHUP does, and list what changed."""
        changes = self._commands.reload()
        return Result("\n".join(changes) or "configuration unchanged", changes)

    def loglevel(self, level: str) -> Result:
        """Set the level of the log until the configuration is read again.

        loglevel("debug")
        """
        self._commands.loglevel(level)
        return Result(f"log level {level}")
