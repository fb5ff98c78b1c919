"""The faults of a `bad_disk`, for tests that are collected where there is no FUSE."""

from __future__ import annotations

DEAD = "dead"  # each call fails, as of a stick that was pulled out
SLOW = "slow"  # each call takes a second
NO_FLOCK = "no-flock"
NO_FOLDER_SYNC = "no-folder-sync"
NO_CHMOD = "no-chmod"
CALLS = "calls"  # lines of thread, call and path
