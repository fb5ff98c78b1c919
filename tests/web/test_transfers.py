"""Rates and remaining times of downloads."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from sse_twisted.fleet import Device, Stage, TrackSummary
from sse_twisted.web.transfers import Estimate, Transfers, bytes_left

DAY = datetime.date(2022, 10, 17)


def track(name: str, length: int) -> TrackSummary:
    return TrackSummary(name, DAY, length, 1, 1, 1, 1)


class Downloading:
    """A device that downloads, and what is estimated of it."""

    def __init__(self, size: int = 10_000_000, **known: Any) -> None:
        self.now = 1000.0
        self.transfers = Transfers()
        known = {"missing": ("a",), "tracks": (track("a", size),)} | known
        self.device = Device(601, stage=Stage.DOWNLOADING, downloading="a", size=size, **known)
        self.transfers.note(self.device, self.now)

    def receives(self, rate: float, seconds: float) -> Estimate:
        """Let bytes come, or none, and return the estimate."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            if rate:
                self.has(received=self.device.received + round(rate / 10))
        return self.estimate

    def has(self, **changes: Any) -> None:
        """Change the snapshot."""
        self.device = replace(self.device, **changes)
        self.transfers.note(self.device, self.now)

    @property
    def estimate(self) -> Estimate:
        return self.transfers.estimate(self.device, self.now)


def test_the_remaining_time_follows_from_the_recent_rate() -> None:
    transfer = Downloading()
    assert transfer.receives(100_000, 1).remaining is None, "too early"
    estimate = transfer.receives(100_000, 4)
    assert estimate.rate == pytest.approx(100_000, rel=0.03)
    assert estimate.remaining == pytest.approx(95, abs=3)


def test_a_transfer_that_becomes_slow_takes_longer_within_some_seconds() -> None:
    transfer = Downloading()
    transfer.receives(1_000_000, 5)
    estimate = transfer.receives(10_000, 11)
    assert estimate.rate == pytest.approx(10_000, rel=0.05)
    assert estimate.remaining == pytest.approx(490, rel=0.05)


def test_a_transfer_that_stalls_becomes_slower_and_then_unknown() -> None:
    transfer = Downloading()
    before = transfer.receives(100_000, 8)
    during = transfer.receives(0, 4)
    assert before.remaining is not None
    assert during.remaining is not None
    assert during.remaining > before.remaining
    assert transfer.receives(0, 8) == Estimate()


def test_bytes_of_an_earlier_transfer_do_not_count() -> None:
    transfer = Downloading()
    transfer.now += 0.2
    transfer.has(received=5_000_000, resumed=5_000_000)
    estimate = transfer.receives(100_000, 5)
    assert estimate.rate == pytest.approx(100_000, rel=0.05)
    assert estimate.remaining == pytest.approx(45, abs=4)


def test_a_retry_of_the_same_track_does_not_count_backwards() -> None:
    transfer = Downloading()
    transfer.receives(100_000, 20)
    transfer.has(received=0)
    estimate = transfer.receives(100_000, 10)
    assert estimate.rate == pytest.approx(100_000, rel=0.05)
    assert estimate.remaining == pytest.approx(90, abs=5)


def test_all_tracks_of_the_device_count_and_the_rate_goes_on_with_the_next_track() -> None:
    tracks = track("a", 10_000_000), track("b", 3_000_000)
    transfer = Downloading(missing=("a", "b"), tracks=tracks)
    assert transfer.receives(1_000_000, 5).remaining == pytest.approx(8, abs=1)
    transfer.has(downloading="", size=0, received=0, missing=("b",))
    transfer.has(downloading="b", size=3_000_000)
    estimate = transfer.receives(1_000_000, 1)
    assert estimate.remaining == pytest.approx(2, abs=1)


def test_nothing_is_estimated_of_a_track_of_unknown_size_or_a_device_that_does_not_download() -> None:
    transfer = Downloading(missing=("a", "unlisted"))
    estimate = transfer.receives(100_000, 5)
    assert (estimate.rate > 0, estimate.remaining) == (True, None)
    assert bytes_left(Device(601)) is None
    transfer.has(stage=Stage.ATTENTION, downloading="", size=0, received=0)
    assert transfer.estimate == Estimate()
    assert list(transfer.transfers) == []


def test_a_long_transfer_needs_little_memory() -> None:
    transfer = Downloading(size=10**9)
    for _ in range(20_000):
        transfer.now += 0.001
        transfer.has(received=transfer.device.received + 1000)
        estimate = transfer.estimate
    assert estimate.rate == pytest.approx(1_000_000, rel=0.1)
    assert len(transfer.transfers._transfers[601].samples) < 60
