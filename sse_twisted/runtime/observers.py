"""Telling those who look on, none of whom may keep the news from the others, or stop the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ParamSpec

P = ParamSpec("P")


def notify(
    observers: Iterable[Callable[P, object]], failed: Callable[[], object], *args: P.args, **kwargs: P.kwargs
) -> None:
    """Call all of them, also who is removed meanwhile; `failed` is called while the exception of one is handled."""
    for observer in tuple(observers):
        try:
            observer(*args, **kwargs)
        except Exception:  # noqa: BLE001 - whatever it is, it is theirs
            failed()
