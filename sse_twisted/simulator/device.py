"""A simulated Motion GPS: its logs, its faults and its responses, without sockets or clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from enum import Enum, auto
from typing import Any, Final, TypeVar
from urllib.parse import unquote

from attrs import Factory, define, evolve, field

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
from sse_twisted.simulator.http_faults import error_page, not_found, spoil_response
from sse_twisted.simulator.listings import (
    KEPT_ON_DEVICE,
    Entry,
    emptied,
    listing_entry,
    never_finalised,
    spoil_listing,
)
from sse_twisted.simulator.range_faults import spoil_part
from sse_twisted.simulator.ranges import wanted_part
from sse_twisted.simulator.responses import Body, Ending, Response, make_response

T = TypeVar("T")

__all__ = ["ActiveFault", "Body", "Ending", "PortState", "Response", "SimulatedDevice", "SimulatedLog"]


class PortState(Enum):
    """State of the port: what happens to a new connection."""

    OPEN = auto()
    REFUSED = auto()
    RESET = auto()
    NEVER_ACCEPTED = auto()


_PORT_STATES: Final = {
    "refused": PortState.REFUSED,
    "reset": PortState.RESET,
    "never-accepted": PortState.NEVER_ACCEPTED,
}

_LISTED: Final = {"not-finalised": never_finalised, "empty-log": emptied}
"""Faults of a track that change its listing entry as well. They last: `times` does not count them down."""


@define(init=False)
class SimulatedLog:
    """One track on the device. `content` is its bytes, or a function that makes them at the first request."""

    path: str
    entry: Entry
    _source: bytes | Callable[[], bytes]

    def __init__(self, path: str, content: bytes | Callable[[], bytes] = b"", entry: Entry | None = None) -> None:
        """Without `entry` the listing entry is made from the header, for which the content is made at once."""
        self.path = path
        self._source = content
        self.entry = entry if entry is not None else listing_entry(self.content, path)

    @property
    def ready(self) -> bool:
        """Whether the content exists; if not, reading `content` takes some time."""
        return isinstance(self._source, bytes)

    @property
    def content(self) -> bytes:
        """Bytes of the track, without faults."""
        if not isinstance(self._source, bytes):
            self._source = self._source()
        return self._source

    def grow(self, frames: int) -> None:
        """Append frames to the track, and update header and entry."""
        longer = grown(self.content, frames)
        if longer != self.content:
            end = end_date(longer)
            figures = {"end_date": end, "duration": end - self.entry["start_date"]}
            self.entry = self.entry | {"size": len(longer) + KEPT_ON_DEVICE} | figures
            self._source = longer


@define
class ActiveFault:
    """A fault of a device: for targets that contain `path`, `times` more times (None: always)."""

    fault: Fault
    path: str = ""
    times: int | None = None

    def concerns(self, path: str) -> bool:
        """Whether it applies to this path now."""
        return self.times != 0 and self.path in path

    def happened(self) -> None:
        if self.times is not None:
            self.times -= 1


@define
class SimulatedDevice:
    """One device: `info` and `settings` are whole documents; `latency` is in seconds, `bytes_per_second` 0 = no limit.

    The transport calls `connect` and `disconnect`; `most_connections` is the highest number that were open at once.
    `requests` has method and target of each request. `watchers` are called when faults change.
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
        """Apply a fault to targets (or listed files) that contain `path`, `times` times.

        The default of `times` is once for "flipped-bit", "grown" and "reboot", always for all others. A fault that
        changes nothing, like a cut after the end of a response, does not count. On a real socket neither do
        connections that are refused or never accepted, since the device does not see them.
        """
        self.faults.append(ActiveFault(fault, path, fault.default_times if times is None else times))
        self._notify_watchers()

    def clear_faults(self) -> None:
        self.faults.clear()
        self._notify_watchers()

    @property
    def port_state(self) -> PortState:
        """What will happen to the next connection."""
        return next((state for _, state in self._port_states()), PortState.OPEN)

    def connect(self) -> PortState:
        """Count a new connection as open until `disconnect`, unless it is refused or never accepted."""
        active, state = next(self._port_states(), (None, PortState.OPEN))
        if active is not None:
            active.happened()
        if state in {PortState.OPEN, PortState.RESET}:
            self.open_connections += 1
            self.most_connections = max(self.most_connections, self.open_connections)
        return state

    def disconnect(self) -> None:
        """Count the end of a connection."""
        self.open_connections -= 1

    def log_at(self, target: bytes) -> SimulatedLog | None:
        """Return the log at the target of a request, or None."""
        path = unquote(target.decode("latin-1"))
        return next((log for log in self.logs if log.path == path), None)

    def listing(self) -> list[Entry]:
        """Return the entries of the logs, oldest first, as in `logs.json` unless that has a fault itself."""
        return [self._entry(log) for log in self.logs]

    def respond(self, method: bytes, target: bytes, headers: Mapping[bytes, bytes]) -> Response:
        """Return the response to one request; names of `headers` are in lower case."""
        self.requests.append((method, target))
        path = unquote(target.decode("latin-1"))
        if method != b"GET":
            response = make_response(405, b"Method Not Allowed", Body(), b"text/html", (b"Allow", b"GET"))
        else:
            response = self._replaced(path, target) or self._page(path, target, headers)
        response = evolve(response, latency=self.latency, bytes_per_second=self.bytes_per_second)
        response = self._change(response, path, spoil_part)
        return self._change(response, path, spoil_response)

    def _page(self, path: str, target: bytes, headers: Mapping[bytes, bytes]) -> Response:
        if path == "/info.json":
            return self._json(path, self._change(deepcopy(self.info), path, spoil_info))
        if path == "/settings.json":
            return self._json(path, self._change(deepcopy(self.settings), path, spoil_settings))
        if path == "/logs.json":
            return self._json(path, {"logs": self._spoiled_listing(path)})
        log = self.log_at(target)
        return not_found() if log is None else self._track(log, headers)

    def _json(self, path: str, value: object) -> Response:
        body = self._change(as_json(value), path, spoil_json)
        return make_response(200, b"OK", body, b"application/json")

    def _spoiled_listing(self, path: str) -> list[Any]:
        """Apply faults of `/logs.json` or of all paths to the whole list, and faults of a log to its entry."""
        entries: list[Any] = [*self.listing()]
        for active in [each for each in self.faults if each.times != 0]:
            of = "" if active.path in path else active.path
            spoiled = spoil_listing(entries, active.fault, of)
            if spoiled is not None:
                active.happened()
                entries = spoiled
        return entries

    def _track(self, log: SimulatedLog, headers: Mapping[bytes, bytes]) -> Response:
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

    def _part(self, content: bytes, header: bytes | None) -> Response:
        kind = b"application/octet-stream"
        if not self.supports_range:
            return make_response(200, b"OK", Body(content), kind)
        length = len(content)
        try:
            part = wanted_part(header, length)
        except ValueError:
            nothing = (b"Content-Range", b"bytes */%d" % length)
            return make_response(416, b"Range Not Satisfiable", Body(), kind, nothing)
        ranges = (b"Accept-Ranges", b"bytes")
        if part is None:
            return make_response(200, b"OK", Body(content), kind, ranges)
        place = (b"Content-Range", b"bytes %d-%d/%d" % (part.start, part.stop - 1, length))
        return make_response(206, b"Partial Content", Body(content[part]), kind, ranges, place)

    def _replaced(self, path: str, target: bytes) -> Response | None:
        for active in self._faults_of(path):
            response = error_page(active.fault, target)
            if response is not None:
                active.happened()
                return response
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
        """Limit "not-finalised" without a path to the newest log: a battery dies once."""
        return active.fault.name != "not-finalised" or bool(active.path) or log is self.logs[-1]

    def _faults_of(self, path: str) -> Iterator[ActiveFault]:
        return (active for active in list(self.faults) if active.concerns(path))

    def _port_states(self) -> Iterator[tuple[ActiveFault, PortState]]:
        return (
            (active, _PORT_STATES[active.fault.name])
            for active in self._faults_of("")
            if active.fault.name in _PORT_STATES
        )

    def _notify_watchers(self) -> None:
        for watcher in list(self.watchers):
            watcher()
