"""`twistd sse --check`: what would be done, and each mistake with its file and line, without starting anything.

A remark is what may be intended, or does not matter yet. That a collector is running in the folder is one: a roster can
be checked beside it.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.roster import Roster, RosterError, parse_roster
from sse_twisted.config.roster_changes import Question, needs_decision, successor, without_kept
from sse_twisted.config.roster_reader import MAX_ROSTER
from sse_twisted.config.roster_store import decode, in_force
from sse_twisted.config.server_json import remarks_on
from sse_twisted.config.settings import Settings
from sse_twisted.copies.identity import refusal
from sse_twisted.dns.resolv_conf import DNS_PORT, SystemNames
from sse_twisted.dns.service import effective_names
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.lock import FolderInUse, check_free
from sse_twisted.event_folder.planned_moves import planned_moves
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.runtime.disk import answers
from sse_twisted.runtime.options import acting_user
from sse_twisted.runtime.text import plural


def check(folder: EventFolder, settings: Settings, config: str | None, now: float, say: Callable[[str], None]) -> int:
    """Print line by line what would be done at `now`, in s since 1970, and return the number of mistakes."""
    roster, roster_mistakes = _roster(folder.roster, bool(settings.devices.listed or settings.devices.addresses))
    mistakes = [*filter(None, [folder_problem(folder.root)]), *roster_mistakes]
    copies = [*_copies(folder, settings)]
    mistakes += [text for is_mistake, text in copies if is_mistake]
    live, system = LiveConfig(settings, roster), effective_names(settings.names)
    today = live.today(now)
    for line in (
        f"configuration: {config or 'none (defaults)'}",
        f"event folder:  {folder.root}",
        *(f"copy:          {copy}" for copy in settings.copies.folders),
        f"roster:        {folder.roster}",
        *([f"               {roster.summary}"] if roster.assignments else []),
        *_plan(live, system, today),
    ):
        say(line)
    remarks = (
        *(remark.text for remark in remarks_on(config)),
        *_use(folder.root),
        *(f"{folder.roster}: {remark}" for remark in roster.remarks),
        *_change(folder, live, today),
        *(f"{folder.root}: {remark}" for remark in folder.remarks()),
        *(text for is_mistake, text in copies if not is_mistake),
        *_days_remarks(live, today),
        *_names_remarks(live, system),
        *filter(None, [live.remark_on_scan()]),
    )
    for remark in remarks:
        say(f"remark: {remark}")
    for mistake in mistakes:
        say(f"mistake: {mistake}")
    found = plural(len(mistakes), "mistake") if mistakes else "no mistakes"
    say(f"{found}, {plural(len(remarks), 'remark')}" if remarks else found)
    return len(mistakes)


def folder_problem(root: Path) -> str:
    """Return why a collector of the acting user cannot work in the event folder; "" if it can."""
    try:
        if not root.is_dir():
            return f"{root}: no such event folder; create it, with a config/motions.csv in it"
        closed = EventFolder(root).closed()
    except OSError as error:
        return f"{root}: {error.strerror}"
    return f"{closed}: not writable for {acting_user()}" if closed else ""


def _use(root: Path) -> Iterator[str]:
    try:
        check_free(root)
    except FolderInUse as error:
        yield str(error)
    except OSError as error:
        yield f"{root}: cannot tell whether a collector is running there ({error.strerror})"


def _copies(folder: EventFolder, settings: Settings) -> Iterator[tuple[bool, str]]:
    """Yield why copies would not be written, and whether that is a mistake: their disks may be plugged in later."""
    disks = {folder.root.stat().st_dev: "the event folder"} if folder.root.is_dir() else {}
    for copy in map(Path, settings.copies.folders):
        if not answers(copy) or not copy.is_dir():
            yield False, f"copy {copy}: no such folder now; create it, with its disk plugged in"
            continue
        if (other := disks.setdefault(copy.stat().st_dev, f"copy {copy}")) != f"copy {copy}":
            yield False, f"copy {copy}: it is on the same disk as {other}; is its own disk plugged in?"
        if not os.access(copy, os.W_OK):
            yield False, f"copy {copy}: not writable for {acting_user()}, or its disk is read-only"
        elif problem := refusal(copy, folder.event_id()):
            yield True, f"copy {copy}: {problem}"


def _days_remarks(live: LiveConfig, today: datetime.date) -> Iterator[str]:
    """Remark that the event is over. Before it starts, no device is expected, and there is nothing to remark."""
    roster, event = live.roster, live.settings.event
    if roster.days and roster.days[1] < today:
        yield f"the roster ends on {roster.days[1]}, and today is {today}: are roster and clock right?"
    if event.last_day and event.last_day < today:
        yield f"the event ends on {event.last_day} (event.last_day), and today is {today}: no later track is collected"


def _names_remarks(live: LiveConfig, system: SystemNames) -> Iterator[str]:
    """Remark that names cannot be resolved, if any must be: the computer may not be on the event's network yet."""
    hosts = (target.place(live.settings.devices.port)[0] for target in live.targets())
    unknown = [host for host in hosts if system.fixed(host) is None]
    if unknown and not system.servers:
        yield f"no name server configured to find {plural(len(unknown), 'device')} by name: {_shortened(unknown)}"


