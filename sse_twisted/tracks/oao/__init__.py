"""The OAO format ("OnAndOn"): layout, header, verification while bytes arrive, decoding.

Begin with `layout.py`. The layout was worked out from 86 files of real devices.
"""
