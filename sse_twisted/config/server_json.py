"""Read the original server's configuration, `config/server.json`, into our settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sse_twisted.config.settings import MAX_EXCERPT, Settings, SettingsError, convert_settings
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.runtime.text import NotUtf8, one_line, text_of

EVENT = "Event"
FIRMWARES = "Motion.Info.Firmwares"
COMMENT = "Comment"
THREADS_OF = re.compile(r"Threading\.\w+")
# How the original's threads wait, which has no meaning here.
WITHOUT_MEANING = re.compile(r"Queuing\.Timeout|Threading\.\w+Thread(Pool)?\.(Timeout|Interval|Threads)")
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
# The original's thread counts were how it bore blocking calls. They are no limits on devices, so ours may be larger.
THREADS_OF_CALLS = {
    "Threading.DetectionThreadPool.Threads": "detection",
    "Threading.DisconnectionThreadPool.Threads": "cleanup",
}
SECTIONS = {key[: match.start()] for key in KEYS for match in re.finditer(r"\.", key)} | {"Queuing"}


class ConfigRemark(Struct, frozen=True):
    """What may not be as intended in a configuration that is valid."""

    text: str
    is_warning: bool


class _Original(Struct, frozen=True):
    """The contents of a `server.json`."""

    file: Path
    text: str
    values: dict[str, Any]  # by known key
    others: tuple[str, ...]  # all other keys; of an unknown object only the object's

    def error(self, key: str, why: str) -> SettingsError:
        line = self.line_of(key)
        return SettingsError(f"{self.file}: {key}: {why}{f' (line {line})' if line else ''}")

    def line_of(self, key: str) -> int | None:
        """Return the line of a key, counted from 1; None if its names are spelled with escapes."""
        position = 0
        for name in _names(key):
            match = re.compile(re.escape(json.dumps(name, ensure_ascii=False)) + r"\s*:").search(self.text, position)
            if match is None:
                return None
            position = match.end()
        return self.text.count("\n", 0, position) + 1


def read_original_settings(file: Path) -> Settings:
    """Read a `server.json`; its event folder is `../events/<Event>`. Raises SettingsError."""
    original = _read(file)
    ours: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}
    for key, value in original.values.items():
        origins[KEYS[key]] = key
        table, _, name = KEYS[key].partition(".")
        try:
            ours.setdefault(table, {})[name] = _our_value(file, key, value)
        except ValueError as error:
            raise original.error(key, str(error)) from None
    try:
        settings = convert_settings(ours, file)
    except SettingsError as error:
        raise _with_original_key(str(error), original, origins) from None
    return _with_larger_limits(settings)


def remarks_on(config: str | None) -> tuple[ConfigRemark, ...]:
    """Return what to say about the keys of a `server.json` that are not used; () for any other or an invalid file."""
    if config is None or Path(config).suffix.lower() != ".json":
        return ()
    try:
        original = _read(Path(config).absolute())
    except SettingsError:
        return ()
    ignored = [key for key in original.others if WITHOUT_MEANING.fullmatch(key)]
    ignored += [key for key in THREADS_OF_CALLS if _is_too_small(key, original.values.get(key))]
    remarks = [ConfigRemark(_unknown(original, key), True) for key in original.others if key not in ignored]
    if ignored:
        text = f"{original.file}: ignored, because the collector has no threads: {', '.join(ignored)}"
        remarks.insert(0, ConfigRemark(text, False))
    return tuple(remarks)


def _unknown(original: _Original, key: str) -> str:
    line = original.line_of(key)
    *parents, name = _names(key)
    known = (_names(other) for other in (*KEYS, *SECTIONS))
    spelled = {names[-1].lower(): names[-1] for names in known if names[:-1] == parents}
    near = get_close_matches(name.lower(), spelled, n=1, cutoff=0.7)
    hint = f"; did you mean {spelled[near[0]]!r}?" if near else ""
    return f"{original.file}: {one_line(key)}: unknown key, ignored{f' (line {line})' if line else ''}{hint}"


def _is_too_small(key: str, threads: Any) -> bool:
    limit: int = getattr(Settings(), THREADS_OF_CALLS[key]).limit
    return type(threads) is int and threads < limit


def _with_larger_limits(settings: Settings) -> Settings:
    default = Settings()
    for table in THREADS_OF_CALLS.values():
        mine = getattr(settings, table)
        limit = max(mine.limit, getattr(default, table).limit)
        settings = replace(settings, **{table: replace(mine, limit=limit)})
    return settings


def _read(file: Path) -> _Original:
    try:
        text = text_of(read_bounded(file))
        tree = json.loads(text)
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except NotUtf8 as error:
        raise SettingsError(f"{file}: {error}: save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise SettingsError(f"{file}: {_why_invalid(error)}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{file}: invalid JSON: {error}") from None
    if not isinstance(tree, dict):
        raise SettingsError(f"{file}: expected a JSON object")
    values: dict[str, Any] = {}
    others: list[str] = []
    for key, value in _leaves(tree):
        if key in SECTIONS and key != "Queuing":
            raise SettingsError(f"{file}: {key}: expected an object {{…}}")
        if key in KEYS:
            values[key] = value
        else:
            others.append(key)
    return _Original(file, text, values, tuple(others))


def _why_invalid(error: json.JSONDecodeError) -> str:
    """Return the line and what is wrong there; the two mistakes that people make are named."""
    before, rest = error.doc[: error.pos].rstrip(), error.doc[error.pos :].lstrip()
    what = error.msg
    if rest.startswith(("//", "/*", "#")):
        what = 'JSON has no comments; use a "Comment" key'
    elif (before.endswith(",") and rest.startswith(("}", "]"))) or rest.startswith(","):
        what = "no comma is allowed before } or ]"
    lines = error.doc.splitlines()
    excerpt = lines[error.lineno - 1].strip()[:MAX_EXCERPT] if error.lineno <= len(lines) else ""
    return f"line {error.lineno}: invalid JSON: {what}: {excerpt!r}"


def _leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        key = prefix + name
        if name == COMMENT:
            continue
        if isinstance(value, dict) and (key in SECTIONS or THREADS_OF.fullmatch(key)):
            yield from _leaves(value, key + ".")
        else:
            yield key, value


def _names(key: str) -> list[str]:
    """Return the names of a key; an unknown one may have a dot in its last name."""
    if key.startswith("Threading."):
        return key.split(".", 2)
    section = max((section for section in SECTIONS if key.startswith(f"{section}.")), key=len, default="")
    return [*section.split("."), key[len(section) + 1 :]] if section else [key]


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


def _with_original_key(message: str, original: _Original, origins: dict[str, str]) -> SettingsError:
    for ours, theirs in origins.items():
        start = f"{original.file}: {ours}: "
        if message.startswith(start):
            return original.error(theirs, message.removeprefix(start))
    return SettingsError(message)
