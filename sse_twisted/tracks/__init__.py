"""Inside a track: formats, speeds, the check of the device's claims, and exports.

This room knows no device and no event. Begin with `analysis.py`. A format is a file or folder of its own: `oao/`,
`ubx.py`, `sbn.py`, `sbp.py`, `gpy.py`, `fit/`, `gpx.py`. It implements `format.py`, and `formats.py` lists it.
`evidence.py` grades what proves a track, `doubts.py` says what is doubtful in it. `command.py` is `sse-track`.
"""
