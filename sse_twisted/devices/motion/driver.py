"""The Motion as a kind of device: its host names, request paths, answers and lengths."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from sse_twisted.devices.answer_json import parse_json, stored_json
from sse_twisted.devices.connections import Address
from sse_twisted.devices.driver import AnswerFiles, DeviceSettings, Finding, Identity, ListedTrack, Listing, Reply
from sse_twisted.devices.errors import BadAnswer
from sse_twisted.devices.http import DeviceHttp
from sse_twisted.devices.motion.findings import MotionExpected, findings_of_info, findings_of_settings
from sse_twisted.devices.motion.messages import (
    LISTING_EXTRA,
    TRAILER,
    info_of,
    length_of,
    listing_of,
    settings_of,
)

T = TypeVar("T")

INFO: Final = "info.json"
SETTINGS: Final = "settings.json"
LISTING: Final = "logs.json"
MAX_LISTING: Final = 8 * 1024 * 1024  # bytes, or 16,000 entries; the longest one seen has 104 KB
KEPT: Final = 128  # answers of one kind that need not be parsed again: of as many devices as come within seconds
MAX_KEPT: Final = 16 * 1024  # bytes of each; parsed it takes two or three times as many


class MotionDriver:
    """The Motion GPS logger; see `Driver` for its methods."""

    kind: Final = "motion"
    files: Final = AnswerFiles(INFO, SETTINGS, LISTING)

    def __init__(self) -> None:
        self._identities = _Reader(INFO, _identity)
        self._settings = _Reader(SETTINGS, _settings)
        self._listings = _Reader(LISTING, listing_of)

    def host_name(self, number: int) -> str:
        return f"motion-{number}"

    def number_of(self, host_name: str) -> int | None:
        match = re.fullmatch(r"motion-([1-9][0-9]{0,5})", host_name, re.IGNORECASE | re.ASCII)
        return int(match[1]) if match else None

    async def identify(self, http: DeviceHttp, at: Address) -> Reply[Identity]:
        return await http.ask(at, f"/{INFO}", self._identities, kind="info")

    async def settings(self, http: DeviceHttp, at: Address) -> Reply[DeviceSettings]:
        return await http.ask(at, f"/{SETTINGS}", self._settings, kind="settings")

    async def listing(self, http: DeviceHttp, at: Address) -> Reply[Listing]:
        return await http.ask(at, f"/{LISTING}", self._listings, kind="listing", limit=MAX_LISTING)

    def stored_settings(self, stored: bytes) -> DeviceSettings:
        return _settings(parse_json(stored, SETTINGS))

    def stored_listing(self, stored: bytes) -> Listing:
        return listing_of(parse_json(stored, LISTING))

    def length_of(self, size: int) -> int:
        return length_of(size)

    def is_whole(self, size: int, length: int) -> bool:
        return length - length_of(size) in (0, TRAILER)

    def accepts_length(self, track: ListedTrack, announced: int) -> bool:
        return announced - track.length in (0, TRAILER, LISTING_EXTRA)

    def findings(self, files: Mapping[str, bytes], expected: MotionExpected) -> Iterator[Finding]:
        if INFO in files:
            with suppress(BadAnswer):
                yield from findings_of_info(info_of(parse_json(files[INFO], INFO)), expected)
        if SETTINGS in files:
            with suppress(BadAnswer):
                yield from findings_of_settings(settings_of(parse_json(files[SETTINGS], SETTINGS)), expected)


class _Reader(Generic[T]):
    """Parses answers of one kind. In a visit a device is asked the same several times, and mostly answers the same."""

    def __init__(self, name: str, read: Callable[[Any], T]) -> None:
        self._name = name
        self._read = read
        self._read_once = lru_cache(KEPT)(self._parsed)

    def __call__(self, data: bytes) -> Reply[T]:
        return self._read_once(data) if len(data) <= MAX_KEPT else self._parsed(data)

    def _parsed(self, data: bytes) -> Reply[T]:
        tree = parse_json(data, self._name)
        return Reply(self._read(tree), stored_json(tree))


def _identity(tree: Any) -> Identity:
    info = info_of(tree)
    return Identity(info.identifier, info.battery)


def _settings(tree: Any) -> DeviceSettings:
    return DeviceSettings(settings_of(tree).timezone)
