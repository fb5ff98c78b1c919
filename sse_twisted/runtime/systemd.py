"""Telling systemd that the collector works, for a unit of `Type=notify`."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.application.service import Service


class ReadinessService(Service):
    """Says READY once the reactor runs, and STOPPING at the end; to nobody where no supervisor asks for it."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._address = os.environ.get("NOTIFY_SOCKET", "")

    def startService(self) -> None:
        """The services before this one have begun."""
        super().startService()
        self._reactor.callWhenRunning(self._tell, b"READY=1")

    def stopService(self) -> None:
        """The end has begun."""
        super().stopService()
        self._tell(b"STOPPING=1")

    def _tell(self, state: bytes) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifying:
            notifying.setblocking(False)
            try:
                notifying.sendto(state, address)
            except OSError:  # a supervisor that is not there any more needs no answer
                return
