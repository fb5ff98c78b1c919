"""Gauges of the collector's own state, computed at each scrape, so that Prometheus can alert on it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from attrs import frozen
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from sse_twisted.control.health import Condition
from sse_twisted.copies.copy import CopyReport
from sse_twisted.fleet import Fleet


@frozen(eq=False)
class StateGauges(Collector):
    """Conditions, alarms, and the devices that are expected today. A new condition has its gauge by itself.

    `expected` and `missing` return the devices assigned today, and those of them that are not collected; `copies` the
    copies of the event folder.
    """

    _fleet: Fleet
    _conditions: Callable[[], Sequence[Condition]]
    _paused: Callable[[], bool]
    _expected: Callable[[], Collection[object]]
    _missing: Callable[[], Collection[object]]
    _copies: Callable[[], Sequence[CopyReport]]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families; called by the registry."""
        meaning = "Whether a condition without which the collector does not work well is fulfilled."
        conditions = GaugeMetricFamily("sse_condition_ok", meaning, labels=["condition"])
        for condition in self._conditions():
            conditions.add_metric([condition.subject], float(condition.ok))
        yield conditions
        yield from self._of_copies()
        for name, value, meaning in self._values():
            yield GaugeMetricFamily(name, meaning, value=float(value))

    def _of_copies(self) -> Iterator[GaugeMetricFamily]:
        behind = GaugeMetricFamily("sse_copy_behind_seconds", "Time since a copy had everything.", labels=["folder"])
        tracks = GaugeMetricFamily("sse_copy_tracks", "Tracks on a copy.", labels=["folder"])
        for report in self._copies():
            behind.add_metric([report.folder], report.behind)
            tracks.add_metric([report.folder], report.tracks)
        yield from (behind, tracks)

    def _values(self) -> Iterator[tuple[str, int, str]]:
        devices = tuple(self._fleet)
        alarms = sum(bool(device.left_early) for device in devices)
        yield "sse_alarms", alarms, "Devices that left too early, until they are collected or waived."
        odd = sum(bool(device.oddity) for device in devices)
        yield "sse_odd_devices", odd, "Devices that are on but do not respond correctly."
        yield "sse_expected_devices", len(self._expected()), "Devices that are assigned today."
        yield "sse_missing_devices", len(self._missing()), "Devices assigned today that are not collected."
        yield "sse_downloads_paused", self._paused(), "Whether an operator has paused the downloads."
