"""Collects the day's GPS tracks from the WiFi loggers of a speed-sailing event."""

__version__ = "0.1.0"
