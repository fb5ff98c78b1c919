"""Calls of observers, whose failures stop neither the other observers nor the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ParamSpec

P = ParamSpec("P")


def notify(
    observers: Iterable[Callable[P, object]], failed: Callable[[], object], *args: P.args, **kwargs: P.kwargs
) -> None:
    """Call every observer, even if one fails or is removed meanwhile.

    `failed` is called inside the `except` block of each failure, so that a Logger can log the current exception.
    """
    for observer in tuple(observers):
        try:
            observer(*args, **kwargs)
        except Exception:  # noqa: BLE001 - an observer may fail in any way
            failed()
