"""Recent rates of the downloads in progress, and how long they will still take."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from attrs import define, field
from msgspec import Struct

from sse_twisted.fleet import Device, Stage

WINDOW = 10.0  # s over which a rate is measured; a transfer without a byte for as long has none
SPACING = 0.25  # s between two measurements that are kept
MIN_SPAN = 2.0  # s of measurements until the remaining time is estimated


class Estimate(Struct, frozen=True):
    """The recent rate of a device in bytes/s, and the s until it has no more to download at that rate.

    The rate is 0 and the remaining time None as long as they are not known.
    """

    rate: float = 0.0
    remaining: int | None = None


@define(eq=False)
class _Transfer:
    """The bytes that a device has sent since its first track, by time."""

    track: str
    counted: int  # bytes of the track by this transfer
    total: int = 0
    samples: deque[tuple[float, int]] = field(factory=deque)  # s of the clock, and the total


class Transfers:
    """Follows the devices that download; bytes that an earlier transfer had stored do not count."""

    def __init__(self) -> None:
        self._transfers: dict[int, _Transfer] = {}

    def __iter__(self) -> Iterator[int]:
        """Yield the devices with a rate, which changes as time passes."""
        return iter(self._transfers)

    def note(self, device: Device, now: float) -> None:
        """Take a new snapshot at `now`, in s of the clock."""
        if device.stage is not Stage.DOWNLOADING:
            self._transfers.pop(device.identifier, None)
            return
        if not device.downloading:  # between two tracks
            return
        counted = max(device.received - device.resumed, 0)
        transfer = self._transfers.setdefault(device.identifier, _Transfer(device.downloading, 0))
        is_same = transfer.track == device.downloading and counted >= transfer.counted
        transfer.total += counted - transfer.counted if is_same else counted
        transfer.track, transfer.counted = device.downloading, counted
        samples = transfer.samples
        if len(samples) > 1 and now - samples[-2][0] < SPACING:
            samples.pop()
        samples.append((now, transfer.total))

    def estimate(self, device: Device, now: float) -> Estimate:
        """Return rate and remaining time of a device at `now`, in s of the clock."""
        transfer = self._transfers.get(device.identifier)
        if transfer is None or not transfer.samples:
            return Estimate()
        samples = transfer.samples
        while len(samples) > 1 and samples[1][0] <= now - WINDOW:
            samples.popleft()
        began, first = samples[0]
        span = now - began
        if transfer.total <= first or span <= 0:
            return Estimate()
        rate = (transfer.total - first) / span
        left = bytes_left(device)
        return Estimate(rate, None if left is None or span < MIN_SPAN else round(left / rate))


def bytes_left(device: Device) -> int | None:
    """Return the bytes that a device has still to send; None if the size of a missing track is not known."""
    if not device.downloading or not device.size:
        return None
    sizes = {track.name: track.length for track in device.tracks}
    if device.unnamed:
        return None
    others = [sizes.get(name) for name in device.missing if name != device.downloading]
    known = [size for size in others if size is not None]
    if len(known) < len(others):
        return None
    return max(device.size - device.received, 0) + sum(known)
