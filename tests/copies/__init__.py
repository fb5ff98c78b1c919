"""Copies of the event folder on other disks."""
