"""Tells `twistd` of the simulated devices; what they are is imported when they are started."""

from __future__ import annotations

from twisted.application.service import ServiceMaker

simulator = ServiceMaker(
    "Simulated Motion GPS devices on loopback",
    "sse_twisted.daemon.simulator_tap",
    "Simulated Motion GPS devices on loopback, to try the collector with: arrivals, tracks, faults.",
    "sse-simulator",
)
