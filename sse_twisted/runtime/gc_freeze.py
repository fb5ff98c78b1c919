"""What Python's garbage collector may take of the reactor's time."""

from __future__ import annotations

import gc

from twisted.application.service import Service


class GarbageService(Service):
    """Has everything that exists at the start left out of collections: code, and settings, are no garbage.

    A full collection looks at every object that it knows: 80,000, of which 70,000 are code, keep the reactor for 40 ms.
    It must be the last to be started.
    """

    def startService(self) -> None:
        """Collect once, before the reactor runs."""
        super().startService()
        gc.collect()
        gc.freeze()

    def stopService(self) -> None:
        """Take everything in again: a process may have several collectors, one after the other."""
        super().stopService()
        gc.unfreeze()
