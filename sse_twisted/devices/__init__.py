"""Requests to devices: one connection at a time, bounded answers, errors in one line.

Begin with `driver.py`, all that the rest of the collector knows of a kind of device. `drivers.py` lists the kinds,
each in its own folder. `http.py` sends requests, `connections.py` limits connections. No service, no disk.
"""
