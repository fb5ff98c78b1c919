from __future__ import annotations

import gc
import weakref

from sse_twisted.runtime.gc_freeze import GcFreeze


class Thing:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_objects_of_the_start_are_excluded_until_the_end() -> None:
    gc.unfreeze()  # the suite has left out all that there is, before each test
    service = GcFreeze()
    before = len(gc.get_objects())
    service.startService()
    try:
        assert len(gc.get_objects()) < before / 10
    finally:
        service.stopService()
    assert len(gc.get_objects()) > before / 2
    gc.freeze()


def test_later_objects_are_collected() -> None:
    service = GcFreeze()
    service.startService()
    try:
        gone = weakref.ref(Thing())
        gc.collect()
        assert gone() is None
    finally:
        service.stopService()
