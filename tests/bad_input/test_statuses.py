"""Answers that are no success: errors, requests to wait, redirects."""

from __future__ import annotations

import pytest

from sse_twisted.simulator import http_faults
from sse_twisted.simulator.faults import Fault
from tests.simulator.wire import on_the_reactor
from tests.support.event import log_of
from tests.support.real_event import PORT, RealEvent, WatchedDevice

LOG = log_of(601)


@pytest.mark.parametrize("status", ["404", "500", "redirect"])
@on_the_reactor
async def test_a_refused_track_is_retried_until_it_comes(event: RealEvent, status: str) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault(status, seconds=1.0), path=LOG.path)
    await event.begin()
    words = "redirect not followed (HTTP 302)" if status == "redirect" else f"request refused (HTTP {status})"
    await event.until(
        f"ERROR motion-601 ABC601XYZ_601_20221017_090000.oao failed - 0.0 MiB, 0.0 hours, 1.6 km, 39.0 "
        f"knots (500m) ({words})"
    )
    await event.until(f"WARN motion-601 must stay connected - 1 of 1 track missing ({words}), retry 1 in ")
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("logs.json", "motion-601 must stay connected - inspection failed: "),
        ("info.json", "motion-601 invalid response at "),
    ],
)
@pytest.mark.parametrize("status", ["404", "500", "redirect"])
@on_the_reactor
async def test_what_is_refused_is_asked_for_again(event: RealEvent, status: str, path: str, told: str) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault(status, seconds=1.0), path=path)
    await event.begin()
    line = await event.until(f"WARN {told}")
    assert f"(HTTP {302 if status == 'redirect' else status})" in line
    await event.check_that_it_is_collected_when_cleared()


@pytest.mark.parametrize("status", ["404", "500", "redirect"])
@on_the_reactor
async def test_a_device_without_settings_is_collected(event: RealEvent, status: str) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault(status, seconds=1.0), path="settings.json")
    await event.collect()
    (line,) = event.said("WARN motion-601 settings are unknown (")
    assert "(HTTP " in line
    assert event.contents() == [LOG.content]


@pytest.mark.parametrize("path", [LOG.path, "/logs.json"])
@on_the_reactor
async def test_a_device_that_asks_for_time_gets_it(event: RealEvent, path: str) -> None:
    device = event.device(601, LOG)
    device.add_fault(Fault("503", seconds=1.0), path=path, times=1)
    times: list[float] = []
    for nth in (1, 2):
        device.when_asked(path, lambda: times.append(event.reactor.seconds()), nth)
    await event.collect()
    (line,) = event.said("must stay connected - ")
    assert "request refused (HTTP 503)" in line
    assert ", retry 1 in 1 s" in line
    assert times[1] - times[0] >= 1.0


@on_the_reactor
async def test_a_redirect_is_never_followed(event: RealEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    device = event.device(601, LOG)
    elsewhere = WatchedDevice(602, [log_of(602)])
    server = event.serve(elsewhere)
    monkeypatch.setattr(http_faults, "ELSEWHERE", f"http://{server.interface}:{PORT}".encode())
    await server.arrive()
    await event.start()
    for path in (LOG.path, "logs.json", "settings.json", "info.json"):
        device.add_fault(Fault("redirect"), path=path, times=1)
    await event.arrive(601)
    await event.until("motion-601 can be disconnected")
    assert event.contents() == [LOG.content]
    assert len(event.said("redirect not followed (HTTP 302)")) >= 4
    assert not elsewhere.asked
    assert not elsewhere.most_connections
