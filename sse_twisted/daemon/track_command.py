"""`sse-track` as a program: the report on tracks, with the options that need an event folder.

What these take is imported late: it costs more than the report on a dozen of tracks.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from sse_twisted.tracks import command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 if something is not whole, 2 for wrong usage."""
    return command.main(arguments, hand_in=_hand_in, verify=_verify)


def _hand_in(event: Path, files: Sequence[Path]) -> int:
    from sse_twisted.handin.command import put_in

    return put_in(event, files)


def _verify(folders: Sequence[str]) -> int:
    from sse_twisted.copies.command import verify

    return verify(folders)


if __name__ == "__main__":
    sys.exit(main())
