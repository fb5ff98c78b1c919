"""What a command answers if its result cannot be put on disk."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred

from sse_twisted.control.errors import CommandError
from sse_twisted.runtime.disk import Disk, DiskTrouble


def saved(disk: Disk, saving: Coroutine[Any, Any, None] | Deferred[None], otherwise: str) -> Deferred[None]:
    """Fire when something is saved; fail with CommandError, with what holds instead, if the disk fails or hangs."""

    async def wait() -> None:
        try:
            await disk.while_it_answers(saving)
        except DiskTrouble as error:
            raise CommandError(f"{otherwise}: {error}") from None

    return Deferred.fromCoroutine(wait())
