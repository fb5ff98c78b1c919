"""What a file is, by its first bytes."""

from __future__ import annotations

import re

_GPX = re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml\b.*?)?<gpx\b", re.DOTALL)
_NMEA = re.compile(rb"\s*\$(G[A-Z][A-Z]{3}|P[A-Z0-9]{3,}),")


def kind_of(start: bytes) -> str:
    """Name the format: "oao", "sbp", "sbn", "ubx", "gpx", "fit", "nmea", or "unknown".

    512 bytes are enough; what comes after them is not looked at.
    """
    start = bytes(start[:512])
    if start.startswith(b"\xd0\x0a"):
        return "oao"
    if start.startswith(b"\xb5\x62"):
        return "ubx"
    if start.startswith(b"\xa0\xa2"):
        return "sbn"
    # Locosys: two bytes of length, then a SiRF message of identifier 0xFD inside a block of 64 bytes.
    if start[2:4] == b"\xa0\xa2" and start[6:7] == b"\xfd":
        return "sbp"
    if start[8:12] == b".FIT":
        return "fit"
    if _GPX.match(start):
        return "gpx"
    if _NMEA.match(start):
        return "nmea"
    return "unknown"
