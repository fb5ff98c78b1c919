"""Tracks for simulated devices: sailed, of a given size, or made to fit a captured listing."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sse_twisted.simulator.headers import FullHeader, Position, encode_header
from sse_twisted.simulator.listings import KEPT_ON_DEVICE, Entry, listing_entry
from sse_twisted.simulator.trajectory import KNOT, Trajectory, sail
from sse_twisted.simulator.writer import seal, write_track
from sse_twisted.tracks.format import Best
from sse_twisted.tracks.oao.layout import BETWEEN_MODE, FRAME, FRAME_SIZE, HEADER_SIZE, SECOND_MODE

__all__ = ["listing_entry", "log_path", "make_track", "track_for_entry", "track_of_size"]

FIRMWARE: Final = 9004
PERIOD: Final = 200
"""Milliseconds between two fixes at 5 Hz, the rate of the event."""

_WINDOWS: Final = {"2s_best": 2.0, "10s_best": 10.0, "500m_best": 500.0, "1852m_best": 1852.0, "1h_best": 3600.0}
_NAMES: Final = {
    "2s_best": "2s",
    "10s_best": "10s",
    "500m_best": "500m",
    "1852m_best": "1852m",
    "a500m_best": "alpha500",
    "1h_best": "1h",
}
_SLOW: Final = 2600  # mm/s, of the frames of a made-up track: just fast enough to be stored
_SLOWEST: Final = 300  # mm/s, where bests that contradict each other leave less
_RADIUS: Final = 400.0  # metres of the circle of a plain track: too wide for an alpha


def make_track(
    identifier: int,
    start_ms: int,
    seconds: float,
    seed: int,
    *,
    top: float | None = None,
    timezone: int = 60,
    logging_threshold: int = 2572,
) -> bytes:
    """Return the track of a sailed session, as the event firmware would have logged it.

    `start_ms` is UTC, `top` about the best 500 m in knots (25 to 40 by the seed), `timezone` minutes east of UTC;
    frames slower than `logging_threshold` (mm/s) are not stored. An afternoon takes tens of milliseconds.
    """
    fixes = _fixes_of(sail(seconds, seed, top=top), start_ms - start_ms % PERIOD, seed)
    return write_track(
        fixes,
        identifier=identifier,
        nickname="WSW",
        firmware=FIRMWARE,
        timezone=timezone,
        frequency=1000 // PERIOD,
        logging_threshold=logging_threshold,
    )


def track_of_size(identifier: int, size: int, start_ms: int, *, knots: float = 25.0, timezone: int = 60) -> bytes:
    """Return a whole track of `size` bytes or up to 51 less, quickly made: at constant speed on a circle.

    All its bests are correct, namely that speed; there is no alpha.
    """
    frames = max(0, size - HEADER_SIZE) // FRAME_SIZE
    start = start_ms - start_ms % PERIOD
    speed = round(knots * KNOT * 1000)
    utc = start + PERIOD * np.arange(1, frames + 1, dtype=np.int64)
    turned = speed / 1000 / _RADIUS * (utc - start) / 1000
    fixes = _empty_fixes(utc)
    fixes["speed"] = speed
    fixes["heading"] = np.degrees(turned) % 360.0 * 1e5
    fixes["latitude"] += (np.sin(turned) * _RADIUS * 90).astype(np.int32)
    fixes["longitude"] += (np.cos(turned) * -_RADIUS * 141).astype(np.int32)
    bests: dict[str, tuple[Best, ...]] = {}
    for name, window in _WINDOWS.items():
        needed = _frames_in(name, window, speed)
        if needed <= frames:
            bests[_NAMES[name]] = (Best((start + PERIOD * needed) // 1000, speed),)
    end = start + PERIOD * frames
    return _written(fixes, identifier, start, end, speed * (end - start) // 1000, bests, timezone)


def track_for_entry(entry: Entry, identifier: int) -> bytes:
    """Return a track that fits an entry of a captured listing whose own track is missing.

    It has `size` - 1024 bytes, of which a header like the entry (dates, distance, bests) and sound frames that are
    later and later between start and end. Its frames bear out the bests over 2 s, 10 s, 500 m and 1852 m; an alpha, an
    hour and the distance only by chance. A log that was never finalised ends inside a frame.
    """
    length = max(0, entry["size"] - KEPT_ON_DEVICE)
    frames = -(-max(0, length - HEADER_SIZE) // FRAME_SIZE)
    start, end = entry["start_date"], entry["end_date"]
    utc = _moments(start, end if end - start >= frames else start + PERIOD * frames, frames)
    fixes = _empty_fixes(utc)
    fixes["speed"], ends = _speeds_with_bests(entry, frames)
    bests: dict[str, tuple[Best, ...]] = {}
    for name, short in _NAMES.items():
        if entry[name] and frames:
            last = ends.get(name) or frames // 4 + _frames_in(name, _WINDOWS.get(name, 500.0), entry[name]) // 2
            bests[short] = (Best(int(utc[min(last, frames - 1)]) // 1000, entry[name]),)
    return _written(fixes, identifier, start, end, entry["distance"], bests, entry["timezone"])[:length]


def log_path(identifier: int, start_ms: int, timezone: int = 60) -> str:
    """Return the path of a log on the device: named by its start in the device's time zone."""
    local = np.datetime64(start_ms + timezone * 60_000, "ms").item()
    return f"/logs/{local:%Y/%m}/{identifier:04}_{local:%Y-%m-%d-%H%M}.oao"


