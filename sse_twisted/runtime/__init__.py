"""Twisted and system plumbing, independent of devices: disk threads, periodic services, signals, text.

It imports nothing else of this package. Begin with `periodic.py` and `disk.py`.
"""
