"""One stay of a device on the network, from detection to departure: the heart of the collector.

It knows results, the event folder, the fleet and the devices; nothing above it. Begin with `scanner.py`, which starts
visits, then `runner.py`, which runs one, and `verdict.py`, which decides. `cleanup.py` alone ends them.
"""
