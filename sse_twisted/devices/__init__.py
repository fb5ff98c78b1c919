"""How the collector talks to devices: one connection at a time, bounded answers, errors in one line.

Begin with `driver.py`, the seam: all that the rest of the collector knows of a kind of device. `drivers.py` lists the
kinds, each a folder of its own. `http.py` asks, `connections.py` spares the device. No service and no disk.
"""
