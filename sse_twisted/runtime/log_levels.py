"""Log levels by the names that settings use."""

from __future__ import annotations

from typing import Any, Literal, get_args

from twisted.logger import LogLevel

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: tuple[Level, ...] = get_args(Level)


def log_level(name: Level) -> Any:
    """Return the constant of LogLevel, which has no type and says "warn"."""
    return LogLevel.levelWithName("warn" if name == "warning" else name)
