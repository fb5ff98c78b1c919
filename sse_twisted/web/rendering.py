"""Render HTML by Jinja2 from the templates of this package, with everything escaped."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sse_twisted.config.courses import EXAMPLES
from sse_twisted.event_folder.track_name import TrackName, replace_names
from sse_twisted.results.courses.decisions import seconds_of
from sse_twisted.runtime.text import duration
from sse_twisted.tracks.plot.scales import offset_name
from sse_twisted.tracks.session import knots
from sse_twisted.web.board import Summary
from sse_twisted.web.routing import Response
from sse_twisted.web.tiles import Tile

DISCIPLINE_NAMES = {
    "500m": "500 m",
    "10s": "10 s",
    "2s": "2 s",
    "5x10s": "5 x 10 s",
    "alpha500": "Alpha 500",
    "1852m": "1852 m",
    "1h": "1 h",
}
COLUMNS = {  # icon, title and hint
    "left-early": ("alarm", "Left too early", "Wake it again, or waive its tracks."),
    "keep-on": ("stop", "Keep on", "Not finished: leave it on."),
    "switch-off": ("check", "Switch off", "Verified: move it to the processed bucket."),
    "working": ("work", "Working", "In progress: leave it on."),
    "expected": ("wait", "Expected", "Not seen yet today."),
    "gone": ("gone", "Gone", "Finished today."),
}
TITLES = {column: title for column, (_, title, _) in COLUMNS.items()}
WORDS = {"keep-on": "keep on", "switch-off": "switch off", "working": "leave it on"}
SUBJECTS = {  # of a condition: when it is fulfilled, and when it is not or somebody should look at it
    "scanning": ("Scanning", "Not scanning"),
    "names": ("Network", "Network problem"),
    "downloads": ("Downloads", "Downloads paused"),
    "roster": ("Roster", "Check the roster"),
    "copies": ("Copies", "Check the copies"),
    "hand-ins": ("Hand-ins", "Check the hand-ins"),
    "folder": ("Event folder", "Event folder gone"),
    "clock": ("Clock", "Check the clock"),
}
MIN_REMAINING = 10  # s; a shorter time is over before it is read
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def static_files() -> dict[str, Response]:
    """Read all static files, by name. Call it once: a later installation must not mix with the running code."""
    return {
        file.name: Response(file.read_bytes(), media_type, headers={"Cache-Control": "no-cache"})
        for file in sorted(Path(__file__).with_name("static").iterdir())
        if (media_type := MEDIA_TYPES.get(file.suffix))
    }


class Renderer:
    """Renders pages, with what every page has: the links to the files, and times as at the event."""

    def __init__(
        self,
        files: dict[str, Response],
        timezone: Callable[[], int],
        today: Callable[[], datetime.date],
        event: str,
        addresses: Callable[[], tuple[str, ...]] = lambda: (),
        token_file: Callable[[], str] = lambda: "",
    ) -> None:
        """`timezone` returns the minutes east of UTC for displayed times, `today` the current day there.

        `event` is the name of the event, which is that of its folder; `addresses` returns those of the board for other
        devices, `token_file` the place of the token for commands.
        """
        self._templates = PackageLoader("sse_twisted.web")
        self._today = today
        self.timezone = timezone
        self.event = event
        self._environment = Environment(
            loader=self._templates,
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
        self.files = self._version(files)
        self._environment.globals.update(
            icons={column: icon for column, (icon, _, _) in COLUMNS.items()},
            titles=TITLES,
            hints={column: hint for column, (_, _, hint) in COLUMNS.items()},
            words=WORDS,
            subjects=SUBJECTS,
            discipline_names=DISCIPLINE_NAMES,
            files=self.files,
            event=event,
            zone=lambda: offset_name(timezone()),
            addresses=addresses,
            token_file=token_file,
            course_examples={"Course": "S1", **EXAMPLES},
        )
        self._environment.filters.update(brief=self.brief, clock=self._clock, iso=_iso, mb=_mb, knots=knots, left=_left)
        self._environment.filters.update(hours=_hours, moment_of=self._moment_of, start=_start)
        self._macros: Any = self._environment.get_template("macros.html").module

    def page(self, template: str, **values: object) -> bytes:
        """Render a page; `values` may replace the current day."""
        return self._environment.get_template(template).render({"today": self._today(), **values}).encode()

    def tile(self, tile: Tile) -> str:
        return str(self._macros.tile(tile))

    def top(self, summary: Summary) -> str:
        """Render the contents of the bar above the board."""
        return str(self._macros.top(summary))

    def brief(self, text: str) -> str:
        """Shorten each track name in the text to its start time, with the day unless it is today."""
        today = self._today()

        def moment(name: TrackName) -> str:
            if (start := name.local_start) is None:
                return str(name)
            return f"{start:%H:%M}" if start.date() == today else f"{start:%Y-%m-%d %H:%M}"

        return replace_names(text, moment)

    def _version(self, files: dict[str, Response]) -> str:
        """Return a digest of templates and static files. An open page reloads itself when the digest changes."""
        digest = hashlib.sha256()
        for file in files.values():
            digest.update(file.body)
        for name in self._templates.list_templates():
            digest.update(self._templates.get_source(self._environment, name)[0].encode())
        return digest.hexdigest()[:12]

    def _clock(self, seconds: float) -> str:
        return datetime.datetime.fromtimestamp(seconds + 60 * self.timezone(), datetime.UTC).strftime("%H:%M:%S")

    def _moment_of(self, text: str) -> str:
        """Return a time in ISO 8601, as decisions have it, in the time zone of the event."""
        seconds = seconds_of(text)
        if seconds is None:
            return text
        zone = datetime.timezone(datetime.timedelta(minutes=self.timezone()))
        return datetime.datetime.fromtimestamp(seconds, zone).strftime("%Y-%m-%d %H:%M:%S")


def _start(track: str) -> str:
    """Return the time of day at which a track starts; its name if that does not tell it."""
    return replace_names(track, lambda name: f"{name.local_start:%H:%M}" if name.local_start else str(name))


def _hours(seconds: int) -> str:
    """Return s after midnight as HH:MM, with seconds only if there are any."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}" + (f":{seconds % 60:02}" if seconds % 60 else "")


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f}"


def _left(seconds: int | None) -> str:
    """Return an estimate as "about 40 s left", in steps as coarse as it is; "" below MIN_REMAINING or if not known."""
    if seconds is None or seconds < MIN_REMAINING:
        return ""
    return f"about {duration(round(seconds, -1) if seconds < 100 else seconds)} left"
