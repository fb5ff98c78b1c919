"""The names of a console session: commands, each with its help, and views that print as tables."""

from __future__ import annotations

import datetime
import inspect
import pydoc
from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred

from sse_twisted.console import tables
from sse_twisted.console.courses import CourseConsole
from sse_twisted.console.hand_ins import HandInConsole
from sse_twisted.console.roster_text import roster_text
from sse_twisted.console.tables import Result
from sse_twisted.control.commands import Commands
from sse_twisted.control.errors import CommandError
from sse_twisted.fleet import Device, Stage

READING = (
    *("fleet", "device", "tracks", "missing", "why", "stats", "settings", "semaphores", "roster", "course", "runs"),
    *("copies", "hand_ins"),
)
DECIDING = ("exclude", "count", "withdraw", "set_course", "undo")
ACTING = (
    "rescan",
    "retry",
    "fetch",
    "forget",
    "pause",
    "resume",
    "waive",
    "not_expected",
    "expect",
    "confirm",
    "refuse",
    "reload",
    "loglevel",
    *DECIDING,
    "give",
    "prefer",
)


class Command:
    """A function of the console; prints its usage when it is typed without brackets."""

    def __init__(self, do: Callable[..., object]) -> None:
        self._do = do
        self._signature = inspect.signature(do)
        parameters = self._signature.parameters.values()
        takes = (each.name if each.default is each.empty else f"[{each.name}]" for each in parameters)
        self._usage = f"{do.__name__}({', '.join(takes)})"
        self.__doc__ = f"{self._usage}: {inspect.getdoc(do)}"

    def __repr__(self) -> str:
        return str(self.__doc__).partition("\n")[0]

    def __call__(self, *values: object, **named: object) -> object:
        """Call the function; raises CommandError for wrong arguments."""
        try:
            self._signature.bind(*values, **named)
        except TypeError as error:
            raise CommandError(f"usage: {self._usage} ({error})") from None
        return self._do(*values, **named)


class View:
    """A name that prints the current state, with or without brackets."""

    def __init__(self, show: Callable[[], str]) -> None:
        self._show = show
        self.__doc__ = show.__doc__

    def __repr__(self) -> str:
        return self._show()

    def __call__(self, *_: object, **__: object) -> View:
        return self


class Help(Command):
    """Lists all commands, with or without brackets; explains one."""

    def __init__(self, overview: Callable[[], str], explain: Callable[..., object]) -> None:
        super().__init__(explain)
        self._overview = overview

    def __repr__(self) -> str:
        return self._overview()


def _brief(name: str, thing: object) -> str:
    """Return the usage of a command or a view, and the first line of its meaning, without the full stop."""
    usage, meaning = name, str(thing.__doc__).partition("\n")[0]
    if isinstance(thing, Command):
        usage, _, meaning = meaning.partition(": ")
    return f"  {usage:<23} {meaning.removesuffix('.')}"


