"""The event folder, shared with the original server and the results software: names, ledger, partial tracks, moves.

Everything here blocks and is called through `runtime.disk.Disk`. Begin with `folder.py`, then `naming.py`, which names
the tracks.
"""
