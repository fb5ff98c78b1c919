"""Plumbing for Twisted and the system that knows no device: disk threads, periodic services, signals, text.

It imports nothing else of this package. Begin with `periodic.py` and `disk.py`.
"""