class Namespace:
    """The names of one session; `live` are objects for inspection, by name."""

    def __init__(self, commands: Commands, live: Mapping[str, object]) -> None:
        self._commands = commands
        self._live = live

    def names(self) -> dict[str, object]:
        """Return all names of the session with their values."""
        others_of = (CourseConsole(self._commands), HandInConsole(self._commands), self)
        functions = {
            name: next(getattr(each, name) for each in others_of if hasattr(each, name))
            for name in (*READING, *ACTING, "exit")
        }
        commands = {name: Command(function) for name, function in functions.items()}
        views = {"fleet": View(self.fleet), "settings": View(self.settings)}
        others = {"quit": commands["exit"], "explain": commands["why"]}
        help_ = {"help": Help(self._overview, self.help)}
        return {"__name__": "__console__", "__doc__": None, **self._live, **commands, **views, **others, **help_}

    @property
    def greeting(self) -> str:
        """All names, and examples of use."""
        return "\n".join(
            (
                f"Reading: {', '.join(READING)}",
                f"Acting:  {', '.join(ACTING)}",
                f"Live:    {', '.join(self._live)}. ^D ends the session, not the collector.",
                "Try:     help         fleet        device(601)        why 601",
            )
        )

    def help(self, thing: object = None) -> None:
        """Explain a command; without one, list all commands."""
        names = self.names()
        if isinstance(thing, str) and thing in names:
            thing = names[thing]
        if thing is None:
            print(self._overview())
        elif isinstance(thing, Command | View | Help):
            print(thing.__doc__)
        else:
            print(pydoc.plain(pydoc.render_doc(thing)))

    def _overview(self) -> str:
        """Return one line for each command, with its arguments."""
        groups = {"Reading": READING, "Acting": ACTING, "This session": ("help", "exit")}
        names = self.names()
        lines = [
            line
            for title, group in groups.items()
            for line in (f"{title}:", *(_brief(name, names[name]) for name in group))
        ]
        return "\n".join(
            (
                *lines,
                "Other names:",
                *(f"  {name:<23} the running {type(thing).__name__}, for Python" for name, thing in self._live.items()),
                "A device is its number or its name. [ ] can be left out. `why 601` is the same as `why(601)`.",
                "help(why) explains one command. The manual is on the board, at /help.",
            )
        )

    def exit(self, status: object = None) -> None:
        """End the session, not the collector; ^D does the same."""
        raise SystemExit(status)

    def fleet(self) -> str:
        """All devices: stage and time in it, battery, tracks collected and wanted, findings."""
        return tables.fleet_table(self._commands.fleet(), self._commands.now)

    def settings(self) -> str:
        """Settings in force, by table; a reload may change them."""
        return tables.settings_text(self._commands.settings)

    def device(self, device: int | str) -> Deferred[Result]:
        """Show all details of a device, with its tracks and its last 20 events.

        device(601)
        """
        commands = self._commands
        return commands.device(device).addCallback(
            Result, lambda report: tables.device_text(report, commands.why(device), commands.zone, commands.now)
        )

    def tracks(self, day: str | datetime.date | None = None) -> Deferred[Result]:
        """List the tracks of a day (default: today) with their outcome.

        tracks("2025-10-12")
        """
        chosen = self._commands.today if day is None else day
        return self._commands.tracks(chosen).addCallback(Result, lambda found: tables.day_tracks_text(found, chosen))

    def missing(self) -> Result:
        """List the devices expected today that are not collected, and why."""
        return Result(self._commands.missing(), tables.missing_table)

    def why(self, device: int | str) -> Result:
        """Explain what a device is waiting for.

        why(601)
        """
        return Result(self._commands.why(device))

    def stats(self) -> Result:
        """Show counts since the start (scans, requests, tracks, failures, retries), reactor delay and memory."""
        return Result(self._commands.stats(), tables.stats_text)

    def semaphores(self) -> Result:
        """Show how many devices are in each step, and how many wait for it."""
        return Result(self._commands.semaphores(), tables.semaphores_table)

    def copies(self) -> Result:
        """Show how far each copy of the event folder is behind."""
        return Result(self._commands.copies(), tables.copies_table)

    def rescan(self) -> Result:
        """Look for all absent devices now."""
        self._commands.rescan()
        return Result("looking for all absent devices")

    def retry(self, device: int | str) -> Deferred[Result]:
        """Inspect a device again now, download what is missing, and show the verdict.

        retry(601)
        """

        def verdict(after: Device) -> str:
            collected = after.stage is Stage.COLLECTED
            return f"{after.name} {'can be disconnected' if collected else f'must stay connected - {after.reason}'}"

        return self._commands.retry(device).addCallback(Result, verdict)

    def fetch(self, device: int | str, track: str) -> Deferred[Result]:
        """Download a track that was skipped, or is outside the event.

        fetch(601, "ABC601XYZ_601_20250912_090000.oao"); the device must stay connected until the download ends.
        """
        return self._commands.fetch(device, track).addCallback(
            Result, lambda report: f"{report.name} downloaded, {report.outcome}: {report.local_file}"
        )

    def forget(self, device: int | str) -> Result:
        """End the visit of a device and reset it, so that its next detection begins a new visit.

        forget(601)
        """
        self._commands.forget(device)
        return Result("visit reset; the device is looked for again")

    def pause(self) -> Deferred[Result]:
        """Start no more downloads until resume(), or until midnight; those in progress finish.

        A restart does not end the pause.
        """
        return self._commands.pause().addCallback(lambda _: Result("downloads paused until resume() or midnight"))

    def resume(self) -> Deferred[Result]:
        """Continue downloads after pause()."""
        return self._commands.resume().addCallback(lambda _: Result("downloads resumed"))

    def waive(self, device: int | str, reason: str) -> Deferred[Result]:
        """Give up the missing tracks of a device that left too early.

        waive(601, "did not sail")
        """
        return self._commands.waive(device, reason).addCallback(lambda _: Result("waived"))

    def roster(self) -> Result:
        """Show what is wrong with the roster, and the change that waits: confirm() or refuse() it."""
        return Result(self._commands.roster.report(), roster_text)

    def confirm(self) -> Deferred[Result]:
        """Confirm the change of the roster that waits; roster() shows it."""
        return self._commands.roster.confirm().addCallback(lambda _: Result("confirmed"))

    def refuse(self) -> Deferred[Result]:
        """Refuse the change of the roster that waits; it stays undone until the roster changes again."""
        return self._commands.roster.refuse().addCallback(lambda _: Result("refused; correct the roster"))

    def not_expected(self, device: int | str, reason: str) -> Deferred[Result]:
        """Do not expect a device of the roster today; expect(602) undoes it.

        not_expected(602, "ill")
        """
        return self._commands.not_expected(device, reason).addCallback(lambda _: Result("not expected today"))

    def expect(self, device: int | str) -> Deferred[Result]:
        """Expect a device again today, after not_expected.

        expect(602)
        """
        return self._commands.expect(device).addCallback(lambda _: Result("expected again"))

    def reload(self) -> Deferred[Result]:
        """Read the configuration again, as SIGHUP does, and list what changed."""
        return self._commands.reload().addCallback(
            Result, lambda changes: "\n".join(changes) or "configuration unchanged"
        )

    def loglevel(self, level: str) -> Result:
        """Set the level of the log until the configuration is read again.

        loglevel("debug")
        """
        self._commands.loglevel(level)
        return Result(f"log level {level}")
