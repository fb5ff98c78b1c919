"""Inside a track: formats, speeds, the check of the device's claims, and exports.

This room knows no device and no event. Begin with `analysis.py`. A format is a file or folder of its own, such as
`oao/`; it implements `format.py`, and `formats.py` lists it. `command.py` is `sse-track`.
"""
