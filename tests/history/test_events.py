from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from twisted.logger import LogEvent, Logger, LogLevel, eventAsJSON, formatEvent

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.settings import Expected, Settings
from sse_twisted.history.events import MAX_TEXT, DeviceEvent, History, words_of
from tests.support.event import VirtualEvent, log_of


def test_what_is_said_of_a_device_is_kept_without_its_name_in_front() -> None:
    history = History()
    log = Logger(namespace="test", observer=history.note)  # type: ignore[arg-type]  # a function is an observer
    log.emit(LogLevel.warn, "{device} battery level is {percent}%", device="motion-601", percent=41)
    log.info("{target} is not at 10.0.0.1", target="motion-602")
    log.info("Collecting into a folder")
    log.info("{target} is not there", target="device at 10.0.0.9")
    (event,) = history.of(601)
    assert (event.level, event.text) == ("warning", "battery level is 41%")
    assert event.time > 1_600_000_000
    assert [event.text for event in history.of(602)] == ["is not at 10.0.0.1"]
    assert history.of(603) == ()


def flattened(event: LogEvent) -> LogEvent:
    """An event as a log of JSON has it."""
    read: LogEvent = json.loads(eventAsJSON(event))
    return read


def note(history: History, *times: float, device: str = "motion-601") -> None:
    for time in times:
        history.note({"log_level": LogLevel.info, "log_time": time, "log_format": "{device} is here", "device": device})


def times(history: History, identifier: int = 601, since: float = 0.0) -> list[float]:
    return [event.time for event in history.of(identifier, since=since)]


def test_only_the_last_ones_are_kept_and_can_be_asked_for_by_time() -> None:
    history = History(max_events=3)
    note(history, 0, 1, 2, 3, 4)
    assert times(history) == [2, 3, 4]
    assert times(history, since=4) == [4]


def test_what_was_before_comes_before_and_pushes_nothing_out() -> None:
    history, earlier = History(max_events=3), History(max_events=3)
    note(history, 9)
    for time in (7.0, 6.0, 5.0):
        assert earlier.has_room_for(601)
        earlier.prepend(601, DeviceEvent(time, "info", "was here"))
    assert not earlier.has_room_for(601)
    history.restore(earlier)
    assert times(history) == [6, 7, 9]
    note(history, 10)
    assert times(history) == [7, 9, 10]


def test_of_all_devices_together_the_oldest_events_go_first() -> None:
    history = History(max_events=3, max_in_all=6)
    note(history, 0, 1, device="motion-601")
    note(history, 2, 3, 4, 5, device="motion-602")
    assert (times(history, 601), times(history, 602)) == ([0, 1], [3, 4, 5])
    note(history, 6, device="motion-603")
    assert (times(history, 601), times(history, 602)) == ([1], [3, 4, 5])
    note(history, 7, 8, 9, device="motion-603")
    assert (times(history, 601), times(history, 602), times(history, 603)) == ([], [4, 5], [7, 8, 9])


def test_what_was_before_goes_first_of_all() -> None:
    history, earlier = History(max_in_all=4), History(max_in_all=4)
    note(history, 8, 9)
    for number, time in ((602, 7.0), (601, 6.0), (602, 5.0), (603, 4.0)):
        earlier.prepend(number, DeviceEvent(time, "info", "was here"))
    assert earlier.is_full
    history.restore(earlier)
    assert (times(history, 601), times(history, 602)) == ([6, 8, 9], [7])


def test_the_error_of_a_failure_is_kept() -> None:
    history = History()
    log = Logger(namespace="test", observer=history.note)  # type: ignore[arg-type]  # a function is an observer
    try:
        raise ValueError("no way")
    except ValueError:
        log.failure("{device} could not be probed", device="motion-601")
    assert history.of(601)[0].text == "could not be probed: no way"
    assert history.of(601)[0].level == "critical"


def test_a_collector_keeps_debug_lines_that_its_log_leaves_out(event: VirtualEvent) -> None:
    event.device(601, log_of(601))
    event.arrive(601)
    collector = event.start()
    event.until("can be disconnected")
    texts = [event.text for event in collector.history.of(601)]
    assert texts[0].startswith("detected at")
    assert texts[-1] == "can be disconnected"


@pytest.mark.parametrize(
    ("minutes", "seconds", "day"),
    [(60, 1_666_047_599, "2022-10-17"), (60, 1_666_047_600, "2022-10-18"), (-600, 1_666_047_600, "2022-10-17")],
)
def test_the_day_is_that_of_the_devices_whatever_the_laptop_says(
    minutes: int, seconds: int, day: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    live = LiveConfig(Settings(expected=Expected(timezone=minutes)))
    assert str(live.today(seconds)) == day
    began = live.day_began_at(seconds)
    assert str(live.today(began)) == day
    assert str(live.today(began - 1)) != day


def test_numbers_whose_events_are_all_dropped_leave_nothing_behind() -> None:
    history = History(max_events=5, max_in_all=50)
    for number in range(1, 2_000):
        for text in range(7):
            note(history, float(text), device=f"motion-{number}")
    assert len(history._events) <= 50
    assert len(history._dropped) <= 50


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "event",
    [
        {
            "log_format": "{device} listed {count:,} tracks in {seconds:g} s",
            "device": "a",
            "count": 1204,
            "seconds": 2.0,
        },
        {"log_format": "{device} says {words!r}", "device": "a", "words": "b"},
        {"log_format": "{device} has {list[0]} and {path.name}", "device": "a", "list": ["b"], "path": Path("/c/d")},
        {"log_format": "{call()} and {device}", "device": "a", "call": lambda: "called"},
        {"log_format": "no fields, {{ and }}"},
        {"log_format": "{missing} is not there"},
        {"log_format": "{broken", "broken": 1},
        {"log_format": "{what}", "what": Unspeakable()},
        {"log_format": None},
        {"log_format": b"bytes of {device}", "device": "a"},
        {},
        flattened({"log_format": "{device} has {table}", "device": "a", "table": {"b": 1}}),
    ],
)
def test_the_words_of_an_event_are_those_of_twisted(event: LogEvent) -> None:
    assert without_addresses(words_of(dict(event))) == without_addresses(formatEvent(dict(event)))


def without_addresses(text: str) -> str:
    return re.sub("0x[0-9a-f]+|Failure instance.*", "", text, flags=re.DOTALL)


def test_a_long_text_is_cut() -> None:
    history = History()
    history.note(
        {"log_level": LogLevel.info, "log_time": 1.0, "log_format": "{device} " + "x" * 9_999, "device": "motion-601"}
    )
    (event,) = history.of(601)
    assert len(event.text) == MAX_TEXT
