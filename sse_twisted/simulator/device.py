"""A simulated Motion GPS: what it holds, and what it answers. No sockets, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from enum import Enum, auto
from typing import Any, Final, TypeVar
from urllib.parse import unquote

from attrs import Factory, define, evolve, field

from sse_twisted.simulator.answers import Answer, Body, Ending, make_answer
from sse_twisted.simulator.damage import damage_track, end_date, grown
from sse_twisted.simulator.documents import (
    Document,
    as_json,
    motion_info,
    motion_settings,
    spoil_info,
    spoil_json,
    spoil_settings,
)
from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.listings import (
    KEPT_ON_DEVICE,
    Entry,
    emptied,
    listing_entry,
    never_finalised,
    spoil_listing,
)
from sse_twisted.simulator.misdelivery import misdeliver, not_found, replacement
from sse_twisted.simulator.ranges import wanted_part

T = TypeVar("T")

__all__ = ["ActiveFault", "Answer", "Body", "Door", "Ending", "SimulatedDevice", "SimulatedLog"]


class Door(Enum):
    """How a connection is received."""

    OPEN = auto()
    REFUSED = auto()
    RESET = auto()
    NEVER_ACCEPTED = auto()


_DOORS: Final = {"refused": Door.REFUSED, "reset": Door.RESET, "never-accepted": Door.NEVER_ACCEPTED}

_LISTED: Final = {"not-finalised": never_finalised, "empty-log": emptied}
"""Faults of a track that its entry in the listing shows as well. They last: `times` does not count them down."""


@define(init=False)
class SimulatedLog:
    """One track on the device. `content` is what is sent, or a function that makes it when it is first asked for."""

    path: str
    entry: Entry
    _source: bytes | Callable[[], bytes]

    def __init__(self, path: str, content: bytes | Callable[[], bytes] = b"", entry: Entry | None = None) -> None:
        """Without an entry the log is listed as its header has it, for which the content is needed at once."""
        self.path = path
        self._source = content
        self.entry = entry if entry is not None else listing_entry(self.content, path)

    @property
    def ready(self) -> bool:
        """Whether the content is there; if not, `content` may take some time."""
        return isinstance(self._source, bytes)

    @property
    def content(self) -> bytes:
        """The bytes of the track, undamaged."""
        if not isinstance(self._source, bytes):
            self._source = self._source()
        return self._source

    def grow(self, frames: int) -> None:
        """Add frames to the end of the track, with header and entry to match."""
        longer = grown(self.content, frames)
        if longer != self.content:
            end = end_date(longer)
            figures = {"end_date": end, "duration": end - self.entry["start_date"]}
            self.entry = self.entry | {"size": len(longer) + KEPT_ON_DEVICE} | figures
            self._source = longer


@define
class ActiveFault:
    """A fault that a device has: for targets that contain `path`, `times` more times (None: always)."""

    fault: Fault
    path: str = ""
    times: int | None = None

    def concerns(self, path: str) -> bool:
        """Whether it would happen to this path now."""
        return self.times != 0 and self.path in path

    def happened(self) -> None:
        """Count one time down."""
        if self.times is not None:
            self.times -= 1


@define
class SimulatedDevice:
    """One device: `info` and `settings` are whole documents; `latency` in seconds, `bytes_per_second` 0 = no limit.

    A transport calls `connect` and `disconnect`, so that `most_connections` is the highest number at once ever.
    `requests` are method and target of each request as they came. `watchers` are called when faults change.
    """

    identifier: int
    logs: list[SimulatedLog] = Factory(list)
    info: Document = field(default=Factory(lambda self: motion_info(self.identifier), takes_self=True))
    settings: Document = Factory(motion_settings)
    latency: float = 0.0
    bytes_per_second: float = 0.0
    supports_range: bool = False
    faults: list[ActiveFault] = Factory(list)
    requests: list[tuple[bytes, bytes]] = Factory(list)
    open_connections: int = 0
    most_connections: int = 0
    watchers: list[Callable[[], None]] = Factory(list)

    def add_fault(self, fault: Fault, *, path: str = "", times: int | None = None) -> None:
        """Misbehave from now on, for targets (or listed files) that contain `path`, `times` times.

        Without `times`: "flipped-bit", "grown" and "reboot" once, all others always. What makes no difference,
        like a cut at a byte that an answer does not reach, does not count as a time. Nor, on a real socket, do
        connections that are refused or never accepted: nobody sees them.
        """
        self.faults.append(ActiveFault(fault, path, fault.default_times if times is None else times))
        self._tell_watchers()

    def clear_faults(self) -> None:
        """Behave from now on."""
        self.faults.clear()
        self._tell_watchers()

    @property
    def door(self) -> Door:
        """How the next connection will be received."""
        return next((door for _, door in self._doors()), Door.OPEN)

    def connect(self) -> Door:
        """Receive a connection; it counts as open until `disconnect` unless it is refused or never accepted."""
        active, door = next(self._doors(), (None, Door.OPEN))
        if active is not None:
            active.happened()
        if door in {Door.OPEN, Door.RESET}:
            self.open_connections += 1
            self.most_connections = max(self.most_connections, self.open_connections)
        return door

    def disconnect(self) -> None:
        """Count a connection that has ended."""
        self.open_connections -= 1

    def log_at(self, target: bytes) -> SimulatedLog | None:
        """Return the log that a request asks for, or None for any other page."""
        path = unquote(target.decode("latin-1"))
        return next((log for log in self.logs if log.path == path), None)

    def listing(self) -> list[Entry]:
        """The entries of the logs, oldest first, as `logs.json` gives them unless that has a fault of its own."""
        return [self._entry(log) for log in self.logs]

    def answer(self, method: bytes, target: bytes, headers: Mapping[bytes, bytes]) -> Answer:
        """Return what the device sends for one request; names of headers in lower case."""
        self.requests.append((method, target))
        path = unquote(target.decode("latin-1"))
        if method != b"GET":
            answer = make_answer(405, b"Method Not Allowed", Body(), b"text/html", (b"Allow", b"GET"))
        else:
            answer = self._replaced(path, target) or self._page(path, target, headers)
        answer = evolve(answer, latency=self.latency, bytes_per_second=self.bytes_per_second)
        return self._change(answer, path, misdeliver)

    def _page(self, path: str, target: bytes, headers: Mapping[bytes, bytes]) -> Answer:
        if path == "/info.json":
            return self._json(path, self._change(deepcopy(self.info), path, spoil_info))
        if path == "/settings.json":
            return self._json(path, self._change(deepcopy(self.settings), path, spoil_settings))
        if path == "/logs.json":
            return self._json(path, {"logs": self._spoiled_listing(path)})
        log = self.log_at(target)
        return not_found() if log is None else self._track(log, headers)

    def _json(self, path: str, value: object) -> Answer:
        body = self._change(as_json(value), path, spoil_json)
        return make_answer(200, b"OK", body, b"application/json")

    def _spoiled_listing(self, path: str) -> list[Any]:
        """A fault for `/logs.json` or for everything is in the whole list, one for a log in the entry of that log."""
        entries: list[Any] = [*self.listing()]
        for active in [each for each in self.faults if each.times != 0]:
            of = "" if active.path in path else active.path
            spoiled = spoil_listing(entries, active.fault, of)
            if spoiled is not None:
                active.happened()
                entries = spoiled
        return entries

    def _track(self, log: SimulatedLog, headers: Mapping[bytes, bytes]) -> Answer:
        for active in self._faults_of(log.path):
            if active.fault.name == "grown":
                log.grow(active.fault.at_or(150))
                active.happened()
        content = log.content
        for active in self._faults_of(log.path):
            if active.fault.name in _LISTED and not self._shows(active, log):
                continue
            changed = damage_track(content, active.fault)
            if changed is not None:
                content = changed
                if active.fault.name not in _LISTED:
                    active.happened()
        return self._part(content, headers.get(b"range"))

    def _part(self, content: bytes, header: bytes | None) -> Answer:
        kind = b"application/octet-stream"
        if not self.supports_range:
            return make_answer(200, b"OK", Body(content), kind)
        length = len(content)
        try:
            part = wanted_part(header, length)
        except ValueError:
            nothing = (b"Content-Range", b"bytes */%d" % length)
            return make_answer(416, b"Range Not Satisfiable", Body(), kind, nothing)
        ranges = (b"Accept-Ranges", b"bytes")
        if part is None:
            return make_answer(200, b"OK", Body(content), kind, ranges)
        place = (b"Content-Range", b"bytes %d-%d/%d" % (part.start, part.stop - 1, length))
        return make_answer(206, b"Partial Content", Body(content[part]), kind, ranges, place)

    def _replaced(self, path: str, target: bytes) -> Answer | None:
        for active in self._faults_of(path):
            answer = replacement(active.fault, target)
            if answer is not None:
                active.happened()
                return answer
        return None

    def _change(self, thing: T, path: str, change: Callable[[T, Fault], T | None]) -> T:
        for active in self._faults_of(path):
            changed = change(thing, active.fault)
            if changed is not None:
                active.happened()
                thing = changed
        return thing

    def _entry(self, log: SimulatedLog) -> Entry:
        entry = log.entry
        for active in self._faults_of(log.path):
            show = _LISTED.get(active.fault.name)
            if show is not None and self._shows(active, log):
                entry = show(entry)
        return dict(entry)

    def _shows(self, active: ActiveFault, log: SimulatedLog) -> bool:
        """A battery dies once: without a path, only the newest log is not finalised."""
        return active.fault.name != "not-finalised" or bool(active.path) or log is self.logs[-1]

    def _faults_of(self, path: str) -> Iterator[ActiveFault]:
        return (active for active in list(self.faults) if active.concerns(path))

    def _doors(self) -> Iterator[tuple[ActiveFault, Door]]:
        return ((active, _DOORS[active.fault.name]) for active in self._faults_of("") if active.fault.name in _DOORS)

    def _tell_watchers(self) -> None:
        for watcher in list(self.watchers):
            watcher()
