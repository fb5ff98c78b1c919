"""Simulated Motion devices on loopback addresses: tracks, listings, faults, arrivals, departures, a name server.

It serves the demo, `twistd sse-simulator` and the tests; the collector never imports it. Begin with `device.py`.
"""
