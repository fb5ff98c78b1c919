"""The Manhole console by telnet and SSH: accounts, sessions, commands and their tables.

It may know `control/` and the values that it returns. Begin with `service.py`, then `namespace.py`.
"""