def _roster(path: Path, others: bool) -> tuple[Roster, list[str]]:
    """Return the roster and its mistakes. A missing roster is one unless there are `others` to look for."""
    try:
        roster = parse_roster(read_bounded(path, MAX_ROSTER))
    except FileNotFoundError:
        return Roster(), [] if others else [f"{path}: no roster, and no device listed in the configuration"]
    except OSError as error:
        return Roster(), [f"{path}: {error.strerror}"]
    except RosterError as error:
        return Roster(), [f"{path}: {error}"]
    mistakes = [f"{path}: {mistake}" for mistake in roster.mistakes]
    return roster, [*mistakes, *([f"{path}: {roster.spoilt}"] if roster.spoilt else [])]


def _change(folder: EventFolder, live: LiveConfig, today: datetime.date) -> Iterator[str]:
    """Remark what the roster changes of the one that is in force, as far as that is known."""
    try:
        former = in_force(decode(read_bounded(folder.kept_roster)))
    except (OSError, ValueError, RecursionError):
        former = Roster()
    new = live.roster
    if former.assignments and (new.spoilt or not new.assignments):
        yield f"the last good roster would stay in force: {former.summary}"
        return
    following = successor(former, new, today)
    moves = planned_moves(folder, live, former, without_kept(following))
    wait = needs_decision(moves, former, new)
    if following.kept or wait:
        question = Question("", following.kept, moves)
        yield f"{question.text}: that will wait until an operator confirms it"
    for move in moves:
        yield f"{'waits' if wait else 'would move'}: {move}"


def _plan(live: LiveConfig, system: SystemNames, today: datetime.date) -> Iterator[str]:
    settings = live.settings
    targets = live.targets()
    days = live.days
    servers = ", ".join(host if port == DNS_PORT else f"{host}:{port}" for host, port in system.servers) or "none"
    search = ", ".join(system.search) or "none"
    expected = settings.expected
    names = _shortened([str(target) for target in targets])
    yield f"devices:       {len(targets)}: {names}" if targets else "devices:       none"
    yield f"days:          {' to '.join(map(str, days)) if days else 'all'}"
    yield f"today:         {today}: {plural(len(live.roster.carriers(today)), 'device')} expected by the roster"
    yield f"filter:        tracks under {settings.filters.best_500m:g} knots over 500 m are skipped"
    yield "files:         gpslogs/<YYYYMMDD>/<File ID>_<id>_<YYYYMMDD>_<HHMMSS>.oao"
    yield "               gpslogs/unassigned/<YYYYMMDD>/motion-<id>_<YYYYMMDD>_<HHMMSS>.oao if unassigned"
    yield f"names:         servers {servers}; search domains {search}; port {settings.devices.port}"
    yield (
        f"rounds:        scan every {settings.scan.interval:g} s, detection {settings.detection.limit} at once, "
        f"inspection {settings.inspection.limit}, downloads {settings.downloads.limit}; "
        f"cleanup every {settings.cleanup.interval:g} s with {settings.cleanup.limit}"
    )
    yield (
        f"expected:      battery {expected.battery}% at least, storage {expected.storage}% at most, "
        f"{expected.gnss_rate} Hz, timezone {expected.timezone}, firmware {' or '.join(expected.firmwares) or 'any'}"
    )


def _shortened(words: list[str]) -> str:
    return ", ".join(words) if len(words) <= 12 else f"{', '.join(words[:10])} … {words[-1]}"
