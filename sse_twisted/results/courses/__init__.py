"""Course runs: what the tracks of a day make of its courses.

Begin with `runs.py`, which finds the runs of one track. `plane.py` is the map that it works on.
"""
