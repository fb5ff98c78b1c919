"""Where the memory of a process is: in use, or free and kept by the allocators; and what was allocated since when."""

from __future__ import annotations

import ctypes
import gc
import sys
import tracemalloc
from collections import Counter
from types import FunctionType
from typing import Any, Final

_MB: Final = 1e6
_LINES: Final = 25
_NAMES: Final = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keep")


class _Mallinfo(ctypes.Structure):
    """`struct mallinfo2` of glibc 2.33 and later; bytes, but for the three counts."""

    _fields_ = [(name, ctypes.c_size_t) for name in _NAMES]


def heap() -> dict[str, float]:
    """Return MB of the C heap in use and free, in all its arenas, and thousands of Python's small blocks.

    The heap's are NaN where the C library does not tell.
    """
    blocks = sys.getallocatedblocks() / 1000
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except (OSError, AttributeError):
        return {"used": float("nan"), "free": float("nan"), "blocks": blocks}
    mallinfo.restype = _Mallinfo
    info: Any = mallinfo()
    return {"used": (info.uordblks + info.hblkhd) / _MB, "free": info.fordblks / _MB, "blocks": blocks}


class Growth:
    """What was allocated between two moments, by line, and which objects there are more of."""

    def __init__(self) -> None:
        self._before: tracemalloc.Snapshot | None = None
        self._objects: Counter[str] = Counter()

    def begin(self) -> None:
        """Remember what there is. Tracing makes the process several times as slow."""
        if not tracemalloc.is_tracing():
            tracemalloc.start(4)
        gc.collect()
        self._objects = _objects()
        self._before = tracemalloc.take_snapshot()

    def report(self) -> str:
        """Return what there is more of, the most first."""
        if self._before is None:
            return ""
        gc.collect()
        objects = _objects() - self._objects
        lines = [f"{count:8,} more {kind}" for kind, count in objects.most_common(_LINES)]
        for difference in tracemalloc.take_snapshot().compare_to(self._before, "traceback")[:_LINES]:
            frames = " < ".join(map(_place, reversed(difference.traceback)))
            lines.append(f"{difference.size_diff / 1000:8,.0f} KB in {difference.count_diff:,} more: {frames}")
        return "\n".join(lines)


def census() -> str:
    """Return what the garbage collector has found so far, and of which objects that it visits there are most.

    At last, what it would find among those that are excluded from it: so much has leaked. This takes long.
    """
    lines = [f"generation {number}: {each}" for number, each in enumerate(gc.get_stats())]
    lines += [f"{count:8,} {kind}" for kind, count in _objects().most_common(_LINES)]
    gc.unfreeze()
    gc.set_debug(gc.DEBUG_SAVEALL)
    lines.append(f"{gc.collect():,} objects are garbage that it does not look at:")
    gc.set_debug(0)
    leaked = Counter(map(_name, gc.garbage))
    gc.garbage.clear()
    lines += [f"{count:8,} {kind}" for kind, count in leaked.most_common(_LINES)]
    return "\n".join(lines)


def _place(frame: tracemalloc.Frame) -> str:
    return f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno}"


def _objects() -> Counter[str]:
    return Counter(map(_name, gc.get_objects()))


def _name(each: object) -> str:
    """Return the type of an object, or the name of a function."""
    what = each if isinstance(each, FunctionType) else type(each)
    return f"{what.__module__}.{what.__qualname__}"
