"""The C library's memory: where answers of many megabytes come and go, glibc keeps what is free in small pieces.

Each thread has an arena of its own, and once a block of 8 MB was freed, such blocks come from the arenas: 60 of 240 MB
were free, and never given back. Other C libraries are left alone.
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
# Bytes. Such a block is mapped on its own, and given back as soon as it is free. Blocks of tracks, of half a megabyte,
# are smaller: new pages for each took a third of the time in which it is written.
LARGE = 1024 * 1024
ALL = 32 * 1024 * 1024  # bytes; glibc takes no higher threshold
MAX_ARENAS = 2
MAX_FREE = 4 * 1024 * 1024  # bytes at the end of an arena; new pages cost more than what fills them


def keep_large_blocks_apart() -> None:
    """Have the C library keep little of what is freed, from now on."""
    _set_options({M_MMAP_THRESHOLD: LARGE, M_ARENA_MAX: MAX_ARENAS, M_TRIM_THRESHOLD: MAX_FREE})


def keep_what_is_free() -> None:
    """Have the C library keep what is freed, in a process that computes and ends soon.

    To measure tracks took a tenth of its time for new pages: there are thousands of arrays of the same few sizes.
    """
    _set_options({M_MMAP_THRESHOLD: ALL, M_TRIM_THRESHOLD: 4 * ALL})


def _set_options(options: dict[int, int]) -> None:
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, value in options.items():
            set_option(option, value)


def give_back() -> None:
    """Give free memory back to the system. Takes some ms; the GIL is free meanwhile."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
