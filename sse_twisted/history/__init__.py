"""What happened before: the event's logs, visits, the state file, and what a restart restores from them.

Imports visits, the event folder and the fleet. Begin with `restore.py`, which runs once at each start, then
`verdict_at_start.py`, which judges each device.

The rules of a restart. The saved state has alarms of every day, and waivers and visits of today. "Collected" counts
only if all tracks are in the ledger and on disk. A device that was present and not done has left too early unless it is
found within the grace period. The ledgers decide if the state is unusable (kept as `memory.json.unusable.N`), and for
devices that another program met since: time and size of `info.json` and `logs.json` tell that, wherever the clock
stands. The ledgers know what is here and what is missing, but no waivers. In doubt there is an alarm too many, never
one too few.
"""
