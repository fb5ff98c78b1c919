"""The recent events of `logs/server.json`, read block by block from its end, whatever its size is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from sse_twisted.runtime.bounded_file import open_regular

BLOCK_SIZE = 128 * 1024  # bytes read at once; a hundred to three hundred events
MAX_LINE = 256 * 1024  # bytes; a longer line is skipped
MAX_BYTES = 64 * 1024 * 1024  # in all; a day of a hundred devices has a few MB

Event = dict[str, Any]


def recent_events(path: Path, end: int, since: float) -> Iterator[list[Event]]:
    """Yield the events of a log from `since` on, in s since 1970.

    Yields one list for each block, the last block first; within a list the oldest event is first. Begins at byte `end`
    of the file and goes on in the files into which it was rotated. Skips a torn line. Each step blocks, and may raise
    OSError.
    """
    left = MAX_BYTES
    for file, size in _files(path, end, since):
        with open_regular(file) as opened:
            for lines in _blocks(opened.fileno(), size):
                left -= BLOCK_SIZE
                events = [event for line in lines if (event := _event(line)) is not None]
                yield (recent := [event for event in events if event["log_time"] >= since])
                if left <= 0 or (events and not recent):
                    return


def _files(path: Path, end: int, since: float) -> Iterator[tuple[Path, int]]:
    """Yield the log and the files into which it was rotated, the youngest first; compressed ones are left out."""
    yield path, end
    rotated = [other for other in path.parent.glob(f"{path.name}?*") if re.search(r"[-.]\d+$", other.name)]
    for other in sorted(rotated, key=lambda other: other.stat().st_mtime, reverse=True):
        status = other.stat()
        if status.st_mtime < since:
            return
        yield other, status.st_size


def _blocks(descriptor: int, end: int) -> Iterator[list[bytes]]:
    """Yield the whole lines of a file in lists, the last list first; each list is in the order of the file."""
    rest = b""  # of the line that begins in the block before
    while end > 0:
        start = max(end - BLOCK_SIZE, 0)
        data = os.pread(descriptor, end - start, start) + rest
        first, *lines = data.split(b"\n")
        if start == 0:
            lines.insert(0, first)
        rest, end = first[:MAX_LINE], start
        yield lines


def _event(line: bytes) -> Event | None:
    try:
        event = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("log_time"), int | float) else None
