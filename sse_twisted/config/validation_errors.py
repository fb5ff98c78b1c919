"""Explain the errors of msgspec's validation to the person who wrote the file or the request."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec.structs import fields

UNKNOWN_FIELD = "Object contains unknown field"
NOT_ALLOWED = "Invalid enum value "


def key_and_reason(error: msgspec.ValidationError, kind: Any) -> tuple[str, str]:
    """Return the invalid key as "table.key", or "" for the whole, and what is allowed; `kind` is the decoded type."""
    text, _, path = str(error).partition(" - at `$")
    key = path.rstrip("`").lstrip(".")
    wanted = _type_at(kind, key)
    if text.startswith(UNKNOWN_FIELD) and _is_struct(wanted):
        text += f"; allowed: {', '.join(field.encode_name for field in fields(wanted)) or 'none'}"
    elif text.startswith(NOT_ALLOWED) and get_origin(wanted) is Literal:
        text = f"invalid value {text.removeprefix(NOT_ALLOWED)}; allowed: {', '.join(map(str, get_args(wanted)))}"
    return key, "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _type_at(kind: Any, key: str) -> Any:
    """Return the type of the value at a key; None below anything but structs."""
    for name in filter(None, key.split(".")):
        types = {field.encode_name: field.type for field in fields(kind)} if _is_struct(kind) else {}
        kind = types.get(name)
    return kind


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
