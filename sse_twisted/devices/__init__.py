"""How the collector talks to devices: one connection at a time, bounded answers, errors in one line.

It knows no service and no disk. Begin with `http.py`; what is special to one kind of device is in its own folder.
"""
