"""Copies of the event folder on other disks, made as things happen, each of which another computer can go on with.

Imports the event folder and the configuration; the rooms above see reports. Begin with `service.py`, then `target.py`,
which writes one copy. Each copy has a thread of its own, so that a disk that hangs blocks nothing but its copy.
"""
