"""Readiness notification to systemd, for a unit of `Type=notify`."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any

from twisted.application.service import Service


class ReadinessService(Service):
    """Sends READY once the reactor runs, and STOPPING at the end, to the socket in NOTIFY_SOCKET if it is set."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._address = os.environ.get("NOTIFY_SOCKET", "")

    def startService(self) -> None:
        """Send READY when the reactor runs; all services before this one have started by then."""
        super().startService()
        self._reactor.callWhenRunning(self._send, b"READY=1")

    def stopService(self) -> None:
        super().stopService()
        self._send(b"STOPPING=1")

    def _send(self, state: bytes) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifying, suppress(OSError):
            notifying.setblocking(False)
            notifying.sendto(state, address)  # fails if the supervisor has gone
