"""A small device with small tracks, for tests that do not look at speeds."""

from __future__ import annotations

from sse_twisted.simulator.damage import sealed
from sse_twisted.simulator.device import SimulatedDevice, SimulatedLog

START = 1_760_000_000_000


def small_track(identifier: int = 601, frames: int = 40) -> bytes:
    """A track of a device that lies still: enough for all that does not look at speeds."""
    header = bytearray(512)
    header[0:2], header[4:6] = b"\xd0\x0a", identifier.to_bytes(2, "little")
    header[16:24] = START.to_bytes(8, "little")
    header[36:44] = (START + 200 * frames).to_bytes(8, "little")
    header[188:192] = (7).to_bytes(4, "little")
    header[384:392] = (START // 1000).to_bytes(4, "little") + (15_000).to_bytes(4, "little")
    header[426:428] = (60).to_bytes(2, "little")
    made = [sealed(bytes(header))]
    for number in range(1, frames + 1):
        utc = START + 200 * number
        mode = b"\xd4\x0a" if utc % 1000 == 0 else b"\xd5\x0a"
        made.append(sealed(mode + bytes(22) + utc.to_bytes(8, "little") + bytes(20)))
    return b"".join(made)


def device_with_logs(*names: str) -> SimulatedDevice:
    return SimulatedDevice(601, [SimulatedLog(f"/logs/2025/10/{name}.oao", small_track()) for name in names])
