"""Read the original server's configuration, `config/server.json`, into our settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sse_twisted.config.settings import Settings, SettingsError, convert_settings
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.runtime.text import text_of

EVENT = "Event"
FIRMWARES = "Motion.Info.Firmwares"
COMMENT = "Comment"
UNUSED = {"Queuing.Timeout"}  # of the original's threads
LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}

# The original's key -> ours. "LED Flash" is the name under which its code looked for "Flash".
KEYS = {
    EVENT: "event.folder",
    FIRMWARES: "expected.firmwares",
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


def read_original_settings(file: Path) -> Settings:
    """Read a `server.json`; its event folder is `../events/<Event>`. Raises SettingsError."""
    ours: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}
    for key, value in _leaves(_read_object(file)):
        if key not in KEYS:
            raise SettingsError(f"{file}: {key}: unknown key")
        origins[KEYS[key]] = key
        table, _, name = KEYS[key].partition(".")
        try:
            ours.setdefault(table, {})[name] = _our_value(file, key, value)
        except ValueError as error:
            raise SettingsError(f"{file}: {key}: {error}") from None
    try:
        return convert_settings(ours, file)
    except SettingsError as error:
        raise SettingsError(_with_original_keys(str(error), origins)) from None


def _read_object(file: Path) -> dict[str, Any]:
    try:
        tree = json.loads(text_of(read_bounded(file)))
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{file}: invalid JSON: {error}") from None
    if not isinstance(tree, dict):
        raise SettingsError(f"{file}: expected a JSON object")
    return tree


def _leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        key = prefix + name
        if name == COMMENT or key in UNUSED:
            continue
        if isinstance(value, dict) and key != FIRMWARES:
            yield from _leaves(value, key + ".")
        else:
            yield key, value


def _our_value(file: Path, key: str, value: Any) -> Any:
    """Convert the value of a key that we write in another way; raises ValueError."""
    if key == EVENT:
        value = str(value) if type(value) is int else value
        if not (isinstance(value, str) and value and value.isprintable() and Path(value).name == value != ".."):
            raise ValueError(f"expected the name of a folder, got {value!r}")
        return str((file.parent / ".." / "events" / value).resolve())
    if key == FIRMWARES:
        if not isinstance(value, dict):
            raise ValueError("expected an object {name: [comments]}")
        return [name for name in value if name != COMMENT]
    if key.startswith("Logging."):
        if type(value) is not int or value not in LEVELS:
            raise ValueError(f"expected 10, 20, 30, 40 or 50, got {value!r}")
        return LEVELS[value]
    return value


def _with_original_keys(message: str, origins: dict[str, str]) -> str:
    for ours, theirs in origins.items():
        message = message.replace(f" {ours}:", f" {theirs}:")
    return message
