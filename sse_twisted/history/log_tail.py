"""What `logs/server.json` says of late: read from its end on, block by block, whatever its size is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

BLOCK = 128 * 1024  # bytes read at once; a hundred to three hundred events
LONGEST = 256 * 1024  # bytes of one line; a longer one is passed over
MOST = 64 * 1024 * 1024  # bytes in all; a day of a hundred devices has a few MB

Event = dict[str, Any]


def recent_events(path: Path, end: int, since: float, containing: bytes) -> Iterator[list[Event]]:
    """The events of a log from `since` on, in s since 1970, whose lines contain some bytes.

    Block by block, the last ones first; within a block the oldest first. `end` is where to begin in the file; those
    into which it was rotated follow. A line that is torn is passed over. Blocks at each step, and raises OSError.
    """
    left = MOST
    for file, size in _files(path, end, since):
        with file.open("rb") as opened:
            for lines in _blocks(opened.fileno(), size):
                left -= BLOCK
                events = [event for line in lines if containing in line and (event := _event(line)) is not None]
                recent = [event for event in events if _time(event) >= since]
                yield recent
                if left <= 0 or (not recent and _is_older(lines, since)):
                    return


def _files(path: Path, end: int, since: float) -> Iterator[tuple[Path, int]]:
    """The log, and what it was renamed to, the youngest first; compressed ones can't be read from their end."""
    yield path, end
    rotated = [other for other in path.parent.glob(f"{path.name}?*") if re.search(r"[-.]\d+$", other.name)]
    for other in sorted(rotated, key=lambda other: other.stat().st_mtime, reverse=True):
        status = other.stat()
        if status.st_mtime < since:
            return
        yield other, status.st_size


def _blocks(descriptor: int, end: int) -> Iterator[list[bytes]]:
    """The whole lines of a file from the last one on, in lists that are in the order of the file."""
    begun = b""  # of the line that goes over into the block before
    while end > 0:
        start = max(end - BLOCK, 0)
        data = os.pread(descriptor, end - start, start) + begun
        first, *lines = data.split(b"\n")
        if start == 0:
            lines.insert(0, first)
        begun, end = first[:LONGEST], start
        yield lines


def _event(line: bytes) -> Event | None:
    try:
        event = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and type(event.get("log_time")) in (int, float) else None


def _time(event: Event) -> float:
    time: float = event["log_time"]
    return time


def _is_older(lines: list[bytes], since: float) -> bool:
    """Whether the last event of some lines was before; the clock may have been set within them."""
    last = next((event for line in reversed(lines) if (event := _event(line)) is not None), None)
    return last is not None and _time(last) < since