def _fixes_of(sailed: Trajectory, start_ms: int, seed: int) -> NDArray[Any]:
    chance = np.random.default_rng([seed, 1])
    fixes = _empty_fixes(start_ms + PERIOD * np.arange(sailed.seconds.size, dtype=np.int64))
    fixes["speed"] = sailed.speed * 1000
    fixes["heading"] = sailed.heading * 1e5
    fixes["latitude"] = sailed.latitude * 1e7
    fixes["longitude"] = sailed.longitude * 1e7
    count = sailed.seconds.size
    fixes["altitude"] = chance.integers(500, 3000, count)
    fixes["satellites"] = 16 + np.round(np.sin(sailed.seconds / 500) * 3)
    fixes["speed_accuracy"] = chance.integers(150, 400, count)
    fixes["horizontal_accuracy"] = chance.integers(800, 1500, count)
    fixes["vertical_accuracy"] = chance.integers(1100, 2000, count)
    return fixes


def _empty_fixes(utc: NDArray[np.int64]) -> NDArray[Any]:
    """Return valid fixes at one place in Portland Harbour."""
    fixes = np.zeros(utc.size, FRAME)
    fixes["mode"] = np.where(utc % 1000 == 0, SECOND_MODE, BETWEEN_MODE)
    fixes["utc"] = utc
    fixes["latitude"], fixes["longitude"], fixes["altitude"] = 505_700_000, -24_600_000, 1500
    fixes["fix"], fixes["satellites"] = 3, 16
    fixes["speed_accuracy"], fixes["horizontal_accuracy"], fixes["vertical_accuracy"] = 250, 1000, 1400
    fixes["heading_accuracy"], fixes["hdop"] = 150_000, 80
    return fixes


def _written(
    fixes: NDArray[Any],
    identifier: int,
    start: int,
    end: int,
    distance: int,
    bests: dict[str, tuple[Best, ...]],
    timezone: int,
) -> bytes:
    places = (
        [Position(int(fix["latitude"]), int(fix["longitude"]), int(fix["altitude"])) for fix in fixes[[0, -1]]]
        if fixes.size
        else [Position(), Position()]
    )
    header = FullHeader(
        identifier=identifier,
        nickname="WSW",
        start_date=start,
        end_date=end,
        distance=distance,
        max_speed=int(fixes["speed"].max()) if fixes.size else 0,
        firmware=FIRMWARE,
        timezone=timezone,
        frequency=1000 // PERIOD,
        bests=bests,
        start=places[0],
        end=places[1],
    )
    return encode_header(header) + seal(fixes)


def _moments(start: int, end: int, frames: int) -> NDArray[np.int64]:
    """Times on the grid of the period: half of them after the start, half before the end.

    Closer than that if the listing leaves no room for as many frames.
    """
    slots = (end - start) // PERIOD
    number = np.arange(1, frames + 1, dtype=np.int64)
    if slots < frames <= end - start:
        return start + number * (end - start) // frames
    if slots > frames:
        number[frames // 2 :] += slots - frames
    return start + PERIOD * number


def _speeds_with_bests(entry: Entry, frames: int) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Slow speeds in mm/s around windows, the shorter in the longer ones, with the bests as means; their last frames.

    The means come out to the mm/s, and no other window is faster, if the entry claims nothing that can't be.
    """
    windows = np.zeros(0, np.int64)
    before = 0  # frames of them before the innermost
    behind: dict[str, int] = {}  # frames of each from the first of the innermost on
    for name in ("2s_best", "10s_best", "500m_best", "1852m_best"):
        best = entry[name]
        count = _frames_in(name, _WINDOWS[name], best) if best else 0
        if len(windows) < count <= frames:
            around = _around(windows, count * best, count)
            # A distance is that of the fewest frames: without either end it must be too short.
            if name.endswith("m_best") and len(around) > 2:
                around = np.concatenate([[best], _around(windows, count * best - 2 * best, count - 2), [best]])
            left = len(around) // 2
            windows = np.concatenate([around[:left], windows, around[left:]])
            before += left
            behind[name] = count - before
    speeds = np.full(frames, _SLOW, np.int64)
    first = min(max(0, frames // 4 - len(windows) // 2), frames - len(windows))
    speeds[first : first + len(windows)] = windows
    return speeds, {name: first + before + count - 1 for name, count in behind.items()}


def _around(windows: NDArray[np.int64], total: int, count: int) -> NDArray[np.int64]:
    """Return the speeds to add around the windows, as equal as possible, so that `count` frames add up to `total`."""
    missing = count - len(windows)
    least, more = divmod(total - int(windows.sum()), missing)
    speeds: NDArray[np.int64] = np.maximum(_SLOWEST, least + (np.arange(missing) < more))
    return speeds


def _frames_in(name: str, window: float, speed: int) -> int:
    """Return the frames of a window in seconds, or in metres at a speed in mm/s."""
    per_second = 1000 // PERIOD
    if name.endswith(("s_best", "h_best")):
        return round(window * per_second)
    return -(-round(window * 1000) * per_second // max(1, speed))
