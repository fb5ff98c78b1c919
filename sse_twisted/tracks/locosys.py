"""What the files of Locosys loggers share: the text at the start, and what is known of each model."""

from __future__ import annotations

import re
from typing import Final

from sse_twisted.tracks.format import Accuracy, Device

TEXT_MARKS: Final = (0xFD, 0xDF)  # first byte of the text; 0xDF on some GW-60
SUM_MASK: Final = 0x7FFF  # checksums have 15 bits

# By the first three digits of the serial number.
_MODELS: Final = {
    "GT-11": ("100",),
    "GT-31": ("103", "113", "123", "133", "143", "832", "833", "932", "933"),
    "GW-52": ("155",),
    "GW-60": ("168",),
}
# ms, measured against a Motion on the same body: GT-31 and GW-52 lag by about a second, the GW-60 does not.
_LAGS: Final = {"GT-31": 1000, "GW-52": 1000}

MAX_NAME: Final = 40  # characters; real ones have up to 12
AT_1_HZ: Final = Accuracy(max_speed_error=1029)  # 2 knots
FASTER: Final = Accuracy(max_speed_error=2058)  # 4 knots


def device_of(text: bytes) -> Device:
    """Return what the text says: the user's name, serial number, rate and firmware, separated by commas.

    The stated rate is of no use: 2 means 5 Hz, 0 and 1 mean 1 Hz.
    """
    fields = text.split(b"\xff")[0].split(b",")
    owner, serial = ("".join(filter(str.isprintable, field.decode("latin-1"))) for field in [*fields, b""][:2])
    if owner.startswith("ESP-GPS"):
        return Device("ESP-GPS")
    model = next((model for model, starts in _MODELS.items() if serial[:3] in starts), "")
    return Device(
        model,
        owner.strip("_ ")[:MAX_NAME],
        serial if re.fullmatch(r"[0-9]{3,}", serial, re.ASCII) else "",
        _LAGS.get(model, 0),
    )


def accuracy_of(rate: int) -> Accuracy:
    """Return how exact the fixes of these loggers should be."""
    return AT_1_HZ if rate <= 1 else FASTER
