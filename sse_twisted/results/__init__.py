"""What the tracks tell of a day: figures of each track, the day's reconciliation, rankings, short tracks.

It knows the event folder, the fleet and `tracks/`. Begin with `days.py`; `service.py` measures tracks as they come.
"""
