"""The event folder, shared with the original server and the results software: the only room that touches the disk.

Everything here blocks, and is called through `disk.Disk`.
"""
