from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.support.event import MORNING, log_of
from tests.support.virtual import asked_for
from tests.web.desk import Desk
from tests.web.test_api import OLD

MONTH = 30 * 24 * 3_600_000


def test_a_slow_command_continues_and_its_end_is_logged(busy: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    busy.event.servers[601].device.logs.append(log_of(601, MORNING - MONTH))
    busy.event.wake_all()
    busy.advance(2.0)

    def slowly(function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        seconds = 7.0 if asked_for(function, *args).__name__ == "find_track" else 0.0
        return deferLater(busy.reactor, seconds, function, *args)

    monkeypatch.setattr(busy.collector.disk, "_start", slowly)
    assert busy.command("devices/601/fetch", {"track": OLD}).status == 202
    busy.event.until(f"INFO motion-601 fetch {OLD}, requested on the board, is done")
    assert busy.event.ledger(601)[OLD]["status"] == "completed"


def test_a_failure_after_the_response_is_logged(busy: Desk) -> None:
    busy.event.servers[601].device.latency = 9.0
    assert busy.command("devices/601/retry").status == 202
    assert busy.command("devices/601/forget").status == 200
    text = "WARN motion-601 retry, requested on the board, failed: motion-601 is no longer connected"
    assert busy.event.said(text)


def test_a_command_continues_after_its_client_disconnects(busy: Desk) -> None:
    busy.event.servers[601].device.latency = 3.0
    asking = busy.begin("devices/601/retry")
    busy.advance(1.0)
    asking.addErrback(lambda _: None)
    asking.cancel()
    busy.event.until("motion-601 retry, requested on the board, is done")
    assert len(busy.event.said("motion-601 can be disconnected")) == 2


def test_pending_commands_are_cancelled_when_the_server_stops(busy: Desk) -> None:
    observers = len(busy.collector.fleet._observers)
    busy.event.servers[601].device.latency = 9.0
    assert busy.command("devices/601/retry").status == 202
    asking = busy.begin("devices/601/retry")
    asking.addErrback(lambda _: None)
    busy.advance(1.0)
    busy.close()
    assert len(busy.event.said("motion-601 retry, requested on the board, is cancelled")) == 1
    assert len(busy.collector.fleet._observers) == observers - 1  # the board's own
