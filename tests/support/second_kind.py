"""A second kind of device, for tests only: it shows that the collector knows none but by `devices.driver.Driver`.

It has another host name, plain text for answers, a listing in CSV that tells real lengths, no settings and another
extension than the devices that the collector is made for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from twisted.web.resource import Resource
from twisted.web.server import Request

from sse_twisted.devices.connections import Address
from sse_twisted.devices.driver import (
    AnswerFiles,
    BadEntry,
    DeviceSettings,
    Finding,
    Identity,
    ListedTrack,
    Listing,
    Reply,
    extension_of,
)
from sse_twisted.devices.errors import BadAnswer
from sse_twisted.devices.http import DeviceHttp

T = TypeVar("T")


class LoggerDriver:
    """Loggers that are called `logger-<number>`."""

    kind = "logger"
    files = AnswerFiles("whoami.txt", "settings.txt", "tracks.csv")

    def host_name(self, number: int) -> str:
        return f"logger-{number}"

    def number_of(self, host_name: str) -> int | None:
        match = re.fullmatch(r"logger-([1-9][0-9]{0,5})", host_name.lower(), re.ASCII)
        return int(match[1]) if match else None

    async def identify(self, http: DeviceHttp, at: Address) -> Reply[Identity]:
        return await http.ask(at, "/whoami", _stored(_identity), kind="identity")

    async def settings(self, http: DeviceHttp, at: Address) -> None:
        return None

    async def listing(self, http: DeviceHttp, at: Address) -> Reply[Listing]:
        return await http.ask(at, "/tracks.csv", _stored(_listing), kind="listing")

    def stored_settings(self, stored: bytes) -> DeviceSettings:
        raise BadAnswer("a logger has no settings")

    def stored_listing(self, stored: bytes) -> Listing:
        return _listing(stored)

    def length_of(self, size: int) -> int:
        return size

    def is_whole(self, size: int, length: int) -> bool:
        return size == length

    def accepts_length(self, track: ListedTrack, announced: int) -> bool:
        return announced == track.length

    def findings(self, files: Mapping[str, bytes], expected: Any) -> Iterator[Finding]:
        try:
            battery = _identity(files.get(self.files.identity, b"")).battery
        except BadAnswer:
            return
        ok, wanted = (battery or 0) >= expected.battery, f"at least {expected.battery} %"
        yield Finding("battery", f"{battery} %", wanted, ok, f"battery level is {battery}%")


def _stored(read: Callable[[bytes], T]) -> Callable[[bytes], Reply[T]]:
    return lambda data: Reply(read(data), data)


def _identity(data: bytes) -> Identity:
    match = re.fullmatch(rb"logger ([1-9][0-9]{0,5}), battery ([0-9]{1,3})", data)
    if match is None:
        raise BadAnswer("it does not say which logger it is")
    return Identity(int(match[1]), int(match[2]))


def _listing(data: bytes) -> Listing:
    heading, *lines = data.decode(errors="replace").splitlines() or [""]
    if heading != "path,bytes,start,end,distance":
        raise BadAnswer("its listing has no heading")
    entries, bad = [], []
    for index, line in enumerate(lines):
        path, _, figures = line.partition(",")
        if not re.fullmatch(r"[0-9]{1,15}(,[0-9]{1,15}){3}", figures, re.ASCII):
            bad.append(BadEntry(index, ascii(path)[1:40], "expected four numbers"))
            continue
        size, start, end, distance = map(int, figures.split(","))
        extension = extension_of(path, ".trk")
        track = ListedTrack(path, size, start, size, end, end - start, distance, extension=extension)
        entries.append(track)
    return Listing(tuple(dict.fromkeys(entries)), tuple(bad))


class Logger(Resource):
    """The HTTP server of a logger: its tracks by path, each with its start, end and distance."""

    isLeaf = True

    def __init__(self, number: int, tracks: dict[str, tuple[bytes, int, int, int]]) -> None:
        super().__init__()
        self.number = number
        self.tracks = tracks

    def answers(self) -> dict[str, bytes]:
        """Return what it serves, by path."""
        rows = (f"{path},{len(data)},{start},{end},{mm}" for path, (data, start, end, mm) in self.tracks.items())
        return {
            "/whoami": b"logger %d, battery 87" % self.number,
            "/tracks.csv": "\n".join(["path,bytes,start,end,distance", *rows]).encode(),
            **{path: track[0] for path, track in self.tracks.items()},
        }

    def render_GET(self, request: Request) -> bytes:  # noqa: N802 - of Resource
        answer = self.answers().get(request.path.decode())
        request.setResponseCode(404 if answer is None else 200)
        return answer or b""
