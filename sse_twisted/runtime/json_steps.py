"""Decode large JSON in many short steps, so that other threads go on meanwhile.

Python's decoder in C holds the GIL from the first byte to the last: 64 MB block the reactor for half a second, even
from a thread. The one in Python takes nine times as long, and holds it for a value at a time.
"""

from __future__ import annotations

import json
import json.decoder
import json.scanner
from collections.abc import Callable
from typing import Any, cast

LARGE = 1_000_000  # bytes, which C decodes in 7 ms

PairsHook = Callable[[list[tuple[str, Any]]], Any]


def loads(data: bytes, object_pairs_hook: PairsHook | None = None) -> Any:
    """Return what `json.loads` does; raises ValueError or RecursionError."""
    if len(data) <= LARGE:
        return json.loads(data, object_pairs_hook=object_pairs_hook)
    decoder: Any = json.JSONDecoder(object_pairs_hook=object_pairs_hook)
    decoder.parse_array = cast(Any, json.decoder).JSONArray
    decoder.parse_object = cast(Any, json.decoder).JSONObject
    decoder.scan_once = cast(Any, json.scanner).py_make_scanner(decoder)
    return decoder.decode(data.decode(json.detect_encoding(data), "surrogatepass"))
