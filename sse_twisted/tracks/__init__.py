"""Inside a track: its format, its speeds, whether the device's claims hold, and exports.

It knows no device and no event. Begin with `analysis.py`; a format is a file or folder of its own, as `oao/`.
`command.py` is `sse-track`.
"""
