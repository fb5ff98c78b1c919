"""What can be typed: the commands, each with its docstring, and objects that show themselves as tables."""

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
class Shown:
    """A value of the commands, and how it looks on the screen."""

    text: str
    value: object = None

    def __repr__(self) -> str:
        return self.text


class Command:
    """Does something when it is called; without brackets it says how that is done."""

    def __init__(self, do: Callable[..., object]) -> None:
        self._do = do
        self._signature = inspect.signature(do)
        self.meaning = inspect.getdoc(do) or ""

    @property
    def usage(self) -> str:
        """As "tracks([day])"."""
        parameters = self._signature.parameters.values()
        takes = (each.name if each.default is each.empty else f"[{each.name}]" for each in parameters)
        return f"{self._do.__name__}({', '.join(takes)})"

    def __repr__(self) -> str:
        purpose, _, _ = self.meaning.partition("\n")
        return f"{self.usage}: {purpose}"

    def __call__(self, *values: object, **named: object) -> object:
        """Do it; raises CommandError if it takes something else."""
        try:
            self._signature.bind(*values, **named)
        except TypeError as error:
            raise CommandError(f"it is {self.usage}: {error}") from None
        return self._do(*values, **named)


class View:
    """Shows itself anew each time: no call is needed."""

    def __init__(self, show: Callable[[], str], doc: str) -> None:
        self._show = show
        self.__doc__ = doc

    def __repr__(self) -> str:
        return self._show()

    def __call__(self, *_: object, **__: object) -> View:
        """Itself, for those who type the brackets all the same."""
        return self


class Leave:
    """Ends the session, and not the collector."""

    def __init__(self, leave: Callable[[], object]) -> None:
        self._leave = leave

    def __repr__(self) -> str:
        return "exit() or ^D ends the session, and not the collector"

    def __call__(self, *_: object) -> None:
        """Leave."""
        self._leave()


class Namespace:
    """The names of one session; `live` are objects to be looked into, by name."""

    def __init__(self, commands: Commands, live: Mapping[str, object]) -> None:
        self._commands = commands
        self._live = live

    def names(self) -> dict[str, object]:
        """Everything by its name."""
        commands = self._commands
        views = {
            "fleet": View(
                lambda: tables.fleet_table(commands.fleet(), commands.now),
                "All devices: stage and since when, battery, tracks done of wanted, and what is odd.",
            ),
            "settings": View(lambda: tables.settings_text(commands.settings), "The settings in force."),
        }
        methods = {name: Command(getattr(self, name)) for name in (*READING, *ACTING, "help") if name not in views}
        return {"__name__": "__console__", "__doc__": None, **self._live, **methods, **views}

    @property
    def greeting(self) -> str:
        """What there is, and how it is used."""
        return "\n".join(
            (
                f"Reading: {', '.join(READING)}",
                f"Acting:  {', '.join(ACTING)}",
                f"Live:    {', '.join(self._live)}. help(name) tells more; ^D ends the session, not the collector.",
                "Try:     fleet        device(601)        why(601)",
            )
        )

    def help(self, thing: object = None) -> None:
        """Tell what a name is; without one, which names there are."""
        if thing is None:
            print(self.greeting)
        elif isinstance(thing, Command):
            print(f"{thing.usage}\n\n{thing.meaning}")
        elif isinstance(thing, View):
            print(thing.__doc__)
        else:
            print(pydoc.plain(pydoc.render_doc(thing)))

    def device(self, device: int | str) -> Deferred[Shown]:
        """Everything known of a device, with its tracks and its last 20 events.

        device(601)
        """

        def show(report: DeviceReport) -> Shown:
            commands = self._commands
            return Shown(tables.device_text(report, commands.why(device), commands.zone, commands.now), report)

        return self._commands.device(device).addCallback(show)

    def tracks(self, day: str | datetime.date | None = None) -> Deferred[Shown]:
        """What became of the tracks of a day, today's without one.

        tracks("2025-10-12")
        """
        chosen = self._commands.today if day is None else day

        def show(tracks: tuple[TrackReport, ...]) -> Shown:
            return Shown(f"{plural(len(tracks), 'track')} of {chosen}\n{tables.tracks_table(tracks)}", tracks)

        return self._commands.tracks(chosen).addCallback(show)

    def missing(self) -> Shown:
        """Who is expected today, and has not been collected."""
        missing = self._commands.missing()
        return Shown(tables.missing_table(missing), missing)

    def why(self, device: int | str) -> Shown:
        """What a device waits for now, in words.

        why(601)
        """
        why = self._commands.why(device)
        return Shown(why, why)

    def stats(self) -> Shown:
        """Rounds, requests, bytes, tracks, failures, retries, reactor delay and memory since the start."""
        figures = self._commands.stats()
        return Shown(tables.stats_text(figures), figures)

    def semaphores(self) -> Shown:
        """How many devices are in each step, and how many wait for it."""
        semaphores: tuple[Semaphore, ...] = self._commands.semaphores()
        return Shown(tables.semaphores_table(semaphores), semaphores)

    def rescan(self) -> Shown:
        """Look for every device that is not there, now."""
        self._commands.rescan()
        return Shown("looking for everybody who is not there")

    def retry(self, device: int | str) -> Deferred[Shown]:
        """Look at everything of a device again, now; tells the verdict.

        retry(601)
        """

        def show(after: Device) -> Shown:
            collected = after.stage is Stage.COLLECTED
            verdict = "can be disconnected" if collected else f"must stay connected - {after.reason}"
            return Shown(f"{after.name} {verdict}", after)

        return self._commands.retry(device).addCallback(show)

    def fetch(self, device: int | str, track: str) -> Deferred[Shown]:
        """Fetch a track that was skipped, or is of another time.

        fetch(601, "motion-601_20250912_090000.oao"); the device must stay connected until it is here, and that is told.
        """

        def show(report: TrackReport) -> Shown:
            return Shown(f"{report.name} is here, {report.outcome}: {report.local_file}", report)

        return self._commands.fetch(device, track).addCallback(show)

    def forget(self, device: int | str) -> Shown:
        """End a device's visit and know nothing of it, so that it is looked for anew.

        forget(601)
        """
        self._commands.forget(device)
        return Shown("forgotten; it is looked for anew")

    def pause(self) -> Shown:
        """Begin no further download; those under way come to their end. resume() goes on."""
        self._commands.pause()
        return Shown("downloads are paused: resume() goes on")

    def resume(self) -> Shown:
        """Go on with downloads, at once."""
        self._commands.resume()
        return Shown("downloads go on")

    def waive(self, device: int | str, reason: str) -> Deferred[Shown]:
        """Wait no more for what a device had that left too early.

        waive(601, "did not sail")
        """
        return self._commands.waive(device, reason).addCallback(lambda _: Shown("waived"))

    def reload(self) -> Shown:
        """Read the configuration again, as SIGHUP does."""
        changes = self._commands.reload()
        return Shown("\n".join(changes) or "the configuration is as before", changes)

    def loglevel(self, level: str) -> Shown:
        """Log from this level on, until the configuration is read again.

        loglevel("debug")
        """
        self._commands.loglevel(level)
        return Shown(f"the log level is {level}")
