"""Tracks of an event, and disks that fail at a step of one's choice."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from sse_twisted.config.filing import FilingRules
from sse_twisted.config.roster import Assignment
from sse_twisted.devices.driver import ListedTrack, Listing
from sse_twisted.devices.motion.messages import listed_track
from sse_twisted.event_folder.naming import EventTrack, event_tracks
from sse_twisted.simulator.listings import listing_entry
from tests.support.event import MORNING, track

FIRST, LAST = datetime.date(2022, 10, 15), datetime.date(2022, 10, 21)
OWNER = Assignment(601, FIRST, LAST, "ABC601XYZ", "Sailor 601", "", 2)
FOLDER = "gpslogs/20221017"
NAME = "ABC601XYZ_601_20221017_090000.oao"
FINAL = f"{FOLDER}/{NAME}"
PATH = "/logs/2022/10/0601_2022-10-17-0900.oao"


def listed(content: bytes, path: str = PATH, **changes: Any) -> ListedTrack:
    """The entry of a listing for a track with these bytes."""
    return listed_track(listing_entry(content, path) | changes)


def kept(log: ListedTrack) -> EventTrack:
    """The log as one of the event's."""
    (only,) = event_tracks(601, Listing((log,)), FilingRules((OWNER,), None, 1.0, 60))
    return only


def sailed(fixes: int = 400) -> tuple[bytes, EventTrack]:
    """A track of the morning, as bytes and as it is kept; with more fixes, the same one grown."""
    content = track(601, MORNING, fixes)
    return content, kept(listed(content))


class Killed(BaseException):
    """The process ends here: no handler catches it and cleans up."""


FULL = OSError(28, "No space left on device")


@define
class Steps:
    """What was done on the disk; the step number `fail_at` is not done, but ends with the error."""

    error: BaseException = FULL
    fail_at: int = -1
    names: list[str] = field(factory=list)

    def instead_of(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        """The step, watched."""

        def take(*args: Any, **kwargs: Any) -> Any:
            self.names.append(name)
            if len(self.names) == self.fail_at + 1:
                raise self.error
            return step(*args, **kwargs)

        return take


@contextmanager
def watched(steps: Steps) -> Iterator[Steps]:
    """Watch every step on the disk."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "rename", "mkdir", "link", "unlink", "open"):
            patch.setattr(os, name, steps.instead_of(name, getattr(os, name)))
        patch.setattr(Path, "open", steps.instead_of("open", Path.open))
        yield steps


def failing_at_each_step(action: Callable[[], object], prepare: Callable[[], object]) -> Iterator[BaseException]:
    """Do the action again and again, each time after `prepare`, with its next step failing or killed."""
    prepare()
    with watched(Steps()) as whole:
        action()
    assert whole.names
    for error in (FULL, Killed()):
        for number in range(len(whole.names)):
            prepare()
            with watched(Steps(error, number)), suppress(type(error)):
                action()
            yield error


def hidden(root: Path) -> list[str]:
    """The names of all hidden files below a folder."""
    return sorted(path.name for path in root.rglob(".*") if path.is_file())
