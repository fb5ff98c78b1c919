"""`sse-track` as a program: the report on tracks, with the options that need an event folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sse_twisted.copies.command import verify
from sse_twisted.handin.command import put_in
from sse_twisted.tracks import command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 if something is not whole, 2 for wrong usage."""
    return command.main(arguments, hand_in=put_in, verify=verify)


if __name__ == "__main__":
    sys.exit(main())
