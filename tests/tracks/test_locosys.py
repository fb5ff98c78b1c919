from __future__ import annotations

import pytest

from sse_twisted.tracks.format import Device
from sse_twisted.tracks.locosys import AT_1_HZ, FASTER, accuracy_of, device_of


@pytest.mark.parametrize(
    ("text", "device"),
    [
        (b"RIDERA______,932000000,1,V1.4(B0803T)", Device("GT-31", "RIDERA", "932000000", 1000)),
        (b"RIDA,155000000,1,V1.2G0529C", Device("GW-52", "RIDA", "155000000", 1000)),
        (b"RA,168000000,2,V1.3A0926B,x,y", Device("GW-60", "RA", "168000000", 0)),
        (b"RIDERB,1000000,1,V1.62(B1115)", Device("GT-11", "RIDERB", "1000000", 0)),
        (b"ESP-GPS,0,unknown,unknown\xff\xff", Device("ESP-GPS")),
        (b"A,999000000", Device("", "A", "999000000")),
        (b"A\x00\x07B", Device("", "AB")),
        (b"A" * 900, Device("", "A" * 40)),
        (b"", Device()),
    ],
)
def test_the_text_tells_model_owner_and_serial(text: bytes, device: Device) -> None:
    assert device_of(text) == device


def test_a_logger_of_1_hz_should_be_more_exact() -> None:
    assert [accuracy_of(rate) for rate in (0, 1, 5, 10)] == [AT_1_HZ, AT_1_HZ, FASTER, FASTER]
