"""An afternoon that is over, or interrupted, and what may become of its state file before the next start."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.event import MORNING, VirtualEvent, begin_anew

AFTERNOON = MORNING / 1000 + 8 * 3600  # s
DAY = 86_400  # s
HOUR = 3_600_000  # ms
MORE: Any = {"file": "/logs/2022/10/0601_2022-10-17-1600.oao", "start_date": AFTERNOON * 1000}
TRACKS = {identifier: f"ABC{identifier}XYZ_{identifier}_20221017_090000.oao" for identifier in (601, 602, 603, 604)}


def waive(event: VirtualEvent, identifier: int) -> None:
    assert event.collector is not None
    event.collector.commands.waive(identifier, "fell into the water")


def be_killed(event: VirtualEvent, meanwhile: Callable[[], object] = lambda: None) -> None:
    """As `begin_anew`, but the state file is as it was before the stop."""
    path = event.folder.state_file
    before, times = path.read_bytes(), path.stat()

    def undo() -> None:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        meanwhile()

    begin_anew(event, undo)


def saved_state(event: VirtualEvent) -> Any:
    return json.loads(event.folder.state_file.read_bytes())


def change_state(event: VirtualEvent, **changes: Any) -> None:
    event.folder.state_file.write_text(json.dumps(saved_state(event) | changes))


def list_one_more(path: Path, **change: Any) -> None:
    """As a listing that was kept since: with another log than the first one."""
    listing = json.loads(path.read_bytes())
    listing["logs"].append(listing["logs"][0] | (change or MORE))
    path.write_text(json.dumps(listing))
