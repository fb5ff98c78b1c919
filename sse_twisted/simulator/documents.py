"""The documents `info.json` and `settings.json`, correct or with faults, and faults of JSON text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Any, Final

from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.responses import Body

Document = dict[str, Any]

_NUMBER: Final = re.compile(rb"(?<=: )-?\d+(?=[,}\]])")
_PORTAL: Final = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Accept our terms</body></html>"

EVENT_FIRMWARE: Final = "9008 Weymouth SW (3232)"


def motion_info(identifier: int, *, battery: int = 83, storage: int = 0, firmware: str = EVENT_FIRMWARE) -> Document:
    """Return an info.json of firmware 3144 or later; levels are in percent."""
    return {
        "motion": {
            "wifi": "station",
            "username": "WSW",
            "identifier": identifier,
            "hardware": {"code": 105, "name": "Wireless Mini M10"},
            "firmware": {"code": 9008, "name": firmware, "special": "This firmware is event specific."},
            "filesystem": {"level": storage},
            "battery": {"level": battery, "charging": False},
            "units": {"speed": "kn", "distance": "km"},
        }
    }


def motion_settings() -> Document:
    """Return a settings.json with the settings of the event; all numbers are text, as devices send them."""
    wifi = [{"login": "WSW", "password_length": "8", "trust": "1"}]
    wifi += [{"login": "", "password_length": "0", "trust": "0"} for _ in range(3)]
    return {
        "settings": {
            "hardware": {"code": 105, "name": "Wireless Mini M10"},
            "username": "WSW",
            "speed_unit": "kn",
            "distance_unit": "km",
            "gnss_rate": "5",
            "one_log_per_day": "0",
            "timezone": "60",
            "wifi": wifi,
            "custom_led": {"flash": "1", "substract": "0", "rows": [{"code": "78"}, {"code": "79"}]},
        }
    }


def spoil_info(document: Document, fault: Fault) -> Document | None:
    """Return the info.json with the fault, or None if the fault is of another kind."""
    return _spoil(document, fault, _INFO_FAULTS)


def spoil_settings(document: Document, fault: Fault) -> Document | None:
    """Return the settings.json with the fault, or None if the fault is of another kind."""
    return _spoil(document, fault, _SETTINGS_FAULTS)


def spoil_json(body: Body, fault: Fault) -> Body | None:
    """Return the body of a JSON response with the fault; None if it changes nothing."""
    return fault.apply(body, _TEXT_FAULTS)


def as_json(value: object) -> Body:
    """Return a value as the JSON body of a response."""
    return Body(json.dumps(value).encode())


def _spoil(
    document: Document, fault: Fault, faults: Mapping[str, Callable[[Document, Fault], None]]
) -> Document | None:
    change = faults.get(fault.name)
    if change is None:
        return None
    changed = deepcopy(document)
    change(next(iter(changed.values())), fault)
    return changed


def _other_identifier(motion: Document, fault: Fault) -> None:
    motion["identifier"] = fault.at_or(motion["identifier"] + 1)


def _low_battery(motion: Document, fault: Fault) -> None:
    motion["battery"]["level"] = fault.at_or(12)


def _full_storage(motion: Document, fault: Fault) -> None:
    motion["filesystem"]["level"] = fault.at_or(97)


def _other_firmware(motion: Document, fault: Fault) -> None:
    motion["firmware"] = {"code": 3232, "name": "3232 Release"}


def _old_shape(motion: Document, fault: Fault) -> None:
    motion["hardware"] = "wireless-mini"
    motion["firmware"] = 3129


def _other_settings(settings: Document, fault: Fault) -> None:
    settings.update(gnss_rate="1", one_log_per_day="1", timezone="0")
    if "custom_led" in settings:
        settings["custom_led"]["flash"] = "0"


def _huge(body: Body, fault: Fault) -> Body:
    start, piece, end = b'{"logs": [{}', b", {}", b"]}"
    times = max(0, fault.at_or(200_000_000) - len(start) - len(end)) // len(piece)
    return Body(start, piece, times, end)


def _deep(body: Body, fault: Fault) -> Body:
    depth = fault.at_or(100_000)
    return Body(b"[" * depth + b"]" * depth)


def _other_types(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _other_types(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_other_types(inner) for inner in value]
    if isinstance(value, str):
        return 7
    return {"text": "a text"} if isinstance(value, bool) else "a text"


def _twice(value: Any) -> str:
    """Return JSON with every key twice; a number is one more the second time."""
    if isinstance(value, dict):
        return "{" + ", ".join(_pair_twice(key, inner) for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_twice(inner) for inner in value) + "]"
    return json.dumps(value)


def _pair_twice(key: str, value: Any) -> str:
    name, first = json.dumps(key), _twice(value)
    second = json.dumps(value + 1) if isinstance(value, int) and not isinstance(value, bool) else first
    return f"{name}: {first}, {name}: {second}"


def _on_value(change: Callable[[Any], str]) -> Callable[[Body, Fault], Body]:
    def on_value(body: Body, fault: Fault) -> Body:
        try:
            value = json.loads(bytes(body))
        except ValueError:  # another fault has spoilt it already
            return body
        return Body(change(value).encode())

    return on_value


def _every_number(spelling: bytes) -> Callable[[Body, Fault], Body]:
    return lambda body, fault: Body(_NUMBER.sub(spelling, bytes(body)))


_INFO_FAULTS: Final = MappingProxyType(
    {
        "wrong-identifier": _other_identifier,
        "low-battery": _low_battery,
        "full-storage": _full_storage,
        "wrong-firmware": _other_firmware,
        "old-firmware-shape": _old_shape,
    }
)
_SETTINGS_FAULTS: Final = MappingProxyType({"wrong-settings": _other_settings})
_TEXT_FAULTS: Final[Mapping[str, Callable[[Body, Fault], Body]]] = MappingProxyType(
    {
        "html": lambda body, fault: Body(_PORTAL),
        "half-json": lambda body, fault: Body(bytes(body)[: len(body) // 2]),
        "huge-json": _huge,
        "deep-json": _deep,
        "wrong-types": _on_value(lambda value: json.dumps(_other_types(value))),
        "1e400": _every_number(b"1e400"),
        "duplicate-keys": _on_value(_twice),
        "nan": _every_number(b"NaN"),
    }
)
