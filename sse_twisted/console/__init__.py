"""The Manhole console by telnet and SSH: accounts, sessions, and tables of what `control/` tells.

It may know `control/` and the values that it returns. Begin with `service.py`, then `namespace.py`.
"""
