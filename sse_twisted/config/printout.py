"""The settings as the text of an `sse.toml`: what `twistd sse --print-config` prints.

The example of the package is the form. Its comments stay; its values give way to those of the settings.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from msgspec.structs import asdict

from sse_twisted.config.settings import Settings

TABLE = re.compile(r"\[(\w+)(\.addresses)?\]")
SETTING = re.compile(r"(?:# )?([\w-]+) = .*?(?: +(#.*))?")
COMMENT_COLUMN = 32


def example() -> str:
    """Return the example of the package: every setting with its default and what it means."""
    return (files("sse_twisted.config") / "sse.example.toml").read_text(encoding="utf-8")


def settings_as_toml(settings: Settings) -> str:
    """Return the text of a file from which `read_settings` reads these settings, if their event folder is absolute."""
    return "\n".join((*_lines(settings), ""))


def _lines(settings: Settings) -> Iterator[str]:
    values: dict[str, Any] = {}
    for line in example().splitlines():
        if (heading := TABLE.match(line)) is not None:
            values = asdict(getattr(settings, heading[1]))
            yield line
            if heading[2]:
                yield from (f"{name} = {_toml(address)}" for name, address in values["addresses"].items())
        elif (setting := SETTING.fullmatch(line)) is None or values.get(setting[1]) is None:
            yield line
        else:
            name, comment = setting.groups()
            assigned = f"{name} = {_toml(values[name])}"
            yield f"{assigned:<{COMMENT_COLUMN - 1}} {comment}" if comment else assigned


def _toml(value: Any) -> str:
    """Return a value as TOML has it: its strings are those of JSON, but for one character."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime.date) else str(value)
