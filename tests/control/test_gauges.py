from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from sse_twisted.control.health import Condition
from sse_twisted.daemon.collector import Collector
from tests.support.event import VirtualEvent, log_of


def scraped(collector: Collector) -> dict[str, float]:
    """The samples of a scrape by their name and labels."""
    text = generate_latest(collector.statistics.registry).decode()
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_each_condition_has_a_gauge(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    collector = event.start()
    event.advance(1)
    gauges = {name: value for name, value in scraped(collector).items() if name.startswith("sse_condition_ok")}
    conditions = collector.conditions()
    assert len(conditions) >= 4
    assert gauges == {f'sse_condition_ok{{condition="{each.subject}"}}': float(each.ok) for each in conditions}


def test_a_new_condition_has_its_gauge_by_itself(event: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    new = Condition("tides", False, "the sea is gone")
    before = Collector.conditions
    monkeypatch.setattr(Collector, "conditions", lambda self: (*before(self), new))
    assert scraped(event.start())['sse_condition_ok{condition="tides"}'] == 0


def test_a_condition_that_fails_is_0(event: VirtualEvent) -> None:
    collector = event.start()
    downloads = 'sse_condition_ok{condition="downloads"}'
    assert scraped(collector)[downloads] == 1
    collector.commands.pause()
    assert scraped(collector)[downloads] == 0
    assert scraped(collector)["sse_downloads_paused"] == 1
    collector.commands.resume()
    assert scraped(collector)[downloads] == 1


def test_alarms_and_devices_that_are_missing_today_are_counted(event: VirtualEvent) -> None:
    device = event.device(601, log_of(601, fixes=4000))
    event.device(602, log_of(602))
    event.person(603)
    event.arrive(601, 602)
    device.bytes_per_second = 10_000
    collector = event.start()
    event.until("motion-602 can be disconnected")
    assert scraped(collector)["sse_expected_devices"] == 3
    assert scraped(collector)["sse_missing_devices"] == 2
    assert scraped(collector)["sse_alarms"] == 0
    event.leave(601)
    event.until("motion-601 left too early", 300)
    assert scraped(collector)["sse_alarms"] == 1
    collector.commands.waive(601, "fell into the water")
    assert scraped(collector)["sse_alarms"] == 0
