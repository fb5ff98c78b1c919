"""Simulated devices made from the captured responses of real ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from sse_twisted.simulator.device import SimulatedDevice, SimulatedLog
from sse_twisted.simulator.listings import KEPT_ON_DEVICE, Entry
from sse_twisted.simulator.tracks import track_for_entry


class CaptureError(ValueError):
    """A folder of captures cannot be used; the message names the file and the reason."""


def captured_devices(folder: Path, tracks: Path | None = None) -> list[SimulatedDevice]:
    """Return the devices of `folder`/motions/motion-<id>/{info,settings,logs}.json, ordered by number.

    A log is sent from `tracks`/<id>_<YYYY-MM-DD-HHMM>.oao if that has the length that the listing implies; otherwise
    a track that fits the entry is made at the first request. Raises CaptureError.
    """
    motions = folder / "motions"
    found = sorted(motions.glob("motion-*"), key=lambda path: (len(path.name), path.name))
    if not found:
        raise CaptureError(f"no motion-<id> folder in {motions}")
    return [_captured_device(path, tracks) for path in found]


def _captured_device(folder: Path, tracks: Path | None) -> SimulatedDevice:
    info = _read(folder / "info.json")
    try:
        identifier = int(info["motion"]["identifier"])
        entries = [*_read(folder / "logs.json")["logs"]]
        logs = [SimulatedLog(entry["file"], _content(entry, identifier, tracks), entry) for entry in entries]
    except (KeyError, TypeError, ValueError) as error:
        raise CaptureError(f"{folder} is not a capture of a device: {error!r}") from error
    return SimulatedDevice(identifier, logs, info=info, settings=_read(folder / "settings.json"))


def _content(entry: Entry, identifier: int, tracks: Path | None) -> Callable[[], bytes]:
    length = entry["size"] - KEPT_ON_DEVICE
    for path in _real_tracks(entry, identifier, tracks):
        if path.is_file() and path.stat().st_size == length:
            return path.read_bytes
    return partial(track_for_entry, entry, identifier)


def _real_tracks(entry: Entry, identifier: int, tracks: Path | None) -> Iterator[Path]:
    if tracks is not None:
        _, _, start = PurePosixPath(entry["file"]).stem.partition("_")
        yield tracks / f"{identifier}_{start}.oao"
        yield tracks / f"{identifier:04}_{start}.oao"


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CaptureError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise CaptureError(f"{path} is not a JSON object")
    return document
