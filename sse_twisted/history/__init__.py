"""What happened before: the event's logs, visits, the state file, and what a restart restores from them.

Imports visits, the event folder and the fleet. Begin with `restore.py`, which runs once at each start, then
`verdict_at_start.py`, which judges each device.
"""
