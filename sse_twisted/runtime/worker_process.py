"""The other side of `Worker`: calls functions that it reads from its standard input, and writes what they return."""

from __future__ import annotations

import gc
import os
import pickle
import resource
from contextlib import suppress
from typing import BinaryIO

from sse_twisted.runtime.malloc import keep_what_is_free

HEAD = 4  # bytes of the length of a message, the highest first
NICENESS = 10  # everything else goes first
MAX_MEMORY = 4 << 30  # bytes of address space; the largest track that is measured takes 2 GB


def main() -> None:
    """Work until the input ends. What the functions print goes to standard error."""
    with suppress(OSError):
        os.nice(NICENESS)
    keep_what_is_free()
    with suppress(ValueError, OSError):  # macOS knows the limit, and refuses it
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    gc.disable()  # nothing that the first call imports is garbage
    while (message := _read(source)) is not None:
        answer = _answer(message)
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        target.write(len(answer).to_bytes(HEAD, "big") + answer)
        target.flush()


def _read(source: BinaryIO) -> bytes | None:
    """Return the next message; None at the end of the input, also of one that is cut."""
    head = source.read(HEAD)
    message = source.read(int.from_bytes(head, "big")) if len(head) == HEAD else b""
    return message or None


def _answer(message: bytes) -> bytes:
    try:
        function, args = pickle.loads(message)  # noqa: S301 - from our own process
        return pickle.dumps((True, function(*args)))
    except Exception as error:  # noqa: BLE001 - it is the caller's
        return pickle.dumps((False, f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    main()
