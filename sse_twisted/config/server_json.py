"""The original server's configuration, `config/server.json`, read as it is into our settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sse_twisted.config.settings import Settings, SettingsError, convert_settings
from sse_twisted.runtime.text import text_of

# The original's key -> ours. "LED Flash" is the name under which its code looked for "Flash".
KEYS = {
    "Motion.Info.Thresholds.Storage": "expected.storage",
    "Motion.Info.Thresholds.Battery": "expected.battery",
    "Motion.Settings.GNSS Rate": "expected.gnss_rate",
    "Motion.Settings.One Log Per Day": "expected.one_log_per_day",
    "Motion.Settings.Timezone": "expected.timezone",
    "Motion.Settings.Flash": "expected.flash",
    "Motion.Settings.LED Flash": "expected.flash",
    "Filters.500m Best": "filters.best_500m",
    "Logging.Console Level": "log.console",
    "Logging.File Level": "log.file",
    "Threading.DetectionThread.Timeout": "detection.timeout",
    "Threading.DetectionThreadPool.Interval": "scan.interval",
    "Threading.DetectionThreadPool.Threads": "detection.limit",
    "Threading.InspectionThread.Timeout": "inspection.timeout",
    "Threading.InspectionThreadPool.Threads": "inspection.limit",
    "Threading.DownloadThread.Timeout": "downloads.timeout",
    "Threading.DownloadThreadPool.Threads": "downloads.limit",
    "Threading.DisconnectionThread.Timeout": "cleanup.timeout",
    "Threading.DisconnectionThreadPool.Interval": "cleanup.interval",
    "Threading.DisconnectionThreadPool.Threads": "cleanup.limit",
}
EVENT = "Event"
FIRMWARES = "Motion.Info.Firmwares"
COMMENT = "Comment"


def read_original_settings(file: Path) -> Settings:
    """Settings of a `server.json`, whose event folder is `../events/<Event>`; raises SettingsError."""
    tree = _read_object(file)
    ours: dict[str, dict[str, Any]] = {}
    origins = {"expected.firmwares": FIRMWARES}
    for key, value in _leaves(tree):
        if key == EVENT:
            ours.setdefault("event", {})["folder"] = _event_folder(file, value)
        elif key == FIRMWARES:
            ours.setdefault("expected", {})["firmwares"] = _firmwares(file, value)
        elif key in KEYS:
            table, _, name = KEYS[key].partition(".")
            origins[KEYS[key]] = key
            ours.setdefault(table, {})[name] = _level(file, key, value) if table == "log" else value
        else:
            raise SettingsError(f"{file}: {key}: unknown key")
    try:
        return convert_settings(ours, file)
    except SettingsError as error:
        raise SettingsError(_in_the_original_words(str(error), origins)) from None


def _read_object(file: Path) -> dict[str, Any]:
    try:
        tree = json.loads(text_of(file.read_bytes()))
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{file}: no JSON: {error}") from None
    if not isinstance(tree, dict):
        raise SettingsError(f"{file}: no JSON object")
    return tree


def _leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        key = prefix + name
        if name == COMMENT:
            continue
        if isinstance(value, dict) and key != FIRMWARES:
            yield from _leaves(value, key + ".")
        else:
            yield key, value


def _event_folder(file: Path, event: Any) -> str:
    if not isinstance(event, str) or not event or not event.isprintable() or Path(event).name != event or event == "..":
        raise SettingsError(f"{file}: {EVENT}: expected the name of a folder, got {event!r}")
    return str((file.parent / ".." / "events" / event).resolve())


def _firmwares(file: Path, value: Any) -> list[str]:
    if not isinstance(value, dict):
        raise SettingsError(f"{file}: {FIRMWARES}: expected an object {{name: [comments]}}")
    return [name for name in value if name != COMMENT]


def _level(file: Path, key: str, value: Any) -> str:
    levels = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
    if type(value) is not int or value not in levels:
        raise SettingsError(f"{file}: {key}: expected 10, 20, 30, 40 or 50, got {value!r}")
    return levels[value]


def _in_the_original_words(message: str, origins: dict[str, str]) -> str:
    for ours, theirs in origins.items():
        message = message.replace(f" {ours}:", f" {theirs}:")
    return message
