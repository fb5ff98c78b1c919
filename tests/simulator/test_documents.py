from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from sse_twisted.simulator.documents import (
    as_json,
    motion_info,
    motion_settings,
    spoil_info,
    spoil_json,
    spoil_settings,
)
from sse_twisted.simulator.faults import Fault


def test_an_info_has_what_the_device_is_asked_for() -> None:
    motion = motion_info(601, battery=12, storage=97)["motion"]
    assert (motion["identifier"], motion["battery"]["level"], motion["filesystem"]["level"]) == (601, 12, 97)


@pytest.mark.parametrize(
    ("fault", "keys", "value"),
    [
        (Fault("wrong-identifier"), ("identifier",), 602),
        (Fault("wrong-identifier", at=7), ("identifier",), 7),
        (Fault("low-battery"), ("battery", "level"), 12),
        (Fault("full-storage", at=99), ("filesystem", "level"), 99),
        (Fault("wrong-firmware"), ("firmware", "code"), 3232),
        (Fault("old-firmware-shape"), ("firmware",), 3129),
    ],
)
def test_a_fault_of_the_info_changes_a_copy(fault: Fault, keys: tuple[str, ...], value: object) -> None:
    info = motion_info(601)
    before = deepcopy(info)
    spoiled: Any = spoil_info(info, fault)
    place = spoiled["motion"]
    for key in keys:
        place = place[key]
    assert place == value
    assert info == before


def test_wrong_settings_may_be_those_of_a_model_without_a_led() -> None:
    settings = motion_settings()
    del settings["settings"]["custom_led"]
    spoiled = spoil_settings(settings, Fault("wrong-settings"))
    assert spoiled is not None
    assert spoiled["settings"]["gnss_rate"] == "1"
    assert "custom_led" not in spoiled["settings"]


def test_a_fault_of_another_kind_changes_nothing() -> None:
    assert spoil_info(motion_info(601), Fault("cut")) is None
    assert spoil_settings(motion_settings(), Fault("low-battery")) is None
    assert spoil_json(as_json({}), Fault("low-battery")) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("half-json", '{"a": 1, "b"'),
        ("duplicate-keys", '{"a": 1, "a": 2, "b": {"c": "x", "c": "x"}, "b": {"c": "x", "c": "x"}}'),
        ("wrong-types", '{"a": "a text", "b": {"c": 7}}'),
        ("nan", '{"a": NaN, "b": {"c": "x"}}'),
        ("1e400", '{"a": 1e400, "b": {"c": "x"}}'),
    ],
)
def test_a_fault_of_the_text_spoils_json(name: str, text: str) -> None:
    spoiled = spoil_json(as_json({"a": 1, "b": {"c": "x"}}), Fault(name))
    assert spoiled is not None
    assert bytes(spoiled).decode() == text


def test_huge_json_is_valid_and_as_long_as_asked() -> None:
    huge = spoil_json(as_json({}), Fault("huge-json", at=10_000))
    assert huge is not None
    assert 9_990 < len(huge) <= 10_000
    assert json.loads(bytes(huge))["logs"][0] == {}


def test_a_second_fault_leaves_what_is_no_json_any_more() -> None:
    half = spoil_json(as_json({"a": 1}), Fault("half-json"))
    assert half is not None
    assert spoil_json(half, Fault("wrong-types")) is None
