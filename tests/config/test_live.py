from __future__ import annotations

from twisted.logger import LogEvent

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.settings import Settings
from tests.support.event import VirtualEvent


def test_an_observer_that_fails_keeps_the_change_from_no_other(logged_failures: list[LogEvent]) -> None:
    live, told = LiveConfig(Settings()), list[str]()
    live.observe(lambda: 1 / 0)  # type: ignore[arg-type] # it is to fail
    live.observe(lambda: told.append("again"))
    live.change(paused=True)
    live.ask_for(601, "/logs/x.oao")
    assert told == ["again", "again"]
    assert len(logged_failures) == 2
    logged_failures.clear()


def test_the_event_s_log_says_which_observer_failed(event: VirtualEvent, logged_failures: list[LogEvent]) -> None:
    collector = event.start()
    collector.live.observe(lambda: 1 / 0)  # type: ignore[arg-type] # it is to fail
    collector.live.change(paused=True)
    assert event.said("CRITICAL An observer of settings and roster failed")
    logged_failures.clear()
