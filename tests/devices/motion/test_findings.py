from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from sse_twisted.config.settings import Expected
from sse_twisted.devices.driver import Finding
from sse_twisted.devices.motion.driver import MotionDriver
from sse_twisted.devices.motion.findings import findings_of_info, findings_of_settings
from sse_twisted.devices.motion.messages import MotionInfo, MotionSettings
from sse_twisted.runtime.text import json_bytes

EXPECTED = Expected(firmwares=("9002 Weymouth Speed Week", "3129"))
SOUND = MotionInfo(601, firmware_name="9002 Weymouth Speed Week", storage=0, battery=83)
AS_EXPECTED = MotionSettings(gnss_rate=5, one_log_per_day=0, timezone=60, flash=1)


def on_info(expected: Expected = EXPECTED, **changes: Any) -> list[tuple[Any, str]]:
    return [(fact.level, fact.text) for fact in findings_of_info(replace(SOUND, **changes), expected)]


def warnings_on(settings: MotionSettings, expected: Expected = EXPECTED) -> list[str]:
    return [fact.text for fact in findings_of_settings(settings, expected) if not fact.ok]


def test_a_device_as_expected_is_told_its_battery_and_nothing_else() -> None:
    assert on_info() == [
        ("debug", "firmware is approved (9002 Weymouth Speed Week)"),
        ("debug", "storage is 0% full"),
        ("info", "battery level is 83%"),
    ]


@pytest.mark.parametrize(("level", "says"), [(60, "info"), (59, "warning"), (0, "warning")])
def test_a_battery_below_the_threshold_is_a_finding(level: int, says: Any) -> None:
    assert (says, f"battery level is {level}%") in on_info(battery=level)


@pytest.mark.parametrize(("level", "says"), [(95, "debug"), (96, "warning"), (100, "warning")])
def test_a_storage_above_the_threshold_is_a_finding(level: int, says: Any) -> None:
    assert (says, f"storage is {level}% full") in on_info(storage=level)


@pytest.mark.parametrize(
    ("firmware", "says", "text"),
    [
        ("3232 Release", "warning", "firmware is not approved (3232 Release)"),
        ("9002 weymouth speed week", "warning", "firmware is not approved (9002 weymouth speed week)"),
        ("3129", "debug", "firmware is approved (3129)"),
        ("3118", "warning", "firmware is not approved (3118)"),
    ],
)
def test_firmware_that_is_not_on_the_list_is_a_finding(firmware: str, says: Any, text: str) -> None:
    assert (says, text) in on_info(firmware_name=firmware)


def test_without_a_list_any_firmware_will_do() -> None:
    assert ("debug", "firmware is x") in on_info(Expected(), firmware_name="x")


def test_a_missing_value_has_no_finding() -> None:
    assert on_info(Expected(), firmware_name=None, storage=None, battery=None) == []
    assert list(findings_of_settings(MotionSettings(), EXPECTED)) == []
    assert warnings_on(MotionSettings(flash=None)) == []


def test_settings_as_expected_are_logged_at_the_debug_level() -> None:
    assert [(fact.level, fact.text) for fact in findings_of_settings(AS_EXPECTED, EXPECTED)] == [
        ("debug", "GNSS rate is 5"),
        ("debug", "one log per day is 0"),
        ("debug", "timezone is 60"),
        ("debug", "LED flash is 1"),
    ]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (MotionSettings(gnss_rate=1), "GNSS rate is incorrect (1)"),
        (MotionSettings(one_log_per_day=1), "one log per day is incorrect (1)"),
        (MotionSettings(timezone=0), "timezone is incorrect (0)"),
        (MotionSettings(timezone=-60), "timezone is incorrect (-60)"),
        (MotionSettings(flash=0), "LED flash is incorrect (0)"),
    ],
)
def test_another_setting_is_a_finding(settings: MotionSettings, text: str) -> None:
    assert warnings_on(settings) == [text]


def test_what_is_expected_can_be_set() -> None:
    expected = Expected(gnss_rate=10, one_log_per_day=1, timezone=0, flash=2, battery=90, storage=10)
    other = MotionSettings(gnss_rate=10, one_log_per_day=1, timezone=0, flash=2)
    assert warnings_on(other, expected) == []
    assert len(warnings_on(AS_EXPECTED, expected)) == 4
    assert [level for level, _ in on_info(expected, storage=11)].count("warning") == 2


def test_every_subject_is_another() -> None:
    facts: list[Finding] = [*findings_of_info(SOUND, EXPECTED), *findings_of_settings(AS_EXPECTED, EXPECTED)]
    assert len({fact.subject for fact in facts}) == len(facts) == 7


def test_answers_that_were_kept_give_the_same_facts_with_units_and_what_is_expected() -> None:
    info = {"motion": {"identifier": 601, "firmware": 3118, "battery": {"level": 41}}}
    settings = {"settings": {"gnss_rate": "1", "timezone": "60"}}
    stored = {"info.json": json_bytes(info), "settings.json": json_bytes(settings)}
    facts = MotionDriver().findings(stored, EXPECTED)
    assert [(fact.subject, fact.actual, fact.expected, fact.ok) for fact in facts] == [
        ("firmware", "3118", "9002 Weymouth Speed Week or 3129", False),
        ("battery", "41 %", "at least 60 %", False),
        ("GNSS rate", "1 Hz", "5 Hz", False),
        ("timezone", "60 minutes", "60 minutes", True),
    ]


@pytest.mark.parametrize("nonsense", [None, [], {}, {"motion": 7, "settings": []}, "x"])
def test_answers_that_make_no_sense_give_no_facts(nonsense: Any) -> None:
    stored = dict.fromkeys(("info.json", "settings.json"), json_bytes(nonsense))
    assert list(MotionDriver().findings(stored, EXPECTED)) == []
